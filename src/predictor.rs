//! A trained model at work: posts in, entities out, in input order.
//!
//! Posts are tokenised in parallel, encoded in batches of similar length, one a thread (on a GPU, one after another), and
//! their spans are scored in chunks of bounded memory. No gradient is tracked.

use crate::collate::{Collator, Item};
use crate::config::Config;
use crate::images::ImageIdentity;
use crate::networks::{Networks, Use};
use crate::run_folder::RunFolder;
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use smvae_core::candle_core::{D, DType, Device};
use smvae_core::decode::{Candidate, decode};
use smvae_core::model::BatchSpan;
use smvae_core::{LabelSet, Mode, Rng, Span, TextEncoder, rng};
use smvae_data::{ImageVectors, Sample};
use smvae_encoders::text::WordTokenizer;
use std::collections::HashMap;
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

/// A trained model, loaded from a run folder. Share it between threads as it is.
#[derive(Debug)]
pub struct Predictor {
    networks: Networks,
    tokenizer: WordTokenizer,
    labels: LabelSet,
    config: Config,
    identity: Option<ImageIdentity>,
    images: Option<ImageVectors>,
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

    /// Finds the entities of each post, by their first word, in the order of the posts. `on_progress` is told how many
    /// posts are done, and of how many.
    ///
    /// # Errors
    /// Those of tokenisation and the networks.
    pub fn predict(&self, posts: &[Post], on_progress: &mut dyn FnMut(usize, usize)) -> Result<Vec<Vec<ScoredEntity>>> {
        let collator = self.collator();
        let items: Vec<Item> =
            posts.par_iter().map(|post| collator.item(&post.words, post.image_id.as_deref())).collect::<Result<_>>()?;
        self.scorer().predict(&items, on_progress)
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
            labels: &self.labels,
            seed: self.config.seed,
            device: &self.device,
        }
    }
}

/// Pieces of a batch, about; more would not make products faster.
const BATCH_PIECES: usize = 512;
/// Pieces of a batch on a GPU, which has the batch to itself.
const GPU_BATCH_PIECES: usize = 4096;
/// Spans scored at once: what bounds the memory of a long text.
const CHUNK_SPANS: usize = 4096;

/// Scores items with networks that may still be in training.
#[derive(Clone, Copy)]
pub(crate) struct Scorer<'a> {
    pub networks: &'a Networks,
    pub collator: Collator<'a>,
    pub labels: &'a LabelSet,
    /// Seed of the noise, for the authors' sampled evaluation alone.
    pub seed: u64,
    pub device: &'a Device,
}

impl Scorer<'_> {
    /// Entities of each item, in the order of the items.
    pub(crate) fn predict(
        &self,
        items: &[Item],
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Vec<ScoredEntity>>> {
        let mut order: Vec<usize> = (0..items.len()).filter(|i| !items[*i].words.is_empty()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(items[*i].ids.len()));
        let on_cpu = self.device.is_cpu();
        let limit = if on_cpu { BATCH_PIECES } else { GPU_BATCH_PIECES };
        let batches = batches(&order, |i| items[i].ids.len(), limit);
        let mut found = vec![Vec::new(); items.len()];
        let mut done = items.len() - order.len();
        let score = |batch: &&[usize]| {
            let texts: Vec<&Item> = batch.iter().map(|i| &items[*i]).collect();
            // By the batch, not by the order in which threads come to them.
            let mut rng = rng::named(self.seed, &format!("evaluation {}", batch[0]));
            self.score(&texts, &mut rng)
        };
        // A batch a thread: what one batch cannot share out among threads, another one's work fills. A GPU does this by
        // itself, and each thread would have a stream of its own.
        for wave in batches.chunks(2 * rayon::current_num_threads()) {
            let scored: Vec<_> = if on_cpu {
                wave.par_iter().map(score).collect::<Result<_>>()?
            } else {
                wave.iter().map(score).collect::<Result<_>>()?
            };
            for (batch, scored) in wave.iter().zip(scored) {
                for (i, entities) in batch.iter().zip(scored) {
                    found[*i] = entities;
                }
                done += batch.len();
            }
            on_progress(done, items.len());
        }
        Ok(found)
    }

    /// One batch.
    fn score(&self, items: &[&Item], rng: &mut Rng) -> Result<Vec<Vec<ScoredEntity>>> {
        let Networks { encoder, model } = self.networks;
        let spans: Vec<_> = items.iter().map(|item| (*item, self.collator.candidates(item).collect())).collect();
        let batch = self.collator.batch(&spans, self.device)?;
        let h = encoder.forward(&batch.pieces, Mode::Eval)?.to_dtype(DType::F32).map_err(smvae_core::Error::from)?;
        let features = model.features(&h, &batch)?;
        let mut candidates: Vec<Vec<Candidate>> = vec![Vec::new(); items.len()];
        // Of the spans that may become entities; all of them would be too much for a long text.
        let mut rows: Vec<HashMap<Span, Vec<f32>>> = vec![HashMap::new(); items.len()];
        let mut spans_left = spans.iter().flat_map(|(_, spans)| spans);
        for chunk in batch.spans.chunks(CHUNK_SPANS) {
            let noise = model
                .config()
                .quirks
                .sampled_evaluation
                .then(|| rng::standard_normal((chunk.len(), model.config().latent_dim), rng, self.device));
            let scores = model.score(&features, &batch, chunk, noise.transpose()?.as_ref())?;
            let probabilities = softmax_rows(&scores.logits)?;
            for ((BatchSpan { text, .. }, span), row) in chunk.iter().zip(&mut spans_left).zip(probabilities) {
                let (class, score) = best(&row);
                candidates[*text].push(Candidate { span: *span, class, score });
                if class != 0 {
                    rows[*text].insert(*span, row);
                }
            }
        }
        let entity = |item: &Item, rows: &mut HashMap<Span, Vec<f32>>, c: Candidate| {
            let span = item.original_span(c.span);
            let label = self.labels.name(c.class).expect("a class of the model is one of its labels").to_owned();
            let probabilities = rows.remove(&c.span).expect("kept above for every class but O");
            ScoredEntity { start: span.start, end: span.end, label, score: c.score, probabilities }
        };
        Ok(items
            .iter()
            .zip(candidates)
            .zip(&mut rows)
            .map(|((item, found), rows)| decode(&found).into_iter().map(|c| entity(item, rows, c)).collect())
            .collect())
    }
}

/// Cuts items, in this order, into batches of at most `limit` pieces, or of one item.
fn batches(order: &[usize], pieces: impl Fn(usize) -> usize, limit: usize) -> Vec<&[usize]> {
    let mut batches = Vec::new();
    let mut rest = order;
    while !rest.is_empty() {
        let mut total = 0;
        let fitting = rest.iter().take_while(|i| {
            total += pieces(**i);
            total <= limit
        });
        let (batch, later) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = later;
    }
    batches
}

fn softmax_rows(logits: &smvae_core::candle_core::Tensor) -> Result<Vec<Vec<f32>>> {
    let log_sum = logits.log_sum_exp(D::Minus1)?.unsqueeze(1)?;
    Ok(logits.broadcast_sub(&log_sum)?.exp()?.to_vec2()?)
}

/// The most probable class, the first on ties.
fn best(row: &[f32]) -> (usize, f32) {
    row.iter().copied().enumerate().fold((0, f32::MIN), |best, (class, p)| if p > best.1 { (class, p) } else { best })
}

/// A model may be shared between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Predictor>();
};
