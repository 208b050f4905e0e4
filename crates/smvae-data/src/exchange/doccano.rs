//! doccano's exports: JSON lines, whose form changed from version to version. Offsets count
//! characters.
//!
//! ```text
//! {"id", "text", "label": [[start, end, "T"]], "Comments": []}       1.5 and later
//! {"id", "data", "label": [[start, end, "T"]]}                       1.4
//! {"id", "text", "labels": [[start, end, "T"]]}                      before
//! {"id", "text", "entities": [{"start_offset", "end_offset", "label"}], "relations": []}
//! {"id", "text", "annotations": [{"label": 3, "start_offset", ..}]}  the oldest, with numbers for labels: refused
//! ```

use super::post::{
    Annotated, Fault, Object, Spans, State, caption, id_of, image, is_for_dev, labelled_span, shown, span, text,
};
use serde_json::Value;

const LABELS: [&str; 4] = ["label", "labels", "entities", "annotations"];

pub(super) fn post(object: &Object) -> Result<Annotated, Fault> {
    let text = text(object, &["text", "data"])?;
    let found = LABELS.into_iter().find_map(|name| object.get(name).and_then(Value::as_array));
    let spans = found.ok_or_else(|| Fault::new("\"label\" to be a list of spans", shown(object)))?;
    let entity = |written: &Value| match written {
        Value::Array(triple) => {
            let [start, end, Value::String(label)] = triple.as_slice() else { return Err(unknown(written)) };
            let at = |value: &Value| value.as_u64().and_then(|at| usize::try_from(at).ok());
            span(&text, at(start), at(end), label)
        }
        Value::Object(_) => labelled_span(&text, written, ["start_offset", "end_offset"]),
        _ => Err(unknown(written)),
    };
    // Not a span but the version of the file.
    let by_number = |written: &&Value| written.get("label").is_some_and(Value::is_number);
    if let Some(written) = spans.iter().find(by_number) {
        return Err(Fault::new("labels by name: export as JSONL (text and labels)", written.to_string()));
    }
    let Spans { entities, odd } = Spans::read(spans, entity);
    let state = if is_task(object) { State::Unlabelled } else { State::Labelled(entities) };
    let (id, image, for_dev) = (id_of(object.get("id")), image(object), is_for_dev(object));
    Ok(Annotated { line: 0, id, image, caption: caption(object), text, for_dev, state, odd })
}

/// Whether an object is of the file that `smvae suggest` wrote for doccano, which adds its comments
/// and has numbers for ids.
fn is_task(object: &Object) -> bool {
    const OURS: [&str; 7] = ["text", "label", "id", "image", "caption", "reason", "for_dev"];
    object.len() == OURS.len()
        && OURS.iter().all(|name| object.contains_key(*name))
        && !object.get("id").is_some_and(Value::is_number)
}

fn unknown(written: &Value) -> Fault {
    Fault::new("spans such as [start, end, \"label\"]", written.to_string())
}
