//! What can go wrong with the hub; each message says what to do.

use super::model_id::ModelId;
use std::path::PathBuf;

/// Errors of the hub.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A text that does not name a model.
    #[error(
        "{got:?} does not name a model: owner/name or owner/name@revision was expected, such as \
         google-bert/bert-base-uncased"
    )]
    ModelId {
        /// The text.
        got: String,
    },
    /// There is nowhere to keep models.
    #[error("there is no home folder to keep models in: set HF_HOME to a folder, or give a local model folder")]
    NoHome,
    /// The hub has no such model, or no such revision of it.
    #[error("{endpoint} has no model {model}: check the name and the revision there, or give a local folder")]
    NotFound {
        /// What was asked for.
        model: ModelId,
        /// The hub.
        endpoint: String,
    },
    /// The hub does not let this user read the model; it says the same of models that do not exist.
    #[error(
        "{endpoint} refuses {model} (status {status}): it does not exist, or {}, or give a local folder",
        if *with_token { "the token given in HF_TOKEN or the cache may not read it: ask for access there, set another" }
        else { "it is private or gated: set HF_TOKEN to a token that may read it" }
    )]
    Refused {
        /// What was asked for.
        model: ModelId,
        /// The hub.
        endpoint: String,
        /// Status of the answer, 401 or 403.
        status: u16,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The hub cannot be reached.
    #[error(
        "cannot reach {endpoint}: check the network or HF_ENDPOINT, give a local folder, {}",
        match cached {
            Some(commit) => format!("or set HF_HUB_OFFLINE=1 to use revision {commit} in the cache"),
            None => "or copy the model into the cache from a machine that has it".to_owned(),
        }
    )]
    Unreachable {
        /// The hub.
        endpoint: String,
        /// The commit of the model that the cache has.
        cached: Option<String>,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// Transfers are forbidden and the model is not in the cache.
    #[error(
        "{model} is not in the cache {} and HF_HUB_OFFLINE forbids fetching it: unset it, or give a local folder",
        cache.display()
    )]
    Offline {
        /// What was asked for.
        model: ModelId,
        /// The cache.
        cache: PathBuf,
    },
    /// A transfer ended too early several times in a row, without a single further byte.
    #[error("the transfer of {file} broke off at {}: run the command again to continue from there", bytes(*got, *want))]
    Cut {
        /// The file.
        file: String,
        /// Bytes that arrived.
        got: u64,
        /// Bytes it has.
        want: Option<u64>,
        /// Why, if the system told.
        source: Option<std::io::Error>,
    },
    /// The callback that watched a transfer stopped it.
    #[error("the transfer of {file} was stopped at {}: run the command again to continue from there", bytes(*got, *want))]
    Stopped {
        /// The file.
        file: String,
        /// Bytes that arrived.
        got: u64,
        /// Bytes it has.
        want: Option<u64>,
    },
    /// What arrived is not what the hub lists.
    #[error(
        "{file} arrived damaged ({what} {got}, the hub lists {want}) and was deleted: run the command again, or fetch the \
         model another way and give its folder"
    )]
    Damaged {
        /// The file.
        file: String,
        /// What differs.
        what: &'static str,
        /// What arrived.
        got: String,
        /// What was expected.
        want: String,
    },
    /// The hub answered with a failure.
    #[error("{url} answered with status {status}: try again later, or give a local folder")]
    Status {
        /// What was asked for.
        url: String,
        /// Status of the answer.
        status: u16,
    },
    /// The answer is not that of a hub.
    #[error("{url} did not answer as a model hub does ({why}): check HF_ENDPOINT, or give a local folder")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The cache cannot be written.
    #[error("cannot keep the model in {}: make room or set HF_HOME to another folder", path.display())]
    Io {
        /// A file or folder of the cache.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

fn bytes(got: u64, want: Option<u64>) -> String {
    match want {
        Some(want) => format!("{got} of {want} bytes"),
        None => format!("{got} bytes"),
    }
}
