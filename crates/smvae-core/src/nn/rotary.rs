//! Rotary positions: the numbers of a query or key are turned in pairs, by an angle that grows with
//! the place of its row in its own text (Su et al. 2021, RoFormer).
//!
//! ```text
//! y[i]         = x[i] cos(a) - x[i + w/2] sin(a)        a = place theta^(-2 i / w), i < w / 2,
//! y[i + w/2]   = x[i + w/2] cos(a) + x[i] sin(a)        in each head of width w
//! ```
//! The product of a query and a key that are turned so depends on the distance of their places, and
//! on neither alone. Turning keeps lengths, so that the gradient is turned back by the same angle.
//! Angles are f32, as transformers has them.

use super::dispatch::is_fused;
use super::real::{Real, Values, for_real, values, vectorised};
use crate::pieces::PackedLayout;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// The angles of all rows of a layout, for heads of one width.
#[derive(Clone, Debug)]
pub struct Rotary {
    /// Cosines and sines of each row, `[rows, 2, width / 2]`, f32.
    turns: Tensor,
}

impl Rotary {
    /// The angles of the texts of `layout`, each of which begins at place 0, for heads of this
    /// width. `theta` is the base of the frequencies, 10000 in the paper: the larger it is, the
    /// slower the last pairs turn.
    ///
    /// # Errors
    /// If the width is odd or 0; those of the copy to the device.
    pub fn new(layout: &PackedLayout, width: usize, theta: f64, device: &Device) -> Result<Self> {
        if width == 0 || !width.is_multiple_of(2) {
            candle_core::bail!("rotary: heads of the width {width}, which is not a positive even number");
        }
        let frequencies: Vec<f32> = (0..width / 2).map(|i| frequency(i, width, theta)).collect();
        let of_place = |place: usize| {
            let angles = frequencies.iter().map(move |frequency| f64::from(place as f32 * frequency));
            let (cosines, sines) = (angles.clone().map(f64::cos), angles.map(f64::sin));
            cosines.chain(sines).map(|x| x as f32)
        };
        let longest: Vec<f32> = (0..layout.longest()).flat_map(of_place).collect();
        let of_texts = (0..layout.n_texts()).map(|text| &longest[..layout.rows(text).len() * width]);
        let turns = of_texts.collect::<Vec<_>>().concat();
        Ok(Self { turns: Tensor::from_vec(turns, (layout.n_rows(), 2, width / 2), device)? })
    }

    /// Turns each row of `x: [rows, heads width]`; returns the same shape.
    ///
    /// # Errors
    /// If `x` has other rows than the layout, or no whole number of heads.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let ((rows, d), (places, _, half)) = (x.dims2()?, self.turns.dims3()?);
        if rows != places || d == 0 || !d.is_multiple_of(2 * half) {
            candle_core::bail!("rotary: x {:?} where {places} rows of heads of the width {} fit", x.dims(), 2 * half);
        }
        if is_fused(x) { x.contiguous()?.apply_op2(&self.turns, RotaryOp) } else { self.composed(x) }
    }

    /// The same of candle's operations; numbers of half precision are turned in f32.
    pub(super) fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let ((rows, d), (_, _, half)) = (x.dims2()?, self.turns.dims3()?);
        let dtype = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let turns = self.turns.to_dtype(dtype)?.unsqueeze(1)?;
        let (cos, sin) = (turns.narrow(2, 0, 1)?, turns.narrow(2, 1, 1)?);
        let pairs = x.to_dtype(dtype)?.contiguous()?.reshape((rows, d / (2 * half), 2, half))?;
        let turned = Tensor::cat(&[pairs.narrow(2, 1, 1)?.neg()?, pairs.narrow(2, 0, 1)?], 2)?;
        let y = (pairs.broadcast_mul(&cos)? + turned.broadcast_mul(&sin)?)?;
        y.reshape((rows, d))?.to_dtype(x.dtype())
    }
}

