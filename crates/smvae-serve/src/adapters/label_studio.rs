//! An ML backend of Label Studio: four routes with the shapes of `label-studio-ml-backend`.
//!
//! Every task gets one result, also where nothing is found in it, so that results stay beside their
//! tasks. Offsets count UTF-16 units, as Label Studio's editor does: elsewhere in this service they
//! count characters. No picture of a task is fetched; what it shows, `caption` in a task's data
//! says.

use crate::adapters::ask_records;
use crate::adapters::tags::Tags;
use crate::answer::Found;
use crate::http::ask::Answers;
use crate::http::body::{self, Bytes};
use crate::http::errors::{Fault, Refusal, json};
use crate::http::posts;
use crate::http::split::beside;
use crate::model::Model;
use crate::state::State;
use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smvae::ScoredEntity;
use smvae::data::formats::PostRecord;
use smvae::data::utf16::Utf16;
use std::sync::Arc;
use utoipa::ToSchema;

/// Routes that anybody may ask.
pub(crate) fn open() -> Router<Arc<State>> {
    Router::new().route("/health", get(health))
}

/// Routes behind the key.
pub(crate) fn guarded() -> Router<Arc<State>> {
    Router::new().route("/setup", post(setup)).route("/predict", post(predict)).route("/webhook", post(webhook))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelStudioHealth)]
pub(crate) struct Health {
    status: &'static str,
    model_class: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelStudioSetup)]
pub(crate) struct Setup {
    model_version: String,
}

/// What Label Studio sends; fields that are not read here are left out.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = LabelStudioRequest)]
pub(crate) struct Predict {
    tasks: Vec<Task>,
    /// The labelling configuration.
    #[schema(example = r#"<View><Labels name="label" toName="text"/><Text name="text" value="$text"/></View>"#)]
    label_config: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = LabelStudioTask)]
struct Task {
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelStudioResults)]
pub(crate) struct Results {
    results: Vec<Prediction>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelStudioPrediction)]
struct Prediction {
    result: Vec<Region>,
    /// That of the least certain region, as `smvae predict --to label-studio` has it; 0 where there
    /// are none.
    score: f32,
    model_version: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelStudioRegion)]
struct Region {
    /// A string: with a number, the editor loads for ever.
    id: String,
    from_name: String,
    to_name: String,
    r#type: &'static str,
    score: f32,
    value: RegionValue,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelStudioRegionValue)]
struct RegionValue {
    /// In UTF-16 units.
    start: usize,
    end: usize,
    text: String,
    labels: Vec<String>,
}

/// Whether the backend is up.
#[utoipa::path(get, path = "/health", tag = "label studio",
    responses((status = 200, description = "It is", body = Health)))]
pub(crate) async fn health() -> Response {
    json(&Health { status: "UP", model_class: "smvae" })
}

/// Say which model answers; a project's configuration comes with every request.
#[utoipa::path(post, path = "/setup", tag = "label studio",
    responses(
        (status = 200, description = "The model", body = Setup),
        (status = 401, description = "The key is missing or wrong", body = Refusal),
    ))]
pub(crate) async fn setup(Shared(state): Shared<Arc<State>>) -> Response {
    json(&Setup { model_version: state.current.get().version() })
}

/// Find entities in tasks.
#[utoipa::path(post, path = "/predict", tag = "label studio", request_body = Predict,
    responses(
        (status = 200, description = "A result for each task", body = Results),
        (status = 400, description = "No JSON", body = Refusal),
        (status = 401, description = "The key is missing or wrong", body = Refusal),
        (status = 408, description = "The body took too long", body = Refusal),
        (status = 413, description = "Too many bytes, tasks or words, or more than the model reads in time", body = Refusal),
        (status = 415, description = "A compressed body", body = Refusal),
        (status = 422, description = "No tasks, or another configuration", body = Refusal),
        (status = 429, description = "The queue is full: see Retry-After", body = Refusal),
        (status = 500, description = "The model failed", body = Refusal),
        (status = 503, description = "The service is ending", body = Refusal),
        (status = 504, description = "The model took too long", body = Refusal),
    ))]
pub(crate) async fn predict(Shared(state): Shared<Arc<State>>, request: Request) -> Result<Response, Fault> {
    let _admitted = state.admit()?;
    let (head, body) = request.into_parts();
    let limits = &state.settings.limits;
    let Bytes { bytes, place: _place } = body::read(&state, &head.headers, body, limits.body_bytes).await?;
    let most = limits.posts;
    let Tasks { records, tags } = beside(bytes.len(), move || read(&bytes, most)).await?;
    let model = state.current.get();
    let answers = ask_records(&state, &model, records).await?;
    beside(answers.bytes(), move || Ok(answer(&answers, &tags, &model))).await
}

