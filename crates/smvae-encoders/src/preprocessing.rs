//! The settings that say how images are prepared for a frozen vision model (resize, crop, scale,
//! mean and deviation, order of the channels), and what identifies model and settings together.
//!
//! Files of vectors and run folders hold these settings, so this file is compiled without the
//! feature `vision` as well. What it does not do: decode or prepare an image; `vision` does that,
//! and reads each network's own settings from the files beside its weights.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Everything that happens to an image between its file and the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Whether the EXIF orientation is applied, which PIL leaves to its callers. Without it, many
    /// pictures taken with telephones lie on their side.
    pub upright: bool,
    /// What becomes of transparent pixels. Files of earlier versions lack the field, and their
    /// transparency was dropped.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transparency: Transparency,
    /// Whether an image whose file ends too early is read as far as it goes. Files of earlier
    /// versions lack the field, and such images were left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_truncated: bool,
    /// The size that the image is brought to.
    pub resize: Resize,
    /// How its pixels then follow from those of the file.
    pub filter: Filter,
    /// What is then cut out of the middle; `None` means the whole image.
    pub crop: Option<Crop>,
    /// What an 8-bit value is multiplied by.
    pub scale: f32,
    /// What is then subtracted, in the order of `channels`.
    pub mean: [f32; 3],
    /// What is then divided by, in the order of `channels`.
    pub std: [f32; 3],
    /// Which channel comes first.
    pub channels: Channels,
}

/// How a file becomes pixels, before anything is resized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whether the EXIF orientation is applied.
    pub upright: bool,
    /// What becomes of transparent pixels.
    pub transparency: Transparency,
    /// Whether a file that ends too early is read as far as it goes, as PIL does with
    /// `LOAD_TRUNCATED_IMAGES`; if not, it is an error.
    pub allow_truncated: bool,
}

/// What becomes of transparent pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transparency {
    /// Transparency is dropped and the colour of the pixel stays, as in PIL's `convert("RGB")` and
    /// in transformers before 5.21.
    #[default]
    Dropped,
    /// White is put behind the pixel, as CLIP's processor does since transformers 5.21.
    White,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A size to bring images to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Resize {
    /// The shorter side gets this many pixels, the longer one as many as keep their ratio, rounded
    /// down.
    ShortestEdge(usize),
    /// Both sides are given, and the ratio of the sides is not kept.
    Exact {
        /// Rows.
        height: usize,
        /// Pixels of a row.
        width: usize,
    },
}

/// A cut out of the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Where it lies if the middle falls between two pixels.
    pub odd: Odd,
}

/// How half a pixel is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Odd {
    /// Down, to the pixel above or to the left, as in transformers.
    Down,
    /// To the nearest even number, as in torchvision and timm.
    Even,
}

/// How a resized pixel follows from its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The pixel at the centre.
    Nearest,
    /// A triangle.
    Bilinear,
    /// A cubic with a = -1/2.
    Bicubic,
    /// A windowed sinc of three lobes.
    Lanczos,
}

/// Order of the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first, as Caffe has it.
    Bgr,
}

/// Names [`Preprocessing::preset`] knows.
pub const PRESETS: [&str; 5] = ["torchvision", "torchvision-v2", "vit", "clip", "keras-resnet152"];

/// Mean and deviation of ImageNet's pixels.
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// Mean and deviation of the pixels that CLIP was trained on.
const CLIP: ([f32; 3], [f32; 3]) =
    ([0.481_454_66, 0.457_827_5, 0.408_210_73], [0.268_629_54, 0.261_302_6, 0.275_777_1]);

