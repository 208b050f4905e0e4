//! The description of the service, OpenAPI 3.1, from its types and routes.

use crate::adapters::{label_studio, open_inference};
use crate::http::errors::json_text;
use crate::http::{predict, routes};
use axum::response::Response;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(title = "smvae", description = "Named entities of posts, with their pictures where there are any."),
    paths(
        predict::predict,
        routes::model,
        routes::reload,
        routes::live,
        routes::ready,
        routes::metrics,
        open_inference::server,
        open_inference::live,
        open_inference::ready,
        open_inference::model,
        open_inference::model_ready,
        open_inference::infer,
        label_studio::health,
        label_studio::setup,
        label_studio::predict,
        label_studio::webhook,
    ),
    security((), ("key" = [])),
    modifiers(&Key),
)]
struct Description;

struct Key;

impl Modify for Key {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    json_text(description())
}

/// The description of the service as JSON, OpenAPI 3.1.
pub fn description() -> String {
    Description::openapi().to_json().expect("a description of our own types has a JSON form")
}
