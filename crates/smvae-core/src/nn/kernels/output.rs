//! Memory that a kernel writes.

use candle_core::op::BackpropOp;
use candle_core::{CpuStorage, Device, Result, Shape, Storage, Tensor, bail};

/// New memory of a shape, f32, not initialised: kernels write all of it before it is read.
#[derive(Debug)]
pub(crate) struct Output {
    storage: Storage,
    shape: Shape,
}

impl Output {
    /// # Errors
    /// If there is no memory.
    pub(crate) fn new(shape: impl Into<Shape>, device: &Device) -> Result<Self> {
        let shape = shape.into();
        let n = shape.elem_count();
        let storage = match device {
            // NaN, so that a number that no kernel writes is seen.
            Device::Cpu => Storage::Cpu(CpuStorage::F32(vec![f32::NAN; n])),
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => {
                // SAFETY: what the type promises. A driver refuses to allocate nothing.
                let slice = unsafe { device.alloc::<f32>(n.max(1)) }?;
                Storage::Cuda(candle_core::CudaStorage::wrap_cuda_slice(slice, device.clone()))
            }
            _ => bail!("there are kernels for CUDA devices alone"),
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
            #[cfg(feature = "cuda")]
            Storage::Cuda(storage) => super::launch::on_gpu_address(storage, 0),
            _ => bail!("kernels write f32"),
        }
    }
}
