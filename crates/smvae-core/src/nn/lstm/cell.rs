//! The cell of an LSTM, a row at a time, forward and backward.

use super::super::real::Real;

/// One row: applies the nonlinearities to `gates` in place and writes cell and hidden state.
#[inline(always)]
pub(super) fn forward<T: Real>(gates: &mut [T], before: Option<&[T]>, cell: &mut [T], hidden: &mut [T]) {
    let h = cell.len();
    let (i, rest) = gates.split_at_mut(h);
    let (f, rest) = rest.split_at_mut(h);
    let (g, o) = rest.split_at_mut(h);
    for (((i, f), g), o) in i.iter_mut().zip(f.iter_mut()).zip(g.iter_mut()).zip(o.iter_mut()) {
        *i = i.sigmoid();
        *f = f.sigmoid();
        *g = g.tanh();
        *o = o.sigmoid();
    }
    for ((c, i), g) in cell.iter_mut().zip(&*i).zip(&*g) {
        *c = *i * *g;
    }
    if let Some(before) = before {
        for ((c, f), b) in cell.iter_mut().zip(&*f).zip(before) {
            *c += *f * *b;
        }
    }
    for ((h, o), c) in hidden.iter_mut().zip(&*o).zip(&*cell) {
        *h = *o * c.tanh();
    }
}

/// One row: from the gradient of the hidden state and, in `dc`, of the cell from the step after, to
/// the gradients before the nonlinearities and, in `dc`, of the cell of the step before.
#[inline(always)]
pub(super) fn backward<T: Real>(
    gates: &[T],
    before: Option<&[T]>,
    cell: &[T],
    dh: &[T],
    dc: &mut [T],
    dgates: &mut [T],
) {
    let h = cell.len();
    let one = T::ONE;
    let gate = |k: usize| &gates[k * h..][..h];
    let (i, f, g, o) = (gate(0), gate(1), gate(2), gate(3));
    let (di, rest) = dgates.split_at_mut(h);
    let (df, rest) = rest.split_at_mut(h);
    let (dg, d_o) = rest.split_at_mut(h);
    let (d_o, dh, dc) = (&mut d_o[..h], &dh[..h], &mut dc[..h]);
    for k in 0..h {
        let tanh_c = cell[k].tanh();
        let d = dc[k] + dh[k] * o[k] * (one - tanh_c * tanh_c);
        di[k] = d * g[k] * i[k] * (one - i[k]);
        dg[k] = d * i[k] * (one - g[k] * g[k]);
        d_o[k] = dh[k] * tanh_c * o[k] * (one - o[k]);
        dc[k] = d * f[k];
        // Times the cell of the step before, below.
        df[k] = d * f[k] * (one - f[k]);
    }
    match before {
        Some(before) => df.iter_mut().zip(before).for_each(|(d, b)| *d *= *b),
        None => df.fill(T::ZERO),
    }
}
