//! What the splitter guarantees, on random text under random conventions.

use super::{Apostrophe, Number, Treatment, WordConvention, rejoin, split};
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

/// What makes texts hard: parts of patterns, clusters of many characters, odd white space, escapes.
const PARTS: [&str; 92] = [
    "a",
    "B",
    "n",
    "n't",
    "t",
    "s",
    "'",
    "’",
    "‘",
    "\"",
    "“",
    "”",
    ".",
    "..",
    ",",
    "!",
    "?",
    ":",
    ";",
    "-",
    "--",
    "/",
    "\\",
    "_",
    "@",
    "#",
    "$",
    "%",
    "&",
    "*",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "=",
    "+",
    "~",
    "|",
    "^",
    "`",
    "…",
    "1",
    "23",
    "456",
    "٣",
    "²",
    "½",
    "U.S.",
    "St.",
    "I.",
    "p.m",
    "&amp;",
    "amp",
    "&#39;",
    ":)",
    ":D",
    "</3",
    "http://",
    "https://t.co/x",
    "www.",
    ".com",
    "ana@a.no",
    "é",
    "e\u{301}",
    "\u{301}",
    "👩‍👩‍👧",
    "👍🏽",
    "🏽",
    "🇳🇴",
    "🇳",
    "\u{200d}",
    "\u{fe0f}",
    "1️⃣",
    "字",
    "に",
    "กำ",
    "क्षि",
    "한",
    "שׁ",
    "مر",
    "\u{202e}",
    "\u{200b}",
    "\u{ad}",
    "\u{600}",
    "\\ud83d",
    "\u{fffd}",
    "\u{0}",
    "ⓜ",
];

fn text() -> impl Strategy<Value = String> {
    let space = prop::sample::select(vec![" ", "  ", "\n", "\r\n", "\t", "\u{a0}", "\u{2028}", "\u{3000}", "\u{85}"]);
    let part = prop_oneof![
        12 => prop::sample::select(PARTS.to_vec()).prop_map(str::to_owned),
        3 => space.prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

fn treatment() -> impl Strategy<Value = Treatment> {
    prop::sample::select(vec![Treatment::Keep, Treatment::Split])
}

fn convention() -> impl Strategy<Value = WordConvention> {
    let apostrophe = prop::sample::select(vec![Apostrophe::Keep, Apostrophe::Clitic, Apostrophe::Split]);
    let number = prop::sample::select(vec![Number::Keep, Number::Decimal, Number::Split]);
    let whitespace = prop::sample::select([vec![Treatment::Split; 9], vec![Treatment::Keep]].concat());
    let treatments = prop::collection::vec(treatment(), 11);
    (whitespace, apostrophe, number, treatments).prop_map(|(punctuation, apostrophe, number, of)| WordConvention {
        punctuation,
        mention: of[0],
        hashtag: of[1],
        underscore: of[2],
        compound: of[3],
        apostrophe,
        abbreviation: of[4],
        number,
        unit: of[5],
        ampersand: of[6],
        reference: of[7],
        emoticon: of[8],
        run: of[9],
        ellipsis: of[10],
    })
}

/// The ends of grapheme clusters, unless white space is in the cluster.
fn borders_allowed(text: &str) -> Vec<usize> {
    let mut allowed: Vec<usize> = text.grapheme_indices(true).map(|(start, _)| start).chain([text.len()]).collect();
    let with_space = |(_, cluster): &(usize, &str)| cluster.contains(char::is_whitespace);
    for (start, cluster) in text.grapheme_indices(true).filter(with_space) {
        allowed.extend((start..start + cluster.len()).filter(|&at| text.is_char_boundary(at)));
    }
    allowed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn words_cover_all_but_white_space_in_order_and_in_whole_clusters(text in text(), convention in convention()) {
        let words = split(&text, &convention);
        let allowed = borders_allowed(&text);
        let mut end = 0;
        for word in &words {
            prop_assert!(word.bytes.start >= end && word.bytes.start < word.bytes.end);
            prop_assert!(text[end..word.bytes.start].chars().all(char::is_whitespace));
            prop_assert_eq!(&text[word.bytes.clone()], word.text);
            prop_assert!(!word.text.contains(char::is_whitespace));
            prop_assert_eq!(text[..word.bytes.start].chars().count(), word.chars.start);
            prop_assert_eq!(text[..word.bytes.end].chars().count(), word.chars.end);
            prop_assert!(allowed.contains(&word.bytes.start) && allowed.contains(&word.bytes.end), "{:?}", word);
            end = word.bytes.end;
        }
        prop_assert!(text[end..].chars().all(char::is_whitespace));
    }

    #[test]
    fn words_joined_by_spaces_are_split_into_themselves(text in text(), convention in convention()) {
        let words: Vec<_> = split(&text, &convention).iter().map(|word| word.text).collect();
        let joined = words.join(" ");
        let again: Vec<_> = split(&joined, &convention).iter().map(|word| word.text).collect();
        prop_assert_eq!(again, words);
    }

    #[test]
    fn a_convention_survives_being_written_and_read(convention in convention()) {
        prop_assert_eq!(convention.to_string().parse::<WordConvention>().unwrap(), convention.clone());
        let json = serde_json::to_string(&convention).unwrap();
        prop_assert_eq!(serde_json::from_str::<WordConvention>(&json).unwrap(), convention);
    }

    #[test]
    fn rejoined_words_are_where_they_are_said_to_be(text in text(), convention in convention()) {
        let words: Vec<_> = text.split_whitespace().collect();
        let post = rejoin(&words, &convention);
        let chars: Vec<char> = post.text.chars().collect();
        let cut = post.chars.iter().map(|range| chars[range.clone()].iter().collect::<String>());
        prop_assert_eq!(cut.collect::<Vec<_>>(), words);
    }

    #[test]
    fn any_words_tell_a_convention(text in text()) {
        let words: Vec<_> = text.split(' ').collect();
        let convention = WordConvention::of_corpus([&words]);
        prop_assert_eq!(convention.to_string().parse::<WordConvention>().unwrap(), convention);
    }
}

/// Quadratic time would take hours for the first text and minutes for the others.
#[test]
fn a_megabyte_of_one_kind_is_split() {
    #[track_caller]
    fn check(kind: &str, length: usize, convention: &WordConvention) {
        let text = kind.repeat(length / kind.len());
        let bytes: usize = split(&text, convention).iter().map(|word| word.bytes.len()).sum();
        assert_eq!(bytes, text.bytes().filter(|&b| b != b' ').count(), "{kind:?}");
    }
    for kind in ["a", ".", "'", "🏀", "字"] {
        check(kind, 1 << 20, &WordConvention::CONLL);
    }
    let kinds = [
        "1", "-", "(", "@", "#", "&", "_", "…", "http://", "www.", "a.", "a'", "n't", "1,", "a@", "a-", "&amp;", ":(",
        "🇳🇴", "👍🏽", "\u{200d}", "e\u{301}", "\u{301}", "http://)", "a_", " a", "a@a.", "a@a-", "·", "l·",
    ];
    for kind in kinds {
        for (_, convention) in WordConvention::PRESETS {
            check(kind, 1 << 15, &convention);
        }
    }
}
