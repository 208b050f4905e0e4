//! One file or folder per command: its options, and a function `run` that takes them. No command
//! calls another.

pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod draw;
pub(crate) mod eval;
pub(crate) mod experiment;
pub(crate) mod export;
pub(crate) mod features;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod man;
pub(crate) mod predict;
#[cfg(feature = "report")]
pub(crate) mod report;
pub(crate) mod score;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub(crate) mod split;
pub(crate) mod stats;
pub(crate) mod suggest;
pub(crate) mod train;
