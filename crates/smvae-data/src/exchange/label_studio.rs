//! Label Studio's exports, JSON and JSON_MIN.
//!
//! ```text
//! {"id", "data": {"text", "image"}, "annotations": [{"result": [region], "was_cancelled", "ground_truth"}], "predictions"}
//! {"id", "text", "image", "label": [{"start", "end", "text", "labels": ["T"]}], "annotator", "annotation_id"}
//! region: {"type": "labels", "value": {"start", "end", "text", "labels": ["T"]}}
//! ```
//! Its page counts UTF-16 units and programs that prepare tasks count characters, so that after an
//! emoji a file may have either: of the two that one counts which gives the region's own `text`. A
//! region without it is taken where both are the same. Predictions are no labels. Of several
//! annotations of a task the one that is marked as ground truth counts, else the newest; JSON_MIN
//! has an object for each, the newest first. Its CoNLL export splits the text anew and loses
//! labels: it is recognised, and not read.

use super::post::{
    Annotated, Fault, Object, Spans, State, caption, check_label, id_of, image, is_for_dev, offset, shown, span, string,
};
use crate::formats::TextEntity;
use crate::utf16::Utf16;
use serde_json::Value;
use std::collections::HashMap;

/// How its CoNLL export begins, and what stands in each line of it.
const CONLL: (&[u8], &[u8]) = (b"-DOCSTART- -X- O\n", b" -X- _ ");

/// Whether bytes are its CoNLL export.
pub(super) fn is_conll(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(CONLL.0).unwrap_or_default();
    let mut lines = rest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.next().is_some_and(|line| line.windows(CONLL.1.len()).any(|part| part == CONLL.1))
}

/// The fields of a task that may hold its text: `text`, or else those that are strings and neither
/// an image nor what Label Studio or `smvae suggest` writes beside it.
pub(super) fn text_fields(object: &Object) -> Vec<&str> {
    const OTHERS: [&str; 10] = [
        "for_dev",
        "image",
        "image_id",
        "caption",
        "id",
        "reason",
        "created_at",
        "updated_at",
        "annotator",
        "agreement",
    ];
    let data = object.get("data").and_then(Value::as_object).unwrap_or(object);
    let is_string = |name: &str| data.get(name).is_some_and(Value::is_string);
    if is_string("text") {
        return vec!["text"];
    }
    let others: Vec<&str> =
        data.keys().map(String::as_str).filter(|name| is_string(name) && !OTHERS.contains(name)).collect();
    // A project may call its texts so.
    if others.is_empty() && is_string("caption") { vec!["caption"] } else { others }
}

/// Of the objects of a file that are of one task, by its id and text, the newest, in the place of
/// the first; and the lines of tasks that had several.
pub(super) fn newest(objects: Vec<(usize, Object)>, field: &str) -> (Vec<(usize, Object)>, Vec<usize>) {
    let (mut kept, mut several): (Vec<(usize, Object)>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut places: HashMap<(String, Option<String>), usize> = HashMap::new();
    for (line, object) in objects {
        let task = if object.contains_key("data") { None } else { id_of(object.get("id")) };
        let task = task.map(|task| (task, string(&object, field)));
        let place = task.map_or(kept.len(), |task| *places.entry(task).or_insert(kept.len()));
        let Some(before) = kept.get_mut(place) else {
            kept.push((line, object));
            continue;
        };
        if several.last() != Some(&before.0) {
            several.push(before.0);
        }
        if made_at(&object) > made_at(&before.1) {
            before.1 = object;
        }
    }
    (kept, several)
}

/// When an annotation was last changed, as text that sorts by time; empty where nothing says it.
fn made_at(annotation: &Object) -> &str {
    let date = |name| annotation.get(name).and_then(Value::as_str);
    date("updated_at").or_else(|| date("created_at")).unwrap_or_default()
}

/// The post of a task whose text is in this field, and whether several people labelled it.
pub(super) fn post(object: &Object, field: &str) -> Result<(Annotated, bool), Fault> {
    let Some(data) = object.get("data").and_then(Value::as_object) else { return minimal(object, field) };
    let text = text_of(data, field)?;
    let annotations = match object.get("annotations") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(annotations)) => annotations,
        Some(_) => return Err(Fault::new("\"annotations\" to be a list", shown(object))),
    };
    let is = |annotation: &&Value, name: &str| annotation.get(name).and_then(Value::as_bool) == Some(true);
    let kept: Vec<&Value> = annotations.iter().filter(|annotation| !is(annotation, "was_cancelled")).collect();
    let date = |annotation: &Value| annotation.as_object().map_or("", made_at).to_owned();
    let newest = || kept.iter().max_by_key(|annotation| date(annotation));
    let chosen = kept.iter().find(|annotation| is(annotation, "ground_truth")).or_else(newest);
    let (state, odd) = match chosen {
        Some(annotation) => {
            let regions = annotation.get("result").and_then(Value::as_array);
            let regions = regions.ok_or_else(|| Fault::new("\"result\" to be a list", annotation.to_string()))?;
            let Spans { entities, odd } = spans(regions.iter().filter_map(|region| region.get("value")), &text);
            (State::Labelled(entities), odd)
        }
        None if annotations.is_empty() => (State::Unlabelled, Vec::new()),
        None => (State::Skipped, Vec::new()),
    };
    let id = id_of(data.get("id")).or_else(|| id_of(object.get("id")));
    let for_dev = is_for_dev(data);
    let caption = caption(data).filter(|_| field != "caption");
    Ok((Annotated { line: 0, id, image: image(data), caption, text, for_dev, state, odd }, kept.len() > 1))
}

