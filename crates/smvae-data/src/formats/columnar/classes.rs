//! The names of classes that Hugging Face `datasets` stores as numbers: they stand in the metadata
//! of the schema, as JSON.

use arrow_schema::Schema;
use serde_json::Value;

/// The names of the classes of a column that is a list.
pub(super) fn of_schema(schema: &Schema, column: &str) -> Option<Vec<String>> {
    let metadata: Value = serde_json::from_str(schema.metadata().get("huggingface")?).ok()?;
    let feature = metadata.get("info")?.get("features")?.get(column)?;
    // `{"feature": {"names": [..], "_type": "ClassLabel"}, "_type": "Sequence"}`; older versions
    // wrote the list as `[{"names": [..]}]`.
    let classes = feature.get("feature").or_else(|| feature.get(0))?.get("names")?.as_array()?;
    classes.iter().map(|name| Some(name.as_str()?.to_owned())).collect()
}

/// A JSON list of class numbers as one of their names; `None` if a number has no name.
pub(super) fn named(numbers: &str, names: &[String]) -> Option<String> {
    let numbers: Vec<usize> = serde_json::from_str(numbers).ok()?;
    let named: Option<Vec<&String>> = numbers.into_iter().map(|number| names.get(number)).collect();
    serde_json::to_string(&named?).ok()
}
