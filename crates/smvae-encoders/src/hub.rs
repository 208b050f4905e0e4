//! Models from the Hugging Face hub: `owner/name[@revision]` to a folder of files, through the
//! cache that other programs use as well.
//!
//! ```text
//! revision -> commit, list of files -> wanted files -> blobs/DIGEST -> snapshots/COMMIT/FILE
//! ```
//! Names, addresses and the layout of the cache are hf-hub's. The bytes are fetched here
//! (`hub/transfer.rs`), since hf-hub 0.5 does not check what arrived, appends a whole file to a
//! part where a server ignores ranges, and shows the token to the host it is sent on to. A file
//! stands under its name only after its length and digest were checked.

mod environment;
mod error;
mod listing;
mod model_id;
mod transfer;

pub use error::HubError;
pub use listing::Progress;
pub use model_id::ModelId;

use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};
use listing::{Listing, is_hex};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use transfer::Transfer;

/// The hub, unless `HF_ENDPOINT` names another.
pub const ENDPOINT: &str = "https://huggingface.co";

/// A server that is silent for this long is taken to be gone.
const PATIENCE: Duration = Duration::from_secs(30);

impl FromStr for ModelId {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let (name, revision) = text.split_once('@').unwrap_or((text, "main"));
        let plain = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed) && !part.contains("..")
        };
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() != 2 || !parts.into_iter().chain(revision.split('/')).all(plain) {
            return Err(HubError::ModelId { got: text.to_owned() });
        }
        Ok(Self { name: name.to_owned(), revision: revision.to_owned() })
    }
}

/// Where models are fetched from and kept.
#[derive(Clone)]
pub struct Hub {
    /// Folder of the cache.
    pub cache: PathBuf,
    /// Address of the hub, without a slash at its end.
    pub endpoint: String,
    /// Token for models that not everyone may read.
    pub token: Option<String>,
    /// Nothing is fetched; what the cache holds is taken.
    pub offline: bool,
}

/// A model's files on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The folder they are in.
    pub folder: PathBuf,
    /// The commit they are of, 40 hexadecimal digits.
    pub revision: String,
}

impl std::fmt::Debug for Hub {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cache, endpoint, token, offline } = self;
        let token = token.as_ref().map(|_| "...");
        f.debug_struct("Hub")
            .field("cache", cache)
            .field("endpoint", endpoint)
            .field("token", &token)
            .field("offline", offline)
            .finish()
    }
}

impl Hub {
    /// What the environment says, as the Python package huggingface_hub reads it. The cache is
    /// `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or in `huggingface` in `XDG_CACHE_HOME`, or in
    /// `~/.cache/huggingface`. A token is `HF_TOKEN`, or in the file `HF_TOKEN_PATH`, or in `token`
    /// in `HF_HOME`. `HF_ENDPOINT` is another hub, `HF_HUB_OFFLINE=1` forbids transfers.
    ///
    /// # Errors
    /// [`HubError::NoHome`] if there is no folder to have a cache in.
    pub fn from_env() -> Result<Self, HubError> {
        let text = |name: &str| {
            std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let environment::Places { cache, token } =
            environment::places(text, std::env::home_dir()).ok_or(HubError::NoHome)?;
        let of_file = || {
            let token = std::fs::read_to_string(token?).ok()?.trim().to_owned();
            (!token.is_empty()).then_some(token)
        };
        Ok(Self {
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()).trim_end_matches('/').to_owned(),
            token: environment::token(text).or_else(of_file),
            offline: environment::is_offline(text),
            cache,
        })
    }

