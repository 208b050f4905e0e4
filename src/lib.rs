//! Span-based multimodal named entity recognition that learns from few labels: SMVAE (Zhou et al., EMNLP 2022) on
//! candle.
//!
//! This crate is the assembly, the only code that sees [`core`] (spans, networks, one training step), [`data`] (corpora,
//! image vectors) and [`encoders`] (BERT, tokenisation) together. Train with [`train()`], which leaves a run folder;
//! [`resume()`] goes on with if it was interrupted; [`Predictor::load`] needs nothing else.
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

mod authors_protocol;
mod averaging;
mod checkpoint;
mod collate;
pub mod config;
mod decision;
pub mod demo;
mod distillation;
mod epoch;
mod error;
mod evaluate;
pub mod experiment;
pub mod features;
mod files;
mod groups;
mod images;
mod memory;
mod networks;
pub mod predictions;
mod predictor;
mod progress;
#[cfg(feature = "report")]
pub mod report;
mod resume;
mod run_folder;
mod sampler;
mod scorer;
pub mod threads;
mod trainer;
mod training_data;
mod training_loop;

pub use authors_protocol::evaluate_as_authors;
pub use config::Config;
pub use decision::Decision;
pub use distillation::{Distillation, Teacher};
pub use error::{Error, Result};
pub use evaluate::{Evaluation, evaluate};
pub use images::ImageIdentity;
pub use networks::EncoderSource;
pub use predictor::{Post, Prediction, Predictor, ScoredEntity};
pub use progress::{EpochRecord, Event, Flow, RunSummary, Timing};
pub use resume::{finished_run, resume};
pub use run_folder::{Origin, RunInfo, RunState, remove_run};
pub use trainer::{TrainInput, train};
