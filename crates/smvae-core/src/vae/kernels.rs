//! Gaussians, their divergences and their products by kernels, with the formulas of `gaussian.rs`,
//! `kl.rs`, `two_experts.rs` and `elbo.rs`. Every tensor is contiguous.

use crate::nn::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1, node2, node3};
use candle_core::{Result, Tensor};

const fn kernel(name: &'static str) -> Kernel {
    Kernel::new("latent", name)
}

/// `x`, but `range.0` below it and `range.1` above it.
pub(super) fn clamp(x: &Tensor, range: (f64, f64)) -> Result<Tensor> {
    let n = x.elem_count();
    let (low, high) = (range.0 as f32, range.1 as f32);
    let mut y = Output::like(x)?;
    let args = &mut [Arg::Out(&mut y), Arg::In(x), n.into(), Arg::F32(low), Arg::F32(high)];
    launch(kernel("clamp_forward"), Grid::numbers(n), args, x.device())?;
    node1(y, [x], ClampBackward { low, high })
}

struct ClampBackward {
    low: f32,
    high: f32,
}

impl Backward<1> for ClampBackward {
    const NAME: &'static str = "clamp";

    fn backward(&self, [x]: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let n = x.elem_count();
        let mut dx = Output::like(x)?;
        let args = &mut [Arg::Out(&mut dx), Arg::In(x), Arg::In(dy), n.into(), Arg::F32(self.low), Arg::F32(self.high)];
        launch(kernel("clamp_backward"), Grid::numbers(n), args, x.device())?;
        Ok([Some(dx.into_tensor())])
    }
}

/// `mu + exp(log_var / 2) noise`; no gradient goes through the noise.
pub(super) fn sample(mu: &Tensor, log_var: &Tensor, noise: &Tensor) -> Result<Tensor> {
    let n = mu.elem_count();
    let mut z = Output::like(mu)?;
    let args = &mut [Arg::Out(&mut z), Arg::In(mu), Arg::In(log_var), Arg::In(noise), n.into()];
    launch(kernel("sample_forward"), Grid::numbers(n), args, mu.device())?;
    node2(z, [mu, log_var], SampleBackward { noise: noise.detach() })
}

struct SampleBackward {
    noise: Tensor,
}

impl Backward<2> for SampleBackward {
    const NAME: &'static str = "sample";

    fn backward(&self, [mu, log_var]: [&Tensor; 2], dz: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let n = mu.elem_count();
        let mut dlog_var = Output::like(log_var)?;
        let args = &mut [Arg::Out(&mut dlog_var), Arg::In(log_var), Arg::In(&self.noise), Arg::In(dz), n.into()];
        launch(kernel("sample_backward"), Grid::numbers(n), args, mu.device())?;
        Ok([Some(dz.clone()), Some(dlog_var.into_tensor())])
    }
}

/// The divergence of each row from the standard normal, times its factor.
pub(super) fn kl(mu: &Tensor, log_var: &Tensor, factor: Option<&Tensor>) -> Result<Tensor> {
    let (rows, d) = mu.dims2()?;
    let factor = factor.map(Tensor::detach);
    let mut kl = Output::new(rows, mu.device())?;
    let args = &mut [
        Arg::Out(&mut kl),
        Arg::In(mu),
        Arg::In(log_var),
        Arg::in_or_null(factor.as_ref()),
        rows.into(),
        d.into(),
    ];
    launch(kernel("kl_forward"), Grid::warps(rows), args, mu.device())?;
    node2(kl, [mu, log_var], KlBackward { factor })
}

struct KlBackward {
    factor: Option<Tensor>,
}

impl Backward<2> for KlBackward {
    const NAME: &'static str = "kl-standard-normal";

    fn backward(&self, [mu, log_var]: [&Tensor; 2], dkl: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let (rows, d) = mu.dims2()?;
        let (mut dmu, mut dlog_var) = (Output::like(mu)?, Output::like(log_var)?);
        let args = &mut [
            Arg::Out(&mut dmu),
            Arg::Out(&mut dlog_var),
            Arg::In(mu),
            Arg::In(log_var),
            Arg::in_or_null(self.factor.as_ref()),
            Arg::In(dkl),
            rows.into(),
            d.into(),
        ];
        launch(kernel("kl_backward"), Grid::numbers(rows * d), args, mu.device())?;
        Ok([Some(dmu.into_tensor()), Some(dlog_var.into_tensor())])
    }
}

/// Mean and log-variance of the product of a first expert and, in the rows whose `present` is above
/// one half, a second, given theirs.
pub(super) fn fuse(mus: [&Tensor; 2], log_vars: [&Tensor; 2], present: Option<&Tensor>) -> Result<[Tensor; 2]> {
    let weight = of_log_vars(log_vars, present, OfLogVars::Weights)?;
    let mu = mix([mus[0], mus[1], &weight])?;
    Ok([mu, of_log_vars(log_vars, present, OfLogVars::LogVars)?])
}

/// What the log-variances of two experts say of their product.
#[derive(Clone, Copy)]
enum OfLogVars {
    /// The weight of the first expert's mean.
    Weights,
    /// The logarithm of the product's variance.
    LogVars,
}

