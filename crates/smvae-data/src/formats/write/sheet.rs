//! Rows of a table for spreadsheets, which [`table`](crate::formats::table) reads back.
//!
//! ```text
//! id,image,caption,text,words,tags,entities                  posts with what was found, or with labels
//! rank,score,reason,for_dev,id,image,text,entities           posts that somebody should label
//! ```
//! `words` and `tags` have spaces between them; `entities` is for people to read, and its column
//! tells our reader that cells are guarded: one that a spreadsheet would take for a formula has an
//! apostrophe before it. Lost: the scores of entities, other fields.

use super::found::{FoundEntity, FoundPost};
use super::huggingface::tags;
use crate::formats::table::cell;
use smvae_core::schemes::Scheme;

/// The header with its line end.
pub(super) fn header(is_choice: bool) -> &'static str {
    if is_choice {
        "rank,score,reason,for_dev,id,image,text,entities\n"
    } else {
        "id,image,caption,text,words,tags,entities\n"
    }
}

/// The row of a post with its entities, or why it would not be read back.
pub(super) fn row(post: &FoundPost<'_>, scheme: Scheme) -> Result<String, String> {
    if let Some(word) = post.words.iter().find(|word| word.is_empty() || word.contains(' ')) {
        return Err(format!("the word {word:?} would not be read back from a cell"));
    }
    let tags = tags(post, scheme)?;
    if let Some(tag) = tags.iter().find(|tag| tag.contains(' ')) {
        return Err(format!("the tag {tag:?} would not be read back from a cell"));
    }
    let [id, image, caption] = [post.id, post.image, post.caption].map(Option::unwrap_or_default);
    let cells = [id, image, caption, post.text, &post.words.join(" "), &tags.join(" "), &readable(post)];
    Ok(cells.map(cell).join(","))
}

/// The row of a post that somebody should label.
pub(super) fn choice(post: &FoundPost<'_>, rank: usize) -> String {
    let score = post.score.map(|score| score.to_string()).unwrap_or_default();
    let for_dev = if post.for_dev { "true" } else { "false" };
    let [reason, id, image] = [post.reason, post.id, post.image].map(Option::unwrap_or_default);
    let texts = [reason, for_dev, id, image, post.text, &readable(post)].map(cell);
    // A score is a number, below 0 too.
    format!("{rank},{score},{}", texts.join(","))
}

/// The entities as people write them: `Lady Gaga (PER), Oslo (LOC)`.
fn readable(post: &FoundPost<'_>) -> String {
    let entity = |entity: &FoundEntity<'_>| format!("{} ({})", entity.text, entity.label);
    post.entities.iter().map(entity).collect::<Vec<_>>().join(", ")
}
