//! From an image to the numbers a network is given: resize, crop, scale, mean and deviation, order
//! of the channels.
//!
//! ```text
//! x = (pixel * scale - mean) / std,   [3, height, width]
//! ```
//! Each family of networks has its own preprocessing, which `settings` reads from the files beside
//! the weights.

use super::decode::Pixels;
use super::resize::{Filter, Part, resize};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Everything that happens to an image between its file and the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Whether the EXIF orientation is applied. PIL alone does not; without it, pictures of
    /// telephones lie on their side.
    pub upright: bool,
    /// The size that the image is brought to.
    pub resize: Resize,
    /// How.
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

/// A size to bring images to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Resize {
    /// The shorter side gets this many pixels, the longer one as its ratio says, rounded down.
    ShortestEdge(usize),
    /// Both sides are given; the image is squashed.
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
    /// What happens when it cannot lie exactly in the middle.
    pub odd: Odd,
}

/// Where half a pixel goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Odd {
    /// Up and left: transformers.
    Down,
    /// To the nearest even number: torchvision and timm.
    Even,
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
/// Those of CLIP's pictures.
const CLIP: ([f32; 3], [f32; 3]) =
    ([0.481_454_66, 0.457_827_5, 0.408_210_73], [0.268_629_54, 0.261_302_6, 0.275_777_1]);

impl Preprocessing {
    /// Settings by name: those of torchvision's first and second weights, of ViT and CLIP as
    /// transformers has them, and `keras-resnet152`, the authors': squashed to 224 x 224 by the
    /// nearest pixel, blue first, Caffe's means, no turn.
    ///
    /// # Errors
    /// [`Error::Config`] for a name that is not in [`PRESETS`].
    pub fn preset(name: &str) -> Result<Self> {
        let crop = |odd| Some(Crop { height: 224, width: 224, odd });
        let torchvision = |edge| Self {
            upright: true,
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
            "clip" => {
                Self { filter: Filter::Bicubic, crop: crop(Odd::Down), mean: CLIP.0, std: CLIP.1, ..torchvision(224) }
            }
            "keras-resnet152" => Self {
                upright: false,
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

    /// What the network is given of an image, `[3, height, width]`.
    ///
    /// # Panics
    /// For settings that [`Preprocessing::validate`] refuses, and for [`Pixels`] without a pixel or
    /// with too few numbers.
    pub fn apply(&self, image: &Pixels) -> Vec<f32> {
        let image = self.pixels(image);
        let area = image.width * image.height;
        let mut numbers = vec![0f32; 3 * area];
        for (i, plane) in numbers.chunks_exact_mut(area.max(1)).enumerate() {
            let channel = if self.channels == Channels::Rgb { i } else { 2 - i };
            let (mean, std) = (self.mean[i], self.std[i]);
            for (x, pixel) in plane.iter_mut().zip(image.rgb.chunks_exact(3)) {
                *x = (f32::from(pixel[channel]) * self.scale - mean) / std;
            }
        }
        numbers
    }

    /// The image resized and cropped, in 8 bits.
    ///
    /// # Panics
    /// As [`Preprocessing::apply`].
    pub fn pixels(&self, image: &Pixels) -> Pixels {
        let (width, height) = match self.resize {
            Resize::Exact { height, width } => (width, height),
            Resize::ShortestEdge(edge) => {
                let (short, long) = (image.width.min(image.height), image.width.max(image.height));
                let long = (edge as f64 * long as f64 / short as f64) as usize;
                if image.width <= image.height { (edge, long) } else { (long, edge) }
            }
        };
        let part = match self.crop {
            Some(crop) => crop.of(width, height),
            None => Part { columns: 0..width, rows: 0..height },
        };
        resize(image, (width, height), &part, self.filter)
    }
}

impl Crop {
    /// The part of an image of this size that is cut out.
    fn of(self, width: usize, height: usize) -> Part {
        let cut = |whole: usize, part: usize| {
            let start = match (self.odd, (whole - part) / 2, (whole - part) % 2) {
                (Odd::Even, half, 1) => half + half % 2,
                (_, half, _) => half,
            };
            start..start + part
        };
        Part { columns: cut(width, self.width), rows: cut(height, self.height) }
    }
}

/// The most pixels of a side of a resized image.
const MOST_PIXELS: usize = 4096;

/// The error for a setting that is not allowed or not known.
pub(super) fn wrong(field: &'static str, want: &str, got: Option<String>) -> Error {
    Error::Config { field, want: want.to_owned(), got: got.unwrap_or_else(|| "nothing".to_owned()) }
}
