//! The recurrence where no backward pass will come: a step's gates and cells stay in the cache.

use super::super::real::{Real, vectorised};
use super::cell;
use super::steps::Steps;

/// The two products of a direction.
pub(super) trait Products<T> {
    /// Puts the projected inputs of these rows into `gates: [rows, 4h]`.
    fn project(&mut self, rows: &[usize], gates: &mut Vec<T>);

    /// Adds to `gates: [texts, 4h]` the product of the hidden states before them, `[texts, h]`, and
    /// the recurrent weight.
    fn recur(&mut self, before: &[T], gates: &mut [T]);
}

/// The hidden states of a direction in step order, `[positions, h]`. Inputs are projected for as
/// many steps at once as have `at_once` rows, or for one.
pub(super) fn hiddens<T: Real>(
    steps: &Steps,
    direction: usize,
    h: usize,
    at_once: usize,
    mut products: impl Products<T>,
) -> Vec<T> {
    let n = steps.n_positions();
    let widest = if n == 0 { 0 } else { steps.step(0).len() };
    let (mut hiddens, mut gates) = (vec![T::ZERO; n * h], Vec::new());
    let (mut old, mut new) = (vec![T::ZERO; widest * h], vec![T::ZERO; widest * h]);
    let (mut first, mut projected) = (0, 0);
    for step in 0..steps.n_steps() {
        let at = steps.step(step);
        if at.start == projected {
            let ends = steps.starts[step + 1..].iter();
            first = at.start;
            projected = ends.copied().find(|end| end - first >= at_once).unwrap_or(n);
            products.project(&steps.rows[direction][first..projected], &mut gates);
        }
        let gates = &mut gates[(at.start - first) * 4 * h..(at.end - first) * 4 * h];
        if step > 0 {
            products.recur(&hiddens[steps.previous(step).start * h..][..at.len() * h], gates);
        }
        for (i, position) in at.enumerate() {
            let (gates, before) = (&mut gates[i * 4 * h..][..4 * h], (step > 0).then(|| &old[i * h..][..h]));
            let (cell, hidden) = (&mut new[i * h..][..h], &mut hiddens[position * h..][..h]);
            vectorised(
                #[inline(always)]
                || cell::forward(gates, before, cell, hidden),
            );
        }
        std::mem::swap(&mut old, &mut new);
    }
    hiddens
}

/// From states in step order to rows `[rows, 2h]`; rows outside of every text are 0.
pub(super) fn in_rows<T: Real>(steps: &Steps, hiddens: [&[T]; 2], rows: usize, h: usize) -> Vec<T> {
    let mut out = vec![T::ZERO; rows * 2 * h];
    for (direction, hiddens) in hiddens.into_iter().enumerate() {
        for (hidden, &row) in hiddens.chunks_exact(h).zip(&steps.rows[direction]) {
            out[(2 * row + direction) * h..][..h].copy_from_slice(hidden);
        }
    }
    out
}
