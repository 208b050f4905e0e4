//! A convention as one line of text: a preset's name, then what differs,
//! `twitter2017,hashtag=keep`.
//!
//! Names of settings and of their values are those of the JSON form, from which they are taken: a
//! setting added to [`WordConvention`] is read and written here without a change.

use super::WordConvention;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;

/// The preset that differs in the fewest settings (the first of these), and every setting that
/// differs.
impl fmt::Display for WordConvention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let presets = Self::PRESETS.iter().map(|(name, preset)| (name, self.differences(preset)));
        let (name, differences) = presets.min_by_key(|(_, differences)| differences.len()).expect("there are presets");
        f.write_str(name)?;
        differences.iter().try_for_each(|(name, value)| write!(f, ",{name}={value}"))
    }
}

impl WordConvention {
    /// The settings that another convention has otherwise, by name, with their values here.
    pub(super) fn differences(&self, other: &Self) -> Vec<(String, String)> {
        let other = settings(other);
        let different = settings(self).into_iter().filter(|(name, value)| other[name] != *value);
        different.map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned())).collect()
    }
}

impl FromStr for WordConvention {
    type Err = Error;

    /// Reads what `Display` writes: the name of a preset, then `,setting=value` as often as needed.
    /// An error names the part that is wrong.
    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let preset = Self::PRESETS.into_iter().find(|(preset, _)| *preset == name);
        let (_, mut convention) = preset.ok_or_else(|| {
            let presets = Self::PRESETS.map(|(name, _)| name).join(", ");
            wrong(format!("one of {presets}, then `,setting=value` where it differs"), name, text)
        })?;
        for part in parts {
            let want = || "the name of a preset, then `,setting=value` where it differs".to_owned();
            let (name, value) = part.split_once('=').ok_or_else(|| wrong(want(), part, text))?;
            let mut settings = settings(&convention);
            let names = || settings.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let (name, want) = (name.trim(), || format!("a preset with other values of {}", names()));
            if !settings.contains_key(name) {
                return Err(wrong(want(), part, text));
            }
            settings.insert(name.to_owned(), value.trim().into());
            let want = || format!("a preset with `{name}` {}", values(name));
            convention = serde_json::from_value(Value::Object(settings)).map_err(|_| wrong(want(), part, text))?;
        }
        Ok(convention)
    }
}

/// The values of a setting, in words.
fn values(setting: &str) -> &'static str {
    match setting {
        "apostrophe" => "keep, clitic or split",
        "number" => "keep, decimal or split",
        _ => "keep or split",
    }
}

fn settings(convention: &WordConvention) -> Map<String, Value> {
    match serde_json::to_value(convention) {
        Ok(Value::Object(settings)) => settings,
        other => unreachable!("a struct of names serialises to an object, not {other:?}"),
    }
}

/// The error for a part of a convention's text.
fn wrong(want: String, part: &str, text: &str) -> Error {
    let got = if part == text { format!("{text:?}") } else { format!("{part:?} in {text:?}") };
    Error::Setting { name: "word convention", want, got }
}
