//! Posts into train, dev and test by a seed, with what belongs together on one side: posts that say
//! the same, and posts of one image. Otherwise a model is tested on what it has seen. Ids of images
//! are compared without a leading `./` and the extension of an image.

use crate::corpus::Split;
use crate::duplicates::{key, lot};
use crate::ids::bare_id;
use crate::{Error, Result};
use std::collections::HashMap;

/// How large dev and test are.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ShareSettings {
    /// Share of the posts, from 0 to less than 1. Default: 0.1.
    pub dev: f64,
    /// Share of the posts, from 0 to less than 1. Default: 0.1.
    pub test: f64,
    /// Seed of the draw. Default: 1.
    pub seed: u64,
}

impl Default for ShareSettings {
    fn default() -> Self {
        Self { dev: 0.1, test: 0.1, seed: 1 }
    }
}

/// The split of each post, given its words and its image. A group of posts that belong together
/// goes where it is drawn to, so that shares are met as nearly as the groups allow.
///
/// # Errors
/// [`Error::Setting`] for shares out of range, or that leave nothing to train on.
pub fn shares<W: AsRef<str>>(posts: &[(&[W], Option<&str>)], settings: &ShareSettings) -> Result<Vec<Split>> {
    let ShareSettings { dev, test, seed } = *settings;
    for (name, share) in [("dev", dev), ("test", test)] {
        if !(0.0..1.0).contains(&share) {
            return Err(Error::setting(name, "from 0 to less than 1", share));
        }
    }
    // The larger one is the likelier mistake.
    let (larger, other, share) = if dev > test { ("dev", "test", dev) } else { ("test", "dev", test) };
    if dev + test >= 1.0 {
        return Err(Error::setting(larger, format!("less than what {other} leaves of 1"), share));
    }
    let groups = groups(posts);
    let wanted = |share: f64| (share * posts.len() as f64).round() as usize;
    let mut order: Vec<(u64, &Vec<usize>)> = groups.iter().map(|(key, group)| (lot(*key, seed), group)).collect();
    order.sort_by_key(|(lot, group)| (*lot, group[0]));
    let mut splits = vec![Split::Train; posts.len()];
    let mut left = [(Split::Test, wanted(test)), (Split::Dev, wanted(dev))];
    for (_, group) in order {
        // A group that is larger than what is left would make a split larger than it was asked for.
        let Some((split, left)) = left.iter_mut().find(|(_, left)| *left >= group.len()) else { continue };
        *left -= group.len();
        group.iter().for_each(|&post| splits[post] = *split);
    }
    if !splits.is_empty() && !splits.contains(&Split::Train) {
        return Err(Error::setting(larger, "so small that a post is left to train on", share));
    }
    Ok(splits)
}

