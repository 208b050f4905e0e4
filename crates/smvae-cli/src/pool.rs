//! What becomes of the posts of a pool, in numbers that add up, and ids that several of them have.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A sentence of how many posts a pool has and what became of them, but for parts that are empty.
pub(crate) fn parts(file: &str, parts: &[(usize, &str)]) -> String {
    let all: usize = parts.iter().map(|(n, _)| n).sum();
    let told: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let posts = if all == 1 { "post" } else { "posts" };
    let colon = if told.is_empty() { "" } else { ": " };
    format!("{file}: {all} {posts}{colon}{}", told.join(", "))
}

/// Ids of posts, to tell of those that stand twice: a number for each, since a pool may be long.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    seen: HashSet<u64>,
    n_repeated: usize,
    /// The first that stands twice, and the line where it does.
    first: Option<(String, usize)>,
}

impl Ids {
    /// Takes the id of the post that begins at a line.
    pub(crate) fn add(&mut self, id: Option<&str>, line: usize) {
        let Some(id) = id else { return };
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            self.n_repeated += 1;
            self.first.get_or_insert_with(|| (id.to_owned(), line));
        }
    }

    /// What there is to tell of ids that stand twice.
    pub(crate) fn repeated(&self, file: &str) -> Option<String> {
        let (id, line) = self.first.as_ref()?;
        Some(match self.n_repeated {
            1 => format!("{file}: 1 post has the id of an earlier one: {id:?} in line {line}"),
            n => format!("{file}: {n} posts have the id of an earlier one, the first of them {id:?} in line {line}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_empty_ones_are_not_told() {
        let told = parts("pool.csv", &[(4, "without a word"), (0, "labelled already"), (298, "to choose from")]);
        assert_eq!(told, "pool.csv: 302 posts: 4 without a word, 298 to choose from");
        assert_eq!(parts("pool.csv", &[(0, "to choose from")]), "pool.csv: 0 posts");
    }

    #[test]
    fn ids_that_stand_twice_are_told() {
        let mut ids = Ids::default();
        for (i, id) in [Some("a"), None, None, Some("b"), Some("a")].into_iter().enumerate() {
            assert_eq!(ids.repeated("p"), None);
            ids.add(id, i + 1);
        }
        assert_eq!(ids.repeated("p").as_deref(), Some("p: 1 post has the id of an earlier one: \"a\" in line 5"));
        ids.add(Some("b"), 9);
        assert!(
            ids.repeated("p").is_some_and(|told| told.starts_with("p: 2 posts") && told.ends_with("\"a\" in line 5"))
        );
    }
}
