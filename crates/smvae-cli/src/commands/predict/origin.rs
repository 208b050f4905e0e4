//! What the lines of an unfinished output belong to: `--resume` continues them for the same input,
//! model and settings alone.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that answers depend on, by name: digests of files, and settings as text.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Origin(pub(super) BTreeMap<String, String>);

impl Origin {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(&self.0).expect("text has a JSON form");
        bytes.push(b'\n');
        bytes
    }

    /// How the origin in a file differs from this one, in words. `None` if it does not.
    pub(super) fn differs_from(&self, path: &Path) -> anyhow::Result<Option<String>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Some(format!("{} is missing, which says what it belongs to", path.display())));
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let Ok(found) = serde_json::from_slice::<Self>(&bytes) else {
            return Ok(Some(format!("{} is damaged", path.display())));
        };
        let names = self.0.keys().chain(found.0.keys());
        let mut differing = names.filter(|name| self.0.get(*name) != found.0.get(*name));
        Ok(differing.next().map(|name| {
            let of = |origin: &Self| origin.0.get(name).map_or("nothing", String::as_str).to_owned();
            format!("{name} was {} and is {}", of(&found), of(self))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("origin.json");
        let origin = |model: &str| Origin(BTreeMap::from([("model".to_owned(), model.to_owned())]));
        let differs = || origin("a").differs_from(&path).expect("it can be read");
        assert!(differs().expect("no file").contains("is missing"));
        std::fs::write(&path, "{").expect("writes");
        assert!(differs().expect("half a file").contains("is damaged"));
        std::fs::write(&path, origin("b").to_bytes()).expect("writes");
        assert_eq!(differs().as_deref(), Some("model was b and is a"));
        std::fs::write(&path, origin("a").to_bytes()).expect("writes");
        assert_eq!(differs(), None);
    }
}
