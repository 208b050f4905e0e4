//! Sizes of the networks, and the authors' deviations from their own equations.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Slope of the leaky ReLU for negative numbers, as in TensorFlow (candle's is 0.01).
pub(crate) const LEAKY_SLOPE: f64 = 0.2;

/// Larger sizes are mistakes, and would ask for more memory than there is.
const LARGEST: usize = 65_536;

/// Sizes of the networks; saved beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Width of each LSTM direction and of the hidden layers. Default: 384.
    pub hidden_dim: usize,
    /// Width of the latent variable. Default: 100.
    pub latent_dim: usize,
    /// Width of an image vector. `None`, the default, means a model of text only, unless captions
    /// stand for images (`image_source`).
    pub image_dim: Option<usize>,
    /// Whether the classifier's LSTM sees the shapes of words ([`crate::shapes`]) beside the
    /// encoder's vectors. Default: false.
    pub word_shapes: bool,
    /// Whether the classifier is told how many words a span has. Default: false.
    pub span_widths: bool,
    /// Width of the vectors of a span's first and last word that biaffine scores compare, which are
    /// added to the logits (Yu et al. 2020, who have 150). `None`, the default, means no such
    /// scores. Not measured yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub biaffine_dim: Option<usize>,
    /// How the two experts become one Gaussian. Default: [`Fusion::Product`].
    pub fusion: Fusion,
    /// Whether the classifier sees z; without it, the VAEs have no part in the decision. Default:
    /// true.
    pub latent_in_classifier: bool,
    /// Whether the classifier also sees the post's image vector, through two layers of its own that
    /// have nothing to do with the VAEs. Without images it has no effect. Not measured yet.
    /// Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub image_in_classifier: bool,
    /// Whether each span has a gate, between 0 and 1, that the image's precision in the product of
    /// experts is multiplied by, and with `image_in_classifier` what the classifier sees of the
    /// image: a picture may show one of three entities. Without images it has no effect. Not
    /// measured yet. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub image_gate: bool,
    /// What the image expert sees: the post's image vector, or the caption that the text encoder
    /// reads with the post, as the mean of the encoder's vectors of its pieces, separators
    /// included, without gradient; a post without a caption then has no image, and `image_dim` does
    /// not count. It needs captions, and no image vectors. Not measured yet. Default:
    /// [`ImageSource::Vectors`].
    #[serde(skip_serializing_if = "ImageSource::is_vectors")]
    pub image_source: ImageSource,
    /// What the authors' program does differently from the paper. Default: nothing.
    pub quirks: Quirks,
}

impl Default for ModelConfig {
    /// The sizes that suit a text encoder of width 384; no images.
    fn default() -> Self {
        Self {
            hidden_dim: 384,
            latent_dim: 100,
            image_dim: None,
            word_shapes: false,
            span_widths: false,
            biaffine_dim: None,
            fusion: Fusion::Product,
            latent_in_classifier: true,
            image_in_classifier: false,
            image_gate: false,
            image_source: ImageSource::Vectors,
            quirks: Quirks::default(),
        }
    }
}

impl ModelConfig {
    /// Width of what the image expert sees, for a text encoder of width `text_dim`; `None` for a
    /// model of text only.
    pub fn image_width(&self, text_dim: usize) -> Option<usize> {
        match self.image_source {
            ImageSource::Vectors => self.image_dim,
            ImageSource::Caption => Some(text_dim),
        }
    }

    /// Checks every size.
    ///
    /// # Errors
    /// [`Error::Setting`] for a size of 0, or one above 65536.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("hidden_dim", self.hidden_dim),
            ("latent_dim", self.latent_dim),
            ("image_dim", self.image_dim.unwrap_or(1)),
            ("biaffine_dim", self.biaffine_dim.unwrap_or(1)),
            ("quirks.pad_to", self.quirks.pad_to.unwrap_or(1)),
        ];
        match sizes.into_iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
            Some((name, size)) => Err(Error::setting(name, "at least 1 and at most 65536", size)),
            None => Ok(()),
        }
    }
}

/// What stands for a post's image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageSource {
    /// Its vector among those of the batch.
    #[default]
    Vectors,
    /// The mean of the encoder's vectors of the text's context.
    Caption,
}

impl ImageSource {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_vectors(&self) -> bool {
        *self == Self::Vectors
    }
}

/// How the text expert and the image expert become one Gaussian. Where there is no image, the text
/// expert stands alone (and with it the prior, if that is an expert).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fusion {
    /// Their product: the paper.
    #[default]
    Product,
    /// Their product with a third expert, the prior N(0, I) (Wu & Goodman 2018).
    ProductWithPrior,
    /// The mean of their means, and of their log-variances.
    Mean,
}

/// What the authors' program does differently from the paper, so that their weights and numbers can
/// be checked. All off by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Quirks {
    /// Every text is padded to this many pieces, and the LSTM of the VAE path runs over the
    /// padding.
    pub pad_to: Option<usize>,
    /// Means over a span are taken one piece to the left of it.
    pub shifted_spans: bool,
    /// Cross entropy of probabilities clipped to `[1e-7, 1 - 1e-7]`, as Keras computes it.
    pub clipped_cross_entropy: bool,
    /// z is sampled at evaluation as well.
    pub sampled_evaluation: bool,
}

impl Quirks {
    /// All of them.
    pub fn authors() -> Self {
        Self { pad_to: Some(100), shifted_spans: true, clipped_cross_entropy: true, sampled_evaluation: true }
    }
}
