//! Matrix products, a file a form.
//!
//! `float` is the product of f32 and f64, the crate `gemm`'s; `panels` is a faster one for layers
//! that only predict, where a CPU has AVX-512. `in_int8` holds weights and rows in int8 and `int8`
//! multiplies them; `in_bf16` and `bf16` are the same in bf16. Each has a product for any CPU, and
//! kernels for units of a CPU: `vnni`, int8 by AVX-512 VNNI, `avx512_bf16`, and `amx`, both by
//! Intel's matrix unit. Kernels give the portable bits, but for `avx512_bf16`, whose sums have
//! another order. `tile` is what those for AVX-512 share, and `check` says which units there are.
//! `arranged` is a weight in any of these forms, for models that predict; `product` chooses for
//! layers that train. Another form is a file here, a variant of
//! [`Form`](super::precision::Form), and a way to choose it there.

/// Columns of a panel, as weights are arranged in every form.
const COLS: usize = 32;
/// Columns of a line, half a panel: as many numbers of 32 bits as a register of AVX-512 has.
const LANES: usize = 16;
/// Groups of four bytes of a row come in steps of so many, those that a tile of AMX takes.
const STEP: usize = 16;

#[cfg(target_arch = "x86_64")]
mod amx;
mod arranged;
#[cfg(target_arch = "x86_64")]
mod avx512_bf16;
mod bf16;
mod check;
mod float;
mod in_bf16;
mod in_int8;
mod int8;
#[cfg(target_arch = "x86_64")]
mod panels;
mod product;
#[cfg(target_arch = "x86_64")]
mod tile;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub(crate) use arranged::{Packed, Rows, multiply};
pub(super) use check::{avx512_bf16_is_fast, has_amx, has_avx512_bf16, has_vnni};
pub(crate) use float::{Mat, MatMut, Write, add_column_sums, repeated, transposed};
pub(super) use product::has_panels_for;
pub(crate) use product::{RightSide, product, product_alike};
