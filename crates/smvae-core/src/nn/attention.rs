//! Multi-head self-attention over packed texts: `softmax(q k' / sqrt(d_head) + b) v`, one text and
//! one head at a time. `b`, which is optional, is a number for each head and each distance from a
//! query to a key (Shaw et al. 2018, in the form of Raffel et al. 2020): the same in every text.
//!
//! No padding: rows of all texts lie one after another and a row attends to its own text. The
//! probabilities are computed again in the backward pass, which costs less than keeping them.
//! Dropout acts on the probabilities.

use super::dispatch::is_fused;
use super::dropout::Mask;
use super::lanes::{dot, largest, sum};
use super::matrix::{Mat, MatMut, Write};
use super::real::{Real, Values, for_real, values, vectorised};
use super::small::Panels;
use crate::pieces::PackedLayout;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, D, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Attention of `q`, `k`, `v`: `[rows, d]` with the rows of `layout`; returns `[rows, d]`.
///
/// `dropout` is the probability of dropping an attention weight and the generator one number is
/// drawn from.
///
/// # Errors
/// If the shapes differ or do not fit the layout, `d` is not a multiple of `n_heads`, or the number
/// type is neither f32 nor f64.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    n_heads: usize,
    layout: &PackedLayout,
    dropout: Option<(f64, &mut crate::Rng)>,
) -> Result<Tensor> {
    attention_with_bias(q, k, v, n_heads, layout, None, dropout)
}

/// As [`attention`], with `bias: [n_heads, 2 longest - 1]` added to the scores: that of the key `j`
/// for the query `i` of a text is in column `longest - 1 + j - i`, where `longest` is the layout's.
/// The bias gets a gradient.
///
/// # Errors
/// As [`attention`], or if the bias has another shape.
pub fn attention_with_bias(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    n_heads: usize,
    layout: &PackedLayout,
    bias: Option<&Tensor>,
    dropout: Option<(f64, &mut crate::Rng)>,
) -> Result<Tensor> {
    let (rows, d) = q.dims2()?;
    if k.dims() != q.dims()
        || v.dims() != q.dims()
        || rows != layout.n_rows()
        || d == 0
        || n_heads == 0
        || d % n_heads != 0
    {
        candle_core::bail!(
            "attention: q {:?}, k {:?}, v {:?} with {n_heads} heads do not fit {} packed rows",
            q.dims(),
            k.dims(),
            v.dims(),
            layout.n_rows()
        );
    }
    let mask = dropout.map(|(p, rng)| Mask::draw(p, rng)).transpose()?.flatten();
    let op = Attention { n_heads, layout: layout.clone(), mask };
    let distances = op.distances();
    if let Some(bias) = bias.filter(|bias| bias.dims() != [n_heads, distances]) {
        candle_core::bail!(
            "attention: the bias {:?} is not [{n_heads}, {distances}], heads and distances",
            bias.dims()
        );
    }
    if !is_fused(q) {
        return op.composed(q, k, v, bias);
    }
    // One after the other in one tensor, since candle's operations take three.
    let q = match bias {
        Some(bias) => Tensor::cat(&[q.flatten_all()?, bias.flatten_all()?], 0)?,
        None => q.contiguous()?,
    };
    q.apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

pub(super) struct Attention {
    pub(super) n_heads: usize,
    pub(super) layout: PackedLayout,
    pub(super) mask: Option<Mask>,
}

/// What attention is computed of. Arrays of rows are `[rows, d]`.
struct Inputs<'a, T> {
    q: &'a [T],
    k: &'a [T],
    v: &'a [T],
    /// `[n_heads, distances]`, or empty.
    bias: &'a [T],
    d: usize,
}

impl<'a, T> Inputs<'a, T> {
    /// From what the operation is given, whose first array may have a bias at its end.
    fn of(q_and_bias: &'a [T], k: &'a [T], v: &'a [T], d: usize) -> Self {
        let (q, bias) = q_and_bias.split_at(k.len());
        Self { q, k, v, bias, d }
    }
}

/// One head of one text: `n` rows attend to the first `m` of them.
struct Head {
    index: usize,
    n: usize,
    m: usize,
    width: usize,
    /// Elements from a row to the next.
    stride: usize,
    /// First element, in the packed arrays.
    at: usize,
    /// Position of the first probability, for the dropout mask.
    mask_at: usize,
}

