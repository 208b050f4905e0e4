//! What the files beside the weights say: which network it is, and how its images are prepared.
//!
//! Read are `config.json` of transformers (`model_type`), of timm (`architecture`) and of our own
//! converter from Keras, and transformers' `preprocessor_config.json`. A value that would change
//! the numbers and is not known here is an error.

use super::resnet::ResNetVariant;
use super::vit::{VitActivation, VitConfig};
use crate::Result;
use crate::files::{check_eps, read_json};
use crate::preprocessing::{Crop, Filter, Odd, Preprocessing, Resize, Transparency, wrong};
use serde::Deserialize;
use std::path::Path;

/// A network, as its files describe it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Family {
    ResNet(ResNetVariant),
    Vit(VitConfig),
}

/// ViT in timm and torchvision.
pub(super) const TIMM_VIT: VitConfig =
    VitConfig { heads: None, eps: 1e-6, activation: VitActivation::Gelu, norm_grid: true };
/// ViT in transformers, where its configuration says nothing else.
const HF_VIT: VitConfig = VitConfig { heads: Some(12), eps: 1e-12, activation: VitActivation::Gelu, norm_grid: true };
/// CLIP's image tower in transformers, where its configuration says nothing else.
const HF_CLIP: VitConfig =
    VitConfig { heads: Some(12), eps: 1e-5, activation: VitActivation::QuickGelu, norm_grid: false };

/// The family and the preprocessing of a model folder; the preprocessing is `None` if no file has
/// it.
pub(super) fn read(folder: &Path) -> Result<(Family, Option<Preprocessing>)> {
    let config: ConfigJson = read_json(&folder.join("config.json"), "configuration of a vision model")?;
    let (family, of_config) = config.family()?;
    let path = folder.join("preprocessor_config.json");
    if !path.exists() {
        return Ok((family, of_config));
    }
    let settings: ProcessorJson = read_json(&path, "preprocessor configuration")?;
    Ok((family, Some(settings.preprocessing()?)))
}

impl Preprocessing {
    /// What the files of a model folder say: transformers' `preprocessor_config.json` or else
    /// `config.json` of timm or of our converter. `None` if they say nothing.
    ///
    /// # Errors
    /// A file that cannot be read; a setting that would change the numbers and is not known here.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>> {
        Ok(read(folder)?.1)
    }
}

/// `config.json`: the fields that matter here.
#[derive(Debug, Deserialize)]
struct ConfigJson {
    model_type: Option<String>,
    /// timm and our converter.
    architecture: Option<String>,
    pretrained_cfg: Option<TimmJson>,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f64>,
    num_attention_heads: Option<usize>,
    #[serde(default)]
    downsample_in_bottleneck: bool,
    #[serde(default)]
    downsample_in_first_stage: bool,
    /// Of a whole CLIP.
    vision_config: Option<Box<ConfigJson>>,
}

impl ConfigJson {
    fn family(&self) -> Result<(Family, Option<Preprocessing>)> {
        if let Some(name) = &self.architecture {
            return self.by_architecture(name);
        }
        Ok(match self.model_type.as_deref() {
            Some("resnet") => {
                if self.hidden_act.as_deref().is_some_and(|act| act != "relu") {
                    return Err(wrong("hidden_act", "relu", self.hidden_act.clone()));
                }
                if self.downsample_in_first_stage {
                    return Err(wrong("downsample_in_first_stage", "false", Some("true".to_owned())));
                }
                let variant = ResNetVariant { stride_on_first: self.downsample_in_bottleneck, ..Default::default() };
                (Family::ResNet(variant), None)
            }
            Some("vit") => (Family::Vit(self.vit(HF_VIT)?), Some(Preprocessing::preset("vit")?)),
            Some("clip" | "clip_vision_model") => {
                let config = self.vision_config.as_deref().unwrap_or(self);
                (Family::Vit(config.vit(HF_CLIP)?), Some(Preprocessing::preset("clip")?))
            }
            other => {
                return Err(wrong("model_type", "resnet, vit, clip or clip_vision_model", other.map(str::to_owned)));
            }
        })
    }

