//! Numbers of things, in words.

/// `1 post`, `2 posts`.
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    let what = if n == 1 { one } else { many };
    format!("{n} {what}")
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn one_is_one() {
        assert_eq!([0, 1, 2].map(|n| count(n, "entity", "entities")), ["0 entities", "1 entity", "2 entities"]);
    }
}