/// A line of JSON_MIN, in which the regions stand under the name of their tag: `label` in Label
/// Studio's own examples.
fn minimal(object: &Object, field: &str) -> Result<(Annotated, bool), Fault> {
    let text = text_of(object, field)?;
    let is_regions = |value: &&Value| {
        value.as_array().and_then(|regions| regions.first()).is_some_and(|region| region.get("labels").is_some())
    };
    let regions = object.get("label").or_else(|| object.values().find(is_regions));
    let (state, odd) = match regions {
        Some(Value::Array(regions)) => {
            let Spans { entities, odd } = spans(regions.iter(), &text);
            (State::Labelled(entities), odd)
        }
        // An annotation without regions has no field for them.
        _ if object.get("annotation_id").is_some_and(|id| !id.is_null()) => (State::Labelled(Vec::new()), Vec::new()),
        _ => (State::Unlabelled, Vec::new()),
    };
    let (id, image, for_dev) = (id_of(object.get("id")), image(object), is_for_dev(object));
    let caption = caption(object).filter(|_| field != "caption");
    Ok((Annotated { line: 0, id, image, caption, text, for_dev, state, odd }, false))
}

fn text_of(data: &Object, field: &str) -> Result<String, Fault> {
    string(data, field).ok_or_else(|| Fault::new(format!("{field:?} to be a string"), shown(data)))
}

/// The regions that have labels; choices, ratings and relations have none.
fn spans<'a>(regions: impl Iterator<Item = &'a Value>, text: &str) -> Spans {
    let kind = |value: &'a Value| {
        let mut names = value.as_object().into_iter().flat_map(Object::keys);
        names.find(|name| name.ends_with("labels"))
    };
    let units = Utf16::of(text);
    Spans::read(regions.filter(|value| kind(value).is_some()), |value| match kind(value) {
        Some(other) if other != "labels" => {
            let expected = format!("regions of a Labels tag, and not {other}: label plain text");
            Err(Fault::new(expected, value.to_string()))
        }
        _ => entity(value, text, &units),
    })
}

/// A region's entity; `units` are those of the text.
fn entity(value: &Value, text: &str, units: &Utf16) -> Result<TextEntity, Fault> {
    let label = match value.get("labels").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(label)]) => label,
        _ => return Err(Fault::new("regions of one label", value.to_string())),
    };
    // It is blank wherever the region stands.
    check_label(label)?;
    let (start, end) = (offset(value, "start"), offset(value, "end"));
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
    told.ok_or_else(|| {
        let fault = Fault::new(format!("the text to have {mention:?} at that place"), value.to_string());
        fault.standing_at(only_place(text, mention, label))
    })
}

/// The one place at which a text has a mention.
fn only_place(text: &str, mention: &str, label: &str) -> Option<TextEntity> {
    let mut places = text.match_indices(mention).filter(|(_, part)| !part.is_empty());
    let (byte, _) = places.next()?;
    if places.next().is_some() {
        return None;
    }
    let start = text[..byte].chars().count();
    Some(TextEntity { start, end: start + mention.chars().count(), label: label.to_owned() })
}
