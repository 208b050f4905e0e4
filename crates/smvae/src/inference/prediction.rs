//! What a model makes of a post.

use crate::scoring::entity::ScoredEntity;

/// What was found in a post.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// The entities that were found, by their first word.
    pub entities: Vec<ScoredEntity>,
    /// Words at the end of the post that the piece limit cut: no entity is found in them.
    pub words_cut: usize,
    /// Whether the model looks at images and the post names one, but was read without it: the image
    /// vectors lack it, or the predictor has none ([`with_images`](crate::Predictor::with_images)).
    pub image_missing: bool,
}
