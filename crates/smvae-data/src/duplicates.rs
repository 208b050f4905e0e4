//! Posts that say the same: copies, retweets, the same text with another link.

use crate::files::sha256_hex;
use crate::url::is_url;

/// A key of a post: posts that say the same have the same one. Letters and digits alone count, in
/// lower case, without links, and without "RT @user:" before them, however often that stands there.
/// How a text was split into words makes no difference, but for a link that was taken apart
/// (`https : //t . co/x`): only its `https` is left out. That stays so, since draws of experiments
/// whose results are kept depend on it. Of a post without letters and digits all of it counts.
///
/// ```
/// use smvae_data::duplicates::key;
/// let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
/// assert_eq!(key(&words("RT @fan : Oslo wins !")), key(&words("oslo wins https://t.co/x")));
/// assert_ne!(key(&words("Oslo wins")), key(&words("Oslo loses")));
/// ```
pub fn key<W: AsRef<str>>(words: &[W]) -> u64 {
    let mut said = words.iter().map(AsRef::as_ref).filter(|word| !is_url(word)).peekable();
    while said.next_if(|word| is_retweet(word)).is_some() {
        // Splitters differ in whether the sign belongs to the name.
        if said.next_if(|word| *word == "@").is_some() {
            said.next();
        } else {
            said.next_if(|word| word.starts_with('@'));
        }
        while said.next_if(|word| !word.contains(char::is_alphanumeric)).is_some() {}
    }
    let letters = said.flat_map(str::chars).filter(|c| c.is_alphanumeric());
    let mut text: String = letters.flat_map(char::to_lowercase).collect();
    if text.is_empty() {
        words.iter().for_each(|word| text.extend([word.as_ref(), " "]));
    }
    number(text.as_bytes())
}

/// Whether a word marks a post as a copy of another one.
pub fn is_retweet(word: &str) -> bool {
    word == "RT"
}

/// The place of a post in a draw by a seed: as good as random, and the same in whatever order the
/// posts come.
pub fn lot(key: u64, seed: u64) -> u64 {
    number(&[key.to_le_bytes(), seed.to_le_bytes()].concat())
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_str_radix(&sha256_hex(bytes)[..16], 16).expect("hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> u64 {
        key(&text.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn posts_that_say_the_same_have_one_key() {
        let want = of("Lady Gaga lands in Oslo!");
        for text in [
            "lady gaga lands in oslo",
            "RT @fan : Lady Gaga lands in Oslo ! https://t.co/x",
            "RT @ fan : Lady Gaga lands in Oslo",
            "LADY GAGA lands in Oslo",
            "RT @a : RT @b: Lady Gaga lands in Oslo",
            "Lady-Gaga lands in # Oslo",
        ] {
            assert_eq!(of(text), want, "{text}");
        }
        assert_ne!(of("Lady Gaga lands in Rome"), want);
        assert_ne!(of("!!!"), of("???"));
        assert_eq!(of("RT RT @a b"), of("b"));
        assert_ne!(of("RT"), of(""));
    }
}
