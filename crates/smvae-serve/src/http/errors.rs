//! Every way in which a request is refused or fails: one status, one code and one sentence each, in
//! one shape.
//!
//! ```text
//! {"error": {"code": "too_many_words", "message": "...", "post": 3, "field": "text"}}
//! ```
//! The table of all of them is in `docs/serve.md`, and a test asks for each row.

use crate::answer::Failure;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong, as an answer says it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// One word for programs.
    #[schema(example = "too_many_words")]
    pub(crate) code: &'static str,
    /// One sentence for people.
    pub(crate) message: String,
    /// Which post of the list, from 0; `null` where it is none of them.
    #[schema(minimum = 0)]
    pub(crate) post: Option<usize>,
    /// Which field, part or parameter; `null` where it is none of them.
    pub(crate) field: Option<String>,
}

/// The one shape of an error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Refusal {
    pub(crate) error: Problem,
}

/// A request that gets no answer but this.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) problem: Problem,
    /// Seconds after which it may be tried again.
    pub(crate) retry_after: Option<u64>,
}

/// The code of an answer, for the log and the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code(pub(crate) &'static str);

impl Fault {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let problem = Problem { code, message: message.into(), post: None, field: None };
        Self { status, problem, retry_after: None }
    }

    /// The same, of a post of the request.
    pub(crate) fn of_post(mut self, post: usize) -> Self {
        self.problem.post = Some(post);
        self
    }

    /// The same, of a field, a part or a parameter.
    pub(crate) fn of_field(mut self, field: impl Into<String>) -> Self {
        self.problem.field = Some(field.into());
        self
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub(crate) fn bad_json(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_json", why)
    }

    pub(crate) fn bad_multipart(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_multipart", why)
    }

    pub(crate) fn bad_query(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", why)
    }

    /// The body ended before it was whole, or was not sent as HTTP asks.
    pub(crate) fn bad_body(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_body", why)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "show the key: Authorization: Bearer KEY")
    }

    pub(crate) fn no_key() -> Self {
        let why = "only a service with a key loads its run anew for a request: start it with a key, or send SIGHUP";
        Self::new(StatusCode::FORBIDDEN, "forbidden", why)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such route: /openapi.json describes them")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route takes another method")
    }

    pub(crate) fn body_time(limit: std::time::Duration) -> Self {
        let why = format!("the body was not whole within {} seconds", limit.as_secs_f64());
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_time", why)
    }

    pub(crate) fn reloading() -> Self {
        Self::new(StatusCode::CONFLICT, "reloading", "the run is being loaded already")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let why = format!("the body has more than {limit} bytes, which is the limit");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", why)
    }

    /// A part that is no picture and has more bytes than a body without pictures may have.
    pub(crate) fn large_part(limit: usize) -> Self {
        let why = format!("the part has more than {limit} bytes, which is the limit: send less at once");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", why)
    }

    pub(crate) fn too_many_posts(got: usize, limit: usize) -> Self {
        let why = format!("the request has {got} posts, the limit is {limit}: send them in parts");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_posts", why)
    }

    pub(crate) fn too_many_words(got: usize, limit: usize) -> Self {
        let why = format!("the post has {got} words, the limit is {limit}: cut it");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_words", why)
    }

    /// A text that would have too many words if they were of usual length.
    pub(crate) fn too_many_bytes(got: usize, limit: usize) -> Self {
        let why = format!("the post has {got} bytes of text, the limit is {limit}: cut it");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_words", why)
    }

    pub(crate) fn more_pictures(got: usize, limit: usize) -> Self {
        let why = format!("the request has {got} pictures, the limit is {limit}: send them in several requests");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_pictures", why)
    }

    pub(crate) fn too_many_pixels(why: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_pixels", why)
    }

    pub(crate) fn content_type() -> Self {
        let why = "send application/json, or multipart/form-data with pictures";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", why).of_field("content-type")
    }

    pub(crate) fn content_encoding() -> Self {
        let why = "compressed bodies are not read: send it as it is";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding", why).of_field("content-encoding")
    }

    /// JSON that is no post.
    pub(crate) fn bad_post(why: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_post", why)
    }

    pub(crate) fn bad_picture(why: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_picture", why)
    }

    pub(crate) fn no_pictures(why: &'static str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_pictures", why)
    }

    pub(crate) fn unused_picture() -> Self {
        let why = "no post names this part as its image";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unused_picture", why)
    }

    /// Posts that take the model longer than the part of the time for a request that is sure.
    pub(crate) fn too_much(posts: usize, seconds: u64, sure: std::time::Duration) -> Self {
        let why = format!(
            "the model needs about {seconds} seconds for these {posts} posts, and at most {} are sure to be in time: \
             send fewer at once",
            sure.as_secs_f64()
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_much", why)
    }

    pub(crate) fn queue_full(posts: usize, seconds: u64) -> Self {
        let why =
            format!("{posts} posts wait for the model, and there is no room for these: try again later, or send fewer");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", why).retry_after(seconds)
    }

    pub(crate) fn too_many_bodies() -> Self {
        let why = "the bodies of other requests take all the memory there is for them: try again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_bodies", why).retry_after(1)
    }

    pub(crate) fn pictures_full(limit: usize) -> Self {
        let why = format!("{limit} pictures are in hand, which is the limit: try again later");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "pictures_full", why).retry_after(1)
    }

    pub(crate) fn internal() -> Self {
        let why = "the service failed at this request; the log says where";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why)
    }

    pub(crate) fn model(why: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "model", why)
    }

    pub(crate) fn reload(why: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "reload", why)
    }

    pub(crate) fn draining() -> Self {
        let why = "the service is ending: ask another one";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", why).retry_after(1)
    }

    pub(crate) fn request_time(limit: std::time::Duration) -> Self {
        let why = format!("there was no answer within {} seconds: send less at once", limit.as_secs_f64());
        Self::new(StatusCode::GATEWAY_TIMEOUT, "request_time", why)
    }

    pub(crate) fn failure(failure: Failure) -> Self {
        match failure {
            Failure::Model(why) => Self::model(why),
            Failure::Picture => Self::bad_picture("the vision model's numbers are not finite for this picture"),
            Failure::Panic => Self::internal(),
        }
    }

    /// The headers of the answer, around another body.
    pub(crate) fn around(&self, body: impl IntoResponse) -> Response {
        let mut response = (self.status, body).into_response();
        response.extensions_mut().insert(Code(self.problem.code));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        self.around(json(&Refusal { error: self.problem.clone() }))
    }
}

/// A value as a body of JSON.
pub(crate) fn json(value: &impl Serialize) -> Response {
    json_text(serde_json::to_string(value).expect("our own types have a JSON form"))
}

/// Text that is JSON already as a body.
pub(crate) fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