    fn by_architecture(&self, name: &str) -> Result<(Family, Option<Preprocessing>)> {
        if name == "keras-resnet152" {
            let variant = ResNetVariant { stride_on_first: true, eps: 1.001e-5 };
            return Ok((Family::ResNet(variant), Some(Preprocessing::preset(name)?)));
        }
        let plain = |depth: &str| ["18", "34", "50", "101", "152"].contains(&depth);
        let name = name.split('.').next().unwrap_or_default();
        let family = if name.strip_prefix("resnet").is_some_and(plain) {
            Family::ResNet(ResNetVariant::default())
        } else if name.starts_with("vit_") && name.contains("_patch") {
            let quick = name.contains("_quickgelu");
            Family::Vit(VitConfig {
                // CLIP's towers have torch's own norm, and those named so OpenAI's activation.
                eps: if name.contains("_clip_") { 1e-5 } else { TIMM_VIT.eps },
                activation: if quick { VitActivation::QuickGelu } else { TIMM_VIT.activation },
                ..TIMM_VIT
            })
        } else {
            let want = "resnet18, resnet34, resnet50, resnet101, resnet152, vit_*_patch* or keras-resnet152";
            return Err(wrong("architecture", want, Some(name.to_owned())));
        };
        let preprocessing = self.pretrained_cfg.as_ref().map(TimmJson::preprocessing).transpose()?;
        Ok((family, preprocessing))
    }

    /// A vision transformer as the file describes it, in the place of defaults.
    fn vit(&self, default: VitConfig) -> Result<VitConfig> {
        let activation = match self.hidden_act.as_deref() {
            None => default.activation,
            Some("gelu") => VitActivation::Gelu,
            Some("quick_gelu") => VitActivation::QuickGelu,
            Some(other) => return Err(wrong("hidden_act", "gelu or quick_gelu", Some(other.to_owned()))),
        };
        let (heads, eps) = (self.num_attention_heads.or(default.heads), self.layer_norm_eps.unwrap_or(default.eps));
        check_eps(eps)?;
        Ok(VitConfig { heads, eps, activation, ..default })
    }
}

/// timm's settings of a network's training.
#[derive(Debug, Deserialize)]
struct TimmJson {
    input_size: [usize; 3],
    interpolation: String,
    crop_pct: f64,
    #[serde(default)]
    crop_mode: Option<String>,
    mean: [f32; 3],
    std: [f32; 3],
}

impl TimmJson {
    fn preprocessing(&self) -> Result<Preprocessing> {
        let [channels, height, width] = self.input_size;
        if channels != 3 || height != width {
            return Err(wrong("input_size", "3 channels of a square", Some(format!("{:?}", self.input_size))));
        }
        if self.crop_mode.as_deref().is_some_and(|mode| mode != "center") {
            return Err(wrong("crop_mode", "center", self.crop_mode.clone()));
        }
        let filter = match self.interpolation.as_str() {
            "bilinear" => Filter::Bilinear,
            "bicubic" => Filter::Bicubic,
            "lanczos" => Filter::Lanczos,
            other => return Err(wrong("interpolation", "bilinear, bicubic or lanczos", Some(other.to_owned()))),
        };
        Ok(Preprocessing {
            resize: Resize::ShortestEdge((height as f64 / self.crop_pct) as usize),
            filter,
            crop: Some(Crop { height, width, odd: Odd::Even }),
            mean: self.mean,
            std: self.std,
            ..Preprocessing::preset("torchvision")?
        })
    }
}

