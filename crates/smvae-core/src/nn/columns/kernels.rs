//! Columns of a weight by kernels: their sum before candle's product, and its gradient after it.

use super::super::activation::kernels::Function;
use super::super::gradients::{accumulate_part_tensor, accumulate_tensor};
use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node3, product};
use super::super::linear::kernels::with_bias;
use super::super::sums::column_sums;
use candle_core::{Result, Tensor};

const SUM: Kernel = Kernel::new("linear", "sum_of_columns");
const ADD_TO: Kernel = Kernel::new("linear", "add_to_columns");

/// `onto + x W'`, `W` being the sum of the terms; all tensors contiguous.
pub(super) fn linear_columns(x: &Tensor, w: &Tensor, terms: Terms, onto: &Tensor) -> Result<Tensor> {
    let (d_in, (d_out, all)) = (x.dim(1)?, w.dims2()?);
    let mut sum = Output::new((d_out, d_in), x.device())?;
    let [a, sign_a, b, sign_b] = terms.arguments();
    let args = &mut [Arg::Out(&mut sum), Arg::In(w), d_out.into(), d_in.into(), all.into(), a, sign_a, b, sign_b];
    launch(SUM, Grid::numbers(d_out * d_in), args, x.device())?;
    let sum = sum.into_tensor();
    let y = with_bias(&product(x, &sum.t()?)?.into_tensor(), onto, Function::IDENTITY)?;
    node3(y, [x, w, onto], ColumnsBackward { sum, terms })
}

/// Up to two terms, which is what the kernels take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    first_columns: [usize; 2],
    /// 1 or -1; 0 where there is no second term.
    signs: [f32; 2],
}

impl Terms {
    /// Of the first column of each term, and whether it is added. `None` for more than two.
    pub(super) fn new(terms: impl Iterator<Item = (usize, bool)>) -> Option<Self> {
        let mut all = Self { first_columns: [0; 2], signs: [0.0; 2] };
        for (i, (first, is_added)) in terms.enumerate() {
            *all.first_columns.get_mut(i)? = first;
            all.signs[i] = if is_added { 1.0 } else { -1.0 };
        }
        Some(all)
    }

    fn arguments<'a>(self) -> [Arg<'a>; 4] {
        let ([a, b], [sign_a, sign_b]) = (self.first_columns, self.signs);
        [a.into(), Arg::F32(sign_a), b.into(), Arg::F32(sign_b)]
    }
}

struct ColumnsBackward {
    /// Of the terms, `[out, in]`.
    sum: Tensor,
    terms: Terms,
}

impl Backward<3> for ColumnsBackward {
    const NAME: &'static str = "linear-columns";

    fn backward(&self, [x, w, onto]: [&Tensor; 3], dy: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let dx = if x.track_op() { accumulate_tensor(x, product(dy, &self.sum)?.into_tensor())? } else { None };
        let dw = if w.track_op() { self.weight_gradient(x, w, dy)? } else { None };
        let d_onto = match onto.rank() {
            1 if onto.track_op() => accumulate_tensor(onto, column_sums(dy)?)?,
            1 => None,
            _ => Some(dy.clone()),
        };
        Ok([dx, dw, d_onto])
    }
}

impl ColumnsBackward {
    /// Adds `dy' x` to the columns of every term.
    fn weight_gradient(&self, x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let gradient = product(&dy.t()?, x)?.into_tensor();
        let ((d_out, all), d_in) = (w.dims2()?, x.dim(1)?);
        accumulate_part_tensor(w, |dw| {
            let [a, sign_a, b, sign_b] = self.terms.arguments();
            let args =
                &mut [Arg::Write(dw), Arg::In(&gradient), d_out.into(), d_in.into(), all.into(), a, sign_a, b, sign_b];
            launch(ADD_TO, Grid::numbers(d_out * all), args, dw.device())
        })
    }
}
