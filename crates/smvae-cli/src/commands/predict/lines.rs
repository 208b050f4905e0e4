//! The posts of the input as the stream takes them: one for every post of the file, those that are
//! no posts too, so that their errors keep their place.

use smvae::data::formats::{Fields, PostRecord};
use smvae::features::PictureFolder;
use smvae::{Post, Predictor, data};
use std::borrow::Borrow;
use std::sync::Arc;

/// A post of the input, or what is wrong with it.
pub(super) struct Line {
    /// The line it begins at, from 1.
    pub(super) number: usize,
    /// The id that the input gives it, as far as it is known.
    pub(super) id: Option<String>,
    /// The post; an empty one, which costs nothing, where there is an error.
    pub(super) post: Post,
    /// What it came with, or what is wrong with it.
    pub(super) fields: Result<Fields, Fault>,
}

/// Why a line has no answer.
pub(super) enum Fault {
    /// This line is not a post.
    Line(String),
    /// The input, or its pictures, cannot be read any further.
    Input(anyhow::Error),
}

impl Borrow<Post> for Line {
    fn borrow(&self) -> &Post {
        &self.post
    }
}

/// The lines of an input but for the first `skipped`, which are read and forgotten.
pub(super) fn lines(
    posts: impl Iterator<Item = data::Result<PostRecord>>,
    mut skipped: usize,
    mut post_of: impl FnMut(&PostRecord) -> Result<Post, Fault>,
) -> impl Iterator<Item = Line> {
    let line = move |record: data::Result<PostRecord>| {
        let fault = |number, id, fault| Line { number, id, post: Post::default(), fields: Err(fault) };
        let is_skipped = skipped > 0;
        match record {
            Ok(_) | Err(data::Error::Line { .. }) if is_skipped => {
                skipped -= 1;
                None
            }
            Ok(record) => Some(match post_of(&record) {
                Ok(post) => Line { number: record.line, id: record.id, post, fields: Ok(record.fields) },
                Err(why) => fault(record.line, record.id, why),
            }),
            Err(data::Error::Line { line, expected, text, id, .. }) => {
                Some(fault(line, id, Fault::Line(format!("expected {expected}, got {text:?}"))))
            }
            Err(error) => Some(fault(0, None, Fault::Input(error.into()))),
        }
    };
    posts.filter_map(line)
}

/// How a model makes posts of records, with the vectors of the pictures they name where there are
/// some, on the reader's thread.
pub(super) fn post_of(
    model: Arc<Predictor>,
    pictures: Option<PictureFolder>,
) -> impl FnMut(&PostRecord) -> Result<Post, Fault> {
    move |record| {
        let mut post = model.post_of(record).map_err(|error| Fault::Line(error.to_string()))?;
        if let Some(pictures) = &pictures {
            // A bad picture is no error: what fails here is the network or the store.
            pictures.attach(std::slice::from_mut(&mut post)).map_err(|error| Fault::Input(error.into()))?;
        }
        Ok(post)
    }
}
