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

/// Queries and keys turned by their places, where a piece sees one other to each side, as
/// ModernBERT has it.
fn in_a_window(t: &[Tensor], layout: &PackedLayout) -> Result<Tensor> {
    let (last, device) = (layout.longest() as i64 - 1, t[0].device());
    let row: Vec<f32> = (-last..=last).map(|x| if x.abs() <= 1 { 0.0 } else { -3e4 }).collect();
    let bias = Tensor::new(row.repeat(2), device)?.reshape((2, row.len()))?.to_dtype(t[0].dtype())?;
    let rotary = Rotary::new(layout, t[0].dim(1)? / 2, 1e4, device)?;
    let (q, k) = (rotary.forward(&t[0])?, rotary.forward(&t[1])?);
    attention_with_bias(&q, &k, &t[2], 2, layout, Some(&bias), None)
}

#[test]
fn rotary_positions_and_windows() {
    for lengths in [vec![7, 1, 4], vec![0, 3], vec![70]] {
        let layout = PackedLayout::new(lengths);
        let n = layout.n_rows();
        check(&[&[n, 8], &[n, 8], &[n, 8]], |t| in_a_window(t, &layout));
    }
}

#[test]
fn windows_leave_numbers_finite_in_half_precision_and_in_padding() -> Result<()> {
    // Rows of padding see no piece of their text.
    let padded = PackedPieces::new([&[1, 2, 3][..], &[4, 5]]).padded_to(9, 0).expect("room").layout().clone();
    let inputs = ["q", "k", "v"].map(|name| noise(name, (18, 8)));
    let want = in_a_window(&inputs, &padded)?;
    let is_finite = |x: &Tensor| x.abs()?.sum_all()?.to_scalar::<f32>().map(f32::is_finite);
    assert!(is_finite(&want)?);
    for (dtype, tolerance) in [(DType::F16, 4e-3), (DType::BF16, 3e-2)] {
        let half = inputs.each_ref().map(|x| x.to_device(&device())?.to_dtype(dtype));
        let half: Vec<Tensor> = half.into_iter().collect::<Result<_>>()?;
        let got = composed(|| in_a_window(&half, &padded))?.to_dtype(DType::F32)?;
        assert!(is_finite(&got)?, "{dtype:?}");
        for text in 0..2 {
            let rows = padded.real_rows(text);
            let real = |x: &Tensor| x.narrow(0, rows.start, rows.len());
            let off = difference(&real(&got)?, &real(&want)?);
            assert!(off < tolerance, "{dtype:?} differs by {off:e}");
        }
    }
    Ok(())
}
