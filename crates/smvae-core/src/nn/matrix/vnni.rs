//! The int8 product on CPUs with AVX-512 VNNI: `vpdpbusd`, twelve rows by 32 columns at a time, 24
//! registers of sums.
//!
//! A step of the inner loop takes two lines of the weight and four numbers of each row, copied to
//! every lane as they are loaded: 14 loads for 24 products, where a CPU does two of each at once.
//! A panel is read once for every twelve rows, from the first cache if it has at most 1,500 terms,
//! and else from the second, in order.

use super::LANES;
use super::float::{MatMut, Write};
use super::in_int8::{Columns, GROUP, Line, Packed, Rows};
use super::tile::{TILE, by_rows, line};
use std::arch::x86_64::*;

/// Whether this CPU has what [`multiply`] needs.
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// As [`super::int8::multiply`], which has checked the shapes.
pub(super) fn multiply(rows: &Rows, weight: &Packed, dst: MatMut<'_, f32>, write: Write) {
    assert!(is_there(), "a CPU without VNNI");
    // SAFETY: the CPU has the features that the function was compiled for.
    unsafe { panels(rows, weight, dst, write) }
}

/// Where a tile lies, and what it is written to.
struct Place<'a, 'd> {
    /// The row of its first row.
    row: usize,
    /// The column of the panel's first column.
    col: usize,
    dst: &'a mut MatMut<'d, f32>,
    write: Write,
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn panels(rows: &Rows, weight: &Packed, mut dst: MatMut<'_, f32>, write: Write) {
    for (col, lines, columns) in weight.panels() {
        for row in (0..rows.n_rows()).step_by(TILE) {
            let at = Place { row, col, dst: &mut dst, write };
            by_rows!(rows.n_rows() - row, tile(rows, lines, columns, at));
        }
    }
}

/// `R` rows by the columns of a panel.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn tile<const R: usize>(rows: &Rows, lines: &[Line], columns: &Columns, at: Place<'_, '_>) {
    let width = rows.groups * GROUP;
    let values = &rows.values[at.row * width..][..R * width];
    let lines = lines.as_chunks::<2>().0;
    assert!(lines.len() == rows.groups, "a panel of another length than the rows");
    let (starts, _) = columns.starts.as_chunks::<LANES>();
    let mut sums = [[integers(&starts[0]), integers(&starts[1])]; R];
    for (group, [left, right]) in lines.iter().enumerate() {
        let (left, right) = (line(left), line(right));
        for (r, [to_left, to_right]) in sums.iter_mut().enumerate() {
            // SAFETY: `values` has R rows of `width` bytes, r < R, and group < width / GROUP.
            let four = unsafe { values.as_ptr().add(r * width + group * GROUP).cast::<i32>().read_unaligned() };
            let four = _mm512_set1_epi32(four);
            *to_left = _mm512_dpbusd_epi32(*to_left, four, left);
            *to_right = _mm512_dpbusd_epi32(*to_right, four, right);
        }
    }
    finish(&sums, &rows.scales[at.row..][..R], columns, at);
}

/// From sums to numbers, and to where they belong.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn finish<const R: usize>(sums: &[[__m512i; 2]; R], row_scales: &[f32], columns: &Columns, at: Place<'_, '_>) {
    let (scales, bias) = (columns.scales.as_chunks::<LANES>().0, columns.bias.as_chunks::<LANES>().0);
    for (r, (sums, row_scale)) in sums.iter().zip(row_scales).enumerate() {
        let row = &mut at.dst.row(at.row + r)[at.col..];
        let row_scale = _mm512_set1_ps(*row_scale);
        for (half, to) in row.chunks_mut(LANES).take(2).enumerate() {
            let scale = _mm512_mul_ps(row_scale, numbers(&scales[half]));
            let product = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[half]), scale);
            let mask = u16::MAX >> (LANES - to.len());
            let value = _mm512_add_ps(product, numbers(&bias[half]));
            // SAFETY: the mask leaves as many lanes as `to` has numbers, and no more are touched.
            unsafe {
                let value = match at.write {
                    Write::Add => _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to.as_ptr()), value),
                    Write::Overwrite => value,
                };
                _mm512_mask_storeu_ps(to.as_mut_ptr(), mask, value);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn integers(x: &[i32; LANES]) -> __m512i {
    // SAFETY: 16 numbers of 4 bytes, in any place.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn numbers(x: &[f32; LANES]) -> __m512 {
    // SAFETY: 16 numbers of 4 bytes, in any place.
    unsafe { _mm512_loadu_ps(x.as_ptr()) }
}
