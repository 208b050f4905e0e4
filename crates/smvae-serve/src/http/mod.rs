//! HTTP: which route is answered by what, and what every request passes on its way.

pub(crate) mod ask;
pub(crate) mod body;
pub(crate) mod errors;
pub(crate) mod multipart;
mod observe;
pub(crate) mod openapi;
mod pictures;
pub(crate) mod posts;
mod predict;
mod routes;
pub(crate) mod split;
mod types;

use crate::adapters::{label_studio, open_inference};
use crate::state::State;
use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use errors::Fault;
use std::any::Any;
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// All routes.
pub(crate) fn router(state: &Arc<State>) -> Router {
    let guarded = Router::new()
        .route("/v1/predict", post(predict::predict))
        .route("/v1/model", get(routes::model))
        .route("/v1/reload", post(routes::reload))
        .route("/metrics", get(routes::metrics))
        .merge(open_inference::guarded())
        .merge(label_studio::guarded())
        .route_layer(from_fn_with_state(Arc::clone(state), require_key));
    Router::new()
        .route("/", get(routes::index))
        .route("/openapi.json", get(openapi::openapi))
        .route("/health/live", get(routes::live))
        .route("/health/ready", get(routes::ready))
        .merge(open_inference::open())
        .merge(label_studio::open())
        .merge(guarded)
        .fallback(async || Fault::not_found())
        .method_not_allowed_fallback(async || Fault::method_not_allowed())
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| Fault::internal().into_response()))
        .layer(from_fn_with_state(Arc::clone(state), observe::observe))
        .with_state(Arc::clone(state))
}

/// Lets pass who shows the key, and everybody where there is none.
async fn require_key(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    match &state.settings.key {
        Some(key) if !key.is_shown(request.headers()) => Fault::unauthorized().into_response(),
        _ => next.run(request).await,
    }
}
