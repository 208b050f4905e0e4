//! A post that waits for the model, with what it was asked for and who waits for the answer.

use crate::answer::Answer;
use crate::model::Model;
use crate::queue::Waits;
use smvae::Post;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// A picture that was decoded and prepared, with its place among those that may be.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// `[3, h, w]`, as the vision model takes it.
    pub(crate) pixels: Arc<Vec<f32>>,
    /// Given back with the last of the posts that it belongs to.
    pub(crate) _place: Arc<OwnedSemaphorePermit>,
}

/// A post that waits.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The model it was admitted for.
    pub(crate) model: Arc<Model>,
    pub(crate) post: Post,
    pub(crate) picture: Option<Picture>,
    /// How many of its most probable spans are asked for; `None` if none are.
    pub(crate) candidates: Option<usize>,
    /// Its place in the request.
    pub(crate) index: usize,
    pub(crate) since: Instant,
    /// Closed when the client has gone or waits no longer.
    pub(crate) reply: mpsc::UnboundedSender<(usize, Answer)>,
}

/// A picture takes as long as about this many pieces of text.
const PIECES_OF_A_PICTURE: usize = 512;
/// Bytes of a word beyond which it is estimated to have one more piece.
const BYTES_OF_A_PIECE: usize = 5;
/// About as much of a caption as is read.
const MOST_BYTES_OF_A_CAPTION: usize = 300;

impl Waits for Entry {
    /// Words are cut into pieces later, by the engine.
    fn pieces(&self) -> usize {
        let text: usize = self.post.words().iter().map(|word| 1 + word.len() / BYTES_OF_A_PIECE).sum();
        let caption = self.post.caption.as_ref().map_or(0, |caption| caption.len().min(MOST_BYTES_OF_A_CAPTION));
        text + caption / BYTES_OF_A_PIECE + if self.picture.is_some() { PIECES_OF_A_PICTURE } else { 0 }
    }

    fn words(&self) -> usize {
        self.post.words().len()
    }

    fn is_gone(&self) -> bool {
        self.reply.is_closed()
    }

    /// A batch is computed by one model, with candidates or without.
    fn goes_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.model, &other.model) && self.candidates.is_some() == other.candidates.is_some()
    }
}
