//! Attention against its composed form, with biases and with positions.

use super::*;
use crate::nn::attention::Attention;

#[test]
fn attention_matches_with_and_without_dropout_and_padding() -> crate::Result<()> {
    let padded = crate::PackedPieces::new([&[1, 2, 3][..], &[4, 5]]).padded_to(4, 0)?.layout().clone();
    // Lengths out of order, a text without rows, and padding.
    for layout in [PackedLayout::new([3, 1, 4]), PackedLayout::new([2, 0, 3]), padded] {
        let qkv = ["q", "k", "v"].map(|name| var(name, (layout.n_rows(), 6)));
        for p in [None, Some(0.3)] {
            let generator = || rng::Rng::seed_from_u64(5);
            check(
                &[&qkv[0], &qkv[1], &qkv[2]],
                |t| {
                    let mut rng = generator();
                    attention(t[0], t[1], t[2], 2, &layout, p.map(|p| (p, &mut rng)))
                },
                |t| {
                    let mask = p.map(|p| dropout::Mask::new(p, generator().next_u64()));
                    Attention::new(2, &layout, mask).composed(t[0], t[1], t[2], None)
                },
            );
            let bias = var("bias", (2, 2 * layout.longest() - 1));
            check(
                &[&qkv[0], &qkv[1], &qkv[2], &bias],
                |t| {
                    let mut rng = generator();
                    attention_with_bias(t[0], t[1], t[2], 2, &layout, Some(t[3]), p.map(|p| (p, &mut rng)))
                },
                |t| {
                    let mask = p.map(|p| dropout::Mask::new(p, generator().next_u64()));
                    let op = Attention::new(2, &layout, mask);
                    op.composed(t[0], t[1], t[2], Some(t[3]))
                },
            );
            // Of five positions, distances have the first, the last, and two twice.
            let distances = 2 * layout.longest() as u32 - 1;
            let of_distances: Vec<u32> = (0..distances).map(|x| 4 - 4 * x / (distances - 1)).collect();
            let [q, k] = ["q", "k"].map(|name| var(name, (layout.n_rows() + 5, 6)));
            check(
                &[&q, &k, &qkv[2]],
                |t| {
                    let mut rng = generator();
                    attention_with_positions(t[0], t[1], t[2], 2, &layout, &of_distances, p.map(|p| (p, &mut rng)))
                },
                |t| {
                    let mask = p.map(|p| dropout::Mask::new(p, generator().next_u64()));
                    let mut op = Attention::new(2, &layout, mask);
                    op.of_distances = Some(of_distances.clone());
                    op.composed(t[0], t[1], t[2], None)
                },
            );
        }
    }
    Ok(())
}

#[test]
fn a_bias_of_attention_is_that_of_the_distance() -> Result<()> {
    // Of scores that are all alike, the probabilities are those of the bias alone.
    let layout = PackedLayout::new([2, 3]);
    let (zeros, v) = (Tensor::zeros((5, 2), DType::F64, &Device::Cpu)?, var("v", (5, 2)));
    let bias = var("bias", (1, 5));
    let y = attention_with_bias(&zeros, &zeros, &v, 1, &layout, Some(&bias), None)?.to_vec2::<f64>()?;
    let (b, v) = (bias.to_vec2::<f64>()?.remove(0), v.to_vec2::<f64>()?);
    for (first, n) in [(0, 2), (2, 3)] {
        for i in 0..n {
            let weights: Vec<f64> = (0..n).map(|j| b[2 + j - i].exp()).collect();
            let sum: f64 = weights.iter().sum();
            for column in 0..2 {
                let want: f64 = (0..n).map(|j| weights[j] * v[first + j][column]).sum::<f64>() / sum;
                assert!((y[first + i][column] - want).abs() < 1e-12, "row {i} of the text at {first}");
            }
        }
    }
    Ok(())
}

#[test]
fn positions_of_attention_are_compared_with_queries_and_keys() -> Result<()> {
    let layout = PackedLayout::new([2, 4]);
    let [q, k] = ["q", "k"].map(|name| var(name, (6 + 3, 4)));
    let v = var("v", (6, 4));
    // Keys that are far behind, near, and far before a query.
    let of_distances = [2, 2, 1, 1, 1, 0, 0];
    let y = attention_with_positions(&q, &k, &v, 2, &layout, &of_distances, None)?.to_vec2::<f64>()?;
    let (q, k, v) = (q.to_vec2::<f64>()?, k.to_vec2::<f64>()?, v.to_vec2::<f64>()?);
    for (first, n, head) in [(0, 2, 0), (0, 2, 1), (2, 4, 0), (2, 4, 1)] {
        let columns = 2 * head..2 * head + 2;
        let dot = |a: &[f64], b: &[f64]| columns.clone().map(|c| a[c] * b[c]).sum::<f64>();
        for i in first..first + n {
            let weight = |j: usize| {
                let r = 6 + of_distances[3 + j - i] as usize;
                ((dot(&q[i], &k[j]) + dot(&q[i], &k[r]) + dot(&q[r], &k[j])) / 6_f64.sqrt()).exp()
            };
            let sum: f64 = (first..first + n).map(weight).sum();
            for column in columns.clone() {
                let want = (first..first + n).map(|j| weight(j) * v[j][column]).sum::<f64>() / sum;
                assert!((y[i][column] - want).abs() < 1e-12, "row {i}, column {column}");
            }
        }
    }
    Ok(())
}
