//! The run folder: what a trained model and the way it came to be look like in files.
//!
//! Nothing here computes: whoever trains writes the folder, whoever predicts reads it.

pub(crate) mod calibration;
pub(crate) mod card;
pub(crate) mod digests;
pub(crate) mod folder;
pub(crate) mod info;
pub(crate) mod predictions;
pub(crate) mod record;
pub(crate) mod remove;
mod teachers;
pub(crate) mod tensorboard;
pub(crate) mod train_command;
mod weights;
