//! The Open Inference Protocol, version 2, over HTTP: what KServe and Triton speak. One tensor of
//! texts goes in, one tensor of answers comes out, each the JSON object of `POST /v1/predict`.
//!
//! Errors have the protocol's own shape, `{"error": "..."}`. Tensors as bytes after the JSON, an
//! extension of Triton, are refused: its client sends JSON with `binary_data=False`.

use crate::adapters::ask_records;
use crate::answer::Found;
use crate::http::ask::Answers;
use crate::http::body::{self, Bytes};
use crate::http::errors::{self, Fault, json};
use crate::http::posts;
use crate::http::split::beside;
use crate::model::Model;
use crate::state::State;
use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use smvae::data::formats::{Fields, PostRecord};
use std::sync::Arc;
use utoipa::ToSchema;

/// Name of the model.
const NAME: &str = "smvae";
const INPUT: &str = "text";
const OUTPUT: &str = "entities";
const STRINGS: &str = "BYTES";
/// The header of Triton's extension.
const BINARY: &str = "inference-header-content-length";

/// Routes that anybody may ask.
pub(crate) fn open() -> Router<Arc<State>> {
    Router::new().route("/v2/health/live", get(live)).route("/v2/health/ready", get(ready))
}

/// Routes behind the key.
pub(crate) fn guarded() -> Router<Arc<State>> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/models/smvae", get(model))
        .route("/v2/models/smvae/ready", get(model_ready))
        .route("/v2/models/smvae/infer", post(infer))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenInferenceServer)]
pub(crate) struct Server {
    name: &'static str,
    version: &'static str,
    extensions: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenInferenceModel)]
pub(crate) struct Metadata {
    name: &'static str,
    versions: Vec<String>,
    platform: &'static str,
    inputs: Vec<TensorMetadata>,
    outputs: Vec<TensorMetadata>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenInferenceTensorMetadata)]
struct TensorMetadata {
    name: &'static str,
    datatype: &'static str,
    shape: Vec<i64>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenInferenceRequest)]
pub(crate) struct Inference {
    id: Option<String>,
    #[schema(min_items = 1, max_items = 1)]
    inputs: Vec<Input>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenInferenceInput)]
struct Input {
    #[schema(pattern = "^text$")]
    name: String,
    /// `[n]` or `[n, 1]`.
    shape: Vec<usize>,
    #[schema(pattern = "^BYTES$")]
    datatype: String,
    /// Texts.
    data: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenInferenceAnswer)]
pub(crate) struct Inferred {
    model_name: &'static str,
    model_version: String,
    id: Option<String>,
    outputs: Vec<Output>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenInferenceOutput)]
struct Output {
    name: &'static str,
    shape: Vec<usize>,
    datatype: &'static str,
    /// JSON objects, each as a string.
    data: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenInferenceHealth)]
pub(crate) struct Health {
    name: &'static str,
    ready: bool,
}

/// The protocol asks for the status alone; KServe's client reads this.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenInferenceLive)]
pub(crate) struct Live {
    live: bool,
}

/// See [`Live`].
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenInferenceReady)]
pub(crate) struct Ready {
    ready: bool,
}

/// The protocol's shape of an error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenInferenceError)]
pub(crate) struct Refusal {
    error: String,
}

/// A fault in the protocol's shape.
pub(crate) struct Refused(Fault);

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let problem = &self.0.problem;
        let place = problem.post.map_or_else(String::new, |post| format!("text {post}: "));
        self.0.around(json(&Refusal { error: format!("{place}{}", problem.message) }))
    }
}

/// What speaks here.
#[utoipa::path(get, path = "/v2", tag = "open inference",
    responses(
        (status = 200, description = "The service", body = Server),
        (status = 401, description = "The key is missing or wrong", body = errors::Refusal),
    ))]
pub(crate) async fn server() -> Response {
    json(&Server { name: NAME, version: env!("CARGO_PKG_VERSION"), extensions: Vec::new() })
}

/// Whether the process is up.
#[utoipa::path(get, path = "/v2/health/live", tag = "open inference",
    responses((status = 200, description = "It is", body = Live)))]
pub(crate) async fn live() -> Response {
    json(&Live { live: true })
}

/// Whether it takes requests.
#[utoipa::path(get, path = "/v2/health/ready", tag = "open inference",
    responses(
        (status = 200, description = "It does", body = Ready),
        (status = 503, description = "It is ending", body = Ready),
    ))]
pub(crate) async fn ready(Shared(state): Shared<Arc<State>>) -> Response {
    let ready = !state.is_draining();
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, json(&Ready { ready })).into_response()
}

/// What goes in and what comes out.
#[utoipa::path(get, path = "/v2/models/smvae", tag = "open inference",
    responses(
        (status = 200, description = "The model", body = Metadata),
        (status = 401, description = "The key is missing or wrong", body = errors::Refusal),
    ))]
pub(crate) async fn model(Shared(state): Shared<Arc<State>>) -> Response {
    let tensor = |name| TensorMetadata { name, datatype: STRINGS, shape: vec![-1] };
    json(&Metadata {
        name: NAME,
        versions: vec![state.current.get().version()],
        platform: "smvae",
        inputs: vec![tensor(INPUT)],
        outputs: vec![tensor(OUTPUT)],
    })
}

