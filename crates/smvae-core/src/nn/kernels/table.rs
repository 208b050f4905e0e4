//! Arguments of a kernel that works on many tensors in one launch, each of which is cut into
//! chunks: one tensor in the memory of the device, made by one upload.

use super::{Arg, Grid, THREADS};
use candle_core::{DType, Device, Result, Tensor};

/// A row for each of many tensors. Kernels see an array of structs whose members are eight bytes
/// each: the numbers of the tensor, its first chunk, and what the row was given
/// (`smvae-kernels/cuda/table.cuh`).
#[derive(Debug)]
pub(crate) struct Table {
    /// `[rows, members]`.
    words: Tensor,
    chunks: usize,
}

/// Numbers in a chunk; `CHUNK` of table.cuh. A GPU has some thousand chunks of a model to share
/// out, and what is left over for the last of them is little.
const CHUNK: usize = 32 * 1024;

impl Table {
    /// A table of some rows: how many numbers a tensor has, and the kernel's arguments for it,
    /// which have to live until the launch.
    ///
    /// # Errors
    /// For arguments that kernels do not take; those of the upload.
    pub(crate) fn new<'a, const N: usize>(
        rows: impl IntoIterator<Item = (usize, [Arg<'a>; N])>,
        device: &Device,
    ) -> Result<Self> {
        let (mut words, mut chunks) = (Vec::new(), 0);
        for (n, args) in rows {
            words.extend([n as i64, chunks as i64]);
            for mut arg in args {
                words.push(arg.word(device)?.cast_signed());
            }
            chunks += n.div_ceil(CHUNK);
        }
        let count = words.len() / (2 + N);
        Ok(Self { words: Tensor::from_vec(words, (count, 2 + N), device)?, chunks })
    }

    /// Chunks of all tensors.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks
    }

    /// A block for each chunk.
    pub(crate) fn grid(&self) -> Grid {
        Grid::new([self.chunks, 1, 1], THREADS)
    }

    /// The arguments that a kernel takes a table by: rows, their count, and the chunks of all of
    /// them.
    pub(crate) fn args(&self) -> [Arg<'_>; 3] {
        [Arg::Of(&self.words, DType::I64), self.words.dims()[0].into(), self.chunks.into()]
    }
}
