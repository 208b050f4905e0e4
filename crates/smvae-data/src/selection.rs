//! Which training posts are labelled: a seeded choice, kept in a manifest that two machines can
//! share.
//!
//! The manifest is JSON: seed, n, the digest of the training file, and position and image id of
//! each chosen post (an id may repeat within a file, a position may not). The choice depends on
//! seed, n and the number of posts alone; with one seed, the choice of a smaller n is part of that
//! of a larger one, so that learning curves are nested.

use crate::draw::Draw;
use crate::{Error, Result, Sample, files};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The newest manifest this version reads and the one it writes.
pub const FORMAT_VERSION: u32 = 1;

/// The labelled posts of a training file; all others are unlabelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// [`FORMAT_VERSION`] of the program that wrote it.
    pub format_version: u32,
    /// Seed of the choice.
    pub seed: u64,
    /// Number of labelled posts.
    pub n: usize,
    /// SHA-256 of the training file, in hexadecimal.
    pub train_sha256: String,
    /// The labelled posts, in file order.
    pub labelled: Vec<Selected>,
}

/// One chosen post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selected {
    /// Position in the training file, in posts from 0.
    pub position: usize,
    /// Its image id: a check, and for the reader of the manifest.
    pub image_id: String,
}

/// Chooses `n` of the training posts, each subset of that size equally likely.
///
/// # Errors
/// [`Error::Setting`] if `n` is 0 or more than there are.
pub fn select(n: usize, seed: u64, samples: &[Sample], train_sha256: &str) -> Result<Selection> {
    if n == 0 || n > samples.len() {
        let want = format!("1 to {}, the number of training posts", samples.len());
        return Err(Error::setting("labelled", want, n));
    }
    let positions = Draw::new(seed, 0).sample(samples.len(), n);
    let labelled = positions.into_iter().map(|position| Selected::of(samples, position));
    Ok(Selection::of(seed, train_sha256, labelled))
}

impl Selected {
    /// The post at a position of these.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn of(samples: &[Sample], position: usize) -> Self {
        Self { position, image_id: samples[position].image_id.clone() }
    }
}

impl Selection {
    /// The selection of these posts, in whatever order, of the training file with a digest.
    pub fn of(seed: u64, train_sha256: impl Into<String>, labelled: impl IntoIterator<Item = Selected>) -> Self {
        let mut labelled: Vec<Selected> = labelled.into_iter().collect();
        labelled.sort_by_key(|post| post.position);
        let (n, train_sha256) = (labelled.len(), train_sha256.into());
        Self { format_version: FORMAT_VERSION, seed, n, train_sha256, labelled }
    }

    /// Positions of the labelled and of the unlabelled posts, both in file order.
    ///
    /// # Errors
    /// [`Error::SelectionDigest`] if it was made from another file, [`Error::SelectionPost`] if an
    /// image id is not where it says, [`Error::SelectionDamaged`] if it contradicts itself.
    pub fn split(&self, samples: &[Sample], train_sha256: &str) -> Result<(Vec<usize>, Vec<usize>)> {
        self.validate()?;
        if self.train_sha256 != train_sha256 {
            return Err(Error::SelectionDigest { want: self.train_sha256.clone(), got: train_sha256.to_owned() });
        }
        let mut is_labelled = vec![false; samples.len()];
        for Selected { position, image_id } in &self.labelled {
            let got = samples.get(*position).map(|sample| sample.image_id.clone());
            if got.as_ref() != Some(image_id) {
                return Err(Error::SelectionPost { position: *position, want: image_id.clone(), got });
            }
            is_labelled[*position] = true;
        }
        Ok((0..samples.len()).partition(|&position| is_labelled[position]))
    }

