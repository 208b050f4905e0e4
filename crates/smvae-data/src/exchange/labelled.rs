//! The posts of a corpus with a person's labels, as [`formats::write`](crate::formats::write)
//! writes them for other programs: with their own id and text, where the file has these.
//!
//! ```
//! use smvae_data::exchange::labelled::posts_of_bytes;
//! use smvae_data::formats::write::{Author, Output, WriteSettings, Writer};
//! let file = r#"{"id": 7, "text": "in  Oslo", "words": ["in", "Oslo"], "tags": ["O", "B-LOC"]}"#;
//! let posts = posts_of_bytes(file.as_bytes(), "posts.jsonl", &Default::default())?.posts;
//! let settings = WriteSettings { author: Author::Person, ..WriteSettings::default() };
//! let mut writer = Writer::new(Output::Doccano, Vec::new(), &settings)?;
//! let _ = writer.post(&posts[0].as_found())?;
//! assert_eq!(writer.finish()?, br#"{"caption":null,"id":"7","image":null,"label":[[4,8,"LOC"]],"text":"in  Oslo"}
//! "#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::fit::line_of;
use crate::corpus::{CorpusFormat, ReadAs, records};
use crate::formats::write::{FoundEntity, FoundPost};
use crate::formats::{PostRecord, labelled};
use crate::words::locate;
use crate::{Convention, Result, files};
use smvae_core::Entity;
use std::ops::Range;
use std::path::Path;

/// A post with its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledPost {
    /// Its line in the file, from 1.
    pub line: usize,
    /// The id the file gives it.
    pub id: Option<String>,
    /// Id or path of its image.
    pub image: Option<String>,
    /// What its image shows, in words.
    pub caption: Option<String>,
    /// Its text: that of the file where its words stand in it, else the words with single blanks
    /// between them.
    pub text: String,
    /// Its words.
    pub words: Vec<String>,
    /// Its entities, ordered by first word.
    pub entities: Vec<Entity>,
    /// The bytes of each word in the text.
    places: Vec<Range<usize>>,
}

/// The labelled posts of a file.
#[derive(Clone, Debug)]
pub struct LabelledPosts {
    /// In order.
    pub posts: Vec<LabelledPost>,
    /// How the file was read.
    pub read_as: ReadAs,
}

/// Reads a file of a corpus as [`load_file_with`](crate::corpus::load_file_with) does. Ill-formed
/// tags are read as `conlleval` reads them.
///
/// # Errors
/// Those of `load_file_with`.
pub fn posts_of(path: impl AsRef<Path>, format: &CorpusFormat) -> Result<LabelledPosts> {
    let path = path.as_ref();
    posts_of_bytes(&files::read(path)?, path, format)
}

/// Reads the content of such a file; `path` is its name.
///
/// # Errors
/// Those of `load_file_with`, but for [`Error::Read`](crate::Error::Read).
pub fn posts_of_bytes(bytes: &[u8], path: impl AsRef<Path>, format: &CorpusFormat) -> Result<LabelledPosts> {
    let path = path.as_ref();
    let (records, decided) = records(bytes, path, format)?;
    let (samples, scheme) = labelled::samples(records.clone(), path, format.scheme)?;
    let mut posts = Vec::with_capacity(samples.len());
    for (record, sample) in records.into_iter().zip(samples) {
        let entities = sample.entities(Convention::Conlleval)?;
        posts.push(LabelledPost::new(record, sample.words, entities));
    }
    Ok(LabelledPosts { posts, read_as: ReadAs { format: decided, scheme } })
}

impl LabelledPost {
    fn new(record: PostRecord, words: Vec<String>, entities: Vec<Entity>) -> Self {
        let PostRecord { line, id, image, caption, fields, .. } = record;
        let places_in = |text: &str| -> Option<Vec<Range<usize>>> {
            Some(locate(&words, text).ok()?.into_iter().map(|word| word.bytes).collect())
        };
        // In another program's file `text` may be anything.
        let own: Option<String> = fields.read("text").ok().flatten();
        let (text, places) = match own.and_then(|text| places_in(&text).map(|places| (text, places))) {
            Some(found) => found,
            None => joined(&words),
        };
        Self { line, id, image, caption, text, words, entities, places }
    }

    /// The post as it is written, its entities with the score 1.
    pub fn as_found(&self) -> FoundPost<'_> {
        FoundPost {
            line: self.line,
            id: self.id.as_deref(),
            image: self.image.as_deref(),
            caption: self.caption.as_deref(),
            text: &self.text,
            words: &self.words,
            places: &self.places,
            entities: self.entities.iter().map(|entity| self.found_entity(entity)).collect(),
            ..FoundPost::default()
        }
    }

    fn found_entity<'a>(&'a self, entity: &'a Entity) -> FoundEntity<'a> {
        let words = entity.span.start..entity.span.end;
        let bytes = self.places[words.start].start..self.places[words.end - 1].end;
        let start = self.text[..bytes.start].chars().count();
        let text = &self.text[bytes];
        FoundEntity { chars: start..start + text.chars().count(), text, label: &entity.label, score: 1.0, words }
    }

    /// The post as a line of JSON without its end: id, image, caption, text, words and entities of
    /// words.
    pub fn to_line(&self) -> String {
        let origin = (self.id.as_deref(), self.image.as_deref(), self.caption.as_deref());
        line_of(origin, &self.text, &self.words, &self.entities)
    }
}

/// Words with single blanks between them, and the bytes of each.
fn joined(words: &[String]) -> (String, Vec<Range<usize>>) {
    let (mut text, mut places) = (String::new(), Vec::with_capacity(words.len()));
    for word in words {
        if !places.is_empty() {
            text.push(' ');
        }
        places.push(text.len()..text.len() + word.len());
        text += word;
    }
    (text, places)
}
