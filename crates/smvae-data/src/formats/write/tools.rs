//! What tools for labelling import: entities that were found, as what a person corrects, or those
//! of labelled posts, as what a person has said.
//!
//! | | offsets | what a person has said | lost |
//! |---|---|---|---|
//! | Label Studio | UTF-16 code units, as its page counts; `text` beside them | `annotations` | words, other fields |
//! | doccano | characters | nothing tells it | words, scores, other fields |
//! | Prodigy | characters and words, `token_end` inclusive | `"answer": "accept"` | scores of entities, other fields |

use super::found::{Author, FoundPost, WriteSettings};
use crate::utf16::Utf16;
use serde_json::{Value, json};

/// A task of Label Studio with one prediction, or one annotation.
pub(super) fn label_studio(post: &FoundPost<'_>, settings: &WriteSettings) -> String {
    let WriteSettings { model, from_name, to_name, author, .. } = settings;
    let units = Utf16::of(post.text);
    let results = post.entities.iter().enumerate().map(|(i, entity)| {
        let mut region = json!({
            // Its editor loads for ever where this is a number.
            "id": (i + 1).to_string(),
            "from_name": from_name,
            "to_name": to_name,
            "type": "labels",
            "value": {
                "start": units.of_char(entity.chars.start),
                "end": units.of_char(entity.chars.end),
                "text": entity.text,
                "labels": [entity.label],
            },
        });
        if *author == Author::Model {
            region["score"] = number(entity.score);
        }
        region
    });
    let results: Vec<Value> = results.collect();
    let mut data = json!({"text": post.text});
    add_origin(&mut data, post);
    if *author == Author::Person {
        return json!({"data": data, "annotations": [{"result": results}]}).to_string();
    }
    let mut prediction = json!({"model_version": model, "result": results});
    if let Some(score) = post.sort_score() {
        prediction["score"] = number(score);
    }
    json!({"data": data, "predictions": [prediction]}).to_string()
}

/// A line of doccano, in ASCII: its import guesses a file's encoding, and takes UTF-8 with an emoji
/// for another one. What it does not know, here the id, the image, the caption and the reason, it
/// keeps as metadata, if all lines have the same fields: it refuses a file of which some lines lack
/// one.
pub(super) fn doccano(post: &FoundPost<'_>) -> String {
    let labels = post.entities.iter().map(|entity| json!([entity.chars.start, entity.chars.end, entity.label]));
    let labels: Vec<Value> = labels.collect();
    let mut line = json!({"text": post.text, "label": labels, "id": post.id, "image": post.image});
    line["caption"] = post.caption.into();
    if let Some(reason) = post.reason {
        line["reason"] = reason.into();
        line["for_dev"] = post.for_dev.into();
    }
    in_ascii(&line.to_string())
}

/// JSON with what is not ASCII escaped: it stands in strings alone.
fn in_ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| ascii += &format!("\\u{unit:04x}"));
        }
    }
    ascii
}

/// A line of Prodigy.
pub(super) fn prodigy(post: &FoundPost<'_>, author: Author) -> String {
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
    if let Some(score) = post.sort_score().filter(|_| author == Author::Model) {
        meta["score"] = number(score);
    }
    let mut line = json!({"text": post.text, "tokens": tokens, "spans": spans.collect::<Vec<_>>(), "meta": meta});
    if author == Author::Person {
        line["answer"] = "accept".into();
    }
    line.to_string()
}

/// Where a post comes from, and why it is there.
fn add_origin(object: &mut Value, post: &FoundPost<'_>) {
    for (name, value) in [("id", post.id), ("image", post.image), ("caption", post.caption), ("reason", post.reason)] {
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