/// Whether the model takes requests.
#[utoipa::path(get, path = "/v2/models/smvae/ready", tag = "open inference",
    responses(
        (status = 200, description = "It does", body = Health),
        (status = 401, description = "The key is missing or wrong", body = errors::Refusal),
        (status = 503, description = "The service is ending", body = Health),
    ))]
pub(crate) async fn model_ready(Shared(state): Shared<Arc<State>>) -> Response {
    let ready = !state.is_draining();
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, json(&Health { name: NAME, ready }))
        .into_response()
}

/// Find entities in texts.
#[utoipa::path(post, path = "/v2/models/smvae/infer", tag = "open inference", request_body = Inference,
    responses(
        (status = 200, description = "An answer to each text", body = Inferred),
        (status = 400, description = "No JSON", body = Refusal),
        (status = 401, description = "The key is missing or wrong", body = errors::Refusal),
        (status = 408, description = "The body took too long", body = Refusal),
        (status = 413, description = "Too many bytes, texts or words, or more than the model reads in time", body = Refusal),
        (status = 415, description = "A compressed body", body = Refusal),
        (status = 422, description = "No such inference", body = Refusal),
        (status = 429, description = "The queue is full: see Retry-After", body = Refusal),
        (status = 500, description = "The model failed", body = Refusal),
        (status = 503, description = "The service is ending", body = Refusal),
        (status = 504, description = "The model took too long", body = Refusal),
    ))]
pub(crate) async fn infer(Shared(state): Shared<Arc<State>>, request: Request) -> Result<Response, Refused> {
    let _admitted = state.admit()?;
    let (head, body) = request.into_parts();
    if head.headers.contains_key(BINARY) {
        return Err(Fault::bad_post("tensors as bytes are not read: send JSON, binary_data=False").into());
    }
    let limits = &state.settings.limits;
    let Bytes { bytes, place: _place } = body::read(&state, &head.headers, body, limits.body_bytes).await?;
    let most = limits.posts;
    let Texts { inference, records } = beside(bytes.len(), move || read(&bytes, most)).await?;
    let model = state.current.get();
    let answers = ask_records(&state, &model, records).await?;
    beside(answers.bytes(), move || Ok(answer(inference, &model, answers))).await.map_err(Refused)
}

fn answer(inference: Inference, model: &Model, answers: Answers) -> Response {
    let Answers { found, took } = answers;
    let line = |found: Found| smvae::json::answer(&Fields::default(), &found.post, found.prediction);
    let data: Vec<String> = found.into_iter().map(line).collect();
    let output = Output { name: OUTPUT, shape: inference.inputs[0].shape.clone(), datatype: STRINGS, data };
    let inferred =
        Inferred { model_name: NAME, model_version: model.version(), id: inference.id, outputs: vec![output] };
    let mut response = json(&inferred);
    response.extensions_mut().insert(took);
    response
}

/// A request that was checked, and its texts as posts.
#[derive(Debug)]
pub(crate) struct Texts {
    inference: Inference,
    records: Vec<PostRecord>,
}

/// Reads a request whose texts can be told.
///
/// # Errors
/// 400 for what is no JSON, 413 for too many texts, 422 for what is no tensor of texts.
pub(crate) fn read(body: &[u8], most: usize) -> Result<Texts, Fault> {
    let inference: Inference = super::read_json(body)?;
    check(&inference)?;
    let texts = inference.texts();
    // Before anything is made of them: a body of short texts has very many.
    if texts.len() > most {
        return Err(Fault::too_many_posts(texts.len(), most));
    }
    let records = texts.iter().map(|text| posts::of_text(text)).collect::<Result<_, _>>()?;
    Ok(Texts { inference, records })
}

impl Inference {
    /// The texts of a request that was checked.
    fn texts(&self) -> &[String] {
        self.inputs[0].data.as_deref().unwrap_or_default()
    }
}

/// Checks that there is one input, of texts.
fn check(inference: &Inference) -> Result<(), Fault> {
    let [input] = &inference.inputs[..] else {
        return Err(Fault::bad_post(format!("expected one input, got {}", inference.inputs.len())).of_field("inputs"));
    };
    if input.name != INPUT || input.datatype != STRINGS {
        let why = format!("expected the input {INPUT:?} of type {STRINGS}");
        return Err(Fault::bad_post(why).of_field("inputs"));
    }
    let data = input.data.as_deref().ok_or_else(|| Fault::bad_post("the input has no data").of_field("data"))?;
    if input.shape != [data.len()] && input.shape != [data.len(), 1] {
        let why = format!("the shape {:?} is not that of {} texts", input.shape, data.len());
        return Err(Fault::bad_post(why).of_field("shape"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted() {
        let code = |n: usize| {
            let input = serde_json::json!({"name": "text", "datatype": "BYTES", "shape": [n], "data": vec!["a"; n]});
            let body = serde_json::json!({ "inputs": [input] }).to_string();
            read(body.as_bytes(), 2).map_or_else(
                |fault| fault.problem.code,
                |texts| {
                    assert_eq!(texts.records.len(), n);
                    "fine"
                },
            )
        };
        assert_eq!((code(2), code(3)), ("fine", "too_many_posts"));
    }
}
