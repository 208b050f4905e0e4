//! What the fields of a JSON object and the columns of a table are called: one list for all
//! formats.
//!
//! Of several names for one thing the first that is there, and is not `null` or empty, counts.

/// A text.
pub(super) const TEXT: &[&str] = &["text"];
/// Words.
pub(super) const WORDS: &[&str] = &["words", "tokens"];
/// Id or path of the image.
pub(super) const IMAGE: &[&str] = &["image_id", "image"];
/// What the image shows, in words.
pub(super) const CAPTION: &[&str] = &["caption"];
/// Id of the post.
pub(super) const ID: &[&str] = &["id"];
/// One tag per word.
pub(super) const TAGS: &[&str] = &["tags", "ner_tags"];
/// Entities, looked for after the tags.
pub(super) const ENTITIES: &[&str] = &["entities", "spans", "label", "labels"];
