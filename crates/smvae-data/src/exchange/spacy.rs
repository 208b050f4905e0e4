//! spaCy's `Doc.to_json`: JSON lines, or an array; offsets in characters. A document that knows
//! nothing of entities has no `ents`, and no labels; one that knows of none has an empty list. Span
//! groups (`spans`) are read beside the entities. The words are not spaCy's tokens, since spans are
//! checked against the words a corpus is split into.

use super::post::{
    Annotated, Fault, Object, Spans, State, caption, id_of, image, is_for_dev, labelled_span, shown, text,
};
use serde_json::Value;

/// Whether an object is such a document: its tokens have places, and no text.
pub(super) fn is_document(object: &Object) -> bool {
    let token = object.get("tokens").and_then(Value::as_array).and_then(|tokens| tokens.first());
    let is_token = |token: &Value| token.get("start").is_some() && token.get("text").is_none();
    object.contains_key("text") && (object.get("ents").is_some_and(Value::is_array) || token.is_some_and(is_token))
}

pub(super) fn post(object: &Object) -> Result<Annotated, Fault> {
    let text = text(object, &["text"])?;
    let list = |name| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list)),
        Some(_) => Err(Fault::new(format!("{name:?} to be a list"), shown(object))),
    };
    let ents = list("ents")?;
    let groups = object.get("spans").and_then(Value::as_object);
    let of_groups = groups.into_iter().flat_map(Object::values).filter_map(Value::as_array).flatten();
    let written = ents.into_iter().flatten().chain(of_groups);
    let Spans { entities, odd } = Spans::read(written, |written| labelled_span(&text, written, ["start", "end"]));
    let is_labelled = ents.is_some() || !entities.is_empty() || !odd.is_empty();
    let state = if is_labelled { State::Labelled(entities) } else { State::Unlabelled };
    let (id, image, for_dev) = (id_of(object.get("id")), image(object), is_for_dev(object));
    Ok(Annotated { line: 0, id, image, caption: caption(object), text, for_dev, state, odd })
}
