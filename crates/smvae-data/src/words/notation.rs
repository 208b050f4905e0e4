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
    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let preset = Self::PRESETS.into_iter().find(|(preset, _)| *preset == name);
        let mut settings = settings(&preset.ok_or_else(|| unknown(text))?.1);
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(|| unknown(text))?;
            *settings.get_mut(name.trim()).ok_or_else(|| unknown(text))? = value.trim().into();
        }
        serde_json::from_value(Value::Object(settings)).map_err(|_| unknown(text))
    }
}

fn settings(convention: &WordConvention) -> Map<String, Value> {
    match serde_json::to_value(convention) {
        Ok(Value::Object(settings)) => settings,
        other => unreachable!("a struct of names serialises to an object, not {other:?}"),
    }
}

fn unknown(got: &str) -> Error {
    let presets: Vec<_> = WordConvention::PRESETS.iter().map(|(name, _)| *name).collect();
    let settings: Vec<_> = settings(&WordConvention::default()).into_iter().map(|(name, _)| name).collect();
    let want = format!(
        "one of {}, then `,setting=value` where it differs; settings are {} and their values keep or split \
         (apostrophe: also clitic; number: also decimal)",
        presets.join(", "),
        settings.join(", ")
    );
    Error::Setting { name: "word convention", want, got: got.to_owned() }
}
