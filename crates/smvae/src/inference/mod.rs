//! A trained model at work: entities of posts, and scores against gold labels.

pub mod answers;
pub(crate) mod authors_protocol;
pub(crate) mod evaluate;
pub mod json;
pub(crate) mod load_options;
pub(crate) mod prediction;
pub(crate) mod predictor;
mod reading;
pub(crate) mod settings;
pub(crate) mod stream;
mod together;
pub(crate) mod vectors;