/// How far the pair `i` of a head turns from one place to the next. transformers' f32 power is that
/// of f64, rounded, or the number beside it.
fn frequency(i: usize, width: usize, theta: f64) -> f32 {
    let exponent = (2 * i) as f32 / width as f32;
    1.0 / theta.powf(f64::from(exponent)) as f32
}

/// Rows a task of the thread pool turns.
const ROWS: usize = 64;

/// Turns each row of `x` by its `turns`, `[rows, 2, half]`, or back again.
fn turn<T: Real>(x: &[T], turns: &[f32], half: usize, back: bool) -> Vec<T> {
    let d = x.len() * 2 * half / turns.len().max(1);
    let mut y = vec![T::ZERO; x.len()];
    let rows = y.par_chunks_mut(d.max(1)).zip(x.par_chunks(d.max(1))).zip(turns.par_chunks(2 * half));
    rows.with_min_len(ROWS).for_each(|((y, x), turns)| {
        let (cos, sin) = turns.split_at(half);
        vectorised(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(2 * half).zip(x.chunks_exact(2 * half)) {
                    turn_head(y, x, cos, sin, back);
                }
            },
        );
    });
    y
}

#[inline(always)]
fn turn_head<T: Real>(y: &mut [T], x: &[T], cos: &[f32], sin: &[f32], back: bool) {
    let ((y1, y2), (x1, x2)) = (y.split_at_mut(cos.len()), x.split_at(cos.len()));
    for ((((y1, y2), (x1, x2)), cos), sin) in y1.iter_mut().zip(y2).zip(x1.iter().zip(x2)).zip(cos).zip(sin) {
        let (cos, sin) = (T::of(f64::from(*cos)), T::of(f64::from(if back { -sin } else { *sin })));
        *y1 = *x1 * cos - *x2 * sin;
        *y2 = *x2 * cos + *x1 * sin;
    }
}

struct RotaryOp;

