//! The name of a model of the hub.

/// A model of the hub, at a revision. Made from text alone, since both are parts of paths in the
/// cache: `from_str` lets no other characters in.
///
/// ```
/// let id: smvae_encoders::hub::ModelId = "google-bert/bert-base-uncased@main".parse()?;
/// assert_eq!((id.name(), id.revision()), ("google-bert/bert-base-uncased", "main"));
/// assert!("google-bert/bert-base-uncased@../../../elsewhere".parse::<smvae_encoders::hub::ModelId>().is_err());
/// # Ok::<(), smvae_encoders::hub::HubError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelId {
    pub(super) name: String,
    pub(super) revision: String,
}

impl ModelId {
    /// `owner/name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A branch, a tag or a commit; `main` if none was given.
    pub fn revision(&self) -> &str {
        &self.revision
    }
}

impl std::fmt::Display for ModelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.revision)
    }
}