    /// Fetches those files of a model that are wanted and not in the cache yet. `wanted` chooses
    /// among the names of all files of the model; `on_progress` is told how far each transfer is,
    /// and may stop it: the part that has arrived is kept, and the next transfer continues from
    /// there. While another program transfers the same file, `on_progress` is told how far that one
    /// is. Offline, the folder is what the cache has of this revision, whichever files these are.
    ///
    /// # Errors
    /// A [`HubError`], whose message says what to do.
    pub fn fetch(
        &self,
        model: &ModelId,
        wanted: impl Fn(&[&str]) -> Vec<String>,
        on_progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Fetched, HubError> {
        if self.offline {
            let missing = || HubError::Offline { model: model.clone(), cache: self.cache.clone() };
            return self.cached(model).ok_or_else(missing);
        }
        let listing = self.listing(model)?;
        let names: Vec<&str> = listing.files.iter().map(|file| file.name.as_str()).collect();
        let wanted = wanted(&names);
        let repo = Repo::with_revision(model.name.clone(), RepoType::Model, listing.commit.clone());
        let cache = Cache::new(self.cache.clone()).repo(repo.clone());
        let transfer = Transfer {
            agent: agent(),
            address: format!("{}/{}/resolve/{}", self.endpoint, model.name, listing.commit),
            token: self.token.as_deref(),
            blobs: cache.blob_path(""),
            snapshot: cache.pointer_path(&listing.commit),
        };
        for file in listing.files.iter().filter(|file| wanted.contains(&file.name)) {
            transfer.fetch(file, on_progress).map_err(|error| match error {
                // Everybody may see the list of a gated model's files, but not the files.
                HubError::Status { status: status @ (401 | 403), .. } => self.refused(model, status),
                other => other,
            })?;
        }
        let branch = Repo::with_revision(model.name.clone(), RepoType::Model, model.revision.clone());
        if model.revision != listing.commit {
            // Last, since it is what says offline that the files are here.
            let recorded = Cache::new(self.cache.clone()).repo(branch).create_ref(&listing.commit);
            recorded.map_err(|source| HubError::Io { path: self.cache.clone(), source })?;
        }
        Ok(Fetched { folder: transfer.snapshot, revision: listing.commit })
    }

    /// What the cache has of a model, at the commit that its revision was when it was last fetched.
    fn cached(&self, model: &ModelId) -> Option<Fetched> {
        let repo = Repo::with_revision(model.name.clone(), RepoType::Model, model.revision.clone());
        let reference = self.cache.join(repo.folder_name()).join("refs").join(&model.revision);
        let recorded = std::fs::read_to_string(reference).map(|commit| commit.trim().to_owned());
        let revision = recorded.unwrap_or_else(|_| model.revision.clone());
        let folder = Cache::new(self.cache.clone()).repo(repo).pointer_path(&revision);
        (is_hex(&revision, 40) && folder.is_dir()).then_some(Fetched { folder, revision })
    }

    /// The commit that a revision is, and the files it has.
    fn listing(&self, model: &ModelId) -> Result<Listing, HubError> {
        let repo = Repo::with_revision(model.name.clone(), RepoType::Model, model.revision.clone());
        let url = format!("{}/api/{}", self.endpoint, repo.api_url());
        let builder = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token.clone())
            .with_progress(false);
        let answer = |why: String| HubError::Answer { url: url.clone(), why };
        let api = builder.build().map_err(|e| answer(e.to_string()))?;
        let request = api.repo(repo).info_request().query("blobs", "true").config();
        let request = request.http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let mut response = request.call().map_err(|source| self.unreachable(model, source))?;
        if !response.status().is_success() {
            return Err(self.refused(model, response.status().as_u16()));
        }
        let listing: Listing = response.body_mut().read_json().map_err(|e| answer(e.to_string()))?;
        if !is_hex(&listing.commit, 40) {
            return Err(answer(format!("{:?} is not a commit", listing.commit)));
        }
        Ok(listing)
    }

    fn refused(&self, model: &ModelId, status: u16) -> HubError {
        let (model, endpoint) = (model.clone(), self.endpoint.clone());
        match status {
            401 | 403 => HubError::Refused { model, endpoint, status, with_token: self.token.is_some() },
            404 => HubError::NotFound { model, endpoint },
            _ => HubError::Status { url: format!("{endpoint}/{}", model.name), status },
        }
    }

    fn unreachable(&self, model: &ModelId, source: ureq::Error) -> HubError {
        let cached = self.cached(model).map(|fetched| fetched.revision);
        HubError::Unreachable { endpoint: self.endpoint.clone(), cached, source: Box::new(source) }
    }
}

/// A client that gives up on a silent server, and sends a token only to the hub's host: whoever is
/// sent on to another port of it sends it there too, but never from HTTPS to HTTP.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE));
    config.build().into()
}

#[cfg(test)]
mod tests;
