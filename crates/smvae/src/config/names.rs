//! Names of settings. Every setting has one: its place in `config.json`, such as
//! `training.encoder_lr`, which errors and `--config` files have too. Two are stored under an older
//! name, by which run folders and checkpoints know them.

use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// Last parts of names, and the field of the stored JSON. No two settings share such a part.
const STORED_OTHERWISE: [(&str, &str); 2] = [("soft_label_weight", "distillation"), ("unlabelled_class", "unlabelled")];

/// The section in which these settings are.
const THEIR_SECTION: &str = "objective";

/// A configuration as it is stored, with every setting under its name.
pub(crate) fn named(mut stored: Value) -> Value {
    if let Some(section) = stored.get_mut(THEIR_SECTION).and_then(Value::as_object_mut) {
        for (name, stored) in STORED_OTHERWISE {
            section.remove(stored).and_then(|value| section.insert(name.to_owned(), value));
        }
    }
    stored
}

/// Puts the given fields in the place of those of `base`, object by object, under the names by
/// which they are stored.
pub(crate) fn merge(base: &mut Value, given: Value) {
    let Value::Object(given) = given else {
        *base = given;
        return;
    };
    if !base.is_object() {
        *base = Value::Object(serde_json::Map::new());
    }
    for (key, value) in given {
        let stored = STORED_OTHERWISE.iter().find(|(name, _)| *name == key).map(|(_, stored)| (*stored).to_owned());
        merge(&mut base[stored.unwrap_or(key)], value);
    }
}

/// Everything in a JSON value that is no object, by its place, such as `training.encoder_lr`. The
/// names begin with that of the value itself, where it has one.
#[cfg_attr(not(feature = "experiment"), allow(dead_code, reason = "experiments and reports ask"))]
pub(crate) fn leaves(name: &str, value: &Value) -> BTreeMap<String, Value> {
    fn add(name: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                    add(&name, value, found);
                }
            }
            leaf => drop(found.insert(name.to_owned(), leaf.clone())),
        }
    }
    let mut found = BTreeMap::new();
    add(name, value, &mut found);
    found
}

/// The result of a check of one section, whose errors then have the whole name of the setting.
pub(crate) fn within<E: Into<Error>>(section: &str, result: Result<(), E>) -> Result<()> {
    result.map_err(|error| match error.into() {
        Error::Core(smvae_core::Error::Setting { name, want, got }) => {
            let name = format!("{section}.{name}").into();
            Error::Core(smvae_core::Error::Setting { name, want, got })
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use serde_json::json;

    #[test]
    fn both_names_of_a_setting_are_read_and_the_last_counts() {
        let check = |given: Value, weight: f64| {
            let config = Config::default().with(given.clone()).expect("valid");
            assert_eq!(config.objective.soft_label_weight, weight, "{given}");
            assert_eq!(
                Config::default().with(config.to_named_json().expect("it has a JSON form")).expect("valid"),
                config
            );
        };
        check(json!({}), 1.0);
        check(json!({"objective": {"soft_label_weight": 2.0}}), 2.0);
        check(json!({"objective": {"distillation": 3.0}}), 3.0);
        let mut common = json!(null);
        merge(&mut common, json!({"objective": {"soft_label_weight": 2.0}}));
        merge(&mut common, json!({"objective": {"distillation": 4.0}}));
        check(common, 4.0);
    }

    #[test]
    fn leaves_have_their_place_as_name() {
        let check = |name: &str, value: Value, want: &[(&str, Value)]| {
            let want = want.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            assert_eq!(leaves(name, &value), want, "{value}");
        };
        check(
            "",
            json!({"a": {"b": 1, "c": null}, "d": [2]}),
            &[("a.b", json!(1)), ("a.c", json!(null)), ("d", json!([2]))],
        );
        check("x", json!({"a": {"b": 1}}), &[("x.a.b", json!(1))]);
        check("x", json!(null), &[("x", json!(null))]);
        check("x", json!({}), &[]);
    }

    #[test]
    fn errors_have_the_whole_name() {
        let check = |given: Value, name: &str| {
            let config = Config::default().with(given).expect("of the right types");
            let error = config.validate().expect_err(name).to_string();
            assert!(error.starts_with(&format!("the setting `{name}` must be")), "{error}");
        };
        check(json!({"training": {"patience": 0}}), "training.patience");
        check(json!({"model": {"quirks": {"pad_to": 0}}}), "model.quirks.pad_to");
        check(json!({"input": {"max_width": 0}}), "input.max_width");
        check(json!({"input": {"max_caption_pieces": 2}}), "input.max_caption_pieces");
        check(json!({"optimizer": {"eps": 0}}), "optimizer.eps");
        let teachers = json!({"training": {"semi": true}, "distillation": {"training": {"batch_size": 0}}});
        check(teachers, "distillation.training.batch_size");
    }
}
