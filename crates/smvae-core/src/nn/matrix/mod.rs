//! Matrix products, a file a form.
//!
//! `float` is the product of f32 and f64, the crate `gemm`'s. `packed` holds weights and rows in
//! int8, `int8` multiplies them on any CPU or hands them to `vnni`, the kernel for CPUs with VNNI.
//! Another form is a file here, a variant of [`Form`](super::precision::Form), and a way to choose
//! it there.

mod float;
mod int8;
mod packed;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub(crate) use float::{Mat, MatMut, Threads, Write, add_column_sums, matmul, matmul_alike, repeated, transposed};
pub(crate) use int8::multiply;
pub(crate) use packed::{Packed, Rows};

/// Whether this CPU has VNNI with AVX-512.
pub(super) fn has_vnni() -> bool {
    #[cfg(target_arch = "x86_64")]
    return vnni::is_there();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}
