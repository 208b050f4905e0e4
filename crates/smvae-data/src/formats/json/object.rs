//! A JSON object whose fields are read by name, with faults that name them.

use super::super::fields::Fields;
use super::super::lines::Fault;
use super::super::names;
use serde::de::DeserializeOwned;

/// The fields of one object, and its place.
pub(super) struct Object<'a> {
    pub(super) line: usize,
    pub(super) fields: &'a Fields,
}

impl Object<'_> {
    /// The first of some fields that is there and not `null`, which is to be `what`.
    pub(super) fn first<T: DeserializeOwned>(&self, names: &[&'static str], what: &str) -> Result<Option<T>, Fault> {
        match self.first_name(names) {
            Some(name) => self.fields.read(name).map_err(|_| self.fault(name, what)),
            None => Ok(None),
        }
    }

    /// The name of the first of some fields that is there and not `null`.
    pub(super) fn first_name(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.fields.get(name).is_some_and(|value| value.get() != "null"))
    }

    /// The id of the post: a string, or a number or a boolean as it was written.
    pub(super) fn id(&self) -> Result<Option<String>, Fault> {
        let value = self.first_name(names::ID).and_then(|name| self.fields.get(name));
        match value.map(|value| value.get()) {
            Some(value @ ("true" | "false")) => Ok(Some(value.to_owned())),
            _ => self.name(names::ID),
        }
    }

    /// What the first of some fields that is there calls something: a string, or a number as it was
    /// written.
    pub(super) fn name(&self, names: &[&'static str]) -> Result<Option<String>, Fault> {
        match self.first_name(names) {
            Some(name) => self.fields.read_name(name).map_err(|_| self.fault(name, "a string or a number")),
            None => Ok(None),
        }
    }

    /// The fault of a field that is to be `what`.
    pub(super) fn fault(&self, name: &str, what: &str) -> Fault {
        let value = self.fields.get(name).map_or("", |value| value.get());
        Fault::new(self.line, value.as_bytes(), format!("{name:?} to be {what}"))
    }
}
