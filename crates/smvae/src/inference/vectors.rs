//! One vector per post: for telling which posts are alike.

use crate::error::Result;
use crate::inference::predictor::Predictor;
use crate::input::post::Post;
use crate::scoring::vectors::mean_vectors;

/// What gives every post a vector of length 1, so that the product of two is their cosine, or one
/// of zeros where there is nothing to compare.
pub trait PostVectors {
    /// One vector per post, in order, all of one width.
    ///
    /// # Errors
    /// Those of what makes them.
    fn vectors(&self, posts: &[&Post]) -> Result<Vec<Vec<f32>>>;
}

impl PostVectors for Predictor {
    /// The mean of the vectors that the run's text encoder gives the pieces of a post, up to its
    /// piece limit.
    fn vectors(&self, posts: &[&Post]) -> Result<Vec<Vec<f32>>> {
        let scorer = self.scorer();
        mean_vectors(&scorer.networks.encoder, &scorer.collator, &self.items(posts)?, scorer.device)
    }
}
