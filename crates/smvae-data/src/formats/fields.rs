//! The fields of a JSON object in their order, each as it was written.

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;

/// Names and values in the order of the file, which serde_json's own map would sort. What is passed
/// on stays as it is, to the last digit.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    /// The value of a field as it was written, `null` included; the last one of a name counts, as
    /// in most readers.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rfind(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// Reads a field; `null` is as good as no field.
    ///
    /// # Errors
    /// A value of another type.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> serde_json::Result<Option<T>> {
        Ok(self.get(name).map(|value| serde_json::from_str(value.get())).transpose()?.flatten())
    }

    /// Reads a field that names something: a string, or a number as it was written, but `7.0` as
    /// `7`, as columns of Arrow have it.
    ///
    /// # Errors
    /// A value of another type.
    pub(crate) fn read_name(&self, name: &str) -> serde_json::Result<Option<String>> {
        match self.get(name).map(|value| value.get()) {
            Some(value) if value.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                Ok(Some(whole(value).unwrap_or_else(|| value.to_owned())))
            }
            _ => self.read(name),
        }
    }

    /// The value of the first of these fields that is there and not `null`, as it was written.
    pub(crate) fn first_of(&self, names: &[&str]) -> Option<Box<RawValue>> {
        let value = names.iter().find_map(|name| self.get(name)).filter(|value| value.get() != "null");
        value.map(RawValue::to_owned)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// Keeps the fields whose names are wanted.
    pub fn retain(&mut self, mut is_wanted: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| is_wanted(name));
    }

    /// Adds a field at the end whose value is JSON.
    #[cfg(feature = "arrow")]
    pub(crate) fn push_json(&mut self, name: &str, json: String) -> serde_json::Result<()> {
        self.0.push((name.to_owned(), RawValue::from_string(json)?));
        Ok(())
    }

    /// Adds a field at the end whose value is a text.
    pub(crate) fn push_text(&mut self, name: &str, text: &str) {
        let value = serde_json::value::to_raw_value(text).expect("a string has a JSON form");
        self.0.push((name.to_owned(), value));
    }
}

/// A number that ends in `.0` as an integer, if it is of a size at which no integer is rounded.
fn whole(number: &str) -> Option<String> {
    const LIMIT: u64 = 1 << f64::MANTISSA_DIGITS;
    let whole: i64 = number.strip_suffix(".0")?.parse().ok()?;
    (whole.unsigned_abs() < LIMIT).then(|| whole.to_string())
}

/// Equal names and values, as they were written.
impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().map(|(name, value)| (name, value.get())).eq(other.iter().map(|(name, value)| (name, value.get())))
    }
}

impl Eq for Fields {}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}