/// Posts that belong together, in order, with a number for each group.
fn groups<W: AsRef<str>>(posts: &[(&[W], Option<&str>)]) -> Vec<(u64, Vec<usize>)> {
    let mut parents: Vec<usize> = (0..posts.len()).collect();
    let (mut of_text, mut of_image) = (HashMap::new(), HashMap::new());
    for (i, (words, image)) in posts.iter().enumerate() {
        let same_text = *of_text.entry(key(words)).or_insert(i);
        join(&mut parents, i, same_text);
        if let Some(image) = image.map(bare_id).filter(|image| !image.is_empty()) {
            let same_image = *of_image.entry(image).or_insert(i);
            join(&mut parents, i, same_image);
        }
    }
    let mut groups: Vec<(u64, Vec<usize>)> = Vec::new();
    let mut place = HashMap::new();
    for (i, (words, _)) in posts.iter().enumerate() {
        let at = *place.entry(root(&mut parents, i)).or_insert_with(|| {
            groups.push((key(words), Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(i);
    }
    groups
}

/// The first post of the group that a post is in.
fn root(parents: &mut [usize], mut post: usize) -> usize {
    while parents[post] != post {
        parents[post] = parents[parents[post]];
        post = parents[post];
    }
    post
}

fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parents, a), root(parents, b));
    // The first stays the root.
    parents[a.max(b)] = a.min(b);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(posts: &[(&str, &str)], settings: &ShareSettings) -> Vec<Split> {
        let words: Vec<Vec<&str>> = posts.iter().map(|(text, _)| text.split(' ').collect()).collect();
        let posts: Vec<(&[&str], Option<&str>)> =
            words.iter().zip(posts).map(|(words, (_, image))| (words.as_slice(), Some(*image))).collect();
        shares(&posts, settings).expect("shares in range")
    }

    #[test]
    fn what_belongs_together_stays_together() {
        let texts: Vec<String> = (0..200).map(|i| format!("post {}", i % 150)).collect();
        let images: Vec<String> =
            (0..200).map(|i| if i % 3 == 0 { (i / 9).to_string() } else { String::new() }).collect();
        let posts: Vec<(&str, &str)> =
            texts.iter().map(String::as_str).zip(images.iter().map(String::as_str)).collect();
        let splits = split(&posts, &ShareSettings::default());
        for i in 0..200 {
            for j in 0..i {
                let together = posts[i].0 == posts[j].0 || (!posts[i].1.is_empty() && posts[i].1 == posts[j].1);
                assert!(!together || splits[i] == splits[j], "{i} and {j}");
            }
        }
        let n = |split| splits.iter().filter(|s| **s == split).count();
        assert!((15..=20).contains(&n(Split::Dev)) && (15..=20).contains(&n(Split::Test)), "{}", n(Split::Dev));
        let other = ShareSettings { seed: 2, ..ShareSettings::default() };
        assert_ne!(split(&posts, &other), splits);
        assert_eq!(split(&posts, &ShareSettings::default()), splits);
    }

    #[test]
    fn an_image_is_one_however_its_id_is_written() {
        let ids = ["", "./", ".jpg", "./.png", "3", "3.jpg", "./3", "./3.PNG"];
        let texts: Vec<String> = (0..160).map(|i| format!("post {i}")).collect();
        let numbers: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        let images: Vec<String> = (0..160).map(|i| ids[i % 8].replace('3', &numbers[i / 8])).collect();
        let posts: Vec<(&str, &str)> =
            texts.iter().map(String::as_str).zip(images.iter().map(String::as_str)).collect();
        let splits = split(&posts, &ShareSettings { dev: 0.3, test: 0.3, seed: 1 });
        for same in splits.chunks(8).map(|eight| &eight[4..]) {
            assert!(same.iter().all(|split| *split == same[0]), "{same:?}");
        }
        // What is no id is no image, so that the splits are as large as was asked for.
        assert_eq!(splits.iter().filter(|split| **split == Split::Test).count(), 48);
    }

    #[test]
    fn shares_are_those_asked_for() {
        let texts: Vec<String> = (0..40).map(|i| format!("post {i}")).collect();
        let posts: Vec<(&str, &str)> = texts.iter().map(|text| (text.as_str(), "")).collect();
        let of = |dev, test| {
            let splits = split(&posts, &ShareSettings { dev, test, seed: 3 });
            [Split::Train, Split::Dev, Split::Test].map(|split| splits.iter().filter(|s| **s == split).count())
        };
        assert_eq!(of(0.25, 0.1), [26, 10, 4]);
        assert_eq!(of(0.0, 0.0), [40, 0, 0]);
        let none: &[(&[&str], Option<&str>)] = &[];
        assert!(shares(none, &ShareSettings::default()).expect("nothing to share").is_empty());
        for (dev, test) in [(1.0, 0.0), (-0.1, 0.0), (0.5, 0.5), (f64::NAN, 0.1)] {
            assert!(shares(none, &ShareSettings { dev, test, seed: 1 }).is_err(), "{dev} {test}");
        }
        let two: &[(&[&str], Option<&str>)] = &[(&["a"], None), (&["b"], None)];
        for (posts, dev, test, want) in [
            (none, 0.75, 0.5, "`dev` must be less than what test leaves of 1, got 0.75"),
            (none, 0.25, 0.75, "`test` must be less than what dev leaves of 1, got 0.75"),
            (two, 0.5, 0.49, "`dev` must be so small that a post is left to train on, got 0.5"),
            (two, 0.49, 0.5, "`test` must be so small that a post is left to train on, got 0.5"),
        ] {
            let error = shares(posts, &ShareSettings { dev, test, seed: 1 }).expect_err("too large").to_string();
            assert_eq!(error, format!("the setting {want}"));
        }
    }
}