impl Attention {
    /// Distances from a query to a key that the layout can have.
    fn distances(&self) -> usize {
        (2 * self.layout.longest()).saturating_sub(1)
    }

    /// Where the distances from query `i` of a head to its keys begin, in an array
    /// `[n_heads, distances]`.
    fn bias_at(&self, head: &Head, i: usize) -> usize {
        head.index * self.distances() + self.layout.longest() - 1 - i
    }

    fn heads(&self, text: usize, d: usize) -> impl Iterator<Item = Head> {
        let rows = self.layout.rows(text);
        let (n, m, width) = (rows.len(), self.layout.lengths()[text], d / self.n_heads);
        // Distinct for any two probabilities of a batch, and a function of the batch alone.
        let mask_at = rows.start * self.layout.longest() * self.n_heads;
        // A text without rows has nothing to attend to.
        let n_heads = if m == 0 { 0 } else { self.n_heads };
        (0..n_heads).map(move |h| Head {
            index: h,
            n,
            m,
            width,
            stride: d,
            at: rows.start * d + h * width,
            mask_at: mask_at + h * n * m,
        })
    }

    /// Probabilities `[n, m]` of a head, before dropout.
    fn probabilities<T: Real>(&self, head: &Head, of: &Inputs<'_, T>, p: &mut [T], panels: &mut Panels<T>) {
        let scale = T::of(1.0 / (head.width as f64).sqrt());
        let (q, k) = (head.rows(of.q, head.n), head.rows(of.k, head.m));
        panels.matmul(MatMut::new(p, head.n, head.m), q, k.t(), scale, Write::Overwrite);
        if !of.bias.is_empty() {
            for (i, p) in p.chunks_exact_mut(head.m).enumerate() {
                p.iter_mut().zip(&of.bias[self.bias_at(head, i)..]).for_each(|(p, bias)| *p += *bias);
            }
        }
        vectorised(
            #[inline(always)]
            || p.chunks_exact_mut(head.m).for_each(softmax),
        );
    }

    fn forward<T: Real>(&self, of: &Inputs<'_, T>) -> Vec<T> {
        let d = of.d;
        let mut out = vec![T::ZERO; of.q.len()];
        split_texts(&mut out, &self.layout, d).into_par_iter().enumerate().for_each(|(text, out)| {
            let start = self.layout.rows(text).start * d;
            let (mut p, mut panels) = (Vec::new(), Panels::new());
            for head in self.heads(text, d) {
                p.resize(head.n * head.m, T::ZERO);
                self.probabilities(&head, of, &mut p, &mut panels);
                self.drop(&head, &mut p);
                let out = MatMut::strided(&mut out[head.at - start..], head.n, head.width, d);
                let p = Mat::new(&p, head.n, head.m);
                panels.matmul(out, p, head.rows(of.v, head.m), T::ONE, Write::Overwrite);
            }
        });
        out
    }

    fn drop<T: Real>(&self, head: &Head, p: &mut [T]) {
        if let Some(mask) = self.mask {
            vectorised(
                #[inline(always)]
                || p.iter_mut().enumerate().for_each(|(i, p)| *p *= mask.factor(head.mask_at + i)),
            );
        }
    }