/// transformers' `preprocessor_config.json`.
#[derive(Debug, Deserialize)]
struct ProcessorJson {
    image_processor_type: Option<String>,
    /// Its older name; files with both are known.
    feature_extractor_type: Option<String>,
    #[serde(default = "yes")]
    do_resize: bool,
    #[serde(default = "yes")]
    do_rescale: bool,
    #[serde(default = "yes")]
    do_normalize: bool,
    do_center_crop: Option<bool>,
    do_convert_rgb: Option<bool>,
    size: Option<SizeJson>,
    crop_size: Option<SizeJson>,
    crop_pct: Option<f64>,
    resample: Option<u8>,
    rescale_factor: Option<f64>,
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
}

fn yes() -> bool {
    true
}

/// A size, in the three ways in which it is written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum SizeJson {
    Both { height: usize, width: usize },
    Shortest { shortest_edge: usize },
    Number(usize),
}

impl ProcessorJson {
    fn preprocessing(&self) -> Result<Preprocessing> {
        if !self.do_resize {
            return Err(wrong("do_resize", "true", Some("false".to_owned())));
        }
        let named = self.image_processor_type.as_ref().or(self.feature_extractor_type.as_ref());
        let kind = named.map(String::as_str).unwrap_or_default();
        let kind =
            kind.trim_end_matches("Fast").trim_end_matches("ImageProcessor").trim_end_matches("FeatureExtractor");
        let mut settings = match kind {
            "ConvNext" => self.conv_next()?,
            "CLIP" => self.resized(Preprocessing::preset("clip")?),
            "ViT" => self.resized(Preprocessing::preset("vit")?),
            _ => return Err(wrong("image_processor_type", "that of ConvNext, ViT or CLIP", named.cloned())),
        };
        settings.filter = match self.resample {
            None => settings.filter,
            Some(0) => Filter::Nearest,
            Some(1) => Filter::Lanczos,
            Some(2) => Filter::Bilinear,
            Some(3) => Filter::Bicubic,
            Some(other) => return Err(wrong("resample", "0 to 3", Some(other.to_string()))),
        };
        // A conversion to RGB puts white behind transparent pixels since transformers 5.21. CLIP's
        // processor alone converts by default, and its preset says so.
        settings.transparency = match self.do_convert_rgb {
            None => settings.transparency,
            Some(true) => Transparency::White,
            Some(false) => Transparency::Dropped,
        };
        settings.scale = if self.do_rescale { self.rescale_factor.unwrap_or(1.0 / 255.0) as f32 } else { 1.0 };
        if self.do_normalize {
            settings.mean = self.image_mean.unwrap_or(settings.mean);
            settings.std = self.image_std.unwrap_or(settings.std);
        } else {
            (settings.mean, settings.std) = ([0.0; 3], [1.0; 3]);
        }
        settings.validate()?;
        Ok(settings)
    }

    /// Below 384 pixels a crop out of a larger image, from there on the whole image squashed.
    fn conv_next(&self) -> Result<Preprocessing> {
        let edge = match self.size {
            Some(SizeJson::Shortest { shortest_edge: n } | SizeJson::Number(n)) => n,
            None => 384,
            Some(other) => return Err(wrong("size", "a shortest edge", Some(format!("{other:?}")))),
        };
        let (resize, crop) = if edge < 384 {
            let crop = Crop { height: edge, width: edge, odd: Odd::Down };
            (Resize::ShortestEdge((edge as f64 / self.crop_pct.unwrap_or(0.875)) as usize), Some(crop))
        } else {
            (Resize::Exact { height: edge, width: edge }, None)
        };
        // transformers' default; the files of ResNets have ImageNet's own.
        let (mean, std) = ([0.5; 3], [0.5; 3]);
        let filter = Filter::Bicubic;
        Ok(Preprocessing { resize, crop, filter, mean, std, ..Preprocessing::preset("torchvision")? })
    }

