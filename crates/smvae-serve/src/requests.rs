//! How the bodies of requests are read, route by route, and without a service: for the fuzz target
//! of `fuzz/`, and for the test that goes through what it has kept.

use crate::adapters::{label_studio, open_inference};
use crate::http::body::Kind;
use crate::http::{multipart, posts};
use axum::http::{HeaderMap, HeaderValue, header};
use futures_util::FutureExt as _;

/// As many posts as a request may have here: a body of a few kilobytes reaches beyond it.
const MOST_POSTS: usize = 8;

/// Whether a body is one for `POST /v1/predict`, of Label Studio, and of the Open Inference
/// Protocol.
pub fn are_read(content_type: &str, body: &[u8]) -> [bool; 3] {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    let predict = match Kind::of(&headers) {
        Ok(Kind::Json) => posts::read(body, MOST_POSTS).is_ok(),
        // The body is there as a whole, so that nothing is waited for.
        Ok(Kind::Multipart { boundary }) => {
            let form = multipart::read(body.to_vec(), &boundary, MOST_POSTS, body.len()).now_or_never();
            form.is_some_and(|form| form.and_then(|form| form.parts(MOST_POSTS)).is_ok())
        }
        Err(_) => false,
    };
    [predict, label_studio::read(body, MOST_POSTS).is_ok(), open_inference::read(body, MOST_POSTS).is_ok()]
}
