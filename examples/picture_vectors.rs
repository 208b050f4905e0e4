//! Vectors of the pictures in a folder, by a frozen vision model: what training takes as images.
//!
//! The model is a ResNet of one block with constant weights, made here; usually it is a folder, a
//! file of torchvision or a name of the hub. One file is damaged, and is left out with the reason.
//! Needs nothing; prints which pictures have vectors:
//!
//! ```text
//! cargo run --example picture_vectors
//! ```

use smvae::Flow;
use smvae::core::candle_core::{Device, Tensor, safetensors};
use smvae::data::ImageVectors;
use smvae::encoders::vision::{Compute, VisionModel};
use smvae::features::{FeatureSettings, extract};
use std::collections::HashMap;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("smvae-pictures-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("pictures"))?;
    for (name, red) in [("dusk", 200), ("noon", 90)] {
        std::fs::write(folder.join(format!("pictures/{name}.bmp")), bmp(red))?;
    }
    std::fs::write(folder.join("pictures/torn.bmp"), &bmp(10)[..40])?;
    write_resnet(&folder.join("resnet.safetensors"))?;

    let model = VisionModel::open(folder.join("resnet.safetensors"), None, Compute::default())?;
    let out = folder.join("features.safetensors");
    let settings = FeatureSettings::default();
    let summary = extract(folder.join("pictures"), &model, &out, &settings, &mut |_| Flow::Continue)?;
    println!("{} vectors of {} numbers", summary.vectors, summary.width);
    for bad in &summary.bad {
        println!("left out: {} ({})", bad.file, bad.reason);
    }

    // `TrainInput::with_images` and `Predictor::with_images` take this.
    let vectors = ImageVectors::load(&out)?;
    for id in ["dusk", "noon", "torn"] {
        println!("{id}: {}", if vectors.get(id).is_some() { "a vector" } else { "a missing modality" });
    }
    assert_ne!(vectors.get("dusk"), vectors.get("noon"), "pictures differ, and so do their vectors");
    // The folder was only made for this example.
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// A picture of one pixel: a BMP of 24 bits, its row filled up to four bytes.
fn bmp(red: u8) -> Vec<u8> {
    let header = [58, 0, 54, 40, 1, 1, 1 | 24 << 16, 0, 0, 0, 0, 0, 0u32];
    let bytes = b"BM".iter().copied().chain(header.iter().flat_map(|word| word.to_le_bytes()));
    bytes.chain([220, 220, red, 0]).collect()
}

fn write_resnet(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut tensors = HashMap::new();
    for (conv, norm, shape) in [
        ("conv1", "bn1", [4, 3, 7, 7]),
        ("layer1.0.conv1", "layer1.0.bn1", [4, 4, 3, 3]),
        ("layer1.0.conv2", "layer1.0.bn2", [4, 4, 3, 3]),
    ] {
        tensors.insert(format!("{conv}.weight"), Tensor::full(0.1f32, &shape, &Device::Cpu)?);
        for name in ["weight", "bias", "running_mean", "running_var"] {
            tensors.insert(format!("{norm}.{name}"), Tensor::full(0.1f32, 4, &Device::Cpu)?);
        }
    }
    Ok(safetensors::save(&tensors, path)?)
}
