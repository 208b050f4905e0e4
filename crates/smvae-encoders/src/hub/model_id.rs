//! The name of a model of the hub.

/// A model of the hub, at a revision.
///
/// ```
/// let id: smvae_encoders::hub::ModelId = "google-bert/bert-base-uncased@main".parse()?;
/// assert_eq!((id.name.as_str(), id.revision.as_str()), ("google-bert/bert-base-uncased", "main"));
/// # Ok::<(), smvae_encoders::hub::HubError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelId {
    /// `owner/name`.
    pub name: String,
    /// A branch, a tag or a commit; `main` if none was given.
    pub revision: String,
}

impl std::fmt::Display for ModelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.revision)
    }
}
