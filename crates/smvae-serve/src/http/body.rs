//! The body of a request: what it says it is, and its bytes, within a number, a time, and what all
//! bodies may take of memory.

use crate::http::errors::Fault;
use crate::state::State;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// What a body says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `application/json`.
    Json,
    /// `multipart/form-data` with this boundary.
    Multipart {
        /// Without the hyphens before it.
        boundary: String,
    },
}

impl Kind {
    /// What the headers say.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = named.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            return Ok(Self::Json);
        }
        if essence.eq_ignore_ascii_case("multipart/form-data") {
            let boundary = multer::parse_boundary(named);
            return boundary
                .map(|boundary| Self::Multipart { boundary })
                .map_err(|error| Fault::bad_multipart(error.to_string()));
        }
        Err(Fault::content_type())
    }
}

/// The bytes of a body, with their place in the memory that all bodies may take.
#[derive(Debug)]
pub(crate) struct Bytes {
    pub(crate) bytes: Vec<u8>,
    /// Held for as long as anything that was made of the bytes.
    pub(crate) place: Place,
}

/// A place in the memory that all bodies may take, until it is dropped.
pub(crate) type Place = Vec<OwnedSemaphorePermit>;

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 400 for a body that breaks off, 408, 413, 415 for a compressed one, and 429 where other bodies
/// take all memory.
pub(crate) async fn read(state: &Arc<State>, headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Fault> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Fault::content_encoding());
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Fault::too_large(limit));
    }
    let time = state.settings.limits.body_time;
    timeout(time, read_all(state, body, length.unwrap_or(0), limit)).await.map_err(|_| Fault::body_time(time))?
}

async fn read_all(state: &Arc<State>, mut body: Body, length: usize, limit: usize) -> Result<Bytes, Fault> {
    let (mut place, mut places) = (0, Vec::new());
    let mut bytes = Vec::new();
    let mut reserve = |bytes: usize| {
        // What is announced is reserved before it comes, the rest as it comes.
        let kib = bytes.div_ceil(1024).saturating_sub(place);
        if kib > 0 {
            let permit = Arc::clone(&state.bodies).try_acquire_many_owned(kib as u32);
            places.push(permit.map_err(|_| Fault::too_many_bodies())?);
            place += kib;
        }
        Ok::<_, Fault>(())
    };
    reserve(length)?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::bad_body(format!("the body cannot be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(Fault::too_large(limit));
        }
        reserve(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(Bytes { bytes, place: places })
}
