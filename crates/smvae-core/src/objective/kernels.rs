//! Losses by kernels: from rows of class scores, a warp each, and the sum of all rows.

use crate::nn::cross_entropy::kernels::AgainstTargets;
use crate::nn::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1, node2, node3};
use crate::vae::Gaussian;
use candle_core::{DType, Result, Tensor};

const fn kernel(name: &'static str) -> Kernel {
    Kernel::new("objective", name)
}

/// What the text decoder is given, `[rows, classes + latent]`: the probabilities of `logits: [rows,
/// classes]`, then samples of `text` with this noise.
pub(super) fn decoder_input(logits: &Tensor, text: &Gaussian, noise: &Tensor) -> Result<Tensor> {
    let ((rows, classes), (_, d)) = (logits.dims2()?, text.mu.dims2()?);
    let (logits, mu, log_var) = (logits.contiguous()?, text.mu.contiguous()?, text.log_var.contiguous()?);
    let noise = noise.detach().contiguous()?;
    let mut y = Output::new((rows, classes + d), logits.device())?;
    let args = &mut [
        Arg::Out(&mut y),
        Arg::In(&logits),
        Arg::In(&mu),
        Arg::In(&log_var),
        Arg::In(&noise),
        rows.into(),
        classes.into(),
        d.into(),
    ];
    launch(kernel("decoder_input"), Grid::warps(rows), args, logits.device())?;
    node3(y, [&logits, &mu, &log_var], DecoderInputBackward { noise })
}

struct DecoderInputBackward {
    noise: Tensor,
}

impl Backward<3> for DecoderInputBackward {
    const NAME: &'static str = "decoder-input";

    fn backward(&self, [logits, mu, log_var]: [&Tensor; 3], dy: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let ((rows, classes), (_, d)) = (logits.dims2()?, mu.dims2()?);
        let (mut dlogits, mut dmu, mut dlog_var) = (Output::like(logits)?, Output::like(mu)?, Output::like(log_var)?);
        let args = &mut [
            Arg::Out(&mut dlogits),
            Arg::Out(&mut dmu),
            Arg::Out(&mut dlog_var),
            Arg::In(logits),
            Arg::In(log_var),
            Arg::In(&self.noise),
            Arg::In(dy),
            rows.into(),
            classes.into(),
            d.into(),
        ];
        launch(kernel("decoder_input_backward"), Grid::warps(rows), args, logits.device())?;
        Ok([dlogits, dmu, dlog_var].map(|gradient| Some(gradient.into_tensor())))
    }
}

/// [`soft_cross_entropy`](super::soft_cross_entropy); no gradient goes through the targets.
pub(super) fn soft_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    let (logits, targets) = (logits.contiguous()?, targets.detach().contiguous()?);
    let mut y = Output::new(rows, logits.device())?;
    let args = &mut [Arg::Out(&mut y), Arg::In(&logits), Arg::In(&targets), rows.into(), classes.into()];
    launch(kernel("soft_cross_entropy"), Grid::warps(rows), args, logits.device())?;
    let backward = AgainstTargets { kernel: kernel("soft_cross_entropy_backward"), targets, dtype: DType::F32 };
    node1(y, [&logits], backward)
}

/// [`entity_mask`](super::entity_mask).
pub(super) fn entity_mask(logits: &Tensor) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    let logits = logits.contiguous()?;
    let mut y = Output::new(rows, logits.device())?;
    let args = &mut [Arg::Out(&mut y), Arg::In(&logits), rows.into(), classes.into()];
    launch(kernel("entity_mask"), Grid::warps(rows), args, logits.device())?;
    Ok(y.into_tensor())
}

/// `onto + scale sum(mask x)`, a scalar: 1 for rows that count, 0 for the others. No gradient goes
/// through the mask.
pub(super) fn add_sum(onto: Option<&Tensor>, x: &Tensor, mask: Option<&Tensor>, scale: f64) -> Result<Tensor> {
    let (x, mask, scale) = (x.contiguous()?, mask.map(Tensor::detach), scale as f32);
    let n = x.elem_count();
    let mut y = Output::new((), x.device())?;
    let args = &mut [
        Arg::Out(&mut y),
        Arg::In(&x),
        Arg::in_or_null(mask.as_ref()),
        Arg::in_or_null(onto),
        n.into(),
        Arg::F32(scale),
    ];
    // One block, so that the order of the sum is one.
    launch(kernel("add_sum"), Grid::rows(1, n), args, x.device())?;
    let backward = AddSumBackward { mask, scale };
    match onto {
        None => node1(y, [&x], backward),
        Some(onto) => node2(y, [&x, onto], backward),
    }
}

struct AddSumBackward {
    mask: Option<Tensor>,
    scale: f32,
}

impl AddSumBackward {
    fn of_x(&self, x: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let n = x.elem_count();
        let mut dx = Output::like(x)?;
        let args =
            &mut [Arg::Out(&mut dx), Arg::in_or_null(self.mask.as_ref()), Arg::In(dy), n.into(), Arg::F32(self.scale)];
        launch(kernel("add_sum_backward"), Grid::numbers(n), args, x.device())?;
        Ok(Some(dx.into_tensor()))
    }
}

impl Backward<1> for AddSumBackward {
    const NAME: &'static str = "sum";

    fn backward(&self, [x]: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([self.of_x(x, dy)?])
    }
}

impl Backward<2> for AddSumBackward {
    const NAME: &'static str = "add-sum";

    fn backward(&self, [x, _]: [&Tensor; 2], dy: &Tensor) -> Result<[Option<Tensor>; 2]> {
        Ok([self.of_x(x, dy)?, Some(dy.clone())])
    }
}

/// Lists that one launch takes.
const LISTS: usize = 8;

/// The means of lists of numbers, `[rows]` each, over the rows for which the mask is 1, `[lists]`;
/// 0 if it lets no row through. No gradient goes through them.
pub(crate) fn means(lists: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
    let lists = lists.iter().map(Tensor::contiguous).collect::<Result<Vec<_>>>()?;
    let mask = mask.map(Tensor::contiguous).transpose()?;
    let parts = lists.chunks(LISTS).map(|lists| {
        let (n, device) = (lists[0].elem_count(), lists[0].device());
        let mut y = Output::new(lists.len(), device)?;
        let mut args = vec![Arg::Out(&mut y), Arg::in_or_null(mask.as_ref())];
        args.extend((0..LISTS).map(|i| Arg::in_or_null(lists.get(i))));
        args.extend([lists.len().into(), n.into()]);
        launch(kernel("means"), Grid::rows(lists.len(), n), &mut args, device)?;
        Ok(y.into_tensor())
    });
    let mut parts = parts.collect::<Result<Vec<_>>>()?;
    if parts.len() == 1 { Ok(parts.remove(0)) } else { Tensor::cat(&parts, 0) }
}
