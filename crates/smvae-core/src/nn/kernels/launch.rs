//! One launch of one kernel, on a GPU or emulated.

use super::Output;
use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Result, Storage, Tensor, bail};
use std::sync::atomic::{AtomicU64, Ordering};

/// A kernel: the file in `smvae-kernels/cuda` that has it, and its name.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(any(feature = "cuda", test)), expect(dead_code, reason = "nothing is launched"))]
pub(crate) struct Kernel {
    #[cfg_attr(all(test, not(feature = "cuda")), expect(dead_code, reason = "the emulator needs no more than names"))]
    module: &'static str,
    name: &'static str,
}

impl Kernel {
    pub(crate) const fn new(module: &'static str, name: &'static str) -> Self {
        Self { module, name }
    }
}

/// How many blocks of how many threads run a kernel.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(any(feature = "cuda", test)), expect(dead_code, reason = "nothing is launched"))]
pub(crate) struct Grid {
    blocks: [u32; 3],
    threads: u32,
}

impl Grid {
    /// A block for each of `n` rows, of as many threads (a multiple of 32, up to 256) as a row of
    /// `width` numbers keeps busy.
    pub(crate) fn rows(n: usize, width: usize) -> Self {
        let threads = (width.div_ceil(32) * 32).clamp(32, super::THREADS as usize);
        Self::new([n, 1, 1], threads as u32)
    }

    /// A thread for each of `n` numbers.
    pub(crate) fn numbers(n: usize) -> Self {
        Self::new([n.div_ceil(super::THREADS as usize), 1, 1], super::THREADS)
    }

    /// A warp for each of `n` rows.
    pub(crate) fn warps(n: usize) -> Self {
        Self::numbers(32 * n)
    }

    /// Kernels go through the first dimension in strides, so that it may be cut; more blocks in the
    /// others than a GPU takes are an error of the launch.
    pub(crate) fn new([x, y, z]: [usize; 3], threads: u32) -> Self {
        let whole = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { blocks: [x.min(1 << 20) as u32, whole(y), whole(z)], threads }
    }
}

