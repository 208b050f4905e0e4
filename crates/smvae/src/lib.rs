//! Span-based multimodal named entity recognition that learns from few labels: SMVAE (Zhou et al.,
//! EMNLP 2022) on candle.
//!
//! This crate is the assembly, the only code that sees [`core`] (spans, networks, one training
//! step), [`data`] (corpora, image vectors) and [`encoders`] (BERT, tokenisation) together. Train
//! with [`train()`], which leaves a run folder; [`resume()`] goes on with it if it was interrupted;
//! [`Predictor::load`] needs nothing else.
//!
//! | you want | look at |
//! |---|---|
//! | a corpus, its labels, image vectors | [`data::Corpus::load`], [`data::corpus::label_set`], [`data::ImageVectors`] |
//! | vectors of images | [`features`] |
//! | to train, and with what settings | [`train()`], [`TrainInput`], [`Config`], [`EncoderSource`] |
//! | scores; entities of posts | [`evaluate()`]; [`Predictor`] |
//! | a grid of runs and what it says | [`experiment`] |
//!
//! Features: `hub` fetches models by their names, `report` writes the page of a run, `cuda` and
//! `cudnn` compute on a GPU. None is on by default.
//!
//! # Train
//!
//! ```no_run
//! use smvae::data::{Corpus, ImageVectors};
//! use smvae::{Config, EncoderSource, Event, Flow, TrainInput, core::candle_core::Device, train};
//! let corpus = Corpus::load("my-corpus")?; // train.txt, valid.txt, test.txt
//! let images = ImageVectors::load("features.safetensors")?;
//! let input = TrainInput {
//!     train: &corpus.train,
//!     valid: &corpus.valid,
//!     labels: &corpus.labels,
//!     selection: None,
//!     train_sha256: &corpus.files.train.sha256,
//!     images: Some(&images),
//!     encoder: EncoderSource::named("models/all-MiniLM-L6-v2")?,
//!     device: Device::Cpu,
//!     replace_run: false,
//! };
//! let config = Config { labelled: Some(100), ..Config::default() };
//! let summary = train(&input, &config, "runs/mine".as_ref(), &mut |event| {
//!     if let Event::Epoch(record) = event {
//!         println!("epoch {}, loss {:.3}", record.epoch, record.train.loss);
//!     }
//!     Flow::Continue // Flow::Stop ends it in good order
//! })?;
//! println!("best epoch on dev: {:?}", summary.best_epoch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Predict
//!
//! A model that was trained with images looks at those it is given ([`Predictor::with_images`]),
//! and reads a post without one as text alone.
//!
//! ```no_run
//! use smvae::{Post, Predictor};
//! let predictor = Predictor::load("runs/mine".as_ref())?;
//! let posts = [Post::from_text("Lady Gaga lands in Oslo")];
//! for entity in &predictor.predict(&posts, &mut |_, _| {})?[0].entities {
//!     println!("{}..{} {} {:.2}", entity.start, entity.end, entity.label, entity.score);
//! }
//! # Ok::<(), smvae::Error>(())
//! ```

pub use smvae_core as core;
pub use smvae_data as data;
pub use smvae_encoders as encoders;

pub mod config;
pub mod demo;
mod error;
pub mod experiment;
pub mod features;
mod files;
mod flow;
mod inference;
mod input;
#[cfg(feature = "report")]
pub mod report;
mod run;
mod scoring;
pub mod threads;
mod training;

pub use config::{Config, Distillation};
pub use error::{Error, Result};
pub use flow::Flow;
pub use inference::authors_protocol::{evaluate_as_authors, evaluate_as_authors_with};
pub use inference::evaluate::{Evaluation, evaluate, evaluate_with};
pub use inference::json;
pub use inference::predictor::{LoadOptions, Prediction, Predictor};
pub use input::images::{ImageIdentity, ImageTrust, Standardisation};
pub use input::post::{Mention, Post};
pub use run::folder::remove_run;
pub use run::info::RunInfo;
pub use run::predictions::PostPrediction;
pub use run::record::{EpochRecord, Origin, RunState, Teacher, Timing};
pub use scoring::decision::Decision;
pub use scoring::entity::{GoldEntity, ScoredEntity};
pub use training::encoder::EncoderSource;
pub use training::event::{Event, RunSummary};
pub use training::input::TrainInput;
pub use training::{finished_run, resume, resume_with, train, train_with};
