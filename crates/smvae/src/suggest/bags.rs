//! Posts as bags of their words, where nothing better tells which posts are alike.

use crate::error::Result;
use crate::inference::vectors::PostVectors;
use crate::input::post::Post;

/// Width of a vector. Words that share a place by chance make two posts a little more alike.
const WIDTH: usize = 512;

/// Vectors of posts that share as much as the posts share words, in lower case.
#[derive(Clone, Copy, Debug, Default)]
pub struct WordBags;

impl PostVectors for WordBags {
    fn vectors(&self, posts: &[&Post]) -> Result<Vec<Vec<f32>>> {
        Ok(posts.iter().map(|post| bag(post)).collect())
    }
}

fn bag(post: &Post) -> Vec<f32> {
    let mut counts = vec![0f32; WIDTH];
    for word in post.words().iter().filter(|word| word.contains(char::is_alphanumeric)) {
        counts[place(&word.to_lowercase())] += 1.0;
    }
    let length = counts.iter().map(|x| x * x).sum::<f32>().sqrt().max(1.0);
    counts.iter_mut().for_each(|x| *x /= length);
    counts
}

/// The place of a word: FNV-1a, which is the same on every machine.
fn place(word: &str) -> usize {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    (word.bytes().fold(0xcbf2_9ce4_8422_2325, hash) % WIDTH as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_are_as_alike_as_their_words() {
        let post = |text: &str| Post::from_words(text.split(' ').map(str::to_owned).collect());
        let posts = ["Ana in Oslo", "ana IN oslo !", "Ana in Rome", "!"].map(post);
        let vectors = WordBags.vectors(&posts.each_ref()).expect("no network");
        let cosine = |a: usize, b: usize| -> f32 { vectors[a].iter().zip(&vectors[b]).map(|(a, b)| a * b).sum() };
        assert!((cosine(0, 1) - 1.0).abs() < 1e-6 && (cosine(0, 2) - 2.0 / 3.0).abs() < 1e-6);
        assert_eq!(cosine(0, 3), 0.0);
    }
}