/// An argument of a kernel.
#[derive(Debug)]
pub(crate) enum Arg<'a> {
    /// A contiguous tensor of f32 that is read.
    In(&'a Tensor),
    /// A contiguous tensor that is read, of this number type: a table of indices, say.
    Of(&'a Tensor, DType),
    /// New memory that is written.
    Out(&'a mut Output),
    /// A contiguous tensor of f32, or a contiguous part of one, that is written in place: no other
    /// tensor that is still read may share its memory.
    Write(&'a Tensor),
    /// A length; those that kernels could not count to are an error of the launch.
    Size(usize),
    U32(u32),
    U64(u64),
    F32(f32),
    F64(f64),
}

impl<'a> Arg<'a> {
    /// As [`Arg::In`], or the null pointer.
    pub(crate) fn in_or_null(tensor: Option<&'a Tensor>) -> Self {
        tensor.map_or(Self::U64(0), Self::In)
    }

    /// As [`Arg::Of`], or the null pointer.
    pub(crate) fn of_or_null(tensor: Option<&'a Tensor>, dtype: DType) -> Self {
        tensor.map_or(Self::U64(0), |tensor| Self::Of(tensor, dtype))
    }
}

/// Lengths and indices of kernels are `unsigned`.
impl From<usize> for Arg<'_> {
    fn from(n: usize) -> Self {
        Self::Size(n)
    }
}

/// Launches a kernel; a grid without blocks is no launch. On a GPU it has not run when this
/// returns: everything is in the order of the device's one stream.
///
/// # Errors
/// For arguments that are not contiguous, are of another number type or lie elsewhere, and a grid
/// that no GPU takes; those of the driver.
pub(crate) fn launch(kernel: Kernel, grid: Grid, args: &mut [Arg<'_>], device: &Device) -> Result<()> {
    if grid.blocks.contains(&0) {
        return Ok(());
    }
    if grid.blocks[1..].iter().any(|n| *n > 65_535) {
        bail!("{} was to run in {:?} blocks: only the first number may be above 65535", kernel.name, grid.blocks);
    }
    // Each argument as the eight bytes that its first bytes are taken from, little-endian.
    let words = args.iter_mut().map(|arg| arg.word(device)).collect::<Result<Vec<u64>>>()?;
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => on_gpu(kernel, grid, &words, device),
        #[cfg(test)]
        Device::Cpu => emulated(kernel, grid, words),
        _ => bail!("{kernel:?} in {grid:?} with {} arguments: kernels are for CUDA devices alone", words.len()),
    }
}

#[cfg(feature = "cuda")]
fn on_gpu(kernel: Kernel, grid: Grid, words: &[u64], device: &candle_core::CudaDevice) -> Result<()> {
    use candle_core::cuda::WrapErr;
    use candle_core::cuda::cudarc::driver::sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
    };
    use candle_core::cuda::cudarc::driver::{LaunchConfig, PushKernelArg};
    let attribute = |which| device.cuda_stream().context().attribute(which).w();
    let capability = (attribute(MAJOR)? as u32, attribute(MINOR)? as u32);
    let Some(ptx) = smvae_kernels::ptx(kernel.module, capability) else {
        bail!("{}: no kernels for compute capability {}.{}", kernel.module, capability.0, capability.1);
    };
    let function = device.get_or_load_custom_func(kernel.name, kernel.module, ptx)?;
    let mut builder = function.builder();
    words.iter().for_each(|word| {
        builder.arg(word);
    });
    let [x, y, z] = grid.blocks;
    let config = LaunchConfig { grid_dim: (x, y, z), block_dim: (grid.threads, 1, 1), shared_mem_bytes: 0 };
    // SAFETY: the caller gives the kernel's arguments in its order; addresses are those of live
    // memory of this device, which is freed in the order of the same stream.
    unsafe { builder.launch(config) }.w()?;
    Ok(())
}

#[cfg(test)]
fn emulated(kernel: Kernel, grid: Grid, mut words: Vec<u64>) -> Result<()> {
    let Some(emulator) = smvae_kernels::emulator::emulator() else { bail!("there is no C++ compiler") };
    let mut pointers: Vec<_> = words.iter_mut().map(|word| std::ptr::from_mut(word).cast()).collect();
    let (order, Grid { blocks, threads }) = (crate::nn::dispatch::emulated_order(), grid);
    // SAFETY: as on a GPU.
    unsafe { emulator.launch(kernel.name, blocks, threads, &mut pointers, order) }.map_err(candle_core::Error::Msg)
}

impl Arg<'_> {
    /// Its eight bytes.
    pub(super) fn word(&mut self, device: &Device) -> Result<u64> {
        match self {
            // A loop adds its stride, at most 2^28, to an index before it ends.
            Self::Size(n) => match i32::try_from(*n) {
                Ok(n) => Ok(n as u64),
                Err(_) => bail!("a kernel was given {n} numbers at once: 2^31 are too many"),
            },
            Self::U32(value) => Ok(u64::from(*value)),
            Self::U64(value) => Ok(*value),
            Self::F32(value) => Ok(u64::from(value.to_bits())),
            Self::F64(value) => Ok(value.to_bits()),
            Self::Out(output) => output.address(),
            Self::In(tensor) => read_address(tensor, DType::F32, device),
            Self::Of(tensor, dtype) => read_address(tensor, *dtype, device),
            Self::Write(tensor) => {
                check(tensor, DType::F32, device)?;
                let op = MutableAddress(AtomicU64::new(0));
                tensor.inplace_op1(&op)?;
                Ok(op.0.into_inner())
            }
        }
    }
}

fn read_address(tensor: &Tensor, dtype: DType, device: &Device) -> Result<u64> {
    check(tensor, dtype, device)?;
    let (storage, layout) = tensor.storage_and_layout();
    address(&storage, layout)
}

/// A kernel takes what lies at an address for numbers of the type that it reads: others would be
/// nonsense or reach past the end.
fn check(tensor: &Tensor, dtype: DType, device: &Device) -> Result<()> {
    if tensor.dtype() != dtype {
        let (got, want) = (tensor.dtype(), dtype);
        bail!("a kernel of numbers of type {want:?} was given {got:?} of the shape {:?}", tensor.dims());
    }
    if !tensor.device().same_device(device) {
        bail!("a kernel on {:?} was given a tensor on {:?}", device.location(), tensor.device().location());
    }
    Ok(())
}