impl Preprocessing {
    /// Settings by name: those of torchvision's first and second weights, those of ViT and CLIP in
    /// transformers, and those of the authors, `keras-resnet152`: 224 x 224 whatever the ratio of
    /// the sides, by the nearest pixel, blue first, Caffe's means, EXIF orientation not applied.
    ///
    /// # Errors
    /// [`Error::Config`] for a name that is not in [`PRESETS`].
    pub fn preset(name: &str) -> Result<Self> {
        let crop = |odd| Some(Crop { height: 224, width: 224, odd });
        let torchvision = |edge| Self {
            upright: true,
            transparency: Transparency::Dropped,
            allow_truncated: false,
            resize: Resize::ShortestEdge(edge),
            filter: Filter::Bilinear,
            crop: crop(Odd::Even),
            scale: 1.0 / 255.0,
            mean: IMAGENET.0,
            std: IMAGENET.1,
            channels: Channels::Rgb,
        };
        let squashed = Resize::Exact { height: 224, width: 224 };
        Ok(match name {
            "torchvision" => torchvision(256),
            "torchvision-v2" => torchvision(232),
            "vit" => Self { resize: squashed, crop: None, mean: [0.5; 3], std: [0.5; 3], ..torchvision(224) },
            "clip" => Self {
                transparency: Transparency::White,
                filter: Filter::Bicubic,
                crop: crop(Odd::Down),
                mean: CLIP.0,
                std: CLIP.1,
                ..torchvision(224)
            },
            "keras-resnet152" => Self {
                upright: false,
                transparency: Transparency::Dropped,
                allow_truncated: false,
                resize: squashed,
                filter: Filter::Nearest,
                crop: None,
                scale: 1.0,
                mean: [103.939, 116.779, 123.68],
                std: [1.0; 3],
                channels: Channels::Bgr,
            },
            _ => {
                let want = format!("one of {}", PRESETS.join(", "));
                return Err(wrong("preprocessing", &want, Some(name.to_owned())));
            }
        })
    }

    /// How a file becomes pixels.
    pub fn reading(&self) -> Reading {
        let Self { upright, transparency, allow_truncated, .. } = *self;
        Reading { upright, transparency, allow_truncated }
    }

    /// Rows and pixels of a row that the network is given.
    pub fn size(&self) -> (usize, usize) {
        match (self.crop, self.resize) {
            (Some(crop), _) => (crop.height, crop.width),
            (None, Resize::Exact { height, width }) => (height, width),
            (None, Resize::ShortestEdge(edge)) => (edge, edge),
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first that is out of its range, or a crop that does not fit
    /// into the resized image.
    pub fn validate(&self) -> Result<()> {
        let refuse = |field, want: &str, got: String| Err(wrong(field, want, Some(got)));
        let (height, width) = match self.resize {
            Resize::ShortestEdge(edge) => (edge, edge),
            Resize::Exact { height, width } => (height, width),
        };
        if !(1..=MOST_PIXELS).contains(&height) || !(1..=MOST_PIXELS).contains(&width) {
            return refuse("resize", &format!("1 to {MOST_PIXELS} pixels a side"), format!("{width} x {height}"));
        }
        match self.crop {
            Some(crop) if !(1..=height).contains(&crop.height) || !(1..=width).contains(&crop.width) => {
                let want = format!("within the resized image of at least {width} x {height}");
                return refuse("crop", &want, format!("{} x {}", crop.width, crop.height));
            }
            None if matches!(self.resize, Resize::ShortestEdge(_)) => {
                return refuse("crop", "given where only the shorter side is resized", "none".to_owned());
            }
            _ => {}
        }
        if self.filter == Filter::Nearest && matches!(self.resize, Resize::ShortestEdge(_)) {
            return refuse("filter", "other than nearest where only the shorter side is resized", "nearest".to_owned());
        }
        let numbers = self.mean.iter().chain(&self.std).chain([&self.scale]);
        if !numbers.clone().all(|x| x.is_finite()) || self.std.contains(&0.0) || self.scale == 0.0 {
            return refuse("scale, mean and std", "finite, and no 0 to divide by", format!("{self:?}"));
        }
        Ok(())
    }
}

/// Everything that the vectors of a model depend on, apart from the images. Two models with the
/// same weights and preprocessing give the same vectors up to rounding, wherever their files are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VisionIdentity {
    /// The folder, file or name of a hub, as it was given.
    pub model: String,
    /// The commit of a hub; `None` for a folder or a file.
    pub revision: Option<String>,
    /// sha256 of the weights file, in hexadecimal digits.
    pub sha256: String,
    /// What happens to an image before the network.
    pub preprocessing: Preprocessing,
}

impl VisionIdentity {
    /// Whether both give the same vectors.
    pub fn same_vectors(&self, other: &Self) -> bool {
        self.sha256 == other.sha256 && self.preprocessing == other.preprocessing
    }
}

/// The most pixels of a side of a resized image.
const MOST_PIXELS: usize = 4096;

/// The error for a setting that is not allowed or not known.
pub(crate) fn wrong(field: &'static str, want: &str, got: Option<String>) -> Error {
    Error::Config { field, want: want.to_owned(), got: got.unwrap_or_else(|| "nothing".to_owned()) }
}
