//! Captions: what an image shows, in words, by image id. A file of JSON lines, one image each:
//!
//! ```text
//! {"image_id": "17_06_2932", "caption": "a basketball player holds a trophy"}
//! ```
//!
//! The id may be a number, and be called `image` as well; other fields are ignored. `null`, and a
//! caption of white space alone, say that an image has none. An id without a caption is a missing
//! modality, not an error; a file in which no id belongs to a post is an error. Ids are looked up
//! as those of [image vectors](crate::images) are. What this does not do: make captions, or cut
//! them.

use crate::formats::Fields;
use crate::formats::lines::{Fault, Lines};
use crate::images::Coverage;
use crate::{Error, Result, Sample, files, ids};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Captions by image id.
#[derive(Clone, Debug)]
pub struct Captions {
    /// Row of an id in `texts`, in the order of the ids.
    rows: BTreeMap<String, usize>,
    texts: Vec<String>,
    path: Option<PathBuf>,
    sha256: String,
}

impl Captions {
    /// The file of captions that a corpus folder may have.
    pub const IN_CORPUS: &str = "captions.jsonl";

    /// Reads a file of JSON lines.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Line`] for a line that is no caption of an image, or an image that
    /// has one already; [`Error::NoCaptions`] for a file without captions.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = files::read(path)?;
        let mut captions = BTreeMap::new();
        let mut first_line: BTreeMap<String, usize> = BTreeMap::new();
        let mut lines = Lines::new(bytes.as_slice(), path.to_owned());
        while let Some((number, line)) = lines.next_line()? {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let (id, caption) = read_line(number, line).map_err(|fault| fault.of(path))?;
            if let Some(first) = first_line.insert(id.clone(), number) {
                let expected = format!("one caption of each image, and the image {id:?} has one in line {first}");
                return Err(Fault::new(number, line, expected).of(path));
            }
            captions.extend(caption.map(|caption| (id, caption)));
        }
        if captions.is_empty() {
            return Err(Error::NoCaptions { path: Some(path.to_owned()) });
        }
        Ok(Self { path: Some(path.to_owned()), ..Self::new(captions, files::sha256_hex(&bytes)) })
    }

    /// The captions that a corpus folder has as [`Captions::IN_CORPUS`]. `None` if it has no such
    /// file.
    ///
    /// # Errors
    /// As [`Captions::load`].
    pub fn of_corpus(folder: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = folder.as_ref().join(Self::IN_CORPUS);
        path.exists().then(|| Self::load(path)).transpose()
    }

    /// Captions made in memory; those of white space alone are left out. Their digest is that of
    /// the file [`Captions::save`] writes.
    ///
    /// # Errors
    /// [`Error::NoCaptions`] if none is left.
    pub fn from_map(mut captions: BTreeMap<String, String>) -> Result<Self> {
        captions.retain(|_, caption| !caption.trim().is_empty());
        if captions.is_empty() {
            return Err(Error::NoCaptions { path: None });
        }
        let mut made = Self::new(captions, String::new());
        made.sha256 = files::sha256_hex(made.to_lines().as_bytes());
        Ok(made)
    }

    fn new(captions: BTreeMap<String, String>, sha256: String) -> Self {
        let (ids, texts): (Vec<String>, Vec<String>) = captions.into_iter().unzip();
        let rows = ids.into_iter().enumerate().map(|(row, id)| (id, row)).collect();
        Self { rows, texts, path: None, sha256 }
    }

    /// The caption of an image. If none has this very id, it is one with an image's extension added
    /// to it; or, if it has one, the one without.
    pub fn get(&self, id: &str) -> Option<&str> {
        ids::row_of(&self.rows, id).map(|row| self.texts[row].as_str())
    }

    /// The caption of another image, to be used in place of this one's: that of the id half of all
    /// ids further on in their order, cyclically. A single image gets its own. It serves to measure
    /// what the right caption is worth.
    pub fn get_other(&self, id: &str) -> Option<&str> {
        ids::row_of_other(&self.rows, id).map(|row| self.texts[row].as_str())
    }

    /// Number of captions; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a set without captions cannot be made")]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The file they came from; `None` for captions made in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// SHA-256 of the file, in hexadecimal: the identity that a trained model asks for.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Writes the format that [`Captions::load`] reads, atomically; the same captions make the same
    /// bytes.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        files::write_atomically(path.as_ref(), self.to_lines().as_bytes())
    }

    fn to_lines(&self) -> String {
        let text = |text: &str| serde_json::to_string(text).expect("a string has a JSON form");
        let line = |(id, row): (&String, &usize)| {
            format!("{{\"image_id\": {}, \"caption\": {}}}\n", text(id), text(&self.texts[*row]))
        };
        self.rows.iter().map(line).collect()
    }
}

/// How many posts have a caption: one of their own, or that of their image.
///
/// # Errors
/// [`Error::NoCaptionMatch`] if there are posts and captions by image id, and no post has a
/// caption: the file belongs to another corpus.
pub fn coverage(captions: Option<&Captions>, samples: &[Sample]) -> Result<Coverage> {
    let has_caption = |sample: &Sample| {
        let of_image = || sample.image().zip(captions).is_some_and(|(id, captions)| captions.get(id).is_some());
        sample.caption().is_some() || of_image()
    };
    let coverage = Coverage::of(samples, has_caption);
    if let Some(captions) = captions.filter(|_| coverage.found == 0 && !samples.is_empty()) {
        return Err(Error::NoCaptionMatch {
            path: captions.path.clone(),
            captions: captions.len(),
            posts: samples.len(),
            caption: captions.rows.keys().next().cloned().unwrap_or_default(),
            post: samples.iter().find_map(Sample::image).map(str::to_owned),
        });
    }
    Ok(coverage)
}

