//! Posts without labels beside a labelled training split, for training that learns from both.

use super::LoadedSplit;
use crate::duplicates::key;
use crate::files::{sha256_file, sha256_hex};
use crate::formats::{self, LabelUse, Settings};
use crate::ids::bare_id;
use crate::selection::select;
use crate::words::WordConvention;
use crate::{Result, Sample, Selection};
use std::collections::HashSet;
use std::path::Path;

impl LoadedSplit {
    /// This split with the posts of a file behind its own, and the manifest of those that are
    /// labelled: `labelled` of this split by a seed, or all of it. The file is in any format, which
    /// its name tells; labels that it may have are not read. Text is split into words as this split
    /// was. Posts without words are left out, and those that say what a post of this split, of
    /// `others` (dev) or of the file itself says, or have the image of one of `others`, also where
    /// one of the two ids has the extension of an image or a leading `./`. Posts of a test split
    /// are not known here: keep them out of the file.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for more labelled posts than there are;
    /// [`Error::Line`](crate::Error::Line) for a line that is no post; as [`formats::open`] for a
    /// file that cannot be opened, and [`Error::Columns`](crate::Error::Columns) for a table whose
    /// header does not fit.
    pub fn with_unlabelled(
        mut self,
        file: impl AsRef<Path>,
        others: &[Sample],
        labelled: Option<usize>,
        seed: u64,
    ) -> Result<(Self, Selection)> {
        let file = file.as_ref();
        let chosen = select(labelled.unwrap_or(self.samples.len()), seed, &self.samples, "")?;
        let convention = WordConvention::of_corpus(self.samples.iter().map(|sample| &sample.words));
        let mut seen: HashSet<u64> = self.samples.iter().chain(others).map(|sample| key(&sample.words)).collect();
        let images: HashSet<&str> =
            others.iter().map(|sample| bare_id(&sample.image_id)).filter(|id| !id.is_empty()).collect();
        let settings = Settings { labels: LabelUse::Ignored, ..Settings::default() };
        for record in formats::open(file, &settings)? {
            let record = record?;
            let words = record.words(&convention).into_owned();
            let is_post = !words.is_empty() && words.iter().all(|word| !word.is_empty());
            let has_image_of_others = record.image.as_deref().is_some_and(|image| images.contains(bare_id(image)));
            if is_post && !has_image_of_others && seen.insert(key(&words)) {
                // Never read: a post that is not chosen has no labels.
                let tags = vec!["O".to_owned(); words.len()];
                let (image_id, caption) = (record.image.unwrap_or_default(), record.caption);
                self.samples.push(Sample { image_id, words, tags, caption });
            }
        }
        self.file.sha256 = sha256_hex(format!("{} {}", self.file.sha256, sha256_file(file)?).as_bytes());
        let train_sha256 = self.file.sha256.clone();
        Ok((self, Selection { train_sha256, ..chosen }))
    }
}

#[cfg(test)]
mod tests {
    use crate::Sample;
    use crate::Split;
    use crate::corpus::load_split;

    #[test]
    fn posts_without_labels_come_behind_the_labelled_ones() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("writable");
            path
        };
        write("train.txt", "IMGID:1\nin\tO\nOslo\tB-LOC\n\nIMGID:2\nAna\tB-PER\n\n");
        let lines = [
            r#"{"text": "Ana, in Rome", "image": "3"}"#,
            r#"{"text": " "}"#,
            r#"{"words": ["a"]}"#,
            r#"{"text": "in Oslo"}"#,
            r#"{"text": "dev"}"#,
            r#"{"text": "A!"}"#,
        ];
        let more = write("more.jsonl", &lines.join("\n"));
        let dev = [Sample { words: vec!["Dev".to_owned()], ..Sample::default() }];
        let train = || load_split(dir.path(), Split::Train).expect("a split");
        let (both, selection) = train().with_unlabelled(&more, &dev, None, 1).expect("posts");
        assert_eq!(both.samples.len(), 4);
        assert_eq!((both.samples[2].words.join(" "), both.samples[2].image()), ("Ana , in Rome".to_owned(), Some("3")));
        let (labelled, rest) = selection.split(&both.samples, &both.file.sha256).expect("its own");
        assert_eq!((labelled, rest), (vec![0, 1], vec![2, 3]));
        assert_ne!(both.file.sha256, train().file.sha256);
        let (_, one) = train().with_unlabelled(&more, &[], Some(1), 1).expect("posts");
        assert_eq!(one.n, 1);
        for (image_id, n) in [("3.jpg", 3), ("./3", 3), ("4.jpg", 4), ("", 4)] {
            let dev = [Sample { image_id: image_id.to_owned(), ..dev[0].clone() }];
            let (rest, _) = train().with_unlabelled(&more, &dev, None, 1).expect("posts");
            assert_eq!(rest.samples.len(), n, "{image_id}");
        }
        assert!(train().with_unlabelled(&more, &[], Some(3), 1).is_err());
        let bad = write("bad.jsonl", "{\"text\": \"a\"}\n{}\n");
        assert!(train().with_unlabelled(bad, &[], None, 1).expect_err("no post").to_string().contains("bad.jsonl:2"));
    }
}
