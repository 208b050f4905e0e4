//! A picture of a request: bytes to what the vision model takes, within a number of pixels, and no
//! more of them at a time than memory has room for. Never a path, never an address.

use crate::entry::Picture;
use crate::http::errors::Fault;
use crate::model::Model;
use crate::state::State;
use axum::body::Bytes;
use smvae::encoders::vision::{DecodeLimits, ImageFault, decode};
use std::sync::Arc;

/// Decodes and prepares a picture.
///
/// # Errors
/// 413 for too many pixels, 422 for what is no picture or a model that looks at none, 429 where too
/// many are in hand.
pub(crate) async fn prepare(state: &Arc<State>, model: &Arc<Model>, bytes: Bytes) -> Result<Picture, Fault> {
    if model.vision.is_none() {
        let why = if model.predictor.image_identity().is_some() {
            "the service was started without the vision model that reads pictures for its model"
        } else {
            "the model was trained without images and looks at no pictures"
        };
        return Err(Fault::no_pictures(why));
    }
    let limits = &state.settings.limits;
    let place = Arc::clone(&state.pictures).try_acquire_owned();
    let place = place.map_err(|_| Fault::pictures_full(limits.pictures))?;
    // Never closed.
    let _decoder = Arc::clone(&state.decoders).acquire_owned().await.map_err(|_| Fault::internal())?;
    let mut decode_limits = DecodeLimits::default();
    (decode_limits.pixels, decode_limits.bytes) = (limits.pixels, limits.upload_bytes as u64);
    let model = Arc::clone(model);
    let pixels = move || {
        let preprocessing = &model.vision.as_ref()?.identity.preprocessing;
        Some(decode(&bytes, &decode_limits, &preprocessing.reading()).map(|image| preprocessing.apply(&image)))
    };
    // A decoder that panics is no reason to end.
    let pixels = tokio::task::spawn_blocking(pixels).await.ok().flatten();
    let pixels = pixels.ok_or_else(Fault::internal)?.map_err(|fault| match fault {
        ImageFault::Pixels { .. } => Fault::too_many_pixels(fault.to_string()),
        other => Fault::bad_picture(other.to_string()),
    })?;
    Ok(Picture { pixels: Arc::new(pixels), _place: Arc::new(place) })
}
