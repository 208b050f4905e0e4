//! The multimodal ELBO with a network of your own.
//!
//! `smvae::core::vae` holds pure functions: tensors in, one number a row out, noise as an argument.
//! Here plain candle matrices encode and decode two views of the same points, and the second view
//! of every other point is missing. Needs nothing; prints the negative ELBO as gradient descent
//! brings it down:
//!
//! ```text
//! cargo run --example own_network_elbo
//! ```

use smvae::core::candle_core::{DType, Device, Tensor, Var};
use smvae::core::vae::{Expert, Gaussian, kl_standard_normal, mean_squared_error, product_of_experts};
use smvae::core::{Result, Rng, rng};

const ROWS: usize = 64;
const LATENT: usize = 2;
/// Widths of the two views.
const WIDTHS: [usize; 2] = [6, 4];

/// One view's encoder `[width, 2 latent]` and decoder `[latent, width]`.
struct Coder {
    encode: Var,
    decode: Var,
}

impl Coder {
    fn new(width: usize, rng: &mut Rng) -> Result<Self> {
        let mut draw = |shape: (usize, usize)| -> Result<Var> {
            Ok(Var::from_tensor(&(rng::standard_normal(shape, rng, &Device::Cpu)? * 0.1)?)?)
        };
        Ok(Self { encode: draw((width, 2 * LATENT))?, decode: draw((LATENT, width))? })
    }

    fn expert(&self, x: &Tensor) -> Result<Gaussian> {
        let out = x.matmul(&self.encode)?;
        Gaussian::new(out.narrow(1, 0, LATENT)?, &out.narrow(1, LATENT, LATENT)?)
    }
}

/// The negative ELBO of each row, `[ROWS]`; `present` tells which rows have the second view.
fn negative_elbo(coders: &[Coder; 2], views: &[Tensor; 2], present: &Tensor, noise: &Tensor) -> Result<Tensor> {
    let (first, second) = (coders[0].expert(&views[0])?, coders[1].expert(&views[1])?);
    let fused = product_of_experts(&[(&first).into(), Expert { gaussian: &second, present: Some(present) }])?;
    let z = fused.sample(noise)?;
    let mse = |i: usize| mean_squared_error(&z.matmul(&coders[i].decode)?, &views[i]);
    // A view that is missing is not reconstructed.
    Ok(((mse(0)? + (mse(1)? * present)?)? + (kl_standard_normal(&fused)? * 0.05)?)?)
}

fn main() -> Result<()> {
    let mut rng = rng::named(0, "example");
    let mut normal = |rows: usize, columns: usize| rng::standard_normal((rows, columns), &mut rng, &Device::Cpu);
    // Both views are made of the same two hidden numbers.
    let hidden = normal(ROWS, LATENT)?;
    let views = [hidden.matmul(&normal(LATENT, WIDTHS[0])?)?, hidden.matmul(&normal(LATENT, WIDTHS[1])?)?];
    let present = (Tensor::arange(0u32, ROWS as u32, &Device::Cpu)?.to_dtype(DType::F32)? * 0.5)?;
    let present = (&present - present.floor()?)?.ne(0f32)?.to_dtype(DType::F32)?;
    let noise: Vec<Tensor> = (0..300).map(|_| normal(ROWS, LATENT)).collect::<std::result::Result<_, _>>()?;

    let coders = [Coder::new(WIDTHS[0], &mut rng)?, Coder::new(WIDTHS[1], &mut rng)?];
    let mut losses = Vec::new();
    for (step, noise) in noise.iter().enumerate() {
        let loss = negative_elbo(&coders, &views, &present, noise)?.mean_all()?;
        let grads = loss.backward()?;
        for var in coders.iter().flat_map(|coder| [&coder.encode, &coder.decode]) {
            let grad = grads.get(var).expect("every matrix is used");
            var.set(&(var.as_tensor() - (grad * 0.1)?)?)?;
        }
        losses.push(loss.to_scalar::<f32>()?);
        if step % 50 == 0 {
            println!("step {step:3}: {:.3}", losses[step]);
        }
    }
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    println!("from {first:.3} to {last:.3}");
    assert!(last < 0.5 * first);
    Ok(())
}
