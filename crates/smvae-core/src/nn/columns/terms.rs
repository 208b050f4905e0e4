//! Which columns of a weight are added up.

use super::super::real::Real;

/// Columns of a weight that stand for one factor, the first of them and their sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Added.
    Plus(usize),
    /// Subtracted.
    Minus(usize),
}

impl Columns {
    pub(super) fn first(self) -> usize {
        match self {
            Self::Plus(first) | Self::Minus(first) => first,
        }
    }

    pub(super) fn is_plus(self) -> bool {
        matches!(self, Self::Plus(_))
    }

    /// `to += sign from`, row by row.
    pub(super) fn add<T: Real>(self, to: &mut [T], from: &[T]) {
        let pairs = to.iter_mut().zip(from);
        if self.is_plus() { pairs.for_each(|(t, f)| *t += *f) } else { pairs.for_each(|(t, f)| *t -= *f) }
    }
}
