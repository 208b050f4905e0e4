//! Captions as a model reads them: where those of posts come from, and the file that a run was
//! trained with.

use crate::error::{Error, Result};
use crate::files::folder::named_file;
use serde::{Deserialize, Serialize};
use smvae_data::{Captions, Sample};
use std::path::PathBuf;

/// Where the captions of posts come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CaptionSource<'a> {
    /// The model reads none.
    Unread,
    /// Posts have their own.
    Posts,
    /// Posts have their own, or else that of their image in these.
    Images(&'a Captions),
}

/// Which captions a model was trained with, saved beside its weights. A run without captions has
/// none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CaptionIdentity {
    /// Absolute path of the file at training. `None` for captions that were never in a file of
    /// their own.
    pub source: Option<PathBuf>,
    /// SHA-256 of the file, in hexadecimal digits. `None` where the posts of the corpus had their
    /// own captions, whose digest is part of that of the posts.
    pub sha256: Option<String>,
}

/// Which files of captions a model accepts. What a post has as its own it reads in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptionTrust {
    /// The file it was trained with.
    #[default]
    Recorded,
    /// Any file: the caller knows that its captions are of the same kind.
    Any,
}

impl<'a> CaptionSource<'a> {
    /// That of a model that was trained with the captions of `identity`, or without, and is given
    /// these.
    pub(crate) fn of(identity: Option<&CaptionIdentity>, captions: Option<&'a Captions>) -> Self {
        match (identity, captions) {
            (None, _) => Self::Unread,
            (Some(_), None) => Self::Posts,
            (Some(_), Some(captions)) => Self::Images(captions),
        }
    }
}

impl CaptionIdentity {
    /// Identity of the captions of a training split. `None` if it has none.
    pub(crate) fn new(captions: Option<&Captions>, train: &[Sample]) -> Option<Self> {
        let path = captions.and_then(Captions::path);
        let identity = Self {
            source: path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
            sha256: captions.map(|captions| captions.sha256().to_owned()),
        };
        (captions.is_some() || train.iter().any(|sample| sample.caption().is_some())).then_some(identity)
    }

    /// Reads the file of training, wherever it lies. `None` for captions that were never in a file
    /// of their own.
    ///
    /// # Errors
    /// [`Error::Unsafe`] if the path is that of a pipe, a device or a folder;
    /// [`Error::Data`] for a file that cannot be read.
    pub fn recorded_captions(&self) -> Result<Option<Captions>> {
        let Some(source) = &self.source else { return Ok(None) };
        Ok(Some(Captions::load(named_file(source)?)?))
    }

    /// Checks that the model accepts these captions.
    pub(crate) fn check(&self, captions: &Captions, trust: CaptionTrust) -> Result<()> {
        if trust == CaptionTrust::Any || self.sha256.as_deref() == Some(captions.sha256()) {
            return Ok(());
        }
        let want = self.sha256.as_ref().map_or_else(|| "the captions of the posts".to_owned(), Clone::clone);
        Err(Error::OtherCaptions { got: captions.sha256().to_owned(), want })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_model_accepts_the_captions_of_its_training() {
        let captions =
            |text: &str| Captions::from_map(BTreeMap::from([("a".to_owned(), text.to_owned())])).expect("a caption");
        let (own, other) = (captions("a dog"), captions("a cat"));
        assert_eq!(CaptionIdentity::new(None, &[Sample::default()]), None);
        let of_file = CaptionIdentity::new(Some(&own), &[]).expect("a file");
        let sample = Sample { caption: Some("a dog".to_owned()), ..Sample::default() };
        let of_posts = CaptionIdentity::new(None, &[sample]).expect("a post with a caption");
        of_file.check(&own, CaptionTrust::Recorded).expect("the same digest");
        for identity in [&of_file, &of_posts] {
            identity.check(&other, CaptionTrust::Any).expect("trusted");
            let error = identity.check(&other, CaptionTrust::Recorded).expect_err("another digest");
            assert!(matches!(error, Error::OtherCaptions { .. }), "{error}");
        }
    }
}