impl CustomOp2 for RotaryOp {
    fn name(&self) -> &'static str {
        "rotary"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        turns: &CpuStorage,
        turns_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, _, half) = turns_l.shape().dims3()?;
        let turns = values::<f32>(turns, turns_l)?;
        for_real!(x.dtype(), "rotary", T => {
            Ok((T::into_storage(turn(values::<T>(x, x_l)?, turns, half, false)), x_l.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, turns: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, _, half) = turns.dims3()?;
        let turns = Values::<f32>::of(turns)?;
        for_real!(x.dtype(), "rotary", T => {
            let dy = Values::<T>::of(dy)?;
            let dx = dy.with(|dy| turns.with(|turns| turn(dy, turns, half, true)))??;
            Ok((Some(Tensor::from_vec(dx, x.shape(), x.device())?), None))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;
    use candle_core::Var;

    const TEXTS: [usize; 3] = [3, 1, 90];

    fn noise(name: &str, shape: (usize, usize), dtype: DType) -> Tensor {
        let noise = rng::standard_normal(shape, &mut rng::named(7, name), &Device::Cpu);
        noise.and_then(|noise| noise.to_dtype(dtype)).expect("noise on the CPU")
    }

    fn rotary(texts: &[usize], width: usize, theta: f64) -> Rotary {
        Rotary::new(&PackedLayout::new(texts.iter().copied()), width, theta, &Device::Cpu).expect("an even width")
    }

    #[test]
    fn pairs_of_numbers_are_turned_by_their_place() -> Result<()> {
        let (width, theta) = (6, 100.0);
        let x = noise("x", (94, 2 * width), DType::F64);
        let y = rotary(&TEXTS, width, theta).forward(&x)?.to_vec2::<f64>()?;
        let x = x.to_vec2::<f64>()?;
        let places = TEXTS.into_iter().flat_map(|n| 0..n);
        for (place, (x, y)) in places.zip(x.iter().zip(&y)) {
            for head in [0, width] {
                for i in 0..width / 2 {
                    let (first, second) = (head + i, head + i + width / 2);
                    let (sin, cos) = (place as f64 * theta.powf(-2.0 * i as f64 / width as f64)).sin_cos();
                    let want = [x[first] * cos - x[second] * sin, x[second] * cos + x[first] * sin];
                    let off = (y[first] - want[0]).abs().max((y[second] - want[1]).abs());
                    // Angles are f32.
                    assert!(off < 3e-5, "place {place}, pair {i}: {off:e}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn products_depend_on_distances_alone() -> Result<()> {
        let rotary = rotary(&[40], 8, 1e4);
        let same = |name: &str| noise(name, (1, 8), DType::F64).broadcast_as((40, 8));
        let (q, k) = (rotary.forward(&same("q")?)?, rotary.forward(&same("k")?)?);
        let products = q.matmul(&k.t()?)?.to_vec2::<f64>()?;
        for i in 0..37 {
            assert!((products[i][i + 3] - products[0][3]).abs() < 1e-5, "from {i}");
        }
        Ok(())
    }

    #[test]
    fn the_gradient_is_that_of_central_differences_and_of_the_composed_form() -> Result<()> {
        let (rotary, shape) = (rotary(&[3, 2], 4, 10.0), (5, 8));
        let (x, weights) = (noise("x", shape, DType::F64), noise("weights", shape, DType::F64));
        let loss = |y: &Tensor| (y.sqr()? * &weights)?.sum_all();
        let x = Var::from_tensor(&x)?;
        let gradient = |y: &Tensor| loss(y)?.backward()?.remove(&x).expect("x is a variable").to_vec2::<f64>();
        let (fused, composed) = (gradient(&rotary.forward(&x)?)?, gradient(&rotary.composed(&x)?)?);
        let values = x.to_vec2::<f64>()?;
        for (row, column) in (0..5).flat_map(|row| (0..8).map(move |column| (row, column))) {
            let at = |step: f64| -> Result<f64> {
                let mut moved = values.clone();
                moved[row][column] += step;
                loss(&rotary.forward(&Tensor::new(moved, &Device::Cpu)?)?)?.to_scalar::<f64>()
            };
            let want = (at(1e-5)? - at(-1e-5)?) / 2e-5;
            let got = fused[row][column];
            assert!((got - want).abs() < 1e-8, "{row}, {column}: {got} instead of {want}");
            assert!((got - composed[row][column]).abs() < 1e-12, "{row}, {column}");
        }
        Ok(())
    }

    #[test]
    fn other_texts_and_threads_change_no_bit() -> Result<()> {
        let x = noise("x", (94, 24), DType::F32);
        let together = rotary(&TEXTS, 12, 1e4).forward(&x)?.to_vec2::<f32>()?;
        let alone = rotary(&[90], 12, 1e4).forward(&x.narrow(0, 4, 90)?)?.to_vec2::<f32>()?;
        assert_eq!(alone, together[4..]);
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("threads");
        assert_eq!(one_thread.install(|| rotary(&TEXTS, 12, 1e4).forward(&x))?.to_vec2::<f32>()?, together);
        Ok(())
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() -> Result<()> {
        let layout = PackedLayout::new([2, 1]);
        for width in [0, 3] {
            assert!(Rotary::new(&layout, width, 1e4, &Device::Cpu).is_err(), "{width}");
        }
        let rotary = Rotary::new(&layout, 4, 1e4, &Device::Cpu)?;
        let of = |shape: (usize, usize)| rotary.forward(&Tensor::zeros(shape, DType::F32, &Device::Cpu)?);
        assert_eq!(of((3, 8))?.dims(), [3, 8]);
        for shape in [(2, 8), (3, 6), (3, 0)] {
            assert!(of(shape).is_err(), "{shape:?}");
        }
        let nothing = Rotary::new(&PackedLayout::new([0; 0]), 4, 1e4, &Device::Cpu)?;
        assert_eq!(nothing.forward(&Tensor::zeros((0, 8), DType::F32, &Device::Cpu)?)?.dims(), [0, 8]);
        Ok(())
    }
}
