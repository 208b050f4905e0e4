//! The recurrence where no backward pass will come: a step's gates and cells stay in the cache.

use super::super::real::{Real, vectorised};
use super::cell;
use super::steps::Steps;

/// The hidden states of a direction in step order, `[positions, h]`, from projected inputs
/// `[rows, 8h]`, forward direction first. `add_recurrent` adds to gates `[texts, 4h]` the product
/// of the hidden states before them, `[texts, h]`, and the recurrent weight.
pub(super) fn hiddens<T: Real>(
    steps: &Steps,
    projected: &[T],
    h: usize,
    direction: usize,
    mut add_recurrent: impl FnMut(&[T], &mut [T]),
) -> Vec<T> {
    let n = steps.n_positions();
    let widest = if n == 0 { 0 } else { steps.step(0).len() };
    let (mut hiddens, mut gates) = (vec![T::ZERO; n * h], Vec::with_capacity(widest * 4 * h));
    let (mut old, mut new) = (vec![T::ZERO; widest * h], vec![T::ZERO; widest * h]);
    for step in 0..steps.n_steps() {
        let at = steps.step(step);
        gates.clear();
        for &row in &steps.rows[direction][at.clone()] {
            gates.extend_from_slice(&projected[(2 * row + direction) * 4 * h..][..4 * h]);
        }
        if step > 0 {
            add_recurrent(&hiddens[steps.previous(step).start * h..][..at.len() * h], &mut gates);
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
