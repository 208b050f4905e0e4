//! Which units this CPU has. AMX is asked to multiply before it is used, so that a CPU, or what
//! stands for one, that does not compute what the portable products do is left alone.

use super::super::precision::Unit;
use super::float::{Mat, MatMut, Threads, Write};
use super::{bf16, in_bf16, in_int8, int8};
use std::sync::OnceLock;

/// What an expression says on x86-64, and `false` elsewhere, where its modules are not.
macro_rules! on_x86_64 {
    ($says:expr) => {{
        #[cfg(target_arch = "x86_64")]
        let says = $says;
        #[cfg(not(target_arch = "x86_64"))]
        let says = false;
        says
    }};
}

/// Whether this CPU has VNNI with AVX-512.
pub(in super::super) fn has_vnni() -> bool {
    on_x86_64!(super::vnni::is_there())
}

/// Whether this CPU has AVX-512 BF16.
pub(in super::super) fn has_avx512_bf16() -> bool {
    on_x86_64!(super::avx512_bf16::is_there())
}

/// Whether its product in bf16 is faster than that in f32.
pub(in super::super) fn avx512_bf16_is_fast() -> bool {
    on_x86_64!(super::avx512_bf16::is_fast())
}

/// Whether this CPU has AMX for int8 and bf16, this process may use it, and it computes what the
/// portable products do.
pub(in super::super) fn has_amx() -> bool {
    static AGREE: OnceLock<bool> = OnceLock::new();
    on_x86_64!(super::amx::is_there()) && *AGREE.get_or_init(tiles_agree)
}

/// Rows, terms and columns that fill no tile.
const SIZE: (usize, usize, usize) = (35, 70, 40);

/// Whether AMX gives the portable bits of a small product in int8 and in bf16.
fn tiles_agree() -> bool {
    let (m, k, n) = SIZE;
    let numbers = |n: usize, step: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * step).sin()).collect() };
    let (x, w, bias) = (numbers(m * k, 0.7), numbers(n * k, 1.3), numbers(n, 0.2));
    let product = |f: &dyn Fn(MatMut<'_, f32>)| -> Vec<u32> {
        let mut dst = vec![0.0; m * n];
        f(MatMut::new(&mut dst, m, n));
        dst.iter().map(|y| y.to_bits()).collect()
    };
    let product_int8 = |unit| {
        let mut rows = in_int8::Rows::default();
        rows.quantise(&x, k);
        let weight = in_int8::Packed::new(&w, n, k, &bias);
        product(&|dst| int8::multiply(unit, &rows, &weight, dst, Write::Overwrite))
    };
    let product_bf16 = |unit| {
        let mut rows = in_bf16::Rows::default();
        rows.round(Mat::new(&x, m, k), Threads::One);
        let weight = in_bf16::Packed::new(Mat::new(&w, n, k).t(), &bias);
        product(&|dst| bf16::multiply(unit, &rows, &weight, dst, Write::Overwrite))
    };
    product_int8(Unit::Amx) == product_int8(Unit::Portable) && product_bf16(Unit::Amx) == product_bf16(Unit::Portable)
}
