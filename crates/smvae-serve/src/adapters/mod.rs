//! Other protocols around the same model, so that programs that speak them need nothing new.

pub(crate) mod label_studio;
pub(crate) mod open_inference;
mod tags;

use crate::http::ask::{Answers, Question, ask};
use crate::http::errors::Fault;
use crate::http::split::split;
use crate::model::Model;
use crate::state::State;
use smvae::data::formats::PostRecord;
use std::sync::Arc;

/// Asks the model about posts of text alone, of which there are no more than a request may have.
async fn ask_records(state: &Arc<State>, model: &Arc<Model>, records: Vec<PostRecord>) -> Result<Answers, Fault> {
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
