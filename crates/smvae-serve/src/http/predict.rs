//! `POST /v1/predict`: a post or a list of posts, as JSON or with pictures; answered by an object
//! or by a list, in the wire form of `smvae predict`.

use crate::entry::Picture;
use crate::http::ask::{Answers, Question, ask};
use crate::http::body::{self, Bytes, Kind, Place};
use crate::http::errors::{Fault, Refusal, json_text};
use crate::http::multipart::{self, Parts};
use crate::http::split::{beside, split};
use crate::http::types::{PostOrPosts, PredictedPosts, Upload};
use crate::http::{pictures, posts};
use crate::model::Model;
use crate::state::State;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State as Shared};
use axum::response::Response;
use serde::Deserialize;
use smvae::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::IntoParams;

/// The most candidates that can be asked for.
const MOST_CANDIDATES: usize = 1000;

/// What a request to predict may ask for.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Options {
    /// So many of the most probable spans of each post, the most probable first, whether they are
    /// found or not; those of a probability below 0.001 are left out.
    #[param(minimum = 0, maximum = 1000)]
    candidates: Option<usize>,
}

/// Find entities in a post, or in each post of a list.
///
/// The answer has the post's own fields, then ours. Offsets count characters (Unicode scalar
/// values) of the text as it was given.
#[utoipa::path(
    post, path = "/v1/predict", tag = "smvae", params(Options),
    request_body(
        content((PostOrPosts = "application/json"), (Upload = "multipart/form-data")),
        description = "A post or a list of posts; pictures are parts beside them."
    ),
    responses(
        (status = 200, description = "What was found, in order", body = PredictedPosts),
        (status = 400, description = "No JSON, no multipart, a field twice, a bad parameter", body = Refusal),
        (status = 401, description = "The key is missing or wrong", body = Refusal),
        (status = 408, description = "The body took too long", body = Refusal),
        (status = 413, description = "Too many bytes, posts, words or pixels, or more than the model reads in time", body = Refusal),
        (status = 415, description = "Another content type, or a compressed body", body = Refusal),
        (status = 422, description = "No post, or no picture", body = Refusal),
        (status = 429, description = "The queue is full: see Retry-After", body = Refusal),
        (status = 500, description = "The model failed", body = Refusal),
        (status = 503, description = "The service is ending", body = Refusal),
        (status = 504, description = "The model took too long", body = Refusal),
    )
)]
pub(crate) async fn predict(
    Shared(state): Shared<Arc<State>>,
    options: Result<Query<Options>, QueryRejection>,
    request: Request,
) -> Result<Response, Fault> {
    let _admitted = state.admit()?;
    let Query(options) = options.map_err(|rejection| Fault::bad_query(rejection.body_text()))?;
    if options.candidates.is_some_and(|n| n > MOST_CANDIDATES) {
        return Err(Fault::bad_query(format!("at most {MOST_CANDIDATES}")).of_field("candidates"));
    }
    let (parts, _place) = parts(&state, request).await?;
    let model = state.current.get();
    let questions = questions(&state, &model, &parts).await?;
    let answers = ask(&state, &model, questions, options.candidates).await?;
    beside(answers.bytes(), move || Ok(answer(&parts, answers))).await
}

/// Reads the posts and pictures of a request, which keep its place until it is answered.
async fn parts(state: &Arc<State>, request: Request) -> Result<(Parts, Place), Fault> {
    let limits = &state.settings.limits;
    let most_posts = limits.posts;
    let (head, body) = request.into_parts();
    match Kind::of(&head.headers)? {
        Kind::Json => {
            let Bytes { bytes, place } = body::read(state, &head.headers, body, limits.body_bytes).await?;
            let posts = beside(bytes.len(), move || posts::read(&bytes, most_posts)).await?;
            Ok((Parts { posts, pictures: BTreeMap::new() }, place))
        }
        Kind::Multipart { boundary } => {
            let Bytes { bytes, place } = body::read(state, &head.headers, body, limits.upload_bytes).await?;
            let form = multipart::read(bytes, &boundary, most_posts, limits.body_bytes).await?;
            let parts = beside(form.bytes_of_posts(), move || form.parts(most_posts)).await?;
            Ok((parts, place))
        }
    }
}

/// The posts of a request as the model takes them.
async fn questions(state: &Arc<State>, model: &Arc<Model>, parts: &Parts) -> Result<Vec<Question>, Fault> {
    let limit = state.settings.limits.pictures;
    if parts.pictures.len() > limit {
        // No waiting would help.
        return Err(Fault::more_pictures(parts.pictures.len(), limit));
    }
    let mut prepared: BTreeMap<&str, Picture> = BTreeMap::new();
    let mut questions = Vec::with_capacity(parts.posts.records.len());
    for (i, post) in split(state, model, parts.posts.records.clone()).await?.into_iter().enumerate() {
        let name = parts.picture_of(&parts.posts.records[i]);
        let picture = match name.map(|name| (name, prepared.get(name))) {
            None => None,
            Some((_, Some(picture))) => Some(picture.clone()),
            Some((name, None)) => {
                let made = pictures::prepare(state, model, parts.pictures[name].clone()).await;
                let made = made.map_err(|fault| fault.of_post(i).of_field(name))?;
                prepared.insert(name, made.clone());
                Some(made)
            }
        };
        questions.push(Question { post, picture });
    }
    Ok(questions)
}

/// The answer: an object for an object, a list for a list.
fn answer(parts: &Parts, answers: Answers) -> Response {
    let Answers { found, took } = answers;
    let mut text = String::new();
    for (record, found) in parts.posts.records.iter().zip(found) {
        if !text.is_empty() {
            text.push(',');
        }
        text += &json::answer(&record.fields, &found.post, found.prediction);
    }
    if parts.posts.is_list {
        text = format!("[{text}]");
    }
    let mut response = json_text(text);
    response.extensions_mut().insert(took);
    response
}
