//! Word pieces of several texts, packed one after another without padding, and the port for text
//! encoders.
//!
//! A text may have a context behind it: pieces that the encoder reads with it, and whose vectors
//! nothing else sees.
//!
//! ```text
//! rows of the layout      [CLS] the text [SEP] its context [SEP] [CLS] the next one [SEP]
//! rows of the own layout  [CLS] the text [SEP]                   [CLS] the next one [SEP]
//! ```

use crate::{Error, Result};
use candle_core::{Device, Tensor};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Where each text's rows lie in a packed array.
///
/// A text has `offsets[i + 1] - offsets[i]` rows, of which the first `lengths[i]` are real. The two
/// agree unless the texts were padded on purpose, as the authors' program does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedLayout {
    offsets: Vec<usize>,
    lengths: Vec<usize>,
    tiles: Tiles,
}

/// What kernels of attention read of a layout, once it was copied to a device: the layers of an
/// encoder share it. It says nothing that the layout does not, so that any two are equal.
#[derive(Clone, Debug, Default)]
struct Tiles(Arc<OnceLock<Tensor>>);

impl PartialEq for Tiles {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Tiles {}

impl PackedLayout {
    /// Texts of these lengths, packed.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Self {
        let lengths: Vec<usize> = lengths.into_iter().collect();
        let mut offsets = vec![0];
        offsets.extend(lengths.iter().scan(0, |end, n| {
            *end += n;
            Some(*end)
        }));
        Self { offsets, lengths, tiles: Tiles::default() }
    }

    /// The tiles of this layout on a device, of which `make` gives the numbers for the first time.
    pub(crate) fn tiles_on(
        &self,
        device: &Device,
        make: impl FnOnce() -> candle_core::Result<Vec<u32>>,
    ) -> candle_core::Result<Tensor> {
        let Tiles(tiles) = &self.tiles;
        if let Some(tiles) = tiles.get().filter(|tiles| tiles.device().same_device(device)) {
            return Ok(tiles.clone());
        }
        let made = Tensor::from_iter(make()?, device)?;
        // If another device or another thread was first, this one is used once.
        tiles.get_or_init(|| made.clone());
        Ok(made)
    }

    /// Number of texts.
    pub fn n_texts(&self) -> usize {
        self.lengths.len()
    }

    /// Rows of all texts.
    pub fn n_rows(&self) -> usize {
        self.offsets[self.lengths.len()]
    }

    /// Rows of one text, padding included.
    ///
    /// # Panics
    /// If there is no such text; [`PackedLayout::real_rows`] does too.
    pub fn rows(&self, text: usize) -> Range<usize> {
        self.offsets[text]..self.offsets[text + 1]
    }

    /// Real rows of one text.
    pub fn real_rows(&self, text: usize) -> Range<usize> {
        self.offsets[text]..self.offsets[text] + self.lengths[text]
    }

    /// Number of real rows of each text.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The most rows a text has.
    pub fn longest(&self) -> usize {
        (0..self.n_texts()).map(|t| self.rows(t).len()).max().unwrap_or(0)
    }
}

/// Piece ids of several texts, `[CLS]` and `[SEP]` included, and their layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedPieces {
    ids: Vec<u32>,
    layout: PackedLayout,
    /// Where the texts lie without their contexts. `None` where no text has a context.
    own: Option<PackedLayout>,
}