/// Of the log-variances `a` and `b`, `[rows, d]`.
fn of_log_vars([a, b]: [&Tensor; 2], present: Option<&Tensor>, output: OfLogVars) -> Result<Tensor> {
    let (rows, d) = a.dims2()?;
    let present = present.map(Tensor::detach);
    let mut y = Output::like(a)?;
    let args =
        &mut [Arg::Out(&mut y), Arg::In(a), Arg::In(b), Arg::in_or_null(present.as_ref()), rows.into(), d.into()];
    let forward = match output {
        OfLogVars::Weights => "expert_weights",
        OfLogVars::LogVars => "expert_log_vars",
    };
    launch(kernel(forward), Grid::numbers(rows * d), args, a.device())?;
    node2(y, [a, b], OfLogVarsBackward { present, output })
}

struct OfLogVarsBackward {
    present: Option<Tensor>,
    output: OfLogVars,
}

impl Backward<2> for OfLogVarsBackward {
    const NAME: &'static str = "two-experts";

    fn backward(&self, [a, b]: [&Tensor; 2], dy: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let (rows, d) = a.dims2()?;
        let (mut da, mut db) = (Output::like(a)?, Output::like(b)?);
        let args = &mut [
            Arg::Out(&mut da),
            Arg::Out(&mut db),
            Arg::In(a),
            Arg::In(b),
            Arg::in_or_null(self.present.as_ref()),
            Arg::In(dy),
            rows.into(),
            d.into(),
        ];
        let backward = match self.output {
            OfLogVars::Weights => "expert_weights_backward",
            OfLogVars::LogVars => "expert_log_vars_backward",
        };
        launch(kernel(backward), Grid::numbers(rows * d), args, a.device())?;
        Ok([Some(da.into_tensor()), Some(db.into_tensor())])
    }
}

/// `w a + (1 - w) b`.
fn mix([a, b, w]: [&Tensor; 3]) -> Result<Tensor> {
    let n = a.elem_count();
    let mut y = Output::like(a)?;
    let args = &mut [Arg::Out(&mut y), Arg::In(a), Arg::In(b), Arg::In(w), n.into()];
    launch(kernel("mix_forward"), Grid::numbers(n), args, a.device())?;
    node3(y, [a, b, w], MixBackward)
}

struct MixBackward;

impl Backward<3> for MixBackward {
    const NAME: &'static str = "mix";

    fn backward(&self, [a, b, w]: [&Tensor; 3], dy: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let n = a.elem_count();
        let (mut da, mut db, mut dw) = (Output::like(a)?, Output::like(b)?, Output::like(w)?);
        let args = &mut [
            Arg::Out(&mut da),
            Arg::Out(&mut db),
            Arg::Out(&mut dw),
            Arg::In(a),
            Arg::In(b),
            Arg::In(w),
            Arg::In(dy),
            n.into(),
        ];
        launch(kernel("mix_backward"), Grid::numbers(n), args, a.device())?;
        Ok([da, db, dw].map(|gradient| Some(gradient.into_tensor())))
    }
}

/// The weighted sum of three terms, `[rows]` each.
pub(super) fn weighted(terms: [&Tensor; 3], weights: Weighted) -> Result<Tensor> {
    let [a, b, c] = terms.map(Tensor::contiguous);
    let (a, b, c) = (&a?, &b?, &c?);
    let n = a.elem_count();
    let mut y = Output::like(a)?;
    let [wa, wb, wc, floor] = weights.arguments();
    let args = &mut [Arg::Out(&mut y), Arg::In(a), Arg::In(b), Arg::In(c), n.into(), wa, wb, wc, floor];
    launch(kernel("weighted_terms"), Grid::numbers(n), args, a.device())?;
    node3(y, [a, b, c], weights)
}

/// Weights of three terms, which below a floor above 0 count as this much.
#[derive(Clone, Copy)]
pub(super) struct Weighted {
    pub(super) weights: [f64; 3],
    pub(super) floor: f64,
}

impl Weighted {
    fn arguments<'a>(self) -> [Arg<'a>; 4] {
        let [wa, wb, wc] = self.weights.map(|weight| Arg::F32(weight as f32));
        [wa, wb, wc, Arg::F32(self.floor as f32)]
    }
}

impl Backward<3> for Weighted {
    const NAME: &'static str = "weighted-terms";

    fn backward(&self, [a, b, c]: [&Tensor; 3], dy: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let n = a.elem_count();
        let (mut da, mut db, mut dc) = (Output::like(a)?, Output::like(b)?, Output::like(c)?);
        let [wa, wb, wc, floor] = self.arguments();
        let args = &mut [
            Arg::Out(&mut da),
            Arg::Out(&mut db),
            Arg::Out(&mut dc),
            Arg::In(a),
            Arg::In(b),
            Arg::In(c),
            Arg::In(dy),
            n.into(),
            wa,
            wb,
            wc,
            floor,
        ];
        launch(kernel("weighted_terms_backward"), Grid::numbers(n), args, a.device())?;
        let of = |x: &Tensor, gradient: Output| x.track_op().then(|| gradient.into_tensor());
        Ok([of(a, da), of(b, db), of(c, dc)])
    }
}
