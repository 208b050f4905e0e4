//! A frozen vision model from a folder or a weights file: the network, its preprocessing, and the
//! identity of both.

use super::checkpoint::Checkpoint;
use super::decode::Pixels;
use super::encoder::{Compute, VisionEncoder};
use super::resnet::{ResNet, ResNetVariant};
use super::settings::{self, Family, TIMM_VIT};
use super::vit::Vit;
use super::{resnet, vit_names};
use crate::preprocessing::{Preprocessing, VisionIdentity};
use crate::weights::{Index, Weights};
use crate::{Error, Result};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use smvae_core::candle_core::{DType, Device, Tensor};
use std::collections::BTreeSet;
use std::path::Path;

/// A vision model, ready to give images their vectors.
#[derive(Debug)]
pub struct VisionModel {
    /// The network.
    pub encoder: Box<dyn VisionEncoder>,
    /// What its vectors depend on.
    pub identity: VisionIdentity,
    /// The numbers it computes in.
    pub dtype: DType,
}

impl VisionModel {
    /// Opens a folder with `config.json` and weights (of transformers, timm or our converter), or a
    /// weights file of torchvision's or timm's ResNet or ViT. `preprocessing` is used instead of
    /// what the files say.
    ///
    /// # Errors
    /// Files that are missing or damaged; a network of another kind; tensors that do not fit;
    /// numbers that the device cannot compute in.
    pub fn open(path: impl AsRef<Path>, preprocessing: Option<Preprocessing>, compute: Compute) -> Result<Self> {
        let path = path.as_ref();
        compute.validate()?;
        let dtype = compute.dtype;
        let (weights, described) = if path.is_dir() {
            // First, since a model of another kind is told apart by it.
            let described = settings::read(path)?;
            (Weights::from_folder(path)?, Some(described))
        } else {
            (Weights::from_file(path)?, None)
        };
        let sha256 = sha256_of(&weights.path)?;
        let (family, of_files) = match described {
            Some(described) => described,
            None => by_tensors(&weights)?,
        };
        let preprocessing = preprocessing.or(of_files).ok_or_else(|| Error::Read {
            path: path.join("preprocessor_config.json"),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        preprocessing.validate()?;
        let encoder: Box<dyn VisionEncoder> = match family {
            Family::ResNet(variant) => {
                let tensors = Checkpoint::new(weights, resnet::standard_name)?;
                Box::new(ResNet::new(tensors, variant, compute)?)
            }
            Family::Vit(config) => {
                let tensors = Checkpoint::new(weights, vit_names::standard_name)?;
                let vit = Vit::new(tensors, config, compute)?;
                check_size(&preprocessing, vit.image_size())?;
                Box::new(vit)
            }
        };
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let identity = VisionIdentity { model: absolute.display().to_string(), revision: None, sha256, preprocessing };
        Ok(Self { encoder, identity, dtype })
    }

    /// Opens a model of the hub, fetched unless the cache has it. `on_progress` is told how far
    /// each file is, and may end it.
    ///
    /// # Errors
    /// Those of the hub, and of [`VisionModel::open`].
    #[cfg(feature = "hub")]
    #[cfg_attr(docsrs, doc(cfg(feature = "hub")))]
    pub fn fetch(
        hub: &crate::hub::Hub,
        model: &crate::hub::ModelId,
        preprocessing: Option<Preprocessing>,
        compute: Compute,
        on_progress: &mut dyn FnMut(crate::hub::Progress<'_>) -> std::ops::ControlFlow<()>,
    ) -> Result<Self> {
        let fetched = hub.fetch(model, wanted_files, on_progress)?;
        let mut opened = Self::open(&fetched.folder, preprocessing, compute)?;
        opened.identity.model = model.name().to_owned();
        opened.identity.revision = Some(fetched.revision);
        Ok(opened)
    }

    /// Vectors of prepared images, each `[3, h, w]` as [`Preprocessing::apply`] makes it.
    ///
    /// # Errors
    /// Those of the network.
    pub fn encode(&self, prepared: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let (height, width) = self.identity.preprocessing.size();
        let pixels = Tensor::from_vec(prepared.concat(), (prepared.len(), 3, height, width), &Device::Cpu)?;
        Ok(self.encoder.forward(&pixels)?.to_vec2()?)
    }

    /// Vectors of images.
    ///
    /// # Errors
    /// Those of the network.
    pub fn vectors(&self, images: &[Pixels]) -> Result<Vec<Vec<f32>>> {
        let prepared: Vec<_> = images.par_iter().map(|image| self.identity.preprocessing.apply(image)).collect();
        self.encode(&prepared)
    }
}

/// The files of a vision model among the names of all files of a model.
#[cfg(feature = "hub")]
fn wanted_files(names: &[&str]) -> Vec<String> {
    let settings = ["config.json", "preprocessor_config.json"].into_iter().filter(|name| names.contains(name));
    settings.map(str::to_owned).chain(crate::weights::weight_files(names)).collect()
}

/// What a bare weights file holds, by the names of its tensors; the preprocessing is that of
/// torchvision's first weights.
fn by_tensors(weights: &Weights) -> Result<(Family, Option<Preprocessing>)> {
    let has = |name| weights.tensors.contains_key(name);
    let family = if has("layer1.0.conv1.weight") {
        Family::ResNet(ResNetVariant::default())
    } else if has("conv_proj.weight") || has("patch_embed.proj.weight") {
        Family::Vit(TIMM_VIT)
    } else {
        let why =
            "it holds neither a ResNet nor a ViT by the names of torchvision or timm; give a folder with config.json";
        return Err(Error::Weights { path: weights.path.clone(), problems: vec![why.to_owned()] });
    };
    Ok((family, Some(Preprocessing::preset("torchvision")?)))
}

fn check_size(preprocessing: &Preprocessing, size: usize) -> Result<()> {
    let (height, width) = preprocessing.size();
    if (height, width) == (size, size) {
        return Ok(());
    }
    let want = format!("such that images are {size} x {size}, as the position embedding is");
    Err(Error::Config { field: "preprocessing", want, got: format!("{width} x {height}") })
}

/// Digest of a weights file; of an index, with all the shards it names.
fn sha256_of(path: &Path) -> Result<String> {
    let mut files = BTreeSet::from([path.to_owned()]);
    if path.extension().is_some_and(|extension| extension == "json") {
        files.extend(Index::read(path)?.weight_map.into_values().map(|shard| path.with_file_name(shard)));
    }
    let mut digest = Sha256::new();
    for path in files {
        let copied = std::fs::File::open(&path).and_then(|mut file| std::io::copy(&mut file, &mut digest));
        copied.map_err(|source| Error::Read { path, source })?;
    }
    Ok(format!("{:x}", digest.finalize()))
}
