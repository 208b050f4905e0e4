//! Which words are URLs.
//!
//! One rule for the whole workspace: the authors' `"http" in word`. It also catches `http` cut off
//! by the 140 characters of a tweet (`ht` is not caught) and misses `www.`; Twitter shortens every
//! link to `http://t.co/...`, so that both are rare. This module does not drop anything: whether
//! URL words enter a model is an option of the pipeline.

/// Whether a word counts as a URL: it contains `http`, in lower case.
///
/// # Source
/// The authors' data parser, which leaves such words out before it reads entities.
pub fn is_url(word: &str) -> bool {
    word.contains("http")
}

#[cfg(test)]
mod tests {
    use super::is_url;

    #[test]
    fn the_rule_is_the_authors() {
        for (word, want) in
            [("http://t.co/a", true), ("https", true), ("(http", true), ("HTTP", false), ("t.co", false)]
        {
            assert_eq!(is_url(word), want, "{word}");
        }
    }
}
