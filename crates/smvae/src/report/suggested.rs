//! Posts that should be labelled next, as `suggest` wrote them to JSON lines.

use crate::error::{Error, Result};
use crate::inference::answers::Priority;
use crate::input::post::Post;
use serde::{Deserialize, Serialize};
use smvae_data::formats::{Format, LabelUse, PostRecord, Settings, open};
use smvae_data::words::WordConvention;
use std::path::Path;

/// A post that should be labelled.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SuggestedPost {
    /// Its place in the order of the choice, the reason, and whether it is for dev.
    #[serde(flatten)]
    pub priority: Priority<'static>,
    /// The id that the pool gives it.
    pub id: Option<String>,
    /// Id of its image.
    pub image_id: Option<String>,
    /// Its text, cut where an entity begins or ends that a model found.
    pub parts: Vec<TextPart>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TextPart {
    /// The part.
    pub text: String,
    /// Type of the entity that it is. `None` between entities.
    pub label: Option<String>,
}

/// What a model found in a text. Labels that the pool has of its own have no score, and are not
/// shown as if a model had found them.
#[derive(Deserialize)]
struct Found {
    /// In characters, as `end`.
    start: usize,
    end: usize,
    label: String,
    #[serde(rename = "score")]
    _score: f64,
}

/// Reads what `suggest` wrote, in the order of the ranks.
///
/// # Errors
/// [`Error::Data`] for a file that cannot be read or holds other things than posts;
/// [`Error::JsonLine`] for a post without the place and the reason that `suggest` gives it.
pub fn suggestions(file: impl AsRef<Path>) -> Result<Vec<SuggestedPost>> {
    let file = file.as_ref();
    let settings = Settings { format: Some(Format::JsonLines), labels: LabelUse::Ignored, ..Settings::default() };
    let mut posts = Vec::new();
    for record in open(file, &settings)? {
        let record = record?;
        let fault = |why| Error::JsonLine { path: file.to_owned(), line: record.line, what: "suggestion", why };
        posts.push(read(&record).map_err(fault)?);
    }
    posts.sort_by_key(|post| post.priority.rank);
    Ok(posts)
}

fn read(record: &PostRecord) -> std::result::Result<SuggestedPost, String> {
    let priority = record.fields.read::<Priority>("suggested").map_err(|error| format!("suggested: {error}"))?;
    let priority = priority.ok_or("it has no `suggested`: smvae suggest --output FILE.jsonl writes such lines")?;
    // The pool may have a field of this name, of any shape.
    let found = record.fields.read::<Vec<Found>>("entities").ok().flatten().unwrap_or_default();
    let post = Post::of_record(record, &WordConvention::default()).map_err(|error| error.to_string())?;
    let (id, image_id) = (record.id.clone(), record.image.clone());
    Ok(SuggestedPost { priority, id, image_id, parts: parts(post.text(), found) })
}

/// Cuts a text at its entities; one that overlaps another that begins before it, or that goes
/// beyond the text, is left out.
fn parts(text: &str, mut found: Vec<Found>) -> Vec<TextPart> {
    found.sort_by_key(|entity| (entity.start, entity.end));
    let bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
    let mut parts = Vec::new();
    let mut push = |text: &str, label: Option<String>| {
        if !text.is_empty() {
            parts.push(TextPart { text: text.to_owned(), label });
        }
    };
    let mut at = 0;
    for entity in found {
        let (Some(&start), Some(&end)) = (bytes.get(entity.start), bytes.get(entity.end)) else { continue };
        if at <= start && start < end {
            push(&text[at..start], None);
            push(&text[start..end], Some(entity.label));
            at = end;
        }
    }
    push(&text[at..], None);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_entities() {
        let cut = |places: &[(usize, usize)]| -> Vec<(String, bool)> {
            let found = |&(start, end)| Found { start, end, label: "LOC".to_owned(), _score: 0.5 };
            parts("Łódź, Oslo", places.iter().map(found).collect())
                .into_iter()
                .map(|part| (part.text, part.label.is_some()))
                .collect()
        };
        let want =
            |parts: &[(&str, bool)]| parts.iter().map(|(text, is)| ((*text).to_owned(), *is)).collect::<Vec<_>>();
        assert_eq!(cut(&[(6, 10), (0, 4)]), want(&[("Łódź", true), (", ", false), ("Oslo", true)]));
        assert_eq!(cut(&[]), want(&[("Łódź, Oslo", false)]));
        // One that overlaps, one of no width, one that ends beyond the text.
        let kept = want(&[("Łó", true), ("dź, Oslo", false)]);
        assert_eq!(cut(&[(0, 2), (1, 4), (5, 5), (6, 11)]), kept);
        assert_eq!(cut(&[(0, 2), (0, 99)]), kept);
    }
}
