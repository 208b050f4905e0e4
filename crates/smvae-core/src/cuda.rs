//! Opening an NVIDIA GPU so that it is not slowed down by how candle opens it. No kernel is here,
//! and no choice of a device by name.
//!
//! - **One stream for all threads.** `Device::new_cuda` takes the stream of whichever thread
//!   launches something: threads that share a model would each have their own, and nothing would
//!   order what one of them uploads before what another computes from it.
//! - **Memory is kept.** By default the driver gives all that is free back to the system whenever
//!   something waits for the device, and asks for it again in the next step.
//! - **No events.** By default each tensor has two, which order the streams that use it. There is
//!   one.
//!
//! Not used: candle can keep what it uploads (`enable_cuda_graph_htod_cache`), which is meant for
//! the strides of inputs that are not contiguous. It keeps every upload of up to 4096 bytes for
//! ever, by its content; batches and the indices that our operations make of them are such uploads,
//! of other content in every step, and hardly a shape comes twice. Our kernels take contiguous
//! inputs, which upload nothing.

use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::result::{self, mem_pool};
use candle_core::cuda_backend::cudarc::driver::sys::{CUdevice_attribute, CUmemPool_attribute};
use candle_core::{Device, Result};

/// Opens the GPU of this number, from 0. What memory it takes it keeps until the process ends.
///
/// # Errors
/// If there is no driver, no such GPU, or it cannot be used.
pub fn open(number: usize) -> Result<Device> {
    let device = CudaDevice::new_with_stream(number)?;
    // SAFETY: events keep apart streams that use the same tensor, and all tensors of this device
    // are made and used on its one stream, from whichever thread.
    unsafe { device.disable_event_tracking() };
    keep_memory(number)?;
    Ok(Device::Cuda(device))
}

/// Lets the default memory pool of a device, from which cudarc allocates where there is one, keep
/// what it has.
fn keep_memory(number: usize) -> Result<()> {
    let device = result::device::get(number as i32).w()?;
    let pools = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED;
    // SAFETY: the device is the driver's own.
    if unsafe { result::device::get_attribute(device, pools) }.w()? == 0 {
        return Ok(());
    }
    let mut threshold = u64::MAX;
    let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the pool is the driver's own and lasts as long as the device; this attribute is read
    // as a u64, during the call.
    unsafe {
        let pool = result::device::get_default_mem_pool(device).w()?;
        mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast()).w()
    }
}
