//! An HTTP service around a trained model: JSON or pictures in, entities out, in the wire form of
//! `smvae predict`.
//!
//! ```text
//! connections ──> http (routes, key, limits) ──> queue (bounded) ──> engine (threads, the model)
//!                   ^                                                    │
//!                   └──────────────── one answer per post ───────────────┘
//! ```
//! A batch is filled when the model is free, so nothing waits for a clock. Whatever a request can
//! make large has a limit ([`Limits`]); no path and no address in a request ever touches the file
//! system or the network.
//!
//! What this crate does not do: train, read corpora, know a command line.
//!
//! ```no_run
//! use smvae_serve::{ModelSource, Service, Settings};
//! let service = Service::start(ModelSource::of("runs/mine"), Settings::default())?;
//! println!("http://{}", service.address());
//! service.run()?; // until SIGTERM or Ctrl-C; SIGHUP loads the run anew
//! # Ok::<(), smvae_serve::Error>(())
//! ```

/// The program on the front page of the crate compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod access;
mod adapters;
mod answer;
mod connections;
mod engine;
mod entry;
mod error;
mod http;
pub mod logs;
mod metrics;
mod model;
mod page;
mod queue;
#[cfg(test)]
mod queue_tests;
// Public for the fuzz target of the request parser.
#[doc(hidden)]
pub mod requests;
mod service;
mod settings;
mod shutdown;
mod speed;
mod state;
mod sync;

pub use access::Key;
pub use error::{Error, Result};
pub use http::openapi::description;
pub use model::{ModelSource, Pictures};
pub use service::Service;
pub use settings::{Limits, Settings};