impl PackedPieces {
    /// Packs texts one after another.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let (mut ids, mut lengths) = (Vec::new(), Vec::new());
        for text in texts {
            ids.extend_from_slice(text);
            lengths.push(text.len());
        }
        Self { ids, layout: PackedLayout::new(lengths), own: None }
    }

    /// Packs texts one after another, each with its context behind it, which may be empty.
    pub fn with_contexts<'a>(texts: impl IntoIterator<Item = (&'a [u32], &'a [u32])>) -> Self {
        let (mut ids, mut lengths, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for (text, context) in texts {
            ids.extend_from_slice(text);
            ids.extend_from_slice(context);
            own.push(text.len());
            lengths.push(text.len() + context.len());
        }
        let (layout, own) = (PackedLayout::new(lengths), PackedLayout::new(own));
        Self { ids, own: (own != layout).then_some(own), layout }
    }

    /// Pads every text to `n` pieces with `pad`, which attention does not see. Only the authors'
    /// preset needs it.
    ///
    /// # Errors
    /// [`Error::Length`] if a text is longer, or has a context.
    pub fn padded_to(&self, n: usize, pad: u32) -> Result<Self> {
        if self.own.is_some() {
            let got = self.layout.n_rows() - self.own_layout().n_rows();
            return Err(Error::Length { op: "padded_to", what: "pieces of contexts", got, want: 0 });
        }
        let mut ids = Vec::with_capacity(n * self.layout.n_texts());
        for text in 0..self.layout.n_texts() {
            let rows = self.layout.real_rows(text);
            if rows.len() > n {
                return Err(Error::Length { op: "padded_to", what: "pieces", got: rows.len(), want: n });
            }
            ids.extend_from_slice(&self.ids[rows.clone()]);
            ids.extend(std::iter::repeat_n(pad, n - rows.len()));
        }
        let offsets = (0..=self.layout.n_texts()).map(|t| t * n).collect();
        let layout = PackedLayout { offsets, lengths: self.layout.lengths.clone(), tiles: Tiles::default() };
        Ok(Self { ids, layout, own: None })
    }

    /// Ids of all rows.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Where each text lies, with its context: the rows that an encoder reads.
    pub fn layout(&self) -> &PackedLayout {
        &self.layout
    }

    /// Where each text lies once contexts are dropped; without contexts the same.
    pub fn own_layout(&self) -> &PackedLayout {
        self.own.as_ref().unwrap_or(&self.layout)
    }

    /// Whether a text has a context.
    pub fn has_contexts(&self) -> bool {
        self.own.is_some()
    }

    /// For each text, its own rows of the layout and those of its context behind them: the second
    /// segment of encoders that have one.
    pub fn own_and_context(&self) -> impl Iterator<Item = [Range<usize>; 2]> {
        (0..self.layout.n_texts()).map(|text| {
            let rows = self.layout.rows(text);
            let end = rows.start + self.own_layout().rows(text).len();
            [rows.start..end, end..rows.end]
        })
    }
}

/// Whether a network trains and, if so, the generator of its dropout.
#[derive(Debug)]
pub enum Mode<'a> {
    /// Dropout on.
    Train(&'a mut crate::Rng),
    /// Dropout off.
    Eval,
}

impl Mode<'_> {
    /// The same mode for a callee.
    pub fn reborrow(&mut self) -> Mode<'_> {
        match self {
            Self::Train(rng) => Mode::Train(rng),
            Self::Eval => Mode::Eval,
        }
    }

    /// The probability `p` and the generator when training, for operations with dropout inside.
    pub fn dropout_inside(&mut self, p: f64) -> Option<(f64, &mut crate::Rng)> {
        match self {
            Self::Train(rng) => Some((p, rng)),
            Self::Eval => None,
        }
    }

    /// Dropout with probability `p` when training, else `x` itself.
    ///
    /// # Errors
    /// Those of [`crate::nn::dropout()`].
    pub fn dropout(&mut self, x: &Tensor, p: f64) -> candle_core::Result<Tensor> {
        match self {
            Self::Train(rng) => crate::nn::dropout(x, p, rng),
            Self::Eval => Ok(x.clone()),
        }
    }

    /// The sum of [`Mode::dropout`] of `x` and of `y`, the end of a residual block.
    ///
    /// # Errors
    /// Those of [`crate::nn::dropout_add()`].
    pub fn dropout_add(&mut self, x: &Tensor, y: &Tensor, p: f64) -> candle_core::Result<Tensor> {
        match self {
            Self::Train(rng) => crate::nn::dropout_add(x, y, p, rng),
            Self::Eval => x + y,
        }
    }
}

/// The port through which a text encoder enters a model: BERT, or anything that gives each piece a
/// vector.
pub trait TextEncoder: Send + Sync {
    /// Width of a vector.
    fn dim(&self) -> usize;

    /// Vectors of all pieces, `[rows, dim]`, rows as in `pieces`' layout, contexts included.
    ///
    /// # Errors
    /// The encoder's own: an id outside of its vocabulary, a text longer than it can take.
    fn forward(&self, pieces: &PackedPieces, mode: Mode<'_>) -> Result<Tensor>;
}
