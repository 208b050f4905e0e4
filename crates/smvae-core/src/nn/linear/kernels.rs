//! Linear layers on a CUDA device: candle's products, and a kernel for all that is added to them.

use super::super::activation::kernels::Function;
use super::super::gradients::accumulate_tensor;
use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node3, product};
use super::super::sums::{CHUNK, column_sums, column_sums_of_parts};
use candle_core::{Result, Tensor};

const FORWARD: Kernel = Kernel::new("linear", "bias_forward");
const BACKWARD: Kernel = Kernel::new("linear", "bias_backward");

/// `f(x w' + b)` for `x: [rows, in]`, `w: [out, in]`, `b: [out]`, all contiguous.
pub(super) fn linear(x: &Tensor, w: &Tensor, b: &Tensor, activation: Option<Function>) -> Result<Tensor> {
    let product = product(x, &w.t()?)?.into_tensor();
    let y = with_bias(&product, b, activation.unwrap_or(Function::IDENTITY))?;
    // The product is all that an activation's backward pass has to keep.
    node3(y, [x, w, b], LinearBackward(activation.map(|activation| (activation, product))))
}

/// `f(product + bias)` for a bias of a row or of all rows, contiguous.
pub(in crate::nn) fn with_bias(product: &Tensor, bias: &Tensor, activation: Function) -> Result<Output> {
    let (mut y, n) = (Output::like(product)?, product.elem_count());
    let [number, leak] = activation.arguments();
    let args =
        &mut [Arg::Out(&mut y), Arg::In(product), Arg::In(bias), n.into(), bias.elem_count().into(), number, leak];
    launch(FORWARD, Grid::numbers(n), args, product.device())?;
    Ok(y)
}

/// With the activation and the product that it was applied to, bias added.
pub(in crate::nn) struct LinearBackward(pub(in crate::nn) Option<(Function, Tensor)>);

impl Backward<3> for LinearBackward {
    const NAME: &'static str = "linear";

    fn backward(&self, [x, w, b]: [&Tensor; 3], dy: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let (dy, db) = match &self.0 {
            None => (dy.clone(), if b.track_op() { Some(column_sums(dy)?) } else { None }),
            Some((activation, product)) => {
                let (dy, db) = through_activation(*activation, product, b, dy)?;
                (dy, Some(db))
            }
        };
        // A frozen weight, or an input behind a stop-gradient, costs no product.
        let dx = if x.track_op() { accumulate_tensor(x, product(&dy, w)?.into_tensor())? } else { None };
        let dw = if w.track_op() { accumulate_tensor(w, product(&dy.t()?, x)?.into_tensor())? } else { None };
        let db = db.map(|db| accumulate_tensor(b, db)).transpose()?.flatten();
        Ok([dx, dw, db])
    }
}

/// The gradient of the product, and its sums by column.
fn through_activation(activation: Function, product: &Tensor, b: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor)> {
    let (rows, d) = product.dims2()?;
    let chunks = rows.div_ceil(CHUNK);
    let (mut gradient, mut partial) = (Output::like(product)?, Output::new((chunks, d), dy.device())?);
    let [number, leak] = activation.arguments();
    let args = &mut [
        Arg::Out(&mut gradient),
        Arg::Out(&mut partial),
        Arg::In(product),
        Arg::In(b),
        Arg::In(dy),
        rows.into(),
        d.into(),
        CHUNK.into(),
        number,
        leak,
    ];
    launch(BACKWARD, Grid::new([d.div_ceil(128), chunks, 1], 128), args, dy.device())?;
    let partial = partial.into_tensor();
    let sums = if chunks == 1 { partial.reshape(d)? } else { column_sums_of_parts(&partial)? };
    Ok((gradient.into_tensor(), sums))
}
