//! Matrix products, a file a form.
//!
//! `float` is the product of f32 and f64, the crate `gemm`'s; `panels` is a faster one for layers
//! that only predict, where a CPU has AVX-512. `packed` holds weights and rows in int8 and `int8`
//! multiplies them; `bf16` does both in bf16. Each has a product for any CPU, whose bits the
//! kernels for a unit of a CPU give, too: `vnni`, int8 by AVX-512 VNNI, and `amx`, both by Intel's
//! matrix unit, which `check` compares before it is used. `arranged` is a weight in any of these
//! forms, for models that predict; `product` chooses for layers that train. Another form is a file
//! here, a variant of [`Form`](super::precision::Form), and a way to choose it there.

#[cfg(target_arch = "x86_64")]
mod amx;
mod arranged;
mod bf16;
mod check;
mod float;
mod int8;
mod packed;
#[cfg(target_arch = "x86_64")]
mod panels;
mod product;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub(crate) use arranged::{Packed, Rows, multiply};
pub(super) use check::has_amx;
pub(crate) use float::{Mat, MatMut, Threads, Write, add_column_sums, matmul, repeated, transposed};
pub(super) use product::has_panels_for;
pub(crate) use product::{RightSide, product, product_alike};

/// Whether this CPU has VNNI with AVX-512.
pub(super) fn has_vnni() -> bool {
    #[cfg(target_arch = "x86_64")]
    return vnni::is_there();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}
