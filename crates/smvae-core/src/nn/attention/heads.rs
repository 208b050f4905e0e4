//! The inputs of attention, and where each head of a text finds its rows, its numbers of the bias
//! and its probabilities.

use super::super::dropout::Mask;
use super::super::matrix::Mat;
use super::super::real::Real;
use crate::pieces::PackedLayout;

/// The operation.
pub(in crate::nn) struct Attention {
    pub(super) n_heads: usize,
    pub(super) layout: PackedLayout,
    pub(super) mask: Option<Mask>,
    /// The most rows that a text of the layout has.
    pub(super) longest: usize,
    /// The position of each distance, if positions have queries and keys.
    pub(in crate::nn) of_distances: Option<Vec<u32>>,
}

/// One head of one text: `n` rows attend to the first `m` of them.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) index: usize,
    pub(super) n: usize,
    pub(super) m: usize,
    pub(super) width: usize,
    /// Elements from a row to the next.
    stride: usize,
    /// First element, in the packed arrays.
    pub(super) at: usize,
    /// Position of the first probability, for the dropout mask.
    pub(super) mask_at: usize,
}

/// The inputs of attention. Arrays of rows are `[rows, d]`.
pub(super) struct Inputs<'a, T> {
    pub(super) q: &'a [T],
    pub(super) k: &'a [T],
    pub(super) v: &'a [T],
    /// `[n_heads, distances]`, or empty.
    pub(super) bias: &'a [T],
    /// The queries and the keys of positions, `[positions, d]`, or empty.
    pub(super) positions: [&'a [T]; 2],
    pub(super) d: usize,
}

impl Attention {
    pub(in crate::nn) fn new(n_heads: usize, layout: &PackedLayout, mask: Option<Mask>) -> Self {
        Self { n_heads, layout: layout.clone(), mask, longest: layout.longest(), of_distances: None }
    }

    /// Distances from a query to a key that the layout can have.
    pub(super) fn distances(&self) -> usize {
        (2 * self.longest).saturating_sub(1)
    }

    /// Where the distances from query `i` of a head to its keys begin, in an array
    /// `[n_heads, distances]`.
    pub(super) fn bias_at(&self, head: &Head, i: usize) -> usize {
        head.index * self.distances() + self.longest - 1 - i
    }

    /// From what the operation is given. Behind the queries there may be a bias, or behind queries
    /// and keys those of positions.
    pub(super) fn inputs<'a, T>(&self, q: &'a [T], k: &'a [T], v: &'a [T], d: usize) -> Inputs<'a, T> {
        let ((q, more), (k, keys)) = (q.split_at(v.len()), k.split_at(v.len()));
        let nothing: &[T] = &[];
        let (bias, queries) = if self.of_distances.is_some() { (nothing, more) } else { (more, nothing) };
        Inputs { q, k, v, bias, positions: [queries, keys], d }
    }

    /// The factor on the scores: `1 / sqrt(terms d_head)`, where a score is the sum of so many
    /// products.
    pub(super) fn scale<T: Real>(&self, head: &Head) -> T {
        T::of(self.scale_of(head.width))
    }

    /// The same for heads of this width.
    pub(super) fn scale_of(&self, width: usize) -> f64 {
        let terms = if self.of_distances.is_some() { 3 } else { 1 };
        1.0 / ((width * terms) as f64).sqrt()
    }

    pub(super) fn heads(&self, text: usize, d: usize) -> impl Iterator<Item = Head> {
        let rows = self.layout.rows(text);
        let (n, m, width) = (rows.len(), self.layout.lengths()[text], d / self.n_heads);
        // Distinct for any two probabilities of a batch, and a function of the batch alone.
        let mask_at = rows.start * self.longest * self.n_heads;
        // A text without rows has nothing to attend to.
        let n_heads = if m == 0 { 0 } else { self.n_heads };
        (0..n_heads).map(move |h| Head {
            index: h,
            n,
            m,
            width,
            stride: d,
            at: rows.start * d + h * width,
            mask_at: mask_at + h * n * m,
        })
    }
}

impl Head {
    pub(super) fn rows<'a, T: Real>(&self, x: &'a [T], rows: usize) -> Mat<'a, T> {
        Mat::strided(&x[self.at..], rows, self.width, self.stride)
    }
}
