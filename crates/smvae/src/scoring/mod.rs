//! Networks at work: items in, probabilities of spans out, and entities from these.
//!
//! This also works on networks that are still in training, and knows nothing of files.

pub(crate) mod answer;
pub(crate) mod decision;
pub(crate) mod entity;
pub(crate) mod networks;
pub(crate) mod scorer;
pub(crate) mod vectors;