/// Take note of what happened in a project; nothing is trained here.
#[utoipa::path(post, path = "/webhook", tag = "label studio",
    responses(
        (status = 201, description = "Noted", body = Setup),
        (status = 401, description = "The key is missing or wrong", body = Refusal),
    ))]
pub(crate) async fn webhook(Shared(state): Shared<Arc<State>>) -> Response {
    (StatusCode::CREATED, json(&Setup { model_version: state.current.get().version() })).into_response()
}

/// The texts of a request, each with the `caption` of its task, if that has one, and how they and
/// their regions are named.
#[derive(Debug)]
pub(crate) struct Tasks {
    records: Vec<PostRecord>,
    tags: Tags,
}

/// Reads a request.
///
/// # Errors
/// 400 for what is no JSON, 413 for too many tasks, 422 for another configuration and for tasks
/// without a text.
pub(crate) fn read(body: &[u8], most: usize) -> Result<Tasks, Fault> {
    let Predict { tasks, label_config } = super::read_json(body)?;
    // Before anything is made of them: a body of small tasks has very many.
    if tasks.len() > most {
        return Err(Fault::too_many_posts(tasks.len(), most));
    }
    let tags = match label_config.filter(|config| !config.trim().is_empty()) {
        Some(config) => Tags::read(&config).map_err(|why| Fault::bad_post(why).of_field("label_config"))?,
        None => Tags::default(),
    };
    let records = tasks.iter().enumerate().map(|(i, task)| record(task, &tags).map_err(|fault| fault.of_post(i)));
    Ok(Tasks { records: records.collect::<Result<_, _>>()?, tags })
}

/// The text of a task, with its caption, unless that is the text itself.
fn record(task: &Task, tags: &Tags) -> Result<PostRecord, Fault> {
    let text = match task.data.get(&tags.field) {
        Some(Value::String(text)) => text,
        Some(_) => return Err(Fault::bad_post("the text of the task is not a string").of_field(tags.field.clone())),
        None => return Err(Fault::bad_post("the task has no text").of_field(tags.field.clone())),
    };
    let caption = task.data.get("caption").and_then(Value::as_str).filter(|_| tags.field != "caption");
    Ok(PostRecord { caption: caption.map(str::to_owned), ..posts::of_text(text)? })
}

fn answer(answers: &Answers, tags: &Tags, model: &Model) -> Response {
    let results = answers.found.iter().map(|found| prediction(found, tags, model)).collect();
    let mut response = json(&Results { results });
    response.extensions_mut().insert(answers.took);
    response
}

/// The result of one task, without entities whose label nobody may choose.
fn prediction(found: &Found, tags: &Tags, model: &Model) -> Prediction {
    let units = Utf16::of(found.post.text());
    let is_allowed = |entity: &&ScoredEntity| tags.labels.is_empty() || tags.labels.contains(&entity.label);
    let entities: Vec<&ScoredEntity> = found.prediction.entities.iter().filter(is_allowed).collect();
    let region = |(i, entity): (usize, &&ScoredEntity)| Region {
        id: format!("smvae-{i}"),
        from_name: tags.from_name.clone(),
        to_name: tags.to_name.clone(),
        r#type: "labels",
        score: entity.score,
        value: RegionValue {
            start: units.of_char(entity.start),
            end: units.of_char(entity.end),
            text: entity.text.clone(),
            labels: vec![entity.label.clone()],
        },
    };
    Prediction {
        score: entities.iter().map(|entity| entity.score).min_by(f32::total_cmp).unwrap_or(0.0),
        result: entities.iter().enumerate().map(region).collect(),
        model_version: model.version(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_is_that_of_the_task_unless_it_is_the_text() {
        let captions = |config: &str| {
            let task = serde_json::json!({"data": {"text": "in Oslo", "caption": "a city"}});
            let body = serde_json::json!({"tasks": [task], "label_config": config}).to_string();
            let tasks = read(body.as_bytes(), 1).expect("a request");
            tasks.records.into_iter().map(|record| record.caption).collect::<Vec<_>>()
        };
        let config = |field: &str| {
            format!(
                r#"<View><Labels name="l" toName="t"><Label value="LOC"/></Labels><Text name="t" value="${field}"/></View>"#
            )
        };
        assert_eq!(captions(&config("text")), [Some("a city".to_owned())]);
        assert_eq!(captions(&config("caption")), [None]);
    }

    #[test]
    fn tasks_are_counted_before_they_are_read() {
        let tasks = vec![serde_json::json!({"data": {}}); 3];
        let body = serde_json::json!({ "tasks": tasks }).to_string();
        let code = |most| read(body.as_bytes(), most).expect_err("no task has a text").problem.code;
        assert_eq!((code(2), code(3)), ("too_many_posts", "bad_post"));
    }
}
