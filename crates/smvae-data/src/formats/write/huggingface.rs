//! Hugging Face's `tokens` and `ner_tags`, a line of JSON per post: what `datasets` loads and our
//! own reader reads as a corpus. Tags are names, since the names of numbers would be lost. Lost:
//! text and the places of words in it, scores, other fields.

use super::found::{FoundEntity, FoundPost};
use serde_json::json;
use smvae_core::Entity;
use smvae_core::schemes::Scheme;

/// The line of a post, or why it cannot be written.
pub(super) fn line(post: &FoundPost<'_>, scheme: Scheme) -> Result<String, String> {
    let tags = tags(post, scheme)?;
    let mut line = json!({"tokens": post.words, "ner_tags": tags});
    for (name, value) in [("id", post.id), ("image", post.image), ("caption", post.caption)] {
        if let Some(value) = value {
            line[name] = value.into();
        }
    }
    Ok(line.to_string())
}

/// The tags of a post's words.
pub(super) fn tags(post: &FoundPost<'_>, scheme: Scheme) -> Result<Vec<String>, String> {
    let entity = |found: &FoundEntity<'_>| Entity::new(found.words.start, found.words.end, found.label.to_owned());
    let entities: Vec<Entity> = post.entities.iter().map(entity).collect();
    scheme.tags(&entities, post.words.len()).map_err(|error| error.to_string())
}