/// The id of a line's image, and its caption, if it has one.
fn read_line(number: usize, line: &[u8]) -> Result<(String, Option<String>), Fault> {
    let fault = |expected: &'static str| Fault::new(number, line, expected);
    let fields: Fields = serde_json::from_slice(line).map_err(|error| {
        let why = error.to_string().replace(" at line 1 column", " at column");
        Fault::new(number, line, format!("a JSON object with \"image_id\" and \"caption\" ({why})"))
    })?;
    let text = |name| fields.read::<String>(name);
    let id = match fields.read_name("image_id") {
        Ok(None) => fields.read_name("image"),
        read => read,
    };
    let id = id.map_err(|_| fault("\"image_id\" to be a string or a number"))?;
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| fault("an \"image_id\" that names the image"))?;
    if fields.get("caption").is_none() {
        return Err(fault("a \"caption\", or null for an image that has none"));
    }
    let caption =
        text("caption").map_err(|_| fault("\"caption\" to be a string, or null for an image that has none"))?;
    Ok((id, caption.filter(|caption| !caption.trim().is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Captions> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("captions.jsonl");
        std::fs::write(&path, text).expect("writable");
        Captions::load(path)
    }

    #[test]
    fn captions_are_found_by_the_id_of_their_image() {
        let lines = "{\"image_id\": \"b.jpg\", \"caption\": \"a cat\"}\n\n{\"image\": \"a\", \"caption\": \"a dog\", \
                     \"model\": 1}\n{\"image_id\": \"c\", \"caption\": null}\n{\"image_id\": \"d\", \"caption\": \" \"}\n";
        let captions = read(lines).expect("two captions");
        assert_eq!(captions.len(), 2);
        assert_eq!(read("{\"image_id\": 7, \"caption\": \"a cat\"}").expect("one caption").get("7"), Some("a cat"));
        let found = ["a", "a.png", "b", "./b.jpg", "c", "e"].map(|id| captions.get(id));
        assert_eq!(found, [Some("a dog"), Some("a dog"), Some("a cat"), Some("a cat"), None, None]);
        assert_eq!((captions.get_other("a"), captions.get_other("b")), (Some("a cat"), Some("a dog")));
        let map = [("a", "a dog"), ("b.jpg", "a cat"), ("c", " ")].map(|(id, text)| (id.to_owned(), text.to_owned()));
        let made = Captions::from_map(map.into()).expect("two captions");
        let dir = tempfile::tempdir().expect("a temporary folder");
        made.save(dir.path().join("x.jsonl")).expect("writable");
        let saved = Captions::load(dir.path().join("x.jsonl")).expect("our own file");
        assert_eq!((saved.sha256(), saved.get("b")), (made.sha256(), Some("a cat")));
        assert!(Captions::of_corpus(dir.path()).expect("nothing is wrong").is_none());
        made.save(dir.path().join(Captions::IN_CORPUS)).expect("writable");
        assert!(Captions::of_corpus(dir.path()).expect("our own file").is_some());
    }

    #[test]
    fn posts_without_a_caption_are_counted() {
        let captions = read("{\"image_id\": \"a\", \"caption\": \"a dog\"}").expect("one caption");
        let post = |id: &str, caption: Option<&str>| {
            let caption = caption.map(str::to_owned);
            Sample { image_id: id.to_owned(), caption, ..Sample::default() }
        };
        let posts = [post("a", None), post("", Some("a cat")), post("b", Some("")), post("c", None)];
        let found = coverage(Some(&captions), &posts).expect("two posts have one");
        assert_eq!((found.found, found.missing, found.missing_ids), (2, 2, vec!["b".to_owned(), "c".to_owned()]));
        assert!(matches!(coverage(Some(&captions), &posts[2..]), Err(Error::NoCaptionMatch { posts: 2, .. })));
        assert_eq!(coverage(None, &posts).expect("their own").found, 1);
    }

    #[test]
    fn a_bad_line_is_named() {
        let check = |line: &str, want: &str| {
            let text = format!("{{\"image_id\": \"a\", \"caption\": \"a dog\"}}\n{line}\n");
            let message = read(&text).expect_err(line).to_string();
            assert!(message.contains("captions.jsonl:2: expected "), "{message}");
            assert!(message.contains(want), "{message:?} does not say {want:?}");
        };
        check("{\"image_id\": \"b\", \"caption\": ", "a JSON object with \"image_id\" and \"caption\" (EOF");
        check("{\"caption\": \"a cat\"}", "an \"image_id\" that names the image");
        check("{\"image_id\": [7], \"caption\": \"a cat\"}", "\"image_id\" to be a string or a number");
        check("{\"image_id\": \"b\"}", "a \"caption\", or null");
        check("{\"image_id\": \"b\", \"caption\": [\"a cat\"]}", "\"caption\" to be a string");
        check("{\"image_id\": \"a\", \"caption\": \"a cat\"}", "the image \"a\" has one in line 1");
        assert!(matches!(read("\n"), Err(Error::NoCaptions { .. })));
        assert!(matches!(read("{\"image_id\": \"a\", \"caption\": \"\"}"), Err(Error::NoCaptions { .. })));
    }
}
