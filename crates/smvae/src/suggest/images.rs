//! Images in the distance between posts.
//!
//! ```text
//! cosine of two posts = (1 - share) cosine of their texts + share cosine of their images
//! ```
//! An image's vector is taken less the mean of all images, since the vectors of one vision model
//! have much in common. The cosine of a post without an image is that of the texts alone, times the
//! square root of `1 - share` where the other post has an image.

use crate::error::{Error, Result};
use crate::inference::vectors::PostVectors;
use crate::input::post::{Post, Words as _};
use smvae_data::ImageVectors;

/// Tells which posts are alike by their images beside what `texts` tells by their texts.
#[derive(Debug)]
pub struct WithImages<'a, T: ?Sized> {
    texts: &'a T,
    images: &'a ImageVectors,
    mean: Vec<f32>,
    share: f32,
}

impl<'a, T: PostVectors + ?Sized> WithImages<'a, T> {
    /// Images by the ids that posts name, which have this share of the cosine, from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Core`] with `Setting` for a share out of range.
    pub fn new(texts: &'a T, images: &'a ImageVectors, share: f32) -> Result<Self> {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::setting("image_share", "a share, 0 to 1", share));
        }
        let mut sum = vec![0f64; images.width()];
        for row in 0..images.len() {
            sum.iter_mut().zip(images.row(row)).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        let mean = sum.into_iter().map(|sum| (sum / images.len().max(1) as f64) as f32).collect();
        Ok(Self { texts, images, mean, share })
    }

    /// The vector of a post's image, of length 1. `None` where it has none, or one that is the
    /// mean.
    fn image(&self, post: &Post) -> Option<Vec<f32>> {
        let own = post.image_vector().map(|vector| &vector[..]).filter(|vector| vector.len() == self.mean.len());
        let named = || post.image_id.as_deref().and_then(|id| self.images.get(id));
        let mut vector: Vec<f32> = own.or_else(named)?.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
        (length > 0.0).then_some(vector)
    }
}

impl<T: PostVectors + ?Sized> PostVectors for WithImages<'_, T> {
    fn vectors(&self, posts: &[&Post]) -> Result<Vec<Vec<f32>>> {
        let mut vectors = self.texts.vectors(posts)?;
        for (vector, post) in vectors.iter_mut().zip(posts) {
            let image = match self.image(post) {
                Some(image) => {
                    vector.iter_mut().for_each(|x| *x *= (1.0 - self.share).sqrt());
                    image
                }
                None => vec![0.0; self.mean.len()],
            };
            vector.extend(image.iter().map(|x| x * self.share.sqrt()));
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suggest::bags::WordBags;

    /// Of the posts "a b" with image i, "a c" with image j, and "a b" without any.
    #[test]
    fn texts_and_images_have_their_shares() {
        let vectors = [("i", [3.0, 1.0]), ("j", [1.0, 3.0]), ("k", [2.0, 2.0])];
        let images = ImageVectors::from_map(vectors.into_iter().map(|(id, v)| (id.to_owned(), v.to_vec())).collect());
        let images = images.expect("vectors of one width");
        let post = |words: [&str; 2], image: Option<&str>| {
            let mut post = Post::from_words(words.map(str::to_owned).to_vec());
            post.image_id = image.map(str::to_owned);
            post
        };
        let posts = [post(["a", "b"], Some("i")), post(["a", "c"], Some("j")), post(["a", "b"], None)];
        let cosines = |share: f32| {
            let with_images = WithImages::new(&WordBags, &images, share).expect("a share");
            let vectors = with_images.vectors(&posts.iter().collect::<Vec<_>>()).expect("vectors");
            let cosine = |i: usize, j: usize| vectors[i].iter().zip(&vectors[j]).map(|(a, b)| a * b).sum::<f32>();
            [cosine(0, 0), cosine(0, 1), cosine(0, 2), cosine(2, 2)]
        };
        // The images lie on the two sides of their mean.
        let half = 0.5f32.sqrt();
        let wants = [(0.0, [1.0, 0.5, 1.0, 1.0]), (0.5, [1.0, -0.25, half, 1.0]), (1.0, [1.0, -1.0, 0.0, 1.0])];
        for (share, want) in wants {
            let got = cosines(share);
            assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-5), "{share}: {got:?}");
        }
        let error = WithImages::new(&WordBags, &images, 1.5).expect_err("out of range").to_string();
        assert!(error.contains("image_share"), "{error}");
    }
}
