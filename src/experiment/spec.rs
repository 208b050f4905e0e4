//! One run of an experiment: what it depends on, and whether two of them come to the same.

use super::results::{Labels, RunResult};
use crate::Config;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// One run, with everything it depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// `corpus-method-labels-d<draw>-s<seed>`, and `-dev<n>` where dev is cut.
    pub id: String,
    /// Name of the corpus.
    pub corpus: String,
    /// Name of the method.
    pub method: String,
    /// Labelled tweets.
    pub labels: Labels,
    /// Which draw of the labelled tweets.
    pub draw: u64,
    /// Seed of everything else.
    pub seed: u64,
    /// Whether the test split stays closed.
    pub dev_only: bool,
    /// Tweets that dev is cut to.
    pub dev_labels: Option<usize>,
    /// All settings. Where files lie is in `sources`.
    pub config: Config,
    /// Where files lie.
    pub sources: Sources,
}

/// Files of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// Folder of the corpus.
    pub data: PathBuf,
    /// What [`EncoderSource::named`](crate::EncoderSource::named) takes.
    pub text_encoder: String,
    /// Image vectors; none for text alone.
    pub images: Option<PathBuf>,
    /// Manifest of the labelled tweets; none to draw them.
    pub selection: Option<PathBuf>,
}

impl RunSpec {
    /// The settings in which another specification of the same run differs, each as `name then -> now`; none if it would
    /// come to the same. Where files lie makes no difference, nor does what changes no result.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let flat = |spec: &Self| {
            let mut config = spec.config.clone();
            config.training.checkpoint_every = None;
            let mut flat = BTreeMap::from([
                ("images".to_owned(), spec.sources.images.is_some().to_string()),
                ("manifest of the draw".to_owned(), spec.sources.selection.is_some().to_string()),
            ]);
            flatten("", &serde_json::to_value(config).expect("our own types have string keys"), &mut flat);
            flat
        };
        let (then, now) = (flat(self), flat(now));
        let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let shown = |value: Option<&String>| value.map_or_else(|| "absent".to_owned(), Clone::clone);
        let differs = names.into_iter().filter(|name| then.get(*name) != now.get(*name));
        let lines: Vec<String> =
            differs.map(|name| format!("{name} {} -> {}", shown(then.get(name)), shown(now.get(name)))).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// Whether this result is all that is asked for.
    pub fn is_done(&self, result: &RunResult) -> bool {
        self.dev_only || result.test.is_some()
    }
}

/// Leaves of a JSON value by their path.
fn flatten(path: &str, value: &serde_json::Value, into: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let name = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&name, value, into);
            }
        }
        leaf => drop(into.insert(path.to_owned(), leaf.to_string())),
    }
}
