//! Weights in the arrangement of a form, whichever, and rows for them: what layers that only
//! predict keep, and what they multiply.

use super::super::precision::{Form, Unit};
use super::float::{Mat, MatMut, Threads, Write};
#[cfg(target_arch = "x86_64")]
use super::panels;
use super::{bf16, in_bf16, in_int8, int8};

/// A weight with a bias, as products of rows take it, and the unit that multiplies it.
#[derive(Clone, Debug)]
pub(crate) enum Packed {
    #[cfg(target_arch = "x86_64")]
    F32(panels::Packed),
    Int8(in_int8::Packed, Unit),
    Bf16(in_bf16::Packed, Unit),
}

impl Packed {
    /// A weight `[n, k]`, row after row, which is the product's right side transposed, and a bias
    /// `[n]`. `None` in f32 where that has no other arrangement, and in int8 for rows so long that
    /// a sum could overflow. For a unit that this CPU lacks its fastest one stands in.
    pub(crate) fn new(weight: &[f32], n: usize, k: usize, bias: &[f32], form: Form) -> Option<Self> {
        match form {
            #[cfg(target_arch = "x86_64")]
            Form::F32 if panels::is_there() => Some(Self::F32(panels::Packed::new(Mat::new(weight, n, k).t(), bias))),
            Form::F32 => None,
            Form::Int8(_) if k > in_int8::LONGEST => None,
            Form::Int8(unit) => Some(Self::Int8(in_int8::Packed::new(weight, n, k, bias), unit.for_int8())),
            Form::Bf16(unit) => {
                let weight = in_bf16::Packed::new(Mat::new(weight, n, k).t(), bias);
                Some(Self::Bf16(weight, unit.for_bf16()))
            }
        }
    }

    /// Rows that a task multiplies at once, `[rows, wide]` of which fit into a second cache. In f32
    /// a weight is larger, which is read for each block of rows: so they are more.
    pub(crate) fn rows_at_once(&self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::F32(_) => panels::BLOCK,
            _ => bf16::BLOCK,
        }
    }

    /// Whether rows that are taken for one of the two are as the other multiplies them.
    pub(crate) fn takes_rows_of(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.dims().0 == other.dims().0
    }

    /// Numbers of a row that it multiplies, and of a row that it gives.
    pub(crate) fn dims(&self) -> (usize, usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::F32(weight) => weight.dims(),
            Self::Int8(weight, _) => weight.dims(),
            Self::Bf16(weight, _) => weight.dims(),
        }
    }
}

/// Rows in the numbers of the weight that they meet. Its memory is kept from product to product.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    f32: Vec<f32>,
    int8: in_int8::Rows,
    bf16: in_bf16::Rows,
}

impl Rows {
    /// Takes the rows of `x: [rows, k]` for this weight, and others of its form and width.
    pub(crate) fn take(&mut self, x: &[f32], weight: &Packed) {
        let (k, _) = weight.dims();
        match weight {
            #[cfg(target_arch = "x86_64")]
            Packed::F32(_) => x.clone_into(&mut self.f32),
            Packed::Int8(..) => self.int8.quantise(x, k),
            Packed::Bf16(..) => self.bf16.round(Mat::new(x, x.len() / k.max(1), k), Threads::One),
        }
    }

    /// Takes these rows of others.
    pub(crate) fn gather(&mut self, of: &Self, rows: &[usize], weight: &Packed) {
        let (k, _) = weight.dims();
        match weight {
            #[cfg(target_arch = "x86_64")]
            Packed::F32(_) => {
                self.f32.clear();
                rows.iter().for_each(|row| self.f32.extend_from_slice(&of.f32[row * k..][..k]));
            }
            Packed::Int8(..) => self.int8.gather(&of.int8, rows),
            Packed::Bf16(..) => self.bf16.gather(&of.bf16, rows),
        }
    }
}

/// `dst = rows weight + bias`, or `dst += rows weight + bias`; `dst: [rows, n]`. No bit of a row
/// depends on the rows beside it.
pub(crate) fn multiply(rows: &Rows, weight: &Packed, dst: &mut [f32], write: Write) {
    let (k, n) = weight.dims();
    let n_rows = dst.len() / n.max(1);
    let dst = MatMut::new(dst, n_rows, n);
    match weight {
        #[cfg(target_arch = "x86_64")]
        Packed::F32(weight) => panels::multiply(Mat::new(&rows.f32, n_rows, k), weight, dst, write),
        Packed::Int8(weight, unit) => int8::multiply(*unit, &rows.int8, weight, dst, write),
        Packed::Bf16(weight, unit) => bf16::multiply(*unit, &rows.bf16, weight, dst, write),
    }
}
