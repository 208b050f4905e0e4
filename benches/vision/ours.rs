//! Our side of the comparison with torchvision: `benches/vision/run.sh` runs it alternately with
//! `peer.py`.
//!
//! `vision_ours WEIGHTS BATCH REPEATS` takes batches of 224 x 224 pixels through the network and
//! prints the seconds of each, and the norm of the result, as a line of JSON. Decoding and
//! preprocessing are not timed.

use smvae::core::candle_core::{Device, Tensor};
use smvae::encoders::vision::{Compute, VisionModel};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [weights, batch, repeats] = args.as_slice() else { return Err("expected WEIGHTS BATCH REPEATS".into()) };
    let (batch, repeats): (usize, usize) = (batch.parse()?, repeats.parse()?);
    let model = VisionModel::open(weights, None, Compute::default())?;
    let n = batch * 3 * 224 * 224;
    // The pixels of peer.py.
    let pixels: Vec<f32> = (0..n).map(|i| (i as f64 * 0.37).sin() as f32).collect();
    let pixels = Tensor::from_vec(pixels, (batch, 3, 224, 224), &Device::Cpu)?;
    let mut seconds = Vec::new();
    let mut norm = 0.0;
    for _ in 0..=repeats {
        let start = Instant::now();
        norm = model.encoder.forward(&pixels)?.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt();
        seconds.push(start.elapsed().as_secs_f64());
    }
    // The first warms up.
    println!("{{\"side\": \"ours\", \"seconds\": {:?}, \"norm\": {norm}}}", &seconds[1..]);
    Ok(())
}
