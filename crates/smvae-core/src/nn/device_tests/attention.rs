//! Attention in all forms: alone, with biases, with positions.

use super::*;

/// All three of two heads, with and without dropout. Distances take turns at `positions` positions.
#[track_caller]
fn check_all(layout: &PackedLayout, d: usize, positions: usize) {
    let (n, longest) = (layout.n_rows(), layout.longest());
    let of_distances: Vec<u32> = (0..2 * longest - 1).map(|x| (x.div_ceil(2) % positions) as u32).collect();
    for p in [None, Some(0.3)] {
        let rng = || rng::Rng::seed_from_u64(5);
        check(&[&[n, d], &[n, d], &[n, d]], |t| {
            let mut rng = rng();
            attention(&t[0], &t[1], &t[2], 2, layout, p.map(|p| (p, &mut rng)))
        });
        check(&[&[n, d], &[n, d], &[n, d], &[2, 2 * longest - 1]], |t| {
            let mut rng = rng();
            attention_with_bias(&t[0], &t[1], &t[2], 2, layout, Some(&t[3]), p.map(|p| (p, &mut rng)))
        });
        check(&[&[n + positions, d], &[n + positions, d], &[n, d]], |t| {
            let mut rng = rng();
            let dropout = p.map(|p| (p, &mut rng));
            attention_with_positions(&t[0], &t[1], &t[2], 2, layout, &of_distances, dropout)
        });
    }
}

#[test]
fn attention_with_and_without_dropout_and_padding() {
    let padded = PackedPieces::new([&[1, 2, 3][..], &[4, 5]]).padded_to(4, 0).expect("room").layout().clone();
    // A text without rows, texts of one row alone, and padding.
    for layout in [PackedLayout::new([3, 1, 4]), PackedLayout::new([2, 0, 3]), PackedLayout::new([1, 1]), padded] {
        check_all(&layout, 6, layout.longest());
    }
}

#[test]
fn attention_of_texts_and_heads_of_several_tiles() {
    // Tiles are 32 rows. More positions than distances: some have none.
    check_all(&PackedLayout::new([32, 5, 70]), 2 * 33, 150);
    check_all(&PackedLayout::new([33]), 2, 40);
    let ids = [1; 40];
    let padded = PackedPieces::new([&ids[..3], &ids[..]]).padded_to(65, 0).expect("room").layout().clone();
    check_all(&padded, 2 * 64, 20);
}

#[test]
fn a_bias_of_one_layer_after_another_has_the_sum_of_their_gradients() {
    let layout = PackedLayout::new([3, 2]);
    check(&[&[5, 4], &[2, 5]], |t| {
        let x = attention_with_bias(&t[0], &t[0], &t[0], 2, &layout, Some(&t[1]), None)?;
        attention_with_bias(&x, &t[0], &x, 2, &layout, Some(&t[1]), None)
    });
}

#[test]
fn a_bias_that_is_not_trained_is_still_added() {
    let layout = PackedLayout::new([3, 2]);
    check(&[&[5, 4], &[5, 4], &[5, 4]], |t| {
        let bias = noise("bias", (2, 5)).to_device(t[0].device())?;
        attention_with_bias(&t[0], &t[1], &t[2], 2, &layout, Some(&bias), None)
    });
}
