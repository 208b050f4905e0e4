//! Resizing as PIL does it, bit by bit: the networks were trained on what PIL (and torchvision and
//! transformers with it) makes of an image.
//!
//! ```text
//! y[i] = sum_j w[i, j] x[j]
//! w[i, j] ~ filter((j + 1/2 - centre_i) / s),    s = max(1, size of x / size of y)
//! ```
//! First each row, then each column, with weights in fixed point and 8 bits in between; when an
//! image shrinks, the filter widens with it (antialiasing). `Filter::Nearest` takes the pixel at
//! each centre.

use super::decode::Pixels;
use crate::preprocessing::Filter;
use std::ops::Range;

impl Filter {
    /// How far it reaches, in pixels of the larger image.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        let x = x.abs();
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
        match self {
            Self::Nearest => 0.0,
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5,
            Self::Lanczos if x < 3.0 => sinc(x) * sinc(x / 3.0),
            Self::Bicubic | Self::Lanczos => 0.0,
        }
    }
}

/// A part of the resized image, in its pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Columns.
    pub columns: Range<usize>,
    /// Rows.
    pub rows: Range<usize>,
}

/// A part of an image that is resized to `width` x `height`, all at least 1. Nothing outside of the
/// part is computed, so that a long and narrow image takes no more memory than any other.
///
/// # Panics
/// For a size of 0, and a part that reaches out of the resized image.
pub fn resize(image: &Pixels, (width, height): (usize, usize), part: &Part, filter: Filter) -> Pixels {
    let (across, down) = (&part.columns, &part.rows);
    let rgb = if filter == Filter::Nearest {
        nearest(image, &centres(image.width, width, across), &centres(image.height, height, down))
    } else {
        let across = Weights::new(image.width, width, across, filter);
        blend(image, &across, &Weights::new(image.height, height, down, filter))
    };
    Pixels { width: across.len(), height: down.len(), rgb }
}

fn nearest(image: &Pixels, columns: &[usize], rows: &[usize]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(rows.len() * columns.len() * 3);
    for y in rows {
        for x in columns {
            let at = (y * image.width + x) * 3;
            rgb.extend_from_slice(&image.rgb[at..at + 3]);
        }
    }
    rgb
}

/// The old pixel at the centre of each new one. A running sum, as PIL has it: its rounding decides
/// ties.
fn centres(from: usize, to: usize, part: &Range<usize>) -> Vec<usize> {
    let step = from as f64 / to as f64;
    let sums = std::iter::successors(Some(0.5 * step), |centre| Some(centre + step));
    sums.take(part.end).skip(part.start).map(|centre| (centre as usize).min(from - 1)).collect()
}

/// Bits of a weight behind the point: 32, less 8 for the pixel and 2 for sums that overshoot.
const FRACTION: u32 = 22;
const HALF: i32 = 1 << (FRACTION - 1);

/// Which old pixels make each new one of a row or a column.
struct Weights {
    /// Those that make each new one, and the weight of each.
    of: Vec<(Range<usize>, Vec<i32>)>,
    /// Whether old and new pixels are the same.
    same: bool,
}

impl Weights {
    fn new(from: usize, to: usize, part: &Range<usize>, filter: Filter) -> Self {
        if from == to {
            return Self { of: part.clone().map(|i| (i..i + 1, vec![1 << FRACTION])).collect(), same: true };
        }
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        let of = part.clone().map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            // Truncation after adding 1/2, and never below 0, is what `as usize` does.
            let old = (centre - support + 0.5) as usize..((centre + support + 0.5) as usize).min(from);
            let weights = old.clone().map(|j| filter.at((j as f64 - centre + 0.5) * (1.0 / stretch)));
            let weights: Vec<f64> = weights.collect();
            let total: f64 = weights.iter().sum();
            let fixed = |w: f64| (w / total * f64::from(1 << FRACTION) + 0.5f64.copysign(w)) as i32;
            (old, weights.into_iter().map(fixed).collect())
        });
        Self { of: of.collect(), same: false }
    }
}

/// Rounds a sum of pixels times weights to 8 bits.
fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION).clamp(0, 255) as u8
}

/// Each old row is resized once and added to the new rows it is part of.
fn blend(image: &Pixels, across: &Weights, down: &Weights) -> Vec<u8> {
    let width = across.of.len() * 3;
    let mut sums = vec![HALF; width * down.of.len()];
    let mut line = vec![0u8; width];
    let mut first = 0;
    let begin = down.of.first().map_or(0, |(old, _)| old.start);
    let end = down.of.iter().map(|(old, _)| old.end).max().unwrap_or(0);
    for y in begin..end {
        resize_row(&image.rgb[y * image.width * 3..][..image.width * 3], across, &mut line);
        // New rows begin and end in order.
        first += down.of[first..].iter().take_while(|(old, _)| old.end <= y).count();
        for (i, (old, weights)) in down.of.iter().enumerate().skip(first).take_while(|(_, (old, _))| old.start <= y) {
            let w = weights[y - old.start];
            let sums = &mut sums[i * width..(i + 1) * width];
            sums.iter_mut().zip(&line).for_each(|(sum, p)| *sum += i32::from(*p) * w);
        }
    }
    sums.into_iter().map(to_byte).collect()
}

fn resize_row(row: &[u8], weights: &Weights, line: &mut [u8]) {
    if weights.same {
        let from = weights.of.first().map_or(0, |(old, _)| old.start * 3);
        line.copy_from_slice(&row[from..from + line.len()]);
        return;
    }
    for (to, (old, weights)) in line.chunks_exact_mut(3).zip(&weights.of) {
        let mut sums = [HALF; 3];
        for (pixel, w) in row[old.start * 3..].chunks_exact(3).zip(weights) {
            sums.iter_mut().zip(pixel).for_each(|(sum, p)| *sum += i32::from(*p) * w);
        }
        to.iter_mut().zip(sums).for_each(|(to, sum)| *to = to_byte(sum));
    }
}
