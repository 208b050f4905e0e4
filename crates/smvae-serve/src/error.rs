//! What keeps a service from starting or from loading a run anew. What a request can do wrong is in
//! `http/errors.rs`.

use std::net::SocketAddr;

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of `smvae-serve`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that is out of its range.
    #[error("the setting `{name}` must be {want}, got {got}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it must be.
        want: String,
        /// What it is.
        got: String,
    },
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A thread or a runtime that the system does not give.
    #[error("cannot start the service")]
    Start(#[source] std::io::Error),
    /// A key that is too short, too long, or that no header can carry.
    #[error("the API key must be 8 to 512 visible ASCII characters, it has {got} bytes")]
    Key {
        /// Its length in bytes.
        got: usize,
    },
    /// A vision model for a model that looks at no images.
    #[error("the model was trained without images and cannot look at pictures: leave the vision model out")]
    NoImages,
    /// The service's own thread is gone.
    #[error("the service ended with a panic")]
    Panicked,
    /// The run, or its vision model.
    #[error(transparent)]
    Model(#[from] smvae::Error),
}
