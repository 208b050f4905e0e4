//! Prodigy's `db-out`: JSON lines, offsets in characters; `token_end` is inclusive and not read. A
//! post that was rejected or ignored, or has no answer, has no labels. The words are not Prodigy's
//! tokens, since spans are checked against the words a corpus is split into.

use super::post::{
    Annotated, Fault, Object, Spans, State, caption, id_of, image, is_for_dev, labelled_span, shown, text,
};
use serde_json::Value;

/// Whether a value is what it writes of a post that somebody has seen.
pub(super) fn is_answer(value: &Value) -> bool {
    matches!(value.as_str(), Some("accept" | "reject" | "ignore"))
}

pub(super) fn post(object: &Object) -> Result<Annotated, Fault> {
    let text = text(object, &["text"])?;
    let meta = object.get("meta").and_then(Value::as_object);
    let id = id_of(meta.and_then(|meta| meta.get("id"))).or_else(|| id_of(object.get("id")));
    let caption = caption(object).or_else(|| meta.and_then(caption));
    let image = image(object).or_else(|| meta.and_then(image));
    let (state, odd) = match object.get("answer").and_then(Value::as_str) {
        Some("accept") => {
            let Spans { entities, odd } = spans(object, &text)?;
            (State::Labelled(entities), odd)
        }
        Some(_) => (State::Skipped, Vec::new()),
        // Spans that nobody has looked at are a model's.
        None => (State::Unlabelled, Vec::new()),
    };
    let for_dev = is_for_dev(object) || meta.is_some_and(is_for_dev);
    Ok(Annotated { line: 0, id, image, caption, text, for_dev, state, odd })
}

fn spans(object: &Object, text: &str) -> Result<Spans, Fault> {
    let Some(spans) = object.get("spans").filter(|spans| !spans.is_null()) else { return Ok(Spans::default()) };
    let spans = spans.as_array().ok_or_else(|| Fault::new("\"spans\" to be a list", shown(object)))?;
    Ok(Spans::read(spans, |written| labelled_span(text, written, ["start", "end"])))
}