    /// What the file says of the size and the crop, in the place of defaults. A lone number is both
    /// sides where the default gives both, and else the shorter one.
    fn resized(&self, default: Preprocessing) -> Preprocessing {
        let gives_both = matches!(default.resize, Resize::Exact { .. });
        let resize = match self.size {
            None => default.resize,
            Some(SizeJson::Both { height, width }) => Resize::Exact { height, width },
            Some(SizeJson::Number(n)) if gives_both => Resize::Exact { height: n, width: n },
            Some(SizeJson::Number(n) | SizeJson::Shortest { shortest_edge: n }) => Resize::ShortestEdge(n),
        };
        let crop = match self.crop_size {
            _ if !self.do_center_crop.unwrap_or(default.crop.is_some()) => None,
            None => Some((224, 224)),
            Some(SizeJson::Both { height, width }) => Some((height, width)),
            Some(SizeJson::Number(n) | SizeJson::Shortest { shortest_edge: n }) => Some((n, n)),
        };
        let crop = crop.map(|(height, width)| Crop { height, width, odd: Odd::Down });
        Preprocessing { resize, crop, ..default }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_timm_tell_norm_and_activation() {
        let check = |name: &str, eps: f64, activation: VitActivation| {
            let config: ConfigJson =
                serde_json::from_value(serde_json::json!({ "architecture": name })).expect("a configuration");
            let (family, _) = config.family().expect(name);
            assert_eq!(family, Family::Vit(VitConfig { eps, activation, ..TIMM_VIT }), "{name}");
        };
        check("vit_base_patch16_224.augreg_in21k", 1e-6, VitActivation::Gelu);
        check("vit_large_patch14_clip_224.laion2b", 1e-5, VitActivation::Gelu);
        check("vit_base_patch32_clip_quickgelu_224.openai", 1e-5, VitActivation::QuickGelu);
    }

    #[test]
    fn an_epsilon_that_makes_vectors_nan_is_named() {
        let read = |eps: f64| {
            let json = serde_json::json!({ "model_type": "vit", "layer_norm_eps": eps });
            serde_json::from_value::<ConfigJson>(json).expect("a configuration").family()
        };
        assert!(read(0.0).is_ok());
        for bad in [-1e-12, 1e300] {
            let error = read(bad).expect_err("no norm of this").to_string();
            assert!(error.contains("layer_norm_eps must be finite and at least 0"), "{error}");
        }
    }

    #[test]
    fn processors_have_transformers_defaults_and_either_name() {
        let read = |json: serde_json::Value| {
            let settings: ProcessorJson = serde_json::from_value(json).expect("a preprocessor configuration");
            settings.preprocessing()
        };
        let both = serde_json::json!({
            "image_processor_type": "CLIPImageProcessor", "feature_extractor_type": "CLIPFeatureExtractor"
        });
        assert_eq!(read(both).expect("CLIP's"), Preprocessing::preset("clip").expect("a preset"));
        let old = serde_json::json!({ "feature_extractor_type": "ViTFeatureExtractor" });
        assert_eq!(read(old).expect("ViT's"), Preprocessing::preset("vit").expect("a preset"));
        let transparency = |kind: &str, convert: Option<bool>| {
            let json = serde_json::json!({ "image_processor_type": kind, "do_convert_rgb": convert });
            read(json).expect(kind).transparency
        };
        assert_eq!(transparency("CLIPImageProcessorFast", None), Transparency::White);
        assert_eq!(transparency("CLIPImageProcessor", Some(false)), Transparency::Dropped);
        assert_eq!(transparency("ViTImageProcessor", None), Transparency::Dropped);
        assert_eq!(transparency("ViTImageProcessor", Some(true)), Transparency::White);
        // ConvNextImageProcessor of transformers: IMAGENET_STANDARD_MEAN and IMAGENET_STANDARD_STD.
        let bare = read(serde_json::json!({ "image_processor_type": "ConvNextImageProcessor" })).expect("ConvNext's");
        assert_eq!((bare.mean, bare.std, bare.filter), ([0.5; 3], [0.5; 3], Filter::Bicubic));
        let error =
            read(serde_json::json!({ "feature_extractor_type": "DetrFeatureExtractor" })).expect_err("not known");
        assert!(error.to_string().contains("DetrFeatureExtractor"), "{error}");
    }
}
