//! Words in columns, written: corpus files, which [`Reader`](crate::Reader) reads back as the same
//! samples but for their captions, and what programs that score tags take. Columns have no place
//! for a caption: JSON lines ([`json::write`](crate::formats::json::write)) or a file of
//! [`Captions`](crate::Captions) beside the corpus keep it.

use crate::{Error, Result, Sample, files};
use smvae_core::bio::Tag;
use smvae_core::schemes::is_tag;
use std::fmt::Write as _;
use std::path::Path;

/// The samples as the text of a corpus file, each post followed by a blank line. Their captions are
/// left out.
///
/// # Errors
/// [`Error::Unwritable`] for a sample whose image id, words or tags could not be read back as they
/// are.
pub fn to_text(samples: &[Sample]) -> Result<String> {
    let mut text = String::new();
    for sample in samples {
        check(sample).map_err(|why| Error::Unwritable { image_id: sample.image_id.clone(), why })?;
        let id = &sample.image_id;
        writeln!(text, "IMGID:{id}").expect("writing to a String cannot fail");
        for (word, tag) in sample.words.iter().zip(&sample.tags) {
            writeln!(text, "{word}\t{tag}").expect("writing to a String cannot fail");
        }
        text.push('\n');
    }
    Ok(text)
}

/// Writes a corpus file, atomically. Captions are left out, as [`to_text`] leaves them.
///
/// # Errors
/// [`Error::Unwritable`] as [`to_text`], [`Error::Write`] if the file cannot be written.
pub fn write_file(path: impl AsRef<Path>, samples: &[Sample]) -> Result<()> {
    files::write_atomically(path.as_ref(), to_text(samples)?.as_bytes())
}

/// A post for programs that score tags.
#[derive(Clone, Copy, Debug)]
pub struct TaggedPost<'a> {
    /// What an error calls it.
    pub id: &'a str,
    /// Its words.
    pub words: &'a [String],
    /// One tag per word, as the corpus has it; `None` leaves the column out.
    pub gold: Option<&'a [String]>,
    /// One tag per word, as a model has it.
    pub predicted: &'a [String],
}

/// The lines of a post as `conlleval` and seqeval read them, and the blank line after it: a word,
/// its gold tag if there are any, its predicted tag, with one space between.
/// [`Scheme::tags`](smvae_core::schemes::Scheme::tags) makes tags of entities.
///
/// A word may be U+00A0 and the like: programs that split lines at any white space of Unicode lose
/// it, `conlleval` and ours do not.
///
/// # Errors
/// [`Error::Unwritable`] for a post without words, with another number of tags, or with a word or
/// tag that would be read as something else.
pub fn to_columns(post: &TaggedPost<'_>) -> Result<String> {
    let TaggedPost { id, words, gold, predicted } = *post;
    let fail = |why| Error::Unwritable { image_id: id.to_owned(), why };
    if words.is_empty() || predicted.len() != words.len() || gold.is_some_and(|gold| gold.len() != words.len()) {
        return Err(fail("it must have words, and as many tags"));
    }
    let breaks = |cell: &String| cell.is_empty() || cell.contains(|c: char| c.is_ascii_whitespace());
    let is_mark = |word: &String| {
        // A byte order mark would be lost at the start of a file.
        word.starts_with("IMGID:") || word.starts_with('\u{feff}') || ["-DOCSTART-", "-X-"].contains(&word.as_str())
    };
    if words.iter().any(|word| breaks(word) || is_mark(word)) {
        return Err(fail("a word is empty, has white space, or is a mark of the format"));
    }
    if gold.unwrap_or_default().iter().chain(predicted).any(|tag| breaks(tag) || !is_tag(tag)) {
        return Err(fail("a tag is not `O` or one such as `B-type`, without white space"));
    }
    let mut text = String::new();
    for (i, word) in words.iter().enumerate() {
        text += word;
        for tags in gold.into_iter().chain([predicted]) {
            text.push(' ');
            text += &tags[i];
        }
        text.push('\n');
    }
    text.push('\n');
    Ok(text)
}

fn check(sample: &Sample) -> Result<(), &'static str> {
    let breaks = |text: &str| text.is_empty() || text.contains(['\t', '\n']);
    if breaks(&sample.image_id) || sample.image_id.ends_with('\r') {
        return Err("its image id is empty or has a tab or a line end");
    }
    if sample.words.is_empty() || sample.words.len() != sample.tags.len() {
        return Err("it must have words, and as many tags");
    }
    if sample.words.iter().any(|word| breaks(word)) {
        return Err("a word is empty or has a tab or a line end");
    }
    if sample.words.iter().any(|word| word.starts_with("IMGID:")) {
        return Err("a word begins with `IMGID:`, as a header does");
    }
    if sample.tags.iter().any(|tag| breaks(tag) || tag.ends_with('\r') || Tag::parse(tag).is_err()) {
        return Err("a tag is not `O`, `B-type` or `I-type`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;
    use proptest::prelude::*;

    fn sample(image_id: &str, words: &[&str], tags: &[&str]) -> Sample {
        let own = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect();
        Sample { image_id: image_id.to_owned(), words: own(words), tags: own(tags), caption: None }
    }

    #[test]
    fn samples_that_could_not_be_read_back_are_errors() {
        for bad in [
            sample("", &["a"], &["O"]),
            sample("1\t2", &["a"], &["O"]),
            sample("1\r", &["a"], &["O"]),
            sample("1", &[], &[]),
            sample("1", &["a", "b"], &["O"]),
            sample("1", &[""], &["O"]),
            sample("1", &["a\nb"], &["O"]),
            sample("1", &["IMGID:2"], &["O"]),
            sample("1", &["a"], &["X"]),
            sample("1", &["a"], &["B-a\tb"]),
        ] {
            assert!(matches!(to_text(std::slice::from_ref(&bad)), Err(Error::Unwritable { .. })), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(rows in prop::collection::vec(
            ("[^\t\n\r]{1,5}", prop::collection::vec(("[^\t\n]{1,6}", 0usize..4), 1..6)), 1..5,
        )) {
            let samples: Vec<Sample> = rows.into_iter().map(|(image_id, words)| {
                let (words, tags): (Vec<String>, Vec<usize>) = words.into_iter().unzip();
                let tags = tags.into_iter().map(|t| ["O", "B-PER", "I-PER", "I-a b"][t].to_owned()).collect();
                Sample { image_id, words, tags, caption: None }
            }).collect();
            let text = to_text(&samples).expect("the strategy makes only writable samples");
            let read: Vec<Sample> = Reader::new(text.as_bytes(), "t").collect::<Result<_>>().expect("written by us");
            prop_assert_eq!(read, samples);
        }
    }
}
