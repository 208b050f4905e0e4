//! Trainable parameters by name, initialised from a seed, behind candle's `VarBuilder`.
//!
//! candle's own `VarMap` keeps a hash map (another order in every process) and draws from the
//! thread's generator (which cannot be seeded on the CPU). Here the order is the names' and every
//! tensor is drawn from a generator of its own, seeded by (seed, name): adding a layer changes no
//! other one.

use crate::rng;
use candle_core::{DType, Device, Error, Result, Shape, Tensor, Var};
use candle_nn::init::NormalOrUniform;
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use rand::Rng as _;
use rand_distr::StandardNormal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Trainable parameters by name. Clones share them.
#[derive(Clone, Debug)]
pub struct Parameters {
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
    seed: u64,
    device: Device,
}

impl Parameters {
    /// No parameters yet; what a builder asks for is drawn from `seed`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { vars: Arc::default(), seed, device: device.clone() }
    }

    /// A builder whose tensors are trainable: those that exist, and fresh ones for those that do
    /// not.
    pub fn builder(&self, dtype: DType) -> VarBuilder<'static> {
        self.backend(dtype, Kind::Trainable)
    }

    /// A builder whose tensors share the parameters' memory but are tracked by no graph: for
    /// evaluation between training steps. Asking for a parameter that does not exist is an error.
    pub fn frozen_builder(&self, dtype: DType) -> VarBuilder<'static> {
        self.backend(dtype, Kind::Frozen)
    }

    /// A builder whose tensors are those of [`Parameters::builder`], except that no graph tracks
    /// those for whose name `frozen` is true: they take no gradient, and neither does what is
    /// computed from them alone.
    pub fn partly_frozen_builder(
        &self,
        dtype: DType,
        frozen: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> VarBuilder<'static> {
        self.backend(dtype, Kind::PartlyFrozen(Box::new(frozen)))
    }

    fn backend(&self, dtype: DType, kind: Kind) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(Backend { parameters: self.clone(), kind }), dtype, self.device.clone())
    }

    /// Adds or replaces a parameter, before a network is built on it.
    ///
    /// # Errors
    /// Those of the copy.
    pub fn insert(&self, name: impl Into<String>, value: &Tensor) -> Result<()> {
        let var = Var::from_tensor(&value.to_device(&self.device)?)?;
        self.lock().insert(name.into(), var);
        Ok(())
    }

    /// The same from f32 values in row-major order, which on the CPU are not copied.
    ///
    /// # Errors
    /// If there are not as many values as the shape has.
    pub fn insert_values(&self, name: impl Into<String>, values: Vec<f32>, shape: &[usize]) -> Result<()> {
        let var = Var::from_vec(values, shape, &self.device)?;
        self.lock().insert(name.into(), var);
        Ok(())
    }

    /// Overwrites the values of existing parameters; networks built on them see the new values.
    ///
    /// # Errors
    /// If a name is unknown or missing, or a shape differs; then nothing was changed.
    pub fn assign(&self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        let vars = self.lock();
        for (name, var) in vars.iter() {
            match values.get(name) {
                Some(value) if value.shape() == var.shape() => {}
                Some(value) => {
                    candle_core::bail!("{name}: expected the shape {:?}, got {:?}", var.dims(), value.dims())
                }
                None => candle_core::bail!("the parameter {name} is missing"),
            }
        }
        if let Some(name) = values.keys().find(|name| !vars.contains_key(*name)) {
            candle_core::bail!("the parameter {name} is unknown");
        }
        for (name, var) in vars.iter() {
            var.set(&values[name].to_device(&self.device)?.to_dtype(var.dtype())?)?;
        }
        Ok(())
    }

    /// All parameters, by name.
    pub fn all(&self) -> Vec<(String, Var)> {
        self.lock().iter().map(|(name, var)| (name.clone(), var.clone())).collect()
    }

    /// Copies of all values, by name.
    ///
    /// # Errors
    /// If a tensor cannot be copied.
    pub fn snapshot(&self) -> Result<BTreeMap<String, Tensor>> {
        self.lock().iter().map(|(name, var)| Ok((name.clone(), var.as_tensor().copy()?.detach()))).collect()
    }

    /// Parameters of the same names and values in memory of their own.
    ///
    /// # Errors
    /// If a tensor cannot be copied.
    pub fn detached_copy(&self) -> Result<Self> {
        let copy = Self::new(self.seed, &self.device);
        self.snapshot()?.iter().try_for_each(|(name, value)| copy.insert(name, value))?;
        Ok(copy)
    }

    /// Number of trainable numbers.
    pub fn count(&self) -> usize {
        self.lock().values().map(|var| var.elem_count()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        self.vars.lock().expect("no code panics while it holds the parameters")
    }
}

enum Kind {
    Trainable,
    PartlyFrozen(Box<dyn Fn(&str) -> bool + Send + Sync>),
    Frozen,
}

struct Backend {
    parameters: Parameters,
    kind: Kind,
}

impl Backend {
    /// Asked before the parameters are locked: what a caller's function does, such as to panic or
    /// to look at the parameters itself, must not happen under the lock.
    fn is_frozen(&self, name: &str) -> bool {
        match &self.kind {
            Kind::Trainable => false,
            Kind::PartlyFrozen(frozen) => frozen(name),
            Kind::Frozen => true,
        }
    }
}

fn exposed(var: &Var, is_frozen: bool) -> Tensor {
    if is_frozen { var.as_detached_tensor() } else { var.as_tensor().clone() }
}

