//! An exponential moving average of parameters: a second copy that follows the first.
//!
//! `average = decay average + (1 - decay) weights`, in place. In evaluation it is steadier than the
//! weights of any one step; as the teacher of the model it follows, it is a mean teacher (Tarvainen
//! & Valpola 2017).

use super::Parameters;
use super::dispatch::{has_kernels, is_at_hand};
use super::kernels::{Arg, Kernel, Table, launch};
use super::real::vectorised;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Var};
use rayon::prelude::*;

/// The average of a set of parameters.
#[derive(Debug)]
pub struct Average {
    /// The averaged values, by the names of the parameters they follow.
    pub parameters: Parameters,
    /// A parameter that changes, and its average.
    pairs: Vec<(Var, Var)>,
}

impl Average {
    /// The average of all `parameters`, which begins at their values; only those for which
    /// `is_trained` is true change.
    ///
    /// # Errors
    /// If a tensor cannot be copied.
    pub fn new(parameters: &Parameters, is_trained: impl Fn(&str) -> bool) -> Result<Self> {
        let copy = parameters.detached_copy()?;
        let pairs = parameters.all().into_iter().zip(copy.all());
        let pairs = pairs.filter(|((name, _), _)| is_trained(name)).map(|((_, var), (_, average))| (var, average));
        Ok(Self { pairs: pairs.collect(), parameters: copy })
    }

    /// Follows the parameters by one step.
    ///
    /// # Errors
    /// Those of the tensor operations.
    pub fn follow(&self, decay: f64) -> Result<()> {
        if self.pairs.iter().all(|(_, average)| has_kernels(average)) {
            return self.follow_at_once(decay);
        }
        self.pairs.iter().try_for_each(|(weights, average)| follow(average, weights, decay))
    }

    /// All parameters in one launch.
    fn follow_at_once(&self, decay: f64) -> Result<()> {
        let Some((_, first)) = self.pairs.first() else { return Ok(()) };
        let device = first.device();
        let rows = self.pairs.iter().map(|(weights, average)| {
            (average.elem_count(), [Arg::Write(average.as_tensor()), Arg::In(weights.as_tensor())])
        });
        let table = Table::new(rows, device)?;
        let [rows, count, chunks] = table.args();
        launch(FOLLOW, table.grid(), &mut [rows, count, chunks, Arg::F32(decay as f32)], device)
    }
}

const FOLLOW: Kernel = Kernel::new("average", "average_follow");

/// One parameter.
fn follow(average: &Var, weights: &Var, decay: f64) -> Result<()> {
    if is_at_hand(average.device()) {
        return average.as_tensor().inplace_op2(&weights.as_detached_tensor(), &Follow { decay: decay as f32 });
    }
    average.set(&((average.as_tensor() * decay)? + (weights.as_tensor() * (1.0 - decay))?)?)
}

struct Follow {
    decay: f32,
}

/// Numbers a task of the thread pool works on.
const CHUNK: usize = 32 * 1024;

impl InplaceOp2 for Follow {
    fn name(&self) -> &'static str {
        "follow"
    }

    fn cpu_fwd(&self, average: &mut CpuStorage, a_l: &Layout, weights: &CpuStorage, w_l: &Layout) -> Result<()> {
        let (CpuStorage::F32(a), CpuStorage::F32(w)) = (average, weights) else {
            candle_core::bail!("average: expected f32 weights");
        };
        let (Some((a0, a1)), Some((w0, w1))) = (a_l.contiguous_offsets(), w_l.contiguous_offsets()) else {
            candle_core::bail!("average: expected contiguous weights");
        };
        let decay = self.decay;
        a[a0..a1].par_chunks_mut(CHUNK).zip(w[w0..w1].par_chunks(CHUNK)).for_each(|(a, w)| {
            vectorised(
                #[inline(always)]
                || a.iter_mut().zip(w).for_each(|(a, w)| *a += (1.0 - decay) * (*w - *a)),
            );
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::device_tests::in_all_forms;
    use candle_core::{Device, Tensor};

    #[test]
    fn an_average_follows_what_is_trained() -> Result<()> {
        let parameters = Parameters::new(0, &Device::Cpu);
        for name in ["trained", "frozen"] {
            parameters.insert(name, &Tensor::new(&[1f32, 2.0], &Device::Cpu)?)?;
        }
        let average = Average::new(&parameters, |name| name == "trained")?;
        for (_, var) in parameters.all() {
            var.set(&Tensor::new(&[5f32, 2.0], &Device::Cpu)?)?;
        }
        average.follow(0.75)?;
        let values = |name: &str| average.parameters.snapshot()?[name].to_vec1::<f32>();
        assert_eq!(values("trained")?, [2.0, 2.0]);
        assert_eq!(values("frozen")?, [1.0, 2.0]);
        Ok(())
    }

    #[test]
    fn averages_of_many_parameters_are_the_same_in_all_forms() {
        // Three chunks, less than one, one number, and chunks without a rest.
        let shapes: [&[usize]; 4] = [&[300, 257], &[33], &[1], &[2, CHUNK]];
        in_all_forms(|device| {
            let parameters = Parameters::new(0, device);
            let value = |step: usize, i: usize, shape: &[usize]| {
                let number = |k: usize| ((k + 7 * i) as f32 * 0.37 + step as f32).sin();
                Tensor::from_vec((0..shape.iter().product()).map(number).collect::<Vec<_>>(), shape, device)
            };
            for (i, shape) in shapes.into_iter().enumerate() {
                parameters.insert(i.to_string(), &value(0, i, shape)?)?;
            }
            let average = Average::new(&parameters, |name| name != "1")?;
            for step in 1..3 {
                for (i, (_, var)) in parameters.all().into_iter().enumerate() {
                    var.set(&value(step, i, shapes[i])?)?;
                }
                average.follow(0.75)?;
            }
            average.parameters.snapshot()
        });
    }
}
