//! What the lines of an unfinished output belong to: `--resume` continues them for the same input,
//! model and settings alone.

use super::args::PredictArgs;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use smvae::Predictor;
use smvae::data::files::sha256_json;
use smvae::features::PictureFolder;
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

/// What models read besides posts, as it was found: files of training may be gone, or be others
/// now.
pub(super) struct Beside {
    pub(super) images: String,
    pub(super) captions: String,
}

impl Beside {
    /// What these models have, with the digests of the files of captions that they were given.
    pub(super) fn of(
        args: &PredictArgs,
        models: &[Predictor],
        pictures: Option<&PictureFolder>,
        captions: Vec<String>,
    ) -> anyhow::Result<Self> {
        let vectors = models.iter().filter_map(Predictor::image_vectors);
        let vectors: Vec<String> = vectors.map(|vectors| vectors.sha256().to_owned()).collect();
        let images = match (pictures, &args.images.images) {
            (Some(pictures), Some(folder)) => {
                // Of a folder it counts where it is, of a vision model what it makes of a picture.
                let folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                let identity = pictures.identity();
                let preprocessing = sha256_json(&identity.preprocessing)?;
                let (folder, model) = (folder.display(), &identity.sha256);
                format!("{folder}, by the vision model sha256 {model} and the preprocessing sha256 {preprocessing}")
            }
            _ if vectors.is_empty() => "none".to_owned(),
            _ => format!("sha256 {}", vectors.join(" ")),
        };
        let captions = match captions.as_slice() {
            _ if args.captions.no_captions => "none, nor are those of posts read".to_owned(),
            [] => "none".to_owned(),
            digests => format!("sha256 {}", digests.join(" ")),
        };
        Ok(Self { images, captions })
    }
}

/// Options that were given, as they are given; those that take no value have an empty one.
pub(super) fn options_of<const N: usize>(options: [(&str, Option<String>); N]) -> String {
    let given = options.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    let given: Vec<String> = given.map(|option| option.trim_end().to_owned()).collect();
    if given.is_empty() { "the default".to_owned() } else { given.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_shown_as_they_are_given() {
        let options = |columns: Option<&str>, calibrated: bool| {
            options_of([("--columns", columns.map(str::to_owned)), ("--calibrated", calibrated.then(String::new))])
        };
        assert_eq!(options(Some("1,4"), true), "--columns 1,4 --calibrated");
        assert_eq!(options(None, true), "--calibrated");
        assert_eq!(options(None, false), "the default");
    }

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