impl SimpleBackend for Backend {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let is_frozen = self.is_frozen(name);
        let mut vars = self.parameters.lock();
        if let Some(var) = vars.get(name) {
            if var.shape() != &shape {
                return Err(Error::UnexpectedShape {
                    msg: format!("shape mismatch for {name}"),
                    expected: shape,
                    got: var.shape().clone(),
                });
            }
            return Ok(exposed(var, is_frozen));
        }
        if matches!(self.kind, Kind::Frozen) {
            return Err(Error::CannotFindTensor { path: name.to_owned() });
        }
        let var =
            Var::from_tensor(&draw(shape, name, init, self.parameters.seed)?.to_dtype(dtype)?.to_device(device)?)?;
        let tensor = exposed(&var, is_frozen);
        vars.insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _dtype: DType, _device: &Device) -> Result<Tensor> {
        let is_frozen = self.is_frozen(name);
        let vars = self.parameters.lock();
        let var = vars.get(name).ok_or_else(|| Error::CannotFindTensor { path: name.to_owned() })?;
        Ok(exposed(var, is_frozen))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.parameters.lock().contains_key(name)
    }
}

/// A fresh tensor on the CPU in f32.
fn draw(shape: Shape, name: &str, init: Init, seed: u64) -> Result<Tensor> {
    if let Init::Uniform { lo, up } = init
        && !(lo <= up && (up - lo).is_finite())
    {
        candle_core::bail!("the tensor {name} is to be drawn from {lo} to {up}");
    }
    let mut rng = rng::named(seed, name);
    let n = shape.elem_count();
    let mut uniform = |lo: f64, up: f64| (0..n).map(|_| rng.random_range(lo..=up) as f32).collect::<Vec<_>>();
    let values = match init {
        Init::Const(value) => vec![value as f32; n],
        Init::Uniform { lo, up } => uniform(lo, up),
        Init::Randn { mean, stdev } => normal(&mut rng, n, mean, stdev),
        Init::Kaiming { dist, fan, non_linearity } => {
            let std = non_linearity.gain() / (fan.for_shape(&shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Uniform => uniform(-std * 3f64.sqrt(), std * 3f64.sqrt()),
                NormalOrUniform::Normal => normal(&mut rng, n, 0.0, std),
            }
        }
    };
    Tensor::from_vec(values, shape, &Device::Cpu)
}

fn normal(rng: &mut crate::Rng, n: usize, mean: f64, std: f64) -> Vec<f32> {
    (0..n).map(|_| (mean + std * rng.sample::<f64, _>(StandardNormal)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(parameters: &Parameters, name: &str) -> Vec<f32> {
        let vb = parameters.builder(DType::F32);
        let tensor = vb.get_with_hints(50, name, Init::Randn { mean: 0.0, stdev: 1.0 }).expect("a fresh tensor");
        tensor.to_vec1().expect("one dimension")
    }

    #[test]
    fn a_tensor_depends_on_seed_and_name_alone() {
        let [a, b, c] = [1, 1, 2].map(|seed| Parameters::new(seed, &Device::Cpu));
        values(&b, "other");
        assert_eq!(values(&a, "x"), values(&b, "x"));
        assert_ne!(values(&a, "x"), values(&c, "x"));
        assert_ne!(values(&a, "x"), values(&a, "y"));
    }

    #[test]
    fn a_partly_frozen_view_tracks_the_rest() -> Result<()> {
        let parameters = Parameters::new(0, &Device::Cpu);
        let vb = parameters.partly_frozen_builder(DType::F32, |name| name.starts_with("low."));
        let [low, high] = ["low", "high"].map(|part| vb.pp(part).get((2, 2), "w"));
        let (low, high) = (low?, high?);
        assert_eq!((low.track_op(), high.track_op()), (false, true));
        let hidden = low.matmul(&low)?;
        assert!(!hidden.track_op(), "nothing to go back through");
        let grads = hidden.matmul(&high)?.sum_all()?.backward()?;
        let with_gradient: Vec<String> =
            parameters.all().into_iter().filter(|(_, var)| grads.get(var).is_some()).map(|(name, _)| name).collect();
        assert_eq!(with_gradient, ["high.w"]);
        Ok(())
    }

    #[test]
    fn a_function_that_panics_leaves_the_parameters_usable() {
        let parameters = Parameters::new(0, &Device::Cpu);
        values(&parameters, "x");
        let vb = parameters.partly_frozen_builder(DType::F32, |_| panic!("a caller's"));
        assert!(crate::quiet::catch(|| vb.get(50, "x")).is_err());
        assert!(crate::quiet::catch(|| vb.get(50, "y")).is_err());
        assert_eq!(parameters.count(), 50);
    }

    #[test]
    fn a_frozen_view_shares_memory_and_knows_no_new_names() -> Result<()> {
        let parameters = Parameters::new(0, &Device::Cpu);
        values(&parameters, "x");
        let view = parameters.frozen_builder(DType::F32).get(50, "x")?;
        assert!(!view.track_op());
        let ones = Tensor::ones(50, DType::F32, &Device::Cpu)?;
        parameters.assign(&BTreeMap::from([("x".to_owned(), ones.clone())]))?;
        assert_eq!(view.to_vec1::<f32>()?, ones.to_vec1::<f32>()?);
        assert!(parameters.frozen_builder(DType::F32).get(50, "y").is_err());
        assert!(parameters.assign(&BTreeMap::new()).is_err());
        Ok(())
    }
}
