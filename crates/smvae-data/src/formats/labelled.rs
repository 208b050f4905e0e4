//! Labelled samples of posts, whatever their labels came as.
//!
//! BIO tags (IOB1 or IOB2) stay as they are, since a [`Convention`](crate::Convention) says how
//! ill-formed ones are read. Tags of another scheme must be well-formed, unless the scheme is
//! given, and become IOB2; so do entities. A post without an image has the empty image id.

use super::lines::Fault;
use super::post::{Body, Labels, PostRecord};
use crate::corpus::format::LabelNames;
use crate::{Error, Result, Sample};
use smvae_core::schemes::{Scheme, Told};
use std::path::Path;

/// The samples of some posts of a file, and what is known of the scheme of their tags; `None` where
/// there are no tags.
///
/// # Errors
/// [`Error::Line`] for a post without words or labels, or with labels that do not fit;
/// [`Error::Scheme`] for tags of no one scheme; [`Error::TagNumbers`] for tags that are numbers.
/// [`name_tags`] gives these their names.
pub fn samples(posts: Vec<PostRecord>, path: &Path, given: Option<Scheme>) -> Result<(Vec<Sample>, Option<Told>)> {
    let told = scheme_of(posts.iter().filter_map(PostRecord::tags), given, path)?;
    if let Some(post) = posts.iter().find(|post| matches!(post.labels, Some(Labels::TagNumbers(_)))) {
        return Err(Error::TagNumbers { path: path.to_owned(), line: post.line });
    }
    let reading = Reading { given, told: told.as_ref() };
    let samples = posts.into_iter().map(|post| reading.sample(post).map_err(|fault| fault.of(path)));
    Ok((samples.collect::<Result<_>>()?, told))
}

/// The scheme of some posts' tags: the one that is given, or else the one that they tell; `None`
/// where there is neither.
///
/// # Errors
/// [`Error::Scheme`] for tags of no one scheme.
pub fn scheme_of<'a, S: AsRef<str> + 'a>(
    posts: impl IntoIterator<Item = &'a [S]>,
    given: Option<Scheme>,
    path: &Path,
) -> Result<Option<Told>> {
    if let Some(scheme) = given {
        return Ok(Some(Told { scheme, fitting: vec![scheme] }));
    }
    let mut posts = posts.into_iter().peekable();
    if posts.peek().is_none() {
        return Ok(None);
    }
    let fault = |source| Error::Scheme { path: path.to_owned(), source: Box::new(source) };
    Scheme::of_posts(posts).map(Some).map_err(fault)
}

/// Gives tags that are numbers their names.
///
/// # Errors
/// [`Error::Line`] for a number that has none.
pub fn name_tags(posts: &mut [PostRecord], path: &Path, names: &LabelNames) -> Result<()> {
    let names = names.names();
    for post in posts {
        let Some(Labels::TagNumbers(numbers)) = &post.labels else { continue };
        let tags: Option<Vec<String>> = numbers.iter().map(|&number| names.get(number).cloned()).collect();
        let Some(tags) = tags else {
            let written = format!("{numbers:?}");
            let expected = format!("tags by numbers below {}, as many as there are names", names.len());
            return Err(Fault::new(post.line, written.as_bytes(), expected).of(path));
        };
        post.labels = Some(Labels::Tags(tags));
    }
    Ok(())
}

/// How tags are read.
struct Reading<'a> {
    given: Option<Scheme>,
    told: Option<&'a Told>,
}

impl Reading<'_> {
    fn sample(&self, post: PostRecord) -> Result<Sample, Fault> {
        let PostRecord { line, body, image, caption, labels, .. } = post;
        let words = match body {
            Body::Words(words) => words,
            Body::Text(text) => return Err(Fault::new(line, text.as_bytes(), "words with labels, and not a text")),
        };
        let fault = |expected: String| Fault::new(line, words.join(" ").as_bytes(), expected);
        if words.is_empty() || words.iter().any(String::is_empty) {
            return Err(fault("at least one word, and none that is empty".to_owned()));
        }
        let written = match labels {
            Some(Labels::Tags(tags)) => self.iob2(tags, line)?,
            Some(Labels::Entities(entities)) => {
                let tags = Scheme::Iob2.tags(&entities, words.len());
                tags.map_err(|why| fault(format!("entities that fit ({why})")))?
            }
            Some(Labels::TextEntities(_) | Labels::TagNumbers(_)) | None => {
                return Err(fault("labels beside the words".to_owned()));
            }
        };
        Ok(Sample { image_id: image.unwrap_or_default(), words, tags: written, caption })
    }

    fn iob2(&self, tags: Vec<String>, line: usize) -> Result<Vec<String>, Fault> {
        let Some(Told { scheme, fitting }) = self.told else { return Ok(tags) };
        let fault = |expected: String| Fault::new(line, tags.join(" ").as_bytes(), expected);
        let entities = scheme.entities(&tags).map_err(|_| fault(format!("tags of the scheme {scheme}")))?;
        let stays = match self.given {
            Some(given) => given == Scheme::Iob2,
            None => matches!(scheme, Scheme::Iob1 | Scheme::Iob2),
        };
        if stays {
            return Ok(tags);
        }
        if fitting.is_empty() && !scheme.fits(&tags) {
            return Err(fault(format!(
                "well-formed tags of {scheme}, whose prefixes the file has, or the scheme by name"
            )));
        }
        Ok(Scheme::Iob2.tags(&entities, tags.len()).expect("entities that were read from as many tags"))
    }
}

#[cfg(test)]
mod tests;
