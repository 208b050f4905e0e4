//! Posts to the queue and their answers back, for every route that predicts.

use crate::answer::{Answer, Found};
use crate::entry::{Entry, Picture};
use crate::http::errors::Fault;
use crate::model::Model;
use crate::queue::{Ahead, Waits as _};
use crate::state::State;
use smvae::Post;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How much of the time for a request the model may be expected to need for it and for what comes
/// before it.
const PART_THAT_IS_SURE: f64 = 0.7;

/// A post to find entities in.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) post: Post,
    pub(crate) picture: Option<Picture>,
}

/// What was found in each post of a request, in order, and how long that took.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) found: Vec<Found>,
    pub(crate) took: Took,
}

/// About how many bytes of JSON an entity or a candidate takes.
const BYTES_OF_AN_ENTITY: usize = 100;

impl Answers {
    /// About how many bytes they will take as JSON, but for what posts came with beside their text.
    pub(crate) fn bytes(&self) -> usize {
        let bytes = |Found { post, prediction }: &Found| {
            let told = prediction.entities.len() + prediction.candidates.as_ref().map_or(0, Vec::len);
            // Its text, and its words.
            2 * post.text().len() + told * BYTES_OF_AN_ENTITY
        };
        self.found.iter().map(bytes).sum()
    }
}

/// Time of a request: the longest that one of its posts took. Goes to the log and to the client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    pub(crate) posts: usize,
    pub(crate) queue: Duration,
    pub(crate) model: Duration,
}

/// Asks the model.
///
/// # Errors
/// 413 for more than the model reads in time, 429 for a full queue, 504 for a model that takes too
/// long, 500 with the first post at which it failed.
pub(crate) async fn ask(
    state: &State,
    model: &Arc<Model>,
    questions: Vec<Question>,
    candidates: Option<usize>,
) -> Result<Answers, Fault> {
    let n = questions.len();
    let (reply, mut answers) = mpsc::unbounded_channel();
    let since = Instant::now();
    let entry = |(index, Question { post, picture })| Entry {
        model: Arc::clone(model),
        post,
        picture,
        candidates,
        index,
        since,
        reply: reply.clone(),
    };
    let entries: Vec<Entry> = questions.into_iter().enumerate().map(entry).collect();
    drop(reply);
    if n == 0 {
        return Ok(Answers::default());
    }
    let time = state.settings.limits.request_time;
    push(state, entries, time)?;
    let all = async {
        let mut slots: Vec<Option<Answer>> = (0..n).map(|_| None).collect();
        while let Some((index, answer)) = answers.recv().await {
            slots[index] = Some(answer);
        }
        slots
    };
    let slots = timeout(time, all).await.map_err(|_| Fault::request_time(time))?;
    let mut gathered = Answers { took: Took { posts: n, ..Took::default() }, ..Answers::default() };
    for (i, slot) in slots.into_iter().enumerate() {
        // A post without an answer was in an engine that is gone.
        let Answer { found, waited, computed } = slot.ok_or_else(Fault::internal)?;
        gathered.took.queue = gathered.took.queue.max(waited);
        gathered.took.model = gathered.took.model.max(computed);
        gathered.found.push(found.map_err(|failure| Fault::failure(failure).of_post(i))?);
    }
    Ok(gathered)
}

/// Puts posts into the queue, if the model is expected to get in time through them, what waits and
/// what it is computing.
fn push(state: &State, entries: Vec<Entry>, time: Duration) -> Result<(), Fault> {
    let (n, own) = (entries.len(), entries.iter().map(Entry::pieces).sum::<usize>());
    let sure = time.mul_f64(PART_THAT_IS_SURE);
    let is_late = |pieces| state.speed.time_for(pieces) > sure;
    // One post, or one batch, is tried in any case, unless others wait: a model that was measured
    // in a bad moment is measured anew.
    if n > 1 && own > state.speed.batch() && is_late(own) {
        return Err(Fault::too_much(n, state.speed.time_for(own).as_secs_f64().ceil() as u64, sure));
    }
    let Ahead { posts, waiting, at_work } = state.queue.pieces();
    let full = |posts| Fault::queue_full(posts, state.speed.seconds_for(waiting + at_work));
    if waiting > 0 && is_late(waiting + at_work + own) {
        return Err(full(posts));
    }
    state.queue.push(entries).map_err(|queue| full(queue.posts))
}
