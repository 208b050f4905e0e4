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

impl Waits for Entry {
    /// Words are cut into pieces later, by the engine.
    fn pieces(&self) -> usize {
        let picture = if self.picture.is_some() { PIECES_OF_A_PICTURE } else { 0 };
        self.post.weight(self.post.caption.as_deref()) + picture
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
