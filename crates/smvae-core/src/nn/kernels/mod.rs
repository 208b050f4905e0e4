//! The third form of an operation: kernels of `smvae-kernels` on a CUDA device, in f32. In tests
//! the same kernels run on the CPU, emulated, so that what launches them is tested without a GPU.
//!
//! An operation allocates [`Output`]s, launches kernels that fill them, and makes the last one a
//! node of candle's graph whose backward pass is a function on tensors ([`node1`] and the others).

mod launch;
mod node;
mod output;
mod product;
mod table;

pub(crate) use launch::{Arg, Grid, Kernel, launch};
pub(crate) use node::{Backward, node1, node2, node3};
pub(crate) use output::Output;
pub(super) use product::product;
pub(crate) use table::Table;

/// Numbers `0..n`, a thread each, in blocks of this many threads.
pub(crate) const THREADS: u32 = 256;
