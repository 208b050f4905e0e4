//! Who may ask: a key that a request shows, compared in constant time.

use crate::error::{Error, Result};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use subtle::ConstantTimeEq as _;

/// What a request must show: `Authorization: Bearer KEY`, or `Basic` with the key as the password,
/// which is what Label Studio can send.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// A key, without white space around it.
    ///
    /// # Errors
    /// [`Error::Key`] for one that a header cannot hold, or that is easily guessed.
    pub fn new(text: &str) -> Result<Self> {
        let key = text.trim();
        if !(8..=512).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Key { got: key.len() });
        }
        Ok(Self(key.to_owned()))
    }

    /// Whether a request shows it. How long that takes tells the length of the key and nothing
    /// else.
    pub(crate) fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, shown)) = shown.and_then(|value| value.split_once(' ')) else { return false };
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.equals(shown.trim().as_bytes());
        }
        let decoded = if scheme.eq_ignore_ascii_case("basic") { STANDARD.decode(shown.trim()).ok() } else { None };
        let colon = decoded.as_ref().and_then(|pair| pair.iter().position(|byte| *byte == b':'));
        decoded.zip(colon).is_some_and(|(pair, colon)| self.equals(&pair[colon + 1..]))
    }

    fn equals(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

/// Without the key, so that no log has it.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, want: bool) {
        let key = Key::new(" correct-horse\n").expect("a key");
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.parse().expect("a header"));
        assert_eq!(key.is_shown(&headers), want, "{header}");
    }

    #[test]
    fn a_key_is_a_bearer_or_a_password() {
        check("Bearer correct-horse", true);
        check("bearer correct-horse", true);
        check("Bearer correct-hors", false);
        check("Bearer ", false);
        check("correct-horse", false);
        check("Digest correct-horse", false);
        check(&format!("Basic {}", STANDARD.encode("ana:correct-horse")), true);
        check(&format!("Basic {}", STANDARD.encode("correct-horse")), false);
        check("Basic %%%", false);
    }

    #[test]
    fn a_key_is_no_blank_and_is_never_shown() {
        for bad in ["", "short", "with a blank in it", "ключключ"] {
            assert!(Key::new(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", Key::new("correct-horse")), "Ok(Key(..))");
    }
}
