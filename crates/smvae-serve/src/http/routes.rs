//! The routes that do not predict: the model, health, metrics, the description, the page, loading
//! anew.

use crate::http::errors::{Fault, Refusal, json};
use crate::http::types::{Health, ModelCard, Reloaded};
use crate::metrics;
use crate::page;
use crate::state::{Reload, State};
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use std::sync::Arc;

/// What the model is, and the limits of requests.
#[utoipa::path(
    get, path = "/v1/model", tag = "smvae",
    responses(
        (status = 200, description = "The model", body = ModelCard),
        (status = 401, description = "The key is missing or wrong", body = Refusal),
    )
)]
pub(crate) async fn model(Shared(state): Shared<Arc<State>>) -> Response {
    json(&ModelCard::of(&state.current.get(), &state))
}

/// Load the run anew, without losing a request. It takes seconds, and until the last request to the
/// old model is answered, both are in memory.
#[utoipa::path(
    post, path = "/v1/reload", tag = "smvae",
    responses(
        (status = 200, description = "New requests are answered by what was loaded", body = Reloaded),
        (status = 401, description = "The key is missing or wrong", body = Refusal),
        (status = 403, description = "The service has no key", body = Refusal),
        (status = 409, description = "It is being loaded already", body = Refusal),
        (status = 500, description = "It cannot be loaded: the service continues with the old one", body = Refusal),
    )
)]
pub(crate) async fn reload(Shared(state): Shared<Arc<State>>) -> Result<Response, Fault> {
    if state.settings.key.is_none() {
        return Err(Fault::no_key());
    }
    let loading = Arc::clone(&state);
    let loaded = tokio::task::spawn_blocking(move || loading.reload()).await.map_err(|_| Fault::internal())?;
    match loaded {
        Ok(Reload::Done { seconds }) => {
            let weights_sha256 = state.current.get().weights_sha256.clone();
            Ok(json(&Reloaded { seconds, weights_sha256 }))
        }
        Ok(Reload::Busy) => Err(Fault::reloading()),
        Err(error) => {
            tracing::error!(%error, "the run was not loaded anew, the service continues with the old one");
            Err(Fault::reload(error.to_string()))
        }
    }
}

/// Whether the process is up.
#[utoipa::path(
    get, path = "/health/live", tag = "health",
    responses((status = 200, description = "It is", body = Health))
)]
pub(crate) async fn live() -> Response {
    json(&Health { status: "live" })
}

/// Whether it takes requests: the model is loaded, and the service was not told to end.
#[utoipa::path(
    get, path = "/health/ready", tag = "health",
    responses(
        (status = 200, description = "It does", body = Health),
        (status = 503, description = "It is ending", body = Health),
    )
)]
pub(crate) async fn ready(Shared(state): Shared<Arc<State>>) -> Response {
    if state.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, json(&Health { status: "draining" })).into_response();
    }
    json(&Health { status: "ready" })
}

/// Counters in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses(
        (status = 200, description = "OpenMetrics 1.0", body = String, content_type = "application/openmetrics-text"),
        (status = 401, description = "The key is missing or wrong", body = Refusal),
    )
)]
pub(crate) async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    let text = state.metrics.text(state.queue.length());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// The page to try the model.
pub(crate) async fn index() -> Response {
    let mut response = Html(page::HTML).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, page::policy().clone());
    headers.insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, header::HeaderValue::from_static("DENY"));
    response
}
