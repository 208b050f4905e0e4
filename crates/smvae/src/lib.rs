//! Span-based multimodal named entity recognition that learns from few labels: SMVAE (Zhou et al.,
//! EMNLP 2022) on candle.
//!
//! This crate is the assembly, the only code that sees `core` (spans, networks, one training
//! step), [`data`] (corpora, image vectors) and [`encoders`] (BERT, tokenisation) together. Train
//! with [`train()`], which leaves a run folder; [`resume()`] continues it if it was interrupted;
//! [`Predictor::load`] needs only that folder, and image vectors where the model uses images.
//!
//! | you want | look at |
//! |---|---|
//! | a corpus, its labels, image vectors | [`data::Corpus::load`], [`data::ImageVectors`] |
//! | to train, and with what settings | [`train()`], [`TrainInput`], [`Config`], [`EncoderSource`] |
//! | scores; entities of posts | [`evaluate()`]; [`Predictor`] |
//! | posts and answers as JSON lines, or in another format | [`json`], [`answers`] |
//! | which posts to label next | [`suggest`] |
//! | vectors of images | [`features`], with the feature `vision` |
//! | a grid of runs and what it says | `experiment`, with the feature of that name |
//! | runs as an HTML page | `report`, with the feature of that name |
//!
//! # Features
//!
//! None is on by default: whoever trains on text and predicts builds 144 crates, and among them
//! neither TOML nor statistics nor decoders of images.
//!
//! | feature | for | crates more |
//! |---|---|---|
//! | `arrow` | posts in Arrow IPC streams and files, in and out | 13 |
//! | `parquet` | posts in Parquet files, in and out; brings `arrow`, takes a C compiler | 25 |
//! | `vision` | making vectors of images; files of vectors are read without it | 19 |
//! | `experiment` | grids of runs described in TOML, and their statistics | 7 |
//! | `hub` | models by name from the Hugging Face hub; takes a C compiler | 30 |
//! | `report` | runs and experiments as a page or tables; brings `experiment` and `vision` | 29 |
//! | `cuda`, `cudnn` | computing on an NVIDIA GPU | |
//!
//! # Train
//!
//! ```no_run
//! use smvae::data::Corpus;
//! use smvae::{Config, EncoderSource, Event, Flow, TrainInput, train_with};
//! let corpus = Corpus::load("my-corpus")?; // train.txt, valid.txt, test.txt
//! let input = TrainInput::new(&corpus, EncoderSource::named("models/all-MiniLM-L6-v2")?);
//! let mut config = Config::default();
//! config.labelled = Some(100);
//! let summary = train_with(&input, &config, "runs/mine", &mut |event| {
//!     if let Event::Epoch(record) = event {
//!         println!("epoch {}, loss {:.3}", record.epoch, record.train.loss);
//!     }
//!     Flow::Continue // Flow::Stop ends it cleanly
//! })?;
//! println!("best epoch on dev: {:?}", summary.best_epoch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Predict
//!
//! Text is split into words as the corpus of the run was; entities come back with their characters
//! in the text as it was given. A model that was trained with images looks at those it is given
//! ([`Predictor::with_images`]), and reads a post without one as text alone.
//!
//! ```no_run
//! use smvae::Predictor;
//! let predictor = Predictor::load("runs/mine")?;
//! for entity in predictor.predict_text("Lady Gaga lands in Oslo.")?.entities {
//!     println!("{} {} {:.2}", entity.text, entity.label, entity.score);
//! }
//! # Ok::<(), smvae::Error>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

/// The program on the front page of the crate compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use smvae_core as core;
// Inlined, so that links to them hold where only this crate is documented. The core would bring all
// of candle with it.
#[doc(inline)]
pub use smvae_data as data;
#[doc(inline)]
pub use smvae_encoders as encoders;

pub mod config;
pub mod demo;
mod error;
#[cfg(feature = "experiment")]
#[cfg_attr(docsrs, doc(cfg(feature = "experiment")))]
pub mod experiment;
pub mod features;
mod files;
mod flow;
mod inference;
mod input;
#[cfg(feature = "report")]
#[cfg_attr(docsrs, doc(cfg(feature = "report")))]
pub mod report;
mod run;
mod scoring;
pub mod suggest;
mod training;

pub use config::{Config, Distillation};
pub use error::{Error, Result};
pub use flow::Flow;
pub use inference::answers;
pub use inference::authors_protocol::{evaluate_as_authors, evaluate_as_authors_with};
pub use inference::evaluate::{Evaluation, evaluate, evaluate_with};
pub use inference::json;
pub use inference::load_options::LoadOptions;
pub use inference::prediction::Prediction;
pub use inference::predictor::Predictor;
pub use inference::settings::PredictionSettings;
pub use inference::stream::{PredictionStream, StreamSettings};
pub use inference::vectors::PostVectors;
pub use input::captions::{CaptionIdentity, CaptionTrust};
pub use input::images::{ImageIdentity, ImageTrust, Standardisation};
pub use input::post::{Mention, Post};
pub use run::digests::FileCheck;
pub use run::info::RunInfo;
pub use run::predictions::PostPrediction;
pub use run::record::{EpochRecord, FileDigest, Origin, RunState, Teacher, Timing};
pub use run::remove::remove_run;
pub use scoring::decision::Decision;
pub use scoring::entity::{GoldEntity, ScoredEntity};
pub use training::encoder::EncoderSource;
pub use training::event::{Event, RunSummary};
pub use training::input::TrainInput;
pub use training::{finished_run, resume, resume_with, train, train_with};
