//! Label Studio's exports, JSON and JSON_MIN.
//!
//! ```text
//! {"id", "data": {"text", "image"}, "annotations": [{"result": [region], "was_cancelled", "ground_truth"}], "predictions"}
//! {"id", "text", "image", "label": [{"start", "end", "text", "labels": ["T"]}], "annotator", "annotation_id"}
//! region: {"type": "labels", "value": {"start", "end", "text", "labels": ["T"]}}
//! ```
//! Its page counts UTF-16 units and programs that prepare tasks count characters, so that after an
//! emoji a file may have either: of the two that one counts which gives the region's own `text`. A
//! region without it is taken where both are the same. Predictions are no labels. Its CoNLL export
//! splits the text anew and loses labels: nothing here reads that.

use super::post::{Annotated, Fault, Object, State, caption, id_of, image, is_for_dev, offset, shown, span, string};
use crate::formats::TextEntity;
use crate::utf16::Utf16;
use serde_json::Value;

/// The post of a task, and whether several people labelled it.
pub(super) fn post(object: &Object) -> Result<(Annotated, bool), Fault> {
    let Some(data) = object.get("data").and_then(Value::as_object) else { return minimal(object) };
    let text = text_of(data)?;
    let annotations = match object.get("annotations") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(annotations)) => annotations,
        Some(_) => return Err(Fault::new("\"annotations\" to be a list", shown(object))),
    };
    let is = |annotation: &&Value, name: &str| annotation.get(name).and_then(Value::as_bool) == Some(true);
    let kept: Vec<&Value> = annotations.iter().filter(|annotation| !is(annotation, "was_cancelled")).collect();
    let chosen = kept.iter().find(|annotation| is(annotation, "ground_truth")).or(kept.last());
    let state = match chosen {
        Some(annotation) => {
            let regions = annotation.get("result").and_then(Value::as_array);
            let regions = regions.ok_or_else(|| Fault::new("\"result\" to be a list", annotation.to_string()))?;
            State::Labelled(entities(regions.iter().filter_map(|region| region.get("value")), &text)?)
        }
        None if annotations.is_empty() => State::Unlabelled,
        None => State::Skipped,
    };
    let id = id_of(data.get("id")).or_else(|| id_of(object.get("id")));
    let for_dev = is_for_dev(data);
    Ok((
        Annotated {
            line: 0,
            id,
            image: image(data),
            caption: caption(data).filter(|caption| *caption != text),
            text,
            for_dev,
            state,
        },
        kept.len() > 1,
    ))
}

/// A line of JSON_MIN, in which the regions stand under the name of their tag: `label` in Label
/// Studio's own examples.
fn minimal(object: &Object) -> Result<(Annotated, bool), Fault> {
    let text = text_of(object)?;
    let is_regions = |value: &&Value| {
        value.as_array().and_then(|regions| regions.first()).is_some_and(|region| region.get("labels").is_some())
    };
    let regions = object.get("label").or_else(|| object.values().find(is_regions));
    let state = match regions {
        Some(Value::Array(regions)) => State::Labelled(entities(regions.iter(), &text)?),
        // An annotation without regions has no field for them.
        _ if object.get("annotation_id").is_some_and(|id| !id.is_null()) => State::Labelled(Vec::new()),
        _ => State::Unlabelled,
    };
    let (id, image, for_dev) = (id_of(object.get("id")), image(object), is_for_dev(object));
    Ok((Annotated { line: 0, id, image, caption: caption(object), text, for_dev, state }, false))
}

/// The text of a task: `text`, or the one string it has that is neither an image nor an id.
fn text_of(data: &Object) -> Result<String, Fault> {
    if let Some(text) = string(data, "text") {
        return Ok(text);
    }
    let others = ["for_dev", "image", "image_id", "caption", "id", "reason", "created_at", "updated_at"];
    let strings = data.iter().filter(|(name, value)| value.is_string() && !others.contains(&name.as_str()));
    match strings.map(|(_, value)| value).collect::<Vec<_>>().as_slice() {
        [Value::String(text)] => Ok(text.clone()),
        // A project whose texts are called so.
        [] if data.contains_key("caption") => super::post::text(data, &["caption"]),
        _ => Err(Fault::new("\"text\" to be a string", shown(data))),
    }
}

fn entities<'a>(regions: impl Iterator<Item = &'a Value>, text: &str) -> Result<Vec<TextEntity>, Fault> {
    let labels_of = |value: &Value| {
        let mut names = value.as_object().into_iter().flat_map(Object::keys);
        names.find(|name| name.ends_with("labels")).cloned()
    };
    let mut entities = Vec::new();
    for value in regions {
        match labels_of(value).as_deref() {
            Some("labels") => entities.push(entity(value, text)?),
            Some(other) => {
                let expected = format!("regions of a Labels tag, and not {other}: label plain text");
                return Err(Fault::new(expected, value.to_string()));
            }
            // Choices, ratings and relations have no labels.
            None => {}
        }
    }
    Ok(entities)
}

fn entity(value: &Value, text: &str) -> Result<TextEntity, Fault> {
    let label = match value.get("labels").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(label)]) => label,
        _ => return Err(Fault::new("regions of one label", value.to_string())),
    };
    let (start, end) = (offset(value, "start"), offset(value, "end"));
    let units = Utf16::of(text);
    let of_unit = |unit: Option<usize>| units.char_at(unit?);
    let in_units = span(text, of_unit(start), of_unit(end), label);
    let in_characters = span(text, start, end, label);
    // Its editor writes the end of a line as a backslash and an n.
    let says = |entity: &TextEntity, mention: &str| {
        let own: String = text.chars().skip(entity.start).take(entity.end - entity.start).collect();
        own == mention || own.replace(['\n', '\r'], "\\n") == mention
    };
    let Some(mention) = value.get("text").and_then(Value::as_str) else {
        return match (in_units, in_characters) {
            (Ok(a), Ok(b)) if a == b => Ok(a),
            (Err(fault), Err(_)) => Err(fault),
            _ => Err(Fault::new("regions with their \"text\", where a text has emoji before them", value.to_string())),
        };
    };
    let told = [in_units, in_characters].into_iter().flatten().find(|entity| says(entity, mention));
    told.ok_or_else(|| Fault::new(format!("the text to have {mention:?} at that place"), value.to_string()))
}
