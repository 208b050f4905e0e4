//! What tools for labelling import, with the entities that were found as what a person corrects.
//!
//! | | offsets | lost |
//! |---|---|---|
//! | Label Studio | UTF-16 code units, as its page counts; `text` beside them | words, other fields |
//! | doccano | characters | words, scores, other fields |
//! | Prodigy | characters and words, `token_end` inclusive | scores of entities, other fields |

use super::found::{FoundPost, WriteSettings};
use crate::utf16::Utf16;
use serde_json::{Value, json};

/// A task of Label Studio with one prediction.
pub(super) fn label_studio(post: &FoundPost<'_>, settings: &WriteSettings) -> String {
    let WriteSettings { model, from_name, to_name, .. } = settings;
    let units = Utf16::of(post.text);
    let results = post.entities.iter().enumerate().map(|(i, entity)| {
        json!({
            // Its editor loads for ever where this is a number.
            "id": (i + 1).to_string(),
            "from_name": from_name,
            "to_name": to_name,
            "type": "labels",
            "score": number(entity.score),
            "value": {
                "start": units.of_char(entity.chars.start),
                "end": units.of_char(entity.chars.end),
                "text": entity.text,
                "labels": [entity.label],
            },
        })
    });
    let mut prediction = json!({"model_version": model, "result": results.collect::<Vec<_>>()});
    if let Some(score) = post.sort_score() {
        prediction["score"] = number(score);
    }
    let mut data = json!({"text": post.text});
    add_origin(&mut data, post);
    json!({"data": data, "predictions": [prediction]}).to_string()
}

/// A line of doccano. What it does not know, here the id, the image and the reason, it keeps as
/// metadata.
pub(super) fn doccano(post: &FoundPost<'_>) -> String {
    let labels = post.entities.iter().map(|entity| json!([entity.chars.start, entity.chars.end, entity.label]));
    let mut line = json!({"text": post.text, "label": labels.collect::<Vec<_>>()});
    add_origin(&mut line, post);
    line.to_string()
}

/// A line of Prodigy.
pub(super) fn prodigy(post: &FoundPost<'_>) -> String {
    let mut tokens = Vec::new();
    let (mut byte, mut char) = (0, 0);
    for (id, (word, place)) in post.words.iter().zip(post.places).enumerate() {
        char += post.text[byte..place.start].chars().count();
        let end = char + word.chars().count();
        // Whether white space follows.
        let ws = post.text[place.end..].starts_with(char::is_whitespace);
        tokens.push(json!({"text": word, "start": char, "end": end, "id": id, "ws": ws}));
        (byte, char) = (place.end, end);
    }
    let spans = post.entities.iter().map(|entity| {
        json!({
            "start": entity.chars.start,
            "end": entity.chars.end,
            "token_start": entity.words.start,
            "token_end": entity.words.end - 1,
            "label": entity.label,
        })
    });
    let mut meta = json!({});
    add_origin(&mut meta, post);
    if let Some(score) = post.sort_score() {
        meta["score"] = number(score);
    }
    json!({"text": post.text, "tokens": tokens, "spans": spans.collect::<Vec<_>>(), "meta": meta}).to_string()
}

/// Where a post comes from, and why it is there.
fn add_origin(object: &mut Value, post: &FoundPost<'_>) {
    for (name, value) in [("id", post.id), ("image", post.image), ("reason", post.reason)] {
        if let Some(value) = value {
            object[name] = value.into();
        }
    }
    if post.for_dev {
        object["for_dev"] = true.into();
    }
}

/// A score with the digits that it has, and not those of the double next to it.
fn number(score: f32) -> Value {
    serde_json::from_str(&serde_json::to_string(&score).expect("a number")).expect("its own text")
}
