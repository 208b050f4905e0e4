//! Networks at work: items in, probabilities of spans out, and entities from these.
//!
//! What is here also works on networks that are still in training; it knows nothing of files.

pub(crate) mod decision;
pub(crate) mod entity;
pub(crate) mod networks;
pub(crate) mod scorer;
