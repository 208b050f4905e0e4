//! The bf16 product on CPUs with AVX-512 BF16: `vdpbf16ps`, twelve rows by 32 columns at a time, 24
//! registers of sums.
//!
//! The instruction adds two products to each of 16 sums: that of the odd place first, then that of
//! the even one, each by a fused multiply-add. Numbers below 2^-126, sums among them, are zeros.
//! AMD's Zen 4 issues it as often as a multiply-add of f32, and so has twice the speed; Intel's
//! Xeons were seen to be slower by it than in f32, and gain by AMX alone.

use super::COLS;
use super::float::{MatMut, Write};
use super::in_bf16::{Line, finish};
use super::tile::{TILE, by_rows, fetch_ahead, line, stored};
use std::arch::x86_64::*;

/// Whether this CPU has what [`multiply`] needs.
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// Whether this product is faster than that of f32: on AMD's CPUs.
pub(super) fn is_fast() -> bool {
    let vendor = __cpuid(0);
    is_there() && [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
}

/// As `panel` of `bf16`, which has checked the shapes.
pub(super) fn multiply(rows: &[u32], lines: &[Line], bias: &[f32; COLS], dst: MatMut<'_, f32>, write: Write) {
    assert!(is_there(), "a CPU without AVX-512 BF16");
    // SAFETY: the CPU has the features that the function was compiled for.
    unsafe { panel(rows, lines.as_chunks().0, bias, dst, write) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn panel(rows: &[u32], lines: &[[Line; 2]], bias: &[f32; COLS], mut dst: MatMut<'_, f32>, write: Write) {
    let n = dst.dims().0;
    for row in (0..n).step_by(TILE) {
        let to = |r: usize, sums: &[f32; COLS]| finish(sums.iter().copied(), bias, dst.row(row + r), write);
        by_rows!(n - row, tile(&rows[row * lines.len()..], lines, to));
    }
}

/// `R` rows of pairs by the columns of a panel; calls `each` with the sums of each row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn tile<const R: usize>(rows: &[u32], lines: &[[Line; 2]], mut each: impl FnMut(usize, &[f32; COLS])) {
    let pairs = lines.len();
    assert!(R * pairs <= rows.len(), "a panel of more terms than the rows");
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for (pair, halves) in lines.iter().enumerate() {
        fetch_ahead(halves);
        let [left, right] = [line(&halves[0]), line(&halves[1])];
        for (r, [to_left, to_right]) in sums.iter_mut().enumerate() {
            // SAFETY: r < R and pair < pairs, and there are R * pairs numbers (asserted).
            let both = _mm512_set1_epi32(unsafe { *rows.get_unchecked(r * pairs + pair) } as i32);
            *to_left = dot(*to_left, both, left);
            *to_right = dot(*to_right, both, right);
        }
    }
    stored(sums).iter().enumerate().for_each(|(r, sums)| each(r, sums));
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn dot(sums: __m512, row: __m512i, line: __m512i) -> __m512 {
    // SAFETY: two types of 512 bits that may have any value.
    let as_pairs = |x| unsafe { std::mem::transmute::<__m512i, __m512bh>(x) };
    _mm512_dpbf16_ps(sums, as_pairs(row), as_pairs(line))
}
