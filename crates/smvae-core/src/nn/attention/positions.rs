//! The part of the scores that compares pieces with distances, and its gradients (He et al. 2021,
//! "disentangled attention").
//!
//! ```text
//! s[i, j] += scale (q_i K_r + Q_r k_j),     r the position of the distance from i to j
//! ```
//! A text has fewer distances than pairs of pieces: its queries are compared with all keys of its
//! positions in one product, the positions' queries with its keys in another, and each score picks
//! one number of both. No bit of it depends on other texts of the batch.

use super::super::lanes::add;
use super::super::matrix::{Mat, MatMut, Write};
use super::super::real::Real;
use super::super::small::Panels;
use super::heads::{Attention, Head, Inputs};

/// The positions that a text needs: consecutive ones.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    first: usize,
    /// How many.
    n: usize,
    /// The position of each distance that the text has, from `1 - rows` on.
    of_distances: &'a [u32],
}

impl Reach<'_> {
    /// The positions of the keys of query `i` of a head, counted from the first one.
    fn of_keys(&self, head: &Head, i: usize) -> impl Iterator<Item = usize> {
        let of_keys = &self.of_distances[head.n - 1 - i..][..head.m];
        of_keys.iter().map(|r| *r as usize - self.first)
    }

    /// What a head sees of an array `[positions, d]`.
    fn rows<'a, T: Real>(&self, head: &Head, x: &'a [T], d: usize) -> Mat<'a, T> {
        Mat::strided(&x[self.first * d + head.index * head.width..], self.n, head.width, d)
    }
}

/// Gradients of the positions that a text needs.
pub(super) struct PositionGradients<T> {
    first: usize,
    /// Of their queries and of their keys, each `[n, d]`.
    of: [Vec<T>; 2],
}

impl<T: Real> PositionGradients<T> {
    pub(super) fn new(reach: &Reach<'_>, d: usize) -> Self {
        Self { first: reach.first, of: [(); 2].map(|()| vec![T::ZERO; reach.n * d]) }
    }

    /// Adds them to those of all positions, `[positions, d]`.
    pub(super) fn add_to(&self, all: &mut [Vec<T>; 2], d: usize) {
        all.iter_mut().zip(&self.of).for_each(|(all, part)| add(&mut all[self.first * d..], part));
    }
}

impl Attention {
    /// The positions that a text of `n` rows needs. `None` if there are none.
    pub(super) fn reach(&self, n: usize) -> Option<Reach<'_>> {
        let of_distances = self.of_distances.as_deref()?;
        let of_distances = of_distances.get(self.longest - n..(self.longest + n).checked_sub(1)?)?;
        let (first, last) = (of_distances.iter().min()?, of_distances.iter().max()?);
        Some(Reach { first: *first as usize, n: (last - first) as usize + 1, of_distances })
    }

    /// Adds what the scores `[n, m]` of a head have of positions.
    pub(super) fn add_positions<T: Real>(
        &self,
        head: &Head,
        of: &Inputs<'_, T>,
        scores: &mut [T],
        panels: &mut Panels<T>,
    ) {
        let Some(reach) = self.reach(head.n) else { return };
        let [queries, keys] = of.positions.map(|x| reach.rows(head, x, of.d));
        let mut product = |a: Mat<'_, T>, b: Mat<'_, T>| {
            let ((rows, _), (columns, _)) = (a.dims(), b.dims());
            let mut to = vec![T::ZERO; rows * columns];
            panels.matmul(MatMut::new(&mut to, rows, columns), a, b.t(), self.scale(head), Write::Overwrite);
            to
        };
        let of_queries = product(head.rows(of.q, head.n), keys);
        let of_keys = product(head.rows(of.k, head.m), queries);
        for (i, scores) in scores.chunks_exact_mut(head.m).enumerate() {
            let of_query = &of_queries[i * reach.n..][..reach.n];
            let of_keys = of_keys.chunks_exact(reach.n);
            for ((score, r), of_key) in scores.iter_mut().zip(reach.of_keys(head, i)).zip(of_keys) {
                *score += of_query[r] + of_key[r];
            }
        }
    }

    /// Adds the share of these terms to the gradients of a head's queries, keys and positions, from
    /// the gradient of its scores, `[n, m]`. `dq` and `dk` begin at the head.
    pub(super) fn add_position_gradients<T: Real>(
        &self,
        head: &Head,
        of: &Inputs<'_, T>,
        dscores: &[T],
        [dq, dk]: [&mut [T]; 2],
        to: &mut PositionGradients<T>,
        panels: &mut Panels<T>,
    ) {
        let Some(reach) = self.reach(head.n) else { return };
        let (Head { n, m, width, .. }, d) = (*head, of.d);
        let (mut of_queries, mut of_keys) = (vec![T::ZERO; n * reach.n], vec![T::ZERO; m * reach.n]);
        for (i, dscores) in dscores.chunks_exact(m).enumerate() {
            let of_query = &mut of_queries[i * reach.n..][..reach.n];
            let of_keys = of_keys.chunks_exact_mut(reach.n);
            for ((ds, r), of_key) in dscores.iter().zip(reach.of_keys(head, i)).zip(of_keys) {
                of_query[r] += *ds;
                of_key[r] += *ds;
            }
        }
        let (of_queries, of_keys) = (Mat::new(&of_queries, n, reach.n), Mat::new(&of_keys, m, reach.n));
        let [queries, keys] = of.positions.map(|x| reach.rows(head, x, d));
        let [dqueries, dkeys] = &mut to.of;
        let at = head.index * width;
        let products = [
            (MatMut::strided(dq, n, width, d), of_queries, keys),
            (MatMut::strided(dk, m, width, d), of_keys, queries),
            (MatMut::strided(&mut dkeys[at..], reach.n, width, d), of_queries.t(), head.rows(of.q, n)),
            (MatMut::strided(&mut dqueries[at..], reach.n, width, d), of_keys.t(), head.rows(of.k, m)),
        ];
        for (to, a, b) in products {
            panels.matmul(to, a, b, self.scale(head), Write::Add);
        }
    }
}
