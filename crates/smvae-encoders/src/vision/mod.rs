//! Pixels to vectors: frozen ResNets, ViTs and CLIP's image tower, with the preprocessing each was
//! trained with.
//!
//! ```text
//! file -> decode -> Pixels -> Preprocessing -> [3, h, w] -> VisionEncoder -> [width]
//! ```
//! [`VisionModel::open`] reads a folder with a network in the form of transformers, timm,
//! torchvision or Keras. No gradient: the encoders are frozen.

mod checkpoint;
mod conv;
mod decode;
mod encoder;
mod maps;
mod model;
mod prepare;
mod product;
mod resize;
mod resnet;
mod settings;
mod vit;
mod vit_names;

pub use crate::preprocessing::{
    Channels, Crop, Filter, Odd, PRESETS, Preprocessing, Reading, Resize, Transparency, VisionIdentity,
};
pub use decode::{DecodeLimits, ImageFault, Pixels, check_bytes, check_extension, decode, has_image_extension};
pub use encoder::{Compute, VisionEncoder};
pub use model::VisionModel;
pub use resize::{Part, resize};
pub use resnet::{ResNet, ResNetVariant};
pub use vit::{Vit, VitActivation, VitConfig};
