//! The demo: four ways of training on a synthetic corpus in under a minute, and a table that
//! compares them.
//!
//! The label of many entities shows in the image alone, so text alone must lose to text with image
//! vectors, and to text with captions of the images; labelled posts are few, so unlabelled ones
//! must help.

use crate::config::Config;
use crate::config::input::InputConfig;
use crate::config::training::TrainingConfig;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::inference::evaluate::evaluate;
use crate::inference::predictor::Predictor;
use crate::input::captions::CaptionTrust;
use crate::input::images::ImageTrust;
use crate::training::encoder::EncoderSource;
use crate::training::event::Event;
use crate::training::input::TrainInput;
use crate::training::train_with;
use serde::Serialize;
use smvae_core::metrics::Scores;
use smvae_core::model::ModelConfig;
use smvae_core::objective::Objective;
use smvae_data::synthetic::{CAPTIONS_FILE, FEATURES_FILE, SyntheticConfig, generate};
use smvae_data::{Captions, Corpus, ImageVectors};
use std::path::PathBuf;
use std::time::Instant;

/// Settings of the demo.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DemoConfig {
    /// Seed of the corpus, of the draw of labelled posts and of training.
    pub seed: u64,
    /// Labelled posts of each run. Default: 20.
    pub labelled: usize,
    /// A folder for the corpus and the run folders, which must not exist.
    pub out: PathBuf,
}

impl DemoConfig {
    /// 20 labelled posts; everything is written below this folder.
    pub fn new(seed: u64, out: impl Into<PathBuf>) -> Self {
        Self { seed, labelled: 20, out: out.into() }
    }
}

/// One way of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Labelled posts, without their images.
    TextOnly,
    /// Labelled posts with captions of their images.
    Captions,
    /// Labelled posts with their images.
    Supervised,
    /// The same, and the other posts of the training split without labels.
    SemiSupervised,
}

impl Method {
    /// All of them, in the order in which the demo runs them.
    pub const ALL: [Self; 4] = [Self::TextOnly, Self::Captions, Self::Supervised, Self::SemiSupervised];

    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextOnly => "text only",
            Self::Captions => "text + caption",
            Self::Supervised => "text + image",
            Self::SemiSupervised => "text + image, semi-supervised",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::TextOnly => "text-only",
            Self::Captions => "captions",
            Self::Supervised => "supervised",
            Self::SemiSupervised => "semi-supervised",
        }
    }
}

/// A row of the demo's table: scores on the test split.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DemoRow {
    /// How it was trained.
    pub method: Method,
    /// Labelled posts.
    pub labelled: usize,
    /// Unlabelled posts.
    pub unlabelled: usize,
    /// Scores on test.
    pub scores: Scores,
    /// Seconds of training and evaluation.
    pub seconds: f64,
    /// The run folder.
    pub folder: PathBuf,
}

/// What the demo shows.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DemoReport {
    /// Folder of the corpus that the demo made; [`Corpus::load`] reads it.
    pub corpus: PathBuf,
    /// One row per method.
    pub rows: Vec<DemoRow>,
}

/// Makes the corpus, trains the four models and scores them on test. The callback hears of every
/// event in the run of each method, and can end the demo.
///
/// # Errors
/// [`Error::Exists`] if the folder exists; those of training.
pub fn run(config: &DemoConfig, on_event: &mut dyn FnMut(Method, &Event) -> Flow) -> Result<DemoReport> {
    if config.out.exists() {
        return Err(Error::Exists { path: config.out.clone() });
    }
    let corpus_folder = config.out.join("corpus");
    generate(&corpus_settings(config.seed))?.write_to(&corpus_folder)?;
    let corpus = Corpus::load(&corpus_folder)?;
    let images = ImageVectors::load(corpus_folder.join(FEATURES_FILE))?;
    let captions = Captions::load(corpus_folder.join(CAPTIONS_FILE))?;
    let mut rows = Vec::new();
    for method in Method::ALL {
        let sources = Sources {
            images: matches!(method, Method::Supervised | Method::SemiSupervised).then_some(&images),
            captions: (method == Method::Captions).then_some(&captions),
        };
        match run_method(method, config, &corpus, sources, &mut |event| on_event(method, event))? {
            Some(row) => rows.push(row),
            None => break,
        }
    }
    Ok(DemoReport { corpus: corpus_folder, rows })
}

/// What a method sees besides the text.
#[derive(Clone, Copy)]
struct Sources<'a> {
    images: Option<&'a ImageVectors>,
    captions: Option<&'a Captions>,
}

/// Trains and scores one method. `None` if the callback ended it.
fn run_method(
    method: Method,
    demo: &DemoConfig,
    corpus: &Corpus,
    Sources { images, captions }: Sources<'_>,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<Option<DemoRow>> {
    let start = Instant::now();
    let folder = demo.out.join(method.folder());
    let config = settings(method, demo);
    let input = TrainInput::new(corpus, EncoderSource::Tiny).with_images(images).with_captions(captions);
    if train_with(&input, &config, &folder, on_event)?.stopped {
        return Ok(None);
    }
    let mut predictor = Predictor::load(&folder)?;
    if let Some(images) = images {
        predictor = predictor.with_images(images.clone(), ImageTrust::Recorded)?;
    }
    if let Some(captions) = captions {
        predictor = predictor.with_captions(captions.clone(), CaptionTrust::Recorded)?;
    }
    let evaluation = evaluate(&predictor, &corpus.test)?;
    let semi = config.training.semi;
    Ok(Some(DemoRow {
        method,
        labelled: demo.labelled,
        unlabelled: if semi { corpus.train.len() - demo.labelled } else { 0 },
        scores: evaluation.scores,
        seconds: start.elapsed().as_secs_f64(),
        folder,
    }))
}

/// One phrase in each post, and one phrase for each label, so that 20 posts show each at least
/// once; many names, so that the model cannot learn them by heart.
fn corpus_settings(seed: u64) -> SyntheticConfig {
    SyntheticConfig { seed, image_noise: 0.5, two_phrases: 0.0, names: 150, phrases: 1, ..SyntheticConfig::default() }
}

/// Small untrained networks: higher rates and more epochs than fine-tuning needs.
///
/// The KL terms weigh 0.01. At 1, as in the paper, telling four labels apart in z costs `2 log 4`
/// nats per row and saves less than `log 4` of cross entropy: both VAEs collapse and the images are
/// not used, however many posts are labelled.
fn settings(method: Method, demo: &DemoConfig) -> Config {
    let (mut model, mut objective) = (ModelConfig::default(), Objective::default());
    (model.hidden_dim, model.latent_dim) = (64, 16);
    objective.kl_weight = 0.01;
    Config {
        preset: "demo".to_owned(),
        seed: demo.seed,
        labelled: Some(demo.labelled),
        input: InputConfig { max_width: 2, ..InputConfig::default() },
        model,
        training: TrainingConfig {
            epochs: Some(80),
            patience: 80,
            eval_every: 10,
            batch_size: 5,
            semi: method == Method::SemiSupervised,
            negatives: Some(3.0),
            encoder_lr: 1e-3,
            head_lr: 2e-3,
            dropout: Some(0.2),
            ..TrainingConfig::default()
        },
        objective,
        ..Config::default()
    }
}
