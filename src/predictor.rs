//! A trained model at work: posts in, entities out, in input order.
//!
//! Posts are tokenised in parallel, encoded in batches of similar length, one a thread (on a GPU, one after another), and
//! their spans are scored in chunks of bounded memory. No gradient is tracked.

use crate::collate::{Collator, Item};
use crate::config::Config;
use crate::decision::Decision;
use crate::images::ImageIdentity;
use crate::networks::{Networks, Use};
use crate::run_folder::RunFolder;
use crate::scorer::{ScoredSpans, Scorer};
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use smvae_core::candle_core::{DType, Device};
use smvae_core::{Entity, LabelSet};
use smvae_data::{ImageVectors, Sample};
use smvae_encoders::text::WordTokenizer;
use std::path::Path;

/// A post to find entities in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Its words.
    pub words: Vec<String>,
    /// Id of its image among the image vectors, if it has one.
    pub image_id: Option<String>,
}

impl Post {
    /// A post without image, split into words at white space.
    pub fn from_text(text: &str) -> Self {
        Self { words: text.split_whitespace().map(str::to_owned).collect(), image_id: None }
    }
}

impl From<&Sample> for Post {
    fn from(sample: &Sample) -> Self {
        Self { words: sample.words.clone(), image_id: Some(sample.image_id.clone()) }
    }
}

/// An entity that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredEntity {
    /// First word, counted over all words of the post.
    pub start: usize,
    /// One past the last word.
    pub end: usize,
    /// Its type.
    pub label: String,
    /// Probability of the type, 0 to 1.
    pub score: f32,
    /// Probability of every class of the model's label set, `O` first.
    pub probabilities: Vec<f32>,
}

impl From<&ScoredEntity> for Entity {
    fn from(found: &ScoredEntity) -> Self {
        Self::new(found.start, found.end, found.label.as_str())
    }
}

/// What was made of a post.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// The entities that were found, by their first word.
    pub entities: Vec<ScoredEntity>,
    /// Words at the end of the post that the piece limit cut: no entity is found in them.
    pub words_cut: usize,
    /// Whether the model looks at images and the post names one, but was read without: the image vectors lack it, or there are
    /// none ([`Predictor::with_images`]).
    pub image_missing: bool,
}

/// A trained model, loaded from a run folder. Share it between threads as it is.
#[derive(Debug)]
pub struct Predictor {
    networks: Networks,
    tokenizer: WordTokenizer,
    labels: LabelSet,
    config: Config,
    identity: Option<ImageIdentity>,
    images: Option<ImageVectors>,
    decision: Decision,
    device: Device,
}

impl Predictor {
    /// Loads a run folder, on the CPU.
    ///
    /// # Errors
    /// [`Error::NoRun`] for a folder that is none, [`Error::Version`] for one of a later version, and whatever is wrong
    /// with a file in it.
    pub fn load(folder: &Path) -> Result<Self> {
        Self::load_on(folder, &Device::Cpu)
    }

    /// Loads a run folder, on this device.
    ///
    /// # Errors
    /// As [`Predictor::load`].
    pub fn load_on(folder: &Path, device: &Device) -> Result<Self> {
        Self::load_as(folder, device, DType::F32)
    }

    /// Loads a run folder, on this device and with the text encoder in this number type: f32, or on a GPU also f16 or
    /// bf16, which take half the memory.
    ///
    /// # Errors
    /// As [`Predictor::load`]; [`smvae_core::Error::Setting`] for a number type that the device does not compute in.
    pub fn load_as(folder: &Path, device: &Device, encoder: DType) -> Result<Self> {
        let half = matches!(encoder, DType::F16 | DType::BF16);
        if !(encoder == DType::F32 || half && !device.is_cpu()) {
            let want = "f32, or f16 or bf16 on a GPU";
            return Err(smvae_core::Error::Setting { name: "dtype", want, got: encoder.as_str().to_owned() }.into());
        }
        let run = RunFolder::open(folder)?;
        let config = run.config()?;
        let labels = run.labels()?;
        let bert = run.encoder_config()?;
        let parameters = run.parameters(device, encoder)?;
        let networks = Networks::build(&parameters, &bert, &config.model, &labels, Use::Evaluation)
            .map_err(|error| run.weights_do_not_fit(&error))?;
        Ok(Self {
            networks,
            tokenizer: run.tokenizer()?,
            labels,
            identity: run.image_identity()?,
            images: None,
            decision: run.decision()?,
            device: device.clone(),
            config,
        })
    }

    /// Gives the model image vectors. Without, every image is missing.
    ///
    /// # Errors
    /// [`Error::NoImages`] for a model of text alone; [`Error::OtherImages`] for vectors of another width, or, unless
    /// `trust_other`, of another file than the one the model was trained with.
    pub fn with_images(mut self, images: ImageVectors, trust_other: bool) -> Result<Self> {
        self.identity.as_ref().ok_or(Error::NoImages)?.check(&images, trust_other)?;
        self.images = Some(images);
        Ok(self)
    }

    /// Which image vectors the model was trained with; none for a model of text alone.
    pub fn image_identity(&self) -> Option<&ImageIdentity> {
        self.identity.as_ref()
    }

    /// The types it finds, `O` first.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// What it was trained with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Finds the entities of each post, in the order of the posts. `on_progress` is told how many posts are done, and of how
    /// many. The probabilities of all spans of all posts are in memory at once: give a million posts in parts.
    ///
    /// # Errors
    /// Those of tokenisation and the networks.
    pub fn predict(&self, posts: &[Post], on_progress: &mut dyn FnMut(usize, usize)) -> Result<Vec<Prediction>> {
        let collator = self.collator();
        let items: Vec<Item> =
            posts.par_iter().map(|post| collator.item(&post.words, post.image_id.as_deref())).collect::<Result<_>>()?;
        let scored = self.scorer().score(&items, on_progress)?;
        let prediction = |((post, item), scored): ((&Post, &Item), &ScoredSpans)| Prediction {
            entities: self.decision.entities(item, scored, &self.labels),
            words_cut: item.n_cut,
            image_missing: self.identity.is_some() && post.image_id.is_some() && item.image.is_none(),
        };
        Ok(posts.iter().zip(&items).zip(&scored).map(prediction).collect())
    }

    /// How probabilities become entities.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    pub(crate) fn collator(&self) -> Collator<'_> {
        Collator {
            tokenizer: &self.tokenizer,
            input: &self.config.input,
            quirks: &self.config.model.quirks,
            encoder: self.networks.encoder.config(),
            images: self.identity.as_ref().zip(self.images.as_ref()),
        }
    }

    pub(crate) fn scorer(&self) -> Scorer<'_> {
        Scorer {
            networks: &self.networks,
            collator: self.collator(),
            sampled: self.config.model.quirks.sampled_evaluation,
            seed: self.config.seed,
            device: &self.device,
        }
    }
}

/// A model may be shared between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Predictor>();
};