    /// Writes the manifest, atomically.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        files::write_atomically(path.as_ref(), self.to_text().as_bytes())
    }

    /// The manifest as [`save`](Self::save) writes it.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("strings and integers always serialise");
        text + "\n"
    }

    /// Reads a manifest; whether it fits a training file is checked by [`Selection::split`].
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Json`], [`Error::Version`] for one of a newer program,
    /// [`Error::SelectionDamaged`] if it contradicts itself.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        /// Read first: a newer manifest may have other fields.
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let path = path.as_ref();
        let bytes = files::read(path)?;
        let invalid = |source| Error::Json { path: path.to_owned(), what: "selection manifest", source };
        let Version { format_version: got } = serde_json::from_slice(&bytes).map_err(invalid)?;
        if got > FORMAT_VERSION {
            return Err(Error::Version { what: "selection manifest", got, supported: FORMAT_VERSION });
        }
        let selection: Self = serde_json::from_slice(&bytes).map_err(invalid)?;
        selection.validate()?;
        Ok(selection)
    }

    fn validate(&self) -> Result<()> {
        let damaged = |why| Err(Error::SelectionDamaged { why });
        if self.labelled.is_empty() || self.labelled.len() != self.n {
            return damaged("it lists no posts, or not n of them");
        }
        if !self.labelled.is_sorted_by(|a, b| a.position < b.position) {
            return damaged("its positions do not ascend");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids repeat: 0 1 2 0 1 2 ...
    fn samples(n: usize) -> Vec<Sample> {
        (0..n).map(|i| Sample { image_id: (i % 3).to_string(), ..Sample::default() }).collect()
    }

    #[test]
    fn a_choice_is_seeded_nested_and_complete() {
        let samples = samples(50);
        let split = |n, seed| select(n, seed, &samples, "d").and_then(|s| s.split(&samples, "d")).expect("fits");
        let (ten, rest) = split(10, 1);
        assert_eq!((ten.len(), rest.len()), (10, 40));
        assert!(ten.is_sorted() && rest.is_sorted() && ten.iter().all(|p| !rest.contains(p)));
        assert!(ten.iter().all(|p| split(20, 1).0.contains(p)), "nested");
        assert_ne!(ten, split(10, 2).0);
        assert_eq!(split(50, 1).1, [0; 0]);
        assert_eq!(split(5, 3).0, [0, 5, 15, 22, 45], "the same on every machine");
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        for n in [0, 4] {
            assert!(matches!(select(n, 0, &samples(3), "d"), Err(Error::Setting { name: "labelled", .. })));
        }
    }

    #[test]
    fn another_file_is_an_error() {
        let made = select(3, 0, &samples(9), "d").expect("fits");
        assert!(matches!(made.split(&samples(9), "e"), Err(Error::SelectionDigest { .. })));
        assert!(matches!(made.split(&samples(1), "d"), Err(Error::SelectionPost { got: None, .. })));
        let mut moved = samples(9);
        moved.rotate_left(1);
        assert!(matches!(made.split(&moved, "d"), Err(Error::SelectionPost { got: Some(_), .. })));
    }

    #[test]
    fn a_manifest_is_read_back_and_checked() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("selection.json");
        let made = select(3, u64::MAX, &samples(9), "d").expect("fits");
        made.save(&path).expect("writes");
        assert_eq!(Selection::load(&path).expect("its own file"), made);
        let load = |edit: &dyn Fn(&mut Selection)| {
            let mut bad = made.clone();
            edit(&mut bad);
            bad.save(&path).expect("writes");
            Selection::load(&path).expect_err("not a manifest of ours")
        };
        assert!(matches!(load(&|s| s.n = 2), Error::SelectionDamaged { .. }));
        assert!(matches!(load(&|s| s.labelled[1] = s.labelled[0].clone()), Error::SelectionDamaged { .. }));
        assert!(matches!(load(&|s| s.format_version = 2), Error::Version { got: 2, .. }));
        for text in ["", "[]", r#"{"format_version":1,"seed":0}"#] {
            std::fs::write(&path, text).expect("writes");
            assert!(matches!(Selection::load(&path), Err(Error::Json { .. })), "{text}");
        }
        // A newer manifest may have fields this version does not know: the version is the error,
        // not the field.
        std::fs::write(&path, r#"{"format_version":9,"strata":[]}"#).expect("writes");
        assert!(matches!(Selection::load(&path), Err(Error::Version { got: 9, .. })));
    }
}