    /// Gradients of q, k and v; that of a bias follows the one of q.
    fn backward<T: Real>(&self, of: &Inputs<'_, T>, dout: &[T]) -> [Vec<T>; 3] {
        let Inputs { q, k, v, d, .. } = *of;
        let mut grads = [(); 3].map(|_| vec![T::ZERO; q.len()]);
        let [dq, dk, dv] = &mut grads;
        let split = |x| split_texts(x, &self.layout, d);
        let texts: Vec<_> = split(dq).into_iter().zip(split(dk)).zip(split(dv)).enumerate().collect();
        let of_texts = texts.into_par_iter().map(|(text, ((dq, dk), dv))| {
            let start = self.layout.rows(text).start * d;
            let mut dbias = vec![T::ZERO; of.bias.len()];
            let (mut p, mut dropped, mut ds, mut panels) = (Vec::new(), Vec::new(), Vec::new(), Panels::new());
            for head in self.heads(text, d) {
                let Head { n, m, width, .. } = head;
                let at = head.at - start;
                let scale = T::of(1.0 / (width as f64).sqrt());
                p.resize(n * m, T::ZERO);
                ds.resize(n * m, T::ZERO);
                self.probabilities(&head, of, &mut p, &mut panels);
                dropped.clone_from(&p);
                self.drop(&head, &mut dropped);
                let dout = head.rows(dout, n);
                let dv = MatMut::strided(&mut dv[at..], m, width, d);
                panels.matmul(dv, Mat::new(&dropped, n, m).t(), dout, T::ONE, Write::Overwrite);
                let dp = MatMut::new(&mut ds, n, m);
                panels.matmul(dp, dout, head.rows(v, m).t(), T::ONE, Write::Overwrite);
                self.drop(&head, &mut ds);
                vectorised(
                    #[inline(always)]
                    || ds.chunks_exact_mut(m).zip(p.chunks_exact(m)).for_each(|(ds, p)| softmax_backward(ds, p)),
                );
                if !dbias.is_empty() {
                    for (i, ds) in ds.chunks_exact(m).enumerate() {
                        dbias[self.bias_at(&head, i)..].iter_mut().zip(ds).for_each(|(sum, ds)| *sum += *ds);
                    }
                }
                let ds = Mat::new(&ds, n, m);
                let dq = MatMut::strided(&mut dq[at..], n, width, d);
                panels.matmul(dq, ds, head.rows(k, m), scale, Write::Overwrite);
                let dk = MatMut::strided(&mut dk[at..], m, width, d);
                panels.matmul(dk, ds.t(), head.rows(q, n), scale, Write::Overwrite);
            }
            dbias
        });
        let of_texts: Vec<Vec<T>> = of_texts.collect();
        if !of.bias.is_empty() {
            // In the order of the texts, so that threads change no bit.
            let mut dbias = vec![T::ZERO; of.bias.len()];
            of_texts.iter().for_each(|part| dbias.iter_mut().zip(part).for_each(|(sum, part)| *sum += *part));
            grads[0].extend(dbias);
        }
        grads
    }

    /// The same of candle's operations, on texts padded to the longest.
    pub(super) fn composed(&self, q: &Tensor, k: &Tensor, v: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (_, d) = q.dims2()?;
        let (texts, longest, width) = (self.layout.n_texts(), self.layout.longest(), d / self.n_heads);
        let padding = Padding::new(&self.layout, q.device())?;
        let heads = |x: &Tensor| {
            let x = x.contiguous()?.index_select(&padding.into, 0)?;
            x.reshape((texts, longest, self.n_heads, width))?.transpose(1, 2)?.contiguous()
        };
        let scores = (heads(q)?.matmul(&heads(k)?.t()?)? * (1.0 / (width as f64).sqrt()))?;
        let mut scores = scores.broadcast_add(&padding.bias.to_dtype(q.dtype())?)?;
        if let Some(bias) = bias {
            scores = scores.broadcast_add(&self.spread(bias)?)?;
        }
        let mut p = candle_nn::ops::softmax(&scores, D::Minus1)?;
        if let Some(mask) = self.mask {
            p = mask.apply_kept(&p, self.kept(mask, d))?;
        }
        let out = p.matmul(&heads(v)?)?.transpose(1, 2)?.reshape((texts * longest, d))?;
        out.index_select(&padding.back, 0)
    }

    /// `bias: [n_heads, distances]` to `[1, n_heads, longest, longest]`.
    fn spread(&self, bias: &Tensor) -> Result<Tensor> {
        let longest = self.layout.longest();
        let columns = (0..longest).flat_map(|i| (0..longest).map(move |j| (longest - 1 + j - i) as u32)).collect();
        let columns = Tensor::from_vec(columns, longest * longest, bias.device())?;
        bias.contiguous()?.index_select(&columns, 1)?.reshape((1, self.n_heads, longest, longest))
    }

