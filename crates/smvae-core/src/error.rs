//! What can go wrong in this crate: data in the variants, one sentence in the message.

use std::borrow::Cow;

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of `smvae-core`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tag that is neither `O` nor `B-type` nor `I-type`.
    #[error("expected a tag `O`, `B-type` or `I-type`, got {tag:?}")]
    Tag {
        /// The text that was found.
        tag: String,
    },
    /// A tag that the scheme does not have.
    #[error("expected a tag of {}, got {tag:?}", of_scheme(*scheme))]
    SchemeTag {
        /// The text that was found.
        tag: String,
        /// Name of the scheme; `None` if it is a tag in no scheme.
        scheme: Option<&'static str>,
    },
    /// Tags that no one scheme has.
    #[error("no tag scheme has all of the tags {}", prefixes.join(" and "))]
    NoScheme {
        /// What the tags begin with, such as `B`.
        prefixes: Vec<String>,
    },
    /// A line of tagged text without tags in two columns.
    #[error("line {line}: expected a gold and a predicted tag in {place}, got {text:?}")]
    Column {
        /// Which columns, in words.
        place: String,
        /// The line's number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// An entity that cannot be written as BIO tags: it overlaps another, is empty, reaches past
    /// the last word, or its label is empty or has white space at an end.
    #[error("the entity {start}..{end} does not fit: {why}")]
    Entity {
        /// First word.
        start: usize,
        /// One past the last word.
        end: usize,
        /// The reason in words.
        why: &'static str,
    },
    /// Names that cannot be a [`LabelSet`](crate::LabelSet): one is empty, has white space at an
    /// end or comes twice, or the first is not `O`.
    #[error("the label {label:?} {why}")]
    Label {
        /// The label.
        label: String,
        /// The reason in words.
        why: &'static str,
    },
    /// Two sequences that must be equally long are not.
    #[error("{op}: expected {want} of {what}, got {got}")]
    Length {
        /// The operation that was called.
        op: &'static str,
        /// What was counted.
        what: &'static str,
        /// The length that was found.
        got: usize,
        /// The length that was needed.
        want: usize,
    },
    /// A word or a span of a batch that is out of place.
    #[cfg(feature = "tensor")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
    #[error("{what} {index} of the batch, {got:?}, {why}")]
    Batch {
        /// `word`, `span` or `text`.
        what: &'static str,
        /// Which one, from 0.
        index: usize,
        /// Its rows or its words.
        got: std::ops::Range<usize>,
        /// The reason in words.
        why: &'static str,
    },
    /// A setting out of its range.
    #[error("the setting `{name}` must be {want}, got {got}")]
    Setting {
        /// Name of the setting.
        name: Cow<'static, str>,
        /// What is allowed.
        want: &'static str,
        /// What was given.
        got: String,
    },
    /// Training has diverged, or was given numbers that are not finite.
    #[cfg(feature = "tensor")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
    #[error("{what} is {got} at step {step}: {}", not_finite_advice(*step))]
    NotFinite {
        /// What is not finite, or beyond all bounds.
        what: &'static str,
        /// Its value.
        got: f64,
        /// The step, from 1.
        step: u64,
    },
    /// A tensor of the wrong shape.
    #[cfg(feature = "tensor")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
    #[error("{op}: expected {argument} of shape {want:?}, got {got:?}")]
    Shape {
        /// The operation that was called.
        op: &'static str,
        /// Its argument.
        argument: &'static str,
        /// The shape that was found.
        got: Vec<usize>,
        /// The shape that was needed.
        want: Vec<usize>,
    },
    /// A saved state of the optimizer that does not fit its parameters.
    #[cfg(feature = "tensor")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
    #[error("the state of the optimizer has {name} of shape {got:?}, expected {want:?}")]
    Moment {
        /// Name of the tensor.
        name: String,
        /// The shape that was found; `None` if the tensor is missing.
        got: Option<Vec<usize>>,
        /// The shape that was needed.
        want: Vec<usize>,
    },
    /// The VAE terms of a model that was loaded to predict.
    #[cfg(feature = "tensor")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
    #[error("the model has no decoders: it can predict, and not be trained with the VAE terms")]
    NoDecoders,
    /// A likelihood of images from a model whose decoder has no variance.
    #[cfg(feature = "tensor")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
    #[error("the image decoder has no variance to learn: `Objective::add_parameters` gives it one")]
    NoImageVariance,
    /// candle failed.
    #[cfg(feature = "tensor")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// A text encoder failed.
    #[cfg(feature = "tensor")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
    #[error("the text encoder failed")]
    Encoder(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn of_scheme(scheme: Option<&str>) -> String {
    scheme.map_or_else(|| "some scheme: `O`, `B-type` and the like".to_owned(), |scheme| format!("the scheme {scheme}"))
}

#[cfg(feature = "tensor")]
fn not_finite_advice(step: u64) -> &'static str {
    match step {
        1 => "nothing was updated before, so that weights or inputs are to be looked at",
        _ => "a lower learning rate, or clipping, may help",
    }
}

impl Error {
    /// The error for a setting out of its range: its name, what is allowed, and what was given.
    pub fn setting(name: &'static str, want: &'static str, got: impl ToString) -> Self {
        Self::Setting { name: name.into(), want, got: got.to_string() }
    }
}
