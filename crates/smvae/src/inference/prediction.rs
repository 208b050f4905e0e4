//! What a model makes of a post.

use crate::scoring::entity::ScoredEntity;

/// What was found in a post.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// The entities that were found, ordered by first word.
    pub entities: Vec<ScoredEntity>,
    /// Every span with a label of at least the probability that was asked for, by its words, the
    /// most probable label first: they may overlap each other and the entities. `None` if nobody
    /// asked ([`PredictionSettings::all_above`](crate::PredictionSettings::all_above)).
    pub candidates: Option<Vec<ScoredEntity>>,
    /// Words that the piece limit cut, so that no entity is found in them: single words of more
    /// pieces than the limit or, where posts are not read in windows, all words at the end.
    pub words_cut: usize,
    /// Whether the model looks at images and the post names one, but was read without it: the image
    /// vectors lack it, or the predictor has none ([`with_images`](crate::Predictor::with_images)).
    pub image_missing: bool,
    /// Whether the model was trained with captions and the post was read without one: it has none
    /// of its own, and the captions that the model was given lack that of its image.
    pub caption_missing: bool,
    /// How little the model expected the text of the post, at least 0: the mean over its spans of
    /// the text VAE's loss ([`Objective::surprise`]). `None` if nobody asked
    /// ([`PredictionSettings::surprise`](crate::PredictionSettings::surprise)), or without words.
    ///
    /// [`Objective::surprise`]: smvae_core::objective::Objective::surprise
    pub surprise: Option<f32>,
}
