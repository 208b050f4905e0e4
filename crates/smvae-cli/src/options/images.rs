//! Where image vectors come from.

use crate::options::by_name;
use clap::Args;
use smvae::ImageTrust;
use smvae::encoders::vision::{self, Transparency, VisionModel};
use std::path::PathBuf;

/// Where a trained model gets its image vectors from.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// A file of image vectors; by default the one the model was trained with.
    #[arg(long, value_name = "FILE", conflicts_with = "no_images")]
    pub(crate) image_features: Option<PathBuf>,
    /// A folder of images instead, whose vectors are made by the vision model of training.
    ///
    /// --vision says where that is now. A post names an image by its path in the folder, or by its
    /// name without the extension.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["no_images", "image_features"])]
    pub(crate) images: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) vision: VisionArgs,
    /// Accept a file other than the one the model was trained with.
    #[arg(long, requires = "image_features")]
    pub(crate) trust_images: bool,
    /// Use no images: every image counts as missing.
    #[arg(long)]
    pub(crate) no_images: bool,
}

impl ImageArgs {
    /// Which vectors the model accepts.
    pub(crate) fn trust(&self) -> ImageTrust {
        if self.trust_images { ImageTrust::Any } else { ImageTrust::Recorded }
    }
}

/// A frozen vision model, and where its vectors are kept.
#[derive(Clone, Debug, Args)]
pub(crate) struct VisionArgs {
    /// A frozen vision model: a folder with a ResNet, ViT or CLIP of transformers or timm, a model
    /// of the Hugging Face hub such as microsoft/resnet-50, or a weights file of torchvision.
    #[arg(long, value_name = "MODEL", requires = "images")]
    pub(crate) vision: Option<String>,
    /// Preprocess images as this preset says, instead of as the model's files say.
    #[arg(long, value_name = "NAME", value_parser = vision::PRESETS, requires = "vision")]
    pub(crate) preprocessing: Option<String>,
    /// Where vectors are kept between runs; by default smvae/features in XDG_CACHE_HOME or
    /// ~/.cache.
    #[arg(long, value_name = "DIR", requires = "images")]
    pub(crate) feature_cache: Option<PathBuf>,
    /// Read files that end too early as far as they go, instead of leaving them out. A trained
    /// model reads them as in its training.
    #[arg(long, requires = "vision")]
    pub(crate) allow_truncated: bool,
    /// What becomes of transparent pixels: dropped keeps the colour below, white puts white behind;
    /// by default as the model's library does, white for CLIP.
    #[arg(long, value_name = "dropped|white", value_parser = by_name::<Transparency>, requires = "vision")]
    pub(crate) transparency: Option<Transparency>,
}

/// Sets how files of images are read, where options say so.
pub(crate) fn set_reading(model: &mut VisionModel, allow_truncated: bool, transparency: Option<Transparency>) {
    let preprocessing = &mut model.identity.preprocessing;
    preprocessing.allow_truncated |= allow_truncated;
    preprocessing.transparency = transparency.unwrap_or(preprocessing.transparency);
}