    /// What dropout keeps of the padded probabilities `[texts, heads, longest, longest]`.
    fn kept(&self, mask: Mask, d: usize) -> Vec<u8> {
        let longest = self.layout.longest().max(1);
        let mut kept = vec![0; self.layout.n_texts() * self.n_heads * longest * longest];
        kept.par_chunks_mut(self.n_heads * longest * longest).enumerate().for_each(|(text, kept)| {
            for (head, kept) in self.heads(text, d).zip(kept.chunks_mut(longest * longest)) {
                for (row, kept) in kept.chunks_mut(longest).take(head.n).enumerate() {
                    let first = head.mask_at + row * head.m;
                    kept[..head.m].iter_mut().enumerate().for_each(|(i, kept)| *kept = mask.keeps(first + i));
                }
            }
        });
        kept
    }
}

/// Packed rows to rows of texts padded to the longest, and back.
struct Padding {
    /// The packed row of each padded one, `[texts * longest]`; any row for a row of padding.
    into: Tensor,
    /// The padded row of each packed one, `[rows]`.
    back: Tensor,
    /// 0 for real keys, and for others so far below that their probability is 0:
    /// `[texts, 1, 1, longest]`.
    bias: Tensor,
}

impl Padding {
    fn new(layout: &PackedLayout, device: &Device) -> Result<Self> {
        let (texts, longest) = (layout.n_texts(), layout.longest());
        let (mut into, mut back) = (vec![0u32; texts * longest], Vec::with_capacity(layout.n_rows()));
        let mut bias = vec![-1e9f32; texts * longest];
        for text in 0..texts {
            let (rows, first) = (layout.rows(text), text * longest);
            back.extend(first as u32..(first + rows.len()) as u32);
            into[first..].iter_mut().zip(rows).for_each(|(into, row)| *into = row as u32);
            bias[first..first + layout.lengths()[text]].fill(0.0);
        }
        Ok(Self {
            into: Tensor::from_vec(into, texts * longest, device)?,
            back: Tensor::from_vec(back, layout.n_rows(), device)?,
            bias: Tensor::from_vec(bias, (texts, 1, 1, longest), device)?,
        })
    }
}

impl Head {
    fn rows<'a, T: Real>(&self, x: &'a [T], rows: usize) -> Mat<'a, T> {
        Mat::strided(&x[self.at..], rows, self.width, self.stride)
    }
}

#[inline(always)]
fn softmax<T: Real>(row: &mut [T]) {
    let top = largest(row);
    row.iter_mut().for_each(|v| *v = (*v - top).exp());
    let scale = T::ONE / sum(row, |v| v);
    row.iter_mut().for_each(|v| *v *= scale);
}

/// `g = p (g - g . p)`: from the gradient of the probabilities `p` to that of the scores.
#[inline(always)]
fn softmax_backward<T: Real>(g: &mut [T], p: &[T]) {
    let dot = dot(g, p);
    g.iter_mut().zip(p).for_each(|(g, p)| *g = *p * (*g - dot));
}

/// One slice per text.
fn split_texts<'a, T>(mut x: &'a mut [T], layout: &PackedLayout, d: usize) -> Vec<&'a mut [T]> {
    let mut texts = Vec::with_capacity(layout.n_texts());
    for text in 0..layout.n_texts() {
        let (head, tail) = x.split_at_mut(layout.rows(text).len() * d);
        texts.push(head);
        x = tail;
    }
    texts
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_l: &Layout,
        k: &CpuStorage,
        k_l: &Layout,
        v: &CpuStorage,
        v_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, d) = k_l.shape().dims2()?;
        for_real!(q.dtype(), "attention", T => {
            let out = self.forward(&Inputs::of(values::<T>(q, q_l)?, values::<T>(k, k_l)?, values::<T>(v, v_l)?, d));
            Ok((T::into_storage(out), k_l.shape().clone()))
        })
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _out: &Tensor,
        dout: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, d) = k.dims2()?;
        for_real!(q.dtype(), "attention", T => {
            let [qs, ks, vs, douts] = [q, k, v, dout].map(Values::<T>::of);
            let (qs, ks, vs, douts) = (qs?, ks?, vs?, douts?);
            let backward = |q: &[T], k: &[T], v: &[T], dout: &[T]| self.backward(&Inputs::of(q, k, v, d), dout);
            let [dq, dk, dv] =
                qs.with(|q| ks.with(|k| vs.with(|v| douts.with(|dout| backward(q, k, v, dout)))))????;
            let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
            Ok((Some(tensor(dq, q)?), Some(tensor(dk, k)?), Some(tensor(dv, v)?)))
        })
    }
}