/// Where the first number of a contiguous tensor lies.
fn address(storage: &Storage, layout: &Layout) -> Result<u64> {
    let start = contiguous_start(layout)?;
    match storage {
        Storage::Cpu(CpuStorage::F32(values)) => Ok(values[start..].as_ptr() as u64),
        Storage::Cpu(CpuStorage::U32(values)) => Ok(values[start..].as_ptr() as u64),
        Storage::Cpu(CpuStorage::U8(values)) => Ok(values[start..].as_ptr() as u64),
        Storage::Cpu(CpuStorage::I64(values)) => Ok(values[start..].as_ptr() as u64),
        Storage::Cpu(CpuStorage::F64(values)) => Ok(values[start..].as_ptr() as u64),
        #[cfg(feature = "cuda")]
        Storage::Cuda(storage) => on_gpu_address(storage, start),
        _ => bail!("kernels take no {:?}", storage.dtype()),
    }
}

#[cfg(feature = "cuda")]
pub(super) fn on_gpu_address(storage: &candle_core::CudaStorage, start: usize) -> Result<u64> {
    use candle_core::backend::BackendStorage;
    use candle_core::cuda::cudarc::driver::DevicePtr;
    let stream = storage.device().cuda_stream();
    // All work is in the order of one stream, so that there is nothing to wait for.
    let first = match storage.dtype() {
        candle_core::DType::F32 => storage.as_cuda_slice::<f32>()?.device_ptr(&stream).0,
        candle_core::DType::U32 => storage.as_cuda_slice::<u32>()?.device_ptr(&stream).0,
        candle_core::DType::U8 => storage.as_cuda_slice::<u8>()?.device_ptr(&stream).0,
        candle_core::DType::I64 => storage.as_cuda_slice::<i64>()?.device_ptr(&stream).0,
        candle_core::DType::F64 => storage.as_cuda_slice::<f64>()?.device_ptr(&stream).0,
        other => bail!("kernels take no {other:?}"),
    };
    Ok(first + (start * storage.dtype().size_in_bytes()) as u64)
}

fn contiguous_start(layout: &Layout) -> Result<usize> {
    match layout.contiguous_offsets() {
        Some((start, _)) => Ok(start),
        None => bail!("kernels take contiguous tensors, not {layout:?}"),
    }
}

/// Where the numbers of a tensor lie that is written in place.
struct MutableAddress(AtomicU64);

impl InplaceOp1 for MutableAddress {
    fn name(&self) -> &'static str {
        "address"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let start = contiguous_start(layout)?;
        let address = match storage {
            CpuStorage::F32(values) => values[start..].as_mut_ptr() as u64,
            _ => bail!("kernels write f32 in place"),
        };
        self.0.store(address, Ordering::Relaxed);
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut candle_core::CudaStorage, layout: &Layout) -> Result<()> {
        self.0.store(on_gpu_address(storage, contiguous_start(layout)?)?, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fails(grid: Grid, args: &mut [Arg<'_>], want: &str) {
        let error = launch(Kernel::new("sums", "add_to"), grid, args, &Device::Cpu).expect_err(want);
        assert!(error.to_string().contains(want), "{error}");
    }

    #[test]
    fn what_a_kernel_could_not_count_to_is_an_error() {
        fails(Grid::new([1, 65_536, 1], 32), &mut [], "[1, 65536, 1] blocks");
        fails(Grid::new([1, 1, 1 << 40], 32), &mut [], "only the first number");
        fails(Grid::numbers(1), &mut [Arg::from(1 << 31)], "2147483648 numbers at once");
    }

    #[test]
    fn numbers_of_another_type_are_an_error() -> Result<()> {
        let [f32s, f64s, u32s] =
            [DType::F32, DType::F64, DType::U32].map(|dtype| Tensor::zeros(3, dtype, &Device::Cpu));
        let (f32s, f64s, u32s) = (f32s?, f64s?, u32s?);
        fails(Grid::numbers(1), &mut [Arg::In(&f64s)], "numbers of type F32 was given F64 of the shape [3]");
        fails(Grid::numbers(1), &mut [Arg::Write(&u32s)], "numbers of type F32 was given U32");
        fails(Grid::numbers(1), &mut [Arg::Of(&f32s, DType::U32)], "numbers of type U32 was given F32");
        fails(Grid::numbers(1), &mut [Arg::of_or_null(Some(&f64s), DType::U32)], "U32 was given F64");
        assert!(Arg::Of(&u32s, DType::U32).word(&Device::Cpu).is_ok());
        assert!(Arg::Write(&f32s).word(&Device::Cpu).is_ok());
        Ok(())
    }
}
