//! Multi-head self-attention over packed texts: `softmax(q k' / sqrt(d_head) + b) v`, one text and
//! one head at a time. `b`, which is optional, is a number for each head and each distance from a
//! query to a key (Shaw et al. 2018, in the form of Raffel et al. 2020): the same in every text. Or
//! distances have queries and keys of their own, which are compared as well (`positions.rs`).
//!
//! No padding: rows of all texts lie one after another and a row attends to its own text. The
//! probabilities are computed again in the backward pass, which costs less than keeping them.
//! Dropout acts on the probabilities.

mod composed;
mod heads;
mod kernels;
mod positions;

use super::dispatch::{has_kernels, is_fused};
use super::dropout::Mask;
use super::lanes::{add, dot, largest, sum};
use super::matrix::{Mat, MatMut, Write};
use super::real::{Real, Values, for_real, values, vectorised};
use super::small::Panels;
use crate::pieces::PackedLayout;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use heads::{Head, Inputs};
use positions::PositionGradients;
use rayon::prelude::*;

pub(super) use heads::Attention;

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
    run([q, k, v], n_heads, layout, Relative::None, dropout)
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
    run([q, k, v], n_heads, layout, bias.map_or(Relative::None, Relative::Bias), dropout)
}

/// Attention in which pieces are compared with distances too, "disentangled" (He et al. 2021):
/// `softmax((q_i k_j + q_i K_r + Q_r k_j) / sqrt(3 d_head)) v`, where `r` is the position of the
/// distance from `i` to `j`.
///
/// `q` and `k` are `[rows + positions, d]`: behind those of the pieces they have the queries `Q`
/// and the keys `K` of the positions, since models give both by the same layers. `v` is
/// `[rows, d]`. The position of the key `j` for the query `i` of a text is
/// `of_distances[longest - 1 + j - i]`, where `longest` is the layout's.
///
/// # Errors
/// As [`attention`], or if there is not one position for each of the `2 longest - 1` distances.
pub fn attention_with_positions(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    n_heads: usize,
    layout: &PackedLayout,
    of_distances: &[u32],
    dropout: Option<(f64, &mut crate::Rng)>,
) -> Result<Tensor> {
    run([q, k, v], n_heads, layout, Relative::Positions(of_distances), dropout)
}

