//! Memory that a kernel writes.

use candle_core::op::BackpropOp;
use candle_core::{CpuStorage, DType, Device, Result, Shape, Storage, Tensor, bail};

/// New memory of a shape, f32 or f64, not initialised: kernels write all of it before it is read.
#[derive(Debug)]
pub(crate) struct Output {
    storage: Storage,
    shape: Shape,
}

impl Output {
    /// Of f32.
    ///
    /// # Errors
    /// If there is no memory.
    pub(crate) fn new(shape: impl Into<Shape>, device: &Device) -> Result<Self> {
        Self::of(DType::F32, shape, device)
    }

    /// Of a number type.
    ///
    /// # Errors
    /// If there is no memory, or no kernel writes this type.
    pub(crate) fn of(dtype: DType, shape: impl Into<Shape>, device: &Device) -> Result<Self> {
        let shape = shape.into();
        let n = shape.elem_count();
        let storage = match (device, dtype) {
            // NaN, so that a number that no kernel writes is seen.
            (Device::Cpu, DType::F32) => Storage::Cpu(CpuStorage::F32(vec![f32::NAN; n])),
            (Device::Cpu, DType::F64) => Storage::Cpu(CpuStorage::F64(vec![f64::NAN; n])),
            #[cfg(feature = "cuda")]
            (Device::Cuda(device), DType::F32) => on_gpu::<f32>(n, device)?,
            #[cfg(feature = "cuda")]
            (Device::Cuda(device), DType::F64) => on_gpu::<f64>(n, device)?,
            _ => bail!("kernels write f32 and f64, on CUDA devices alone"),
        };
        Ok(Self { storage, shape })
    }

    /// Of the shape of a tensor, on its device.
    ///
    /// # Errors
    /// As [`Output::new`].
    pub(crate) fn like(x: &Tensor) -> Result<Self> {
        Self::new(x.shape(), x.device())
    }

    /// What an operation of candle has written.
    pub(super) fn of_parts(storage: Storage, shape: Shape) -> Self {
        Self { storage, shape }
    }

    /// A tensor that no gradient goes through.
    pub(crate) fn into_tensor(self) -> Tensor {
        Tensor::from_storage(self.storage, self.shape, BackpropOp::none(), false)
    }

    pub(super) fn into_parts(self) -> (Storage, Shape) {
        (self.storage, self.shape)
    }

    pub(super) fn address(&mut self) -> Result<u64> {
        match &mut self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => Ok(values.as_mut_ptr() as u64),
            Storage::Cpu(CpuStorage::F64(values)) => Ok(values.as_mut_ptr() as u64),
            #[cfg(feature = "cuda")]
            Storage::Cuda(storage) => super::launch::on_gpu_address(storage, 0),
            _ => bail!("kernels write f32 and f64"),
        }
    }
}

#[cfg(feature = "cuda")]
fn on_gpu<T>(n: usize, device: &candle_core::CudaDevice) -> Result<Storage>
where
    T: candle_core::cuda::CudaDType + candle_core::cuda::cudarc::driver::DeviceRepr,
{
    // SAFETY: what `Output` promises. A driver refuses to allocate nothing.
    let slice = unsafe { device.alloc::<T>(n.max(1)) }?;
    Ok(Storage::Cuda(candle_core::CudaStorage::wrap_cuda_slice(slice, device.clone())))
}
