//! Other protocols around the same model, so that programs that speak them need nothing new.

pub(crate) mod label_studio;
pub(crate) mod open_inference;
mod tags;

use crate::http::ask::{Answers, Question, ask};
use crate::http::errors::Fault;
use crate::http::posts;
use crate::http::split::split;
use crate::model::Model;
use crate::state::State;
use smvae::data::formats::PostRecord;
use std::sync::Arc;

/// A text to find entities in, and what its image shows, if that is known.
#[derive(Debug)]
struct Asked<'a> {
    text: &'a str,
    caption: Option<&'a str>,
}

/// Asks the model about texts.
async fn ask_texts(state: &Arc<State>, model: &Arc<Model>, texts: &[Asked<'_>]) -> Result<Answers, Fault> {
    let limits = &state.settings.limits;
    if texts.len() > limits.posts {
        return Err(Fault::too_many_posts(texts.len(), limits.posts));
    }
    let record = |asked: &Asked<'_>| {
        let caption = asked.caption.map(str::to_owned);
        Ok(PostRecord { caption, ..posts::of_text(asked.text)? })
    };
    let records = texts.iter().map(record).collect::<Result<_, Fault>>()?;
    let posts = split(state, model, records).await?;
    let questions = posts.into_iter().map(|post| Question { post, picture: None }).collect();
    ask(state, model, questions, None).await
}

/// Reads a body of another protocol.
fn read_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| {
        let why = format!("the body cannot be read: {error}");
        if error.is_data() { Fault::bad_post(why) } else { Fault::bad_json(why) }
    })
}