/// How the distance of two pieces enters their score.
#[derive(Clone, Copy)]
enum Relative<'a> {
    None,
    Bias(&'a Tensor),
    Positions(&'a [u32]),
}

fn run(
    [q, k, v]: [&Tensor; 3],
    n_heads: usize,
    layout: &PackedLayout,
    relative: Relative<'_>,
    dropout: Option<(f64, &mut crate::Rng)>,
) -> Result<Tensor> {
    let (rows, d) = v.dims2()?;
    let positions = if let Relative::Positions(_) = relative { q.dims2()?.0.saturating_sub(rows) } else { 0 };
    if k.dims() != q.dims()
        || q.dims() != [rows + positions, d]
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
    let mut op = Attention::new(n_heads, layout, mask);
    let distances = op.distances();
    let bias = match relative {
        Relative::None => None,
        Relative::Bias(bias) if bias.dims() == [n_heads, distances] => Some(bias),
        Relative::Bias(bias) => candle_core::bail!(
            "attention: the bias {:?} is not [{n_heads}, {distances}], heads and distances",
            bias.dims()
        ),
        Relative::Positions(of) if of.len() == distances && of.iter().all(|r| (*r as usize) < positions) => {
            op.of_distances = Some(of.to_vec());
            None
        }
        Relative::Positions(of) => candle_core::bail!(
            "attention: {} positions of distances, where {distances} of {positions} were expected",
            of.len()
        ),
    };
    if has_kernels(v) {
        let bias = bias.map(Tensor::contiguous).transpose()?;
        return kernels::attention(op, [&q.contiguous()?, &k.contiguous()?, &v.contiguous()?], bias.as_ref());
    }
    if !is_fused(v) {
        return op.composed(q, k, v, bias);
    }
    // One after the other in one tensor, since candle's operations take three.
    let q = match bias {
        Some(bias) => Tensor::cat(&[q.flatten_all()?, bias.flatten_all()?], 0)?,
        None => q.contiguous()?,
    };
    q.apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

impl Attention {
    /// Probabilities `[n, m]` of a head, before dropout.
    fn probabilities<T: Real>(&self, head: &Head, of: &Inputs<'_, T>, p: &mut [T], panels: &mut Panels<T>) {
        let (q, k) = (head.rows(of.q, head.n), head.rows(of.k, head.m));
        panels.matmul(MatMut::new(p, head.n, head.m), q, k.t(), self.scale(head), Write::Overwrite);
        self.add_positions(head, of, p, panels);
        vectorised(
            #[inline(always)]
            || {
                for (i, p) in p.chunks_exact_mut(head.m).enumerate() {
                    if !of.bias.is_empty() {
                        add(p, &of.bias[self.bias_at(head, i)..]);
                    }
                    softmax(p);
                }
            },
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

    /// Gradients of q, k and v; that of a bias follows the one of q, and those of positions follow
    /// the ones of q and k.
    fn backward<T: Real>(&self, of: &Inputs<'_, T>, dout: &[T]) -> [Vec<T>; 3] {
        let Inputs { q, k, v, d, .. } = *of;
        let mut grads = [(); 3].map(|()| vec![T::ZERO; v.len()]);
        let [dq, dk, dv] = &mut grads;
        let split = |x| split_texts(x, &self.layout, d);
        let texts: Vec<_> = split(dq).into_iter().zip(split(dk)).zip(split(dv)).enumerate().collect();
        let of_texts = texts.into_par_iter().map(|(text, ((dq, dk), dv))| {
            let start = self.layout.rows(text).start * d;
            let mut dbias = vec![T::ZERO; of.bias.len()];
            let mut dpositions = self.reach(self.layout.rows(text).len()).map(|r| PositionGradients::new(&r, d));
            let (mut p, mut dropped, mut ds, mut panels) = (Vec::new(), Vec::new(), Vec::new(), Panels::new());
            for head in self.heads(text, d) {
                let Head { n, m, width, .. } = head;
                let at = head.at - start;
                let scale = self.scale(&head);
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
                    || {
                        for (i, (ds, p)) in ds.chunks_exact_mut(m).zip(p.chunks_exact(m)).enumerate() {
                            softmax_backward(ds, p);
                            if !dbias.is_empty() {
                                add(&mut dbias[self.bias_at(&head, i)..], ds);
                            }
                        }
                    },
                );
                let (dq, dk, dscores) = (&mut dq[at..], &mut dk[at..], Mat::new(&ds, n, m));
                panels.matmul(MatMut::strided(dq, n, width, d), dscores, head.rows(k, m), scale, Write::Overwrite);
                panels.matmul(MatMut::strided(dk, m, width, d), dscores.t(), head.rows(q, n), scale, Write::Overwrite);
                if let Some(to) = &mut dpositions {
                    self.add_position_gradients(&head, of, &ds, [dq, dk], to, &mut panels);
                }
            }
            (dbias, dpositions)
        });
        // In the order of the texts, so that threads change no bit.
        let of_texts: Vec<(Vec<T>, Option<PositionGradients<T>>)> = of_texts.collect();
        let mut dbias = vec![T::ZERO; of.bias.len()];
        let mut dpositions = of.positions.map(|x| vec![T::ZERO; x.len()]);
        for (bias, positions) in &of_texts {
            add(&mut dbias, bias);
            positions.iter().for_each(|part| part.add_to(&mut dpositions, d));
        }
        let [dqueries, dkeys] = dpositions;
        grads[0].extend(dbias);
        grads[0].extend(dqueries);
        grads[1].extend(dkeys);
        grads
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
        let (_, d) = v_l.shape().dims2()?;
        for_real!(q.dtype(), "attention", T => {
            let out = self.forward(&self.inputs(values::<T>(q, q_l)?, values::<T>(k, k_l)?, values::<T>(v, v_l)?, d));
            Ok((T::into_storage(out), v_l.shape().clone()))
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
        let (_, d) = v.dims2()?;
        for_real!(q.dtype(), "attention", T => {
            let [qs, ks, vs, douts] = [q, k, v, dout].map(Values::<T>::of);
            let (qs, ks, vs, douts) = (qs?, ks?, vs?, douts?);
            let backward = |q: &[T], k: &[T], v: &[T], dout: &[T]| self.backward(&self.inputs(q, k, v, d), dout);
            let [dq, dk, dv] =
                qs.with(|q| ks.with(|k| vs.with(|v| douts.with(|dout| backward(q, k, v, dout)))))????;
            let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
            Ok((Some(tensor(dq, q)?), Some(tensor(dk, k)?), Some(tensor(dv, v)?)))
        })
    }
}
