//! Attention of candle's operations, for devices other than the CPU: the same numbers on texts that
//! are padded to the longest.

use super::super::dropout::Mask;
use super::heads::Attention;
use crate::pieces::PackedLayout;
use candle_core::{D, Device, Result, Tensor};
use rayon::prelude::*;

impl Attention {
    /// The same of candle's operations, on texts padded to the longest.
    pub(in crate::nn) fn composed(&self, q: &Tensor, k: &Tensor, v: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (rows, d) = v.dims2()?;
        let (texts, longest, width) = (self.layout.n_texts(), self.longest, d / self.n_heads);
        let padding = Padding::new(&self.layout, self.longest, q.device())?;
        let heads = |x: &Tensor| {
            let x = x.contiguous()?.index_select(&padding.into, 0)?;
            x.reshape((texts, longest, self.n_heads, width))?.transpose(1, 2)?.contiguous()
        };
        let (of_q, of_k) = (heads(&q.narrow(0, 0, rows)?)?, heads(&k.narrow(0, 0, rows)?)?);
        let mut scores = of_q.matmul(&of_k.t()?)?;
        let mut terms = 1;
        if let Some(of_distances) = &self.of_distances {
            let of_positions = |x: &Tensor| {
                let x = x.narrow(0, rows, x.dim(0)? - rows)?;
                x.reshape((1, (), self.n_heads, width))?.transpose(1, 2)?.contiguous()
            };
            let chosen = self.of_pairs(of_distances, q.device())?;
            scores = (scores + compare(&of_q, &of_positions(k)?, &chosen)?)?;
            scores = (scores + compare(&of_k, &of_positions(q)?, &chosen.t()?)?.t()?)?;
            terms = 3;
        }
        let scores = (scores * (1.0 / ((width * terms) as f64).sqrt()))?;
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
        let longest = self.longest;
        let columns: Vec<u32> = (0..self.distances() as u32).collect();
        let columns = self.of_pairs(&columns, bias.device())?.flatten_all()?;
        bias.contiguous()?.index_select(&columns, 1)?.reshape((1, self.n_heads, longest, longest))
    }

    /// A number for each distance as one for each query and key, `[longest, longest]`.
    fn of_pairs(&self, of_distances: &[u32], device: &Device) -> Result<Tensor> {
        let longest = self.longest;
        let of_pairs =
            (0..longest).flat_map(|i| (0..longest).map(move |j| of_distances[longest - 1 + j - i])).collect();
        Tensor::from_vec(of_pairs, (longest, longest), device)
    }

    /// What dropout keeps of the padded probabilities `[texts, heads, longest, longest]`.
    fn kept(&self, mask: Mask, d: usize) -> Vec<u8> {
        let longest = self.longest.max(1);
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

/// Products of each row of `x: [texts, heads, longest, width]` with the chosen ones of
/// `positions: [1, heads, n, width]`, by `chosen: [longest, longest]`.
fn compare(x: &Tensor, positions: &Tensor, chosen: &Tensor) -> Result<Tensor> {
    let products = x.broadcast_matmul(&positions.t()?)?;
    let (texts, heads, longest, _) = products.dims4()?;
    products.gather(&chosen.broadcast_as((texts, heads, longest, longest))?.contiguous()?, D::Minus1)
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
    fn new(layout: &PackedLayout, longest: usize, device: &Device) -> Result<Self> {
        let texts = layout.n_texts();
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
