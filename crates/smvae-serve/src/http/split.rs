//! Texts to words, and other work that grows with the body: where it is much, in a thread beside
//! the one that answers everybody.

use crate::http::errors::Fault;
use crate::http::posts;
use crate::model::Model;
use crate::state::State;
use smvae::data::formats::PostRecord;
use std::sync::Arc;

/// Bodies of more bytes are read beside the thread that answers everybody.
const LARGE: usize = 64 * 1024;

/// Does work of this many bytes, in a thread of its own if they are many.
///
/// # Errors
/// Those of the work; 500 if it panics.
pub(crate) async fn beside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    if bytes <= LARGE {
        return work();
    }
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Fault::internal()))
}

/// Splits the text of posts into words.
///
/// # Errors
/// 413 and 422 of a post, with its number.
pub(crate) async fn split(
    state: &State,
    model: &Arc<Model>,
    records: Vec<PostRecord>,
) -> Result<Vec<smvae::Post>, Fault> {
    let (most_words, model) = (state.settings.limits.words, Arc::clone(model));
    let bytes = records.iter().map(|record| posts::size(record).1).sum();
    beside(bytes, move || {
        let post = |(i, record): (usize, &PostRecord)| {
            posts::post(&model.predictor, record, most_words).map_err(|fault| fault.of_post(i))
        };
        records.iter().enumerate().map(post).collect()
    })
    .await
}
