//! Nodes of candle's graph that are made of what kernels have written already.

use super::Output;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail,
};
use std::sync::Mutex;

/// The backward pass of an operation of `N` inputs.
pub(crate) trait Backward<const N: usize>: Send + Sync + 'static {
    const NAME: &'static str;

    /// Gradients of the inputs, from them and the gradient `dy` of the output, which is contiguous;
    /// `None` for an input that needs none or has it in place.
    fn backward(&self, inputs: [&Tensor; N], dy: &Tensor) -> Result<[Option<Tensor>; N]>;
}

/// `y` as a function of one tensor.
pub(crate) fn node1<B: Backward<1>>(y: Output, [a]: [&Tensor; 1], backward: B) -> Result<Tensor> {
    a.apply_op1(Node::new(y, backward))
}

/// `y` as a function of two tensors.
pub(crate) fn node2<B: Backward<2>>(y: Output, [a, b]: [&Tensor; 2], backward: B) -> Result<Tensor> {
    a.apply_op2(b, Node::new(y, backward))
}

/// `y` as a function of three tensors.
pub(crate) fn node3<B: Backward<3>>(y: Output, [a, b, c]: [&Tensor; 3], backward: B) -> Result<Tensor> {
    a.apply_op3(b, c, Node::new(y, backward))
}

struct Node<B> {
    /// What the kernels wrote, until candle's forward pass takes it, once.
    written: Mutex<Option<(Storage, Shape)>>,
    backward: B,
}

impl<B> Node<B> {
    fn new(y: Output, backward: B) -> Self {
        Self { written: Mutex::new(Some(y.into_parts())), backward }
    }

    fn take(&self) -> Result<(Storage, Shape)> {
        let mut written = self.written.lock().expect("nothing panics while it is locked");
        written.take().ok_or_else(|| candle_core::Error::Msg("an operation runs forward once".to_owned()))
    }

    fn take_cpu(&self) -> Result<(CpuStorage, Shape)> {
        match self.take()? {
            (Storage::Cpu(storage), shape) => Ok((storage, shape)),
            _ => bail!("a result on a GPU of inputs on the CPU"),
        }
    }

    fn take_cuda(&self) -> Result<(CudaStorage, Shape)> {
        match self.take()? {
            (Storage::Cuda(storage), shape) => Ok((storage, shape)),
            _ => bail!("a result on the CPU of inputs on a GPU"),
        }
    }
}

impl<B: Backward<1>> CustomOp1 for Node<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.take_cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.take_cuda()
    }

    fn bwd(&self, a: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let [a] = self.backward.backward([a], &dy.contiguous()?)?;
        Ok(a)
    }
}

impl<B: Backward<2>> CustomOp2 for Node<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.take_cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.take_cuda()
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok(self.backward.backward([a, b], &dy.contiguous()?)?.into())
    }
}

impl<B: Backward<3>> CustomOp3 for Node<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.take_cpu()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.take_cuda()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        Ok(self.backward.backward([a, b, c], &dy.contiguous()?)?.into())
    }
}
