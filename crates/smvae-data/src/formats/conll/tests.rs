//! Tests of words in columns: what is told from a file, comments and documents, the Twitter corpora
//! as ever, what is written.

use super::super::post::LabelUse;
use super::write::{TaggedPost, to_columns};
use super::*;
use crate::Reader;
use proptest::prelude::*;
use smvae_core::columns::read_columns;

/// A post as `line|image|word/tag ...`.
fn show(post: &PostRecord) -> String {
    let Body::Words(words) = &post.body else { panic!("words in columns are words") };
    let words: Vec<String> = match &post.labels {
        Some(Labels::Tags(tags)) => words.iter().zip(tags).map(|(word, tag)| format!("{word}/{tag}")).collect(),
        _ => words.clone(),
    };
    format!("{}|{}|{}", post.line, post.image.as_deref().unwrap_or_default(), words.join(" "))
}

/// The posts of a text, and what was told of it.
#[track_caller]
fn check_asked(text: &str, asked: Asked, want: &[&str], told: &str) {
    let mut reader = ColumnReader::new(text.as_bytes(), "f.conll", asked);
    let posts: Vec<String> = reader.by_ref().map(|post| show(&post.expect("well-formed"))).collect();
    assert_eq!(posts, want, "{text:?}");
    assert_eq!(reader.dialect().map(|dialect| dialect.to_string()).unwrap_or_default(), told, "{text:?}");
}

#[track_caller]
fn check(text: &str, want: &[&str], told: &str) {
    check_asked(text, Asked::default(), want, told);
}

const TABS: &str = "2 columns separated by tabs, words in column 1, tags in column 2";
const SPACES: &str = "2 columns separated by spaces, words in column 1, tags in column 2";

#[test]
fn columns_are_told_from_the_first_word() {
    check("a\tO\nb c\tB-X\n\n\u{a0}\tO\n", &["1||a/O b c/B-X", "4||\u{a0}/O"], TABS);
    check("a O\n\u{a0}   B-X \n\n\n b O", &["1||a/O \u{a0}/B-X", "5||b/O"], SPACES);
    check("a\tO\n \nb\tO\n\t\nc\tO\n  \n\nd\tO\n", &["1||a/O", "3||b/O", "5||c/O", "8||d/O"], TABS);
    check("IMGID:1\n\u{a0}\n \nb\n", &["1|1|\u{a0}   b"], "one column, words in column 1, no tags");
    check("a\nb\n \nc", &["1||a b", "4||c"], "one column, words in column 1, no tags");
    let four = "4 columns separated by spaces, words in column 1, tags in column 4";
    check("a NN B-NP S-X\r\nb VB\tO O\r\n", &["1||a/S-X b/O"], four);
    check("IMGID:1\na\tE-X\nIMGID:2\nb\tO\n", &["1|1|a/E-X", "3|2|b/O"], TABS);
    check("IMGID:1\na\n#b\n", &["1|1|a #b"], "one column, words in column 1, no tags");
    check("\n\u{a0}\n", &["2||\u{a0}"], "one column, words in column 1, no tags");
    check("", &[], "");
}

#[test]
fn columns_are_what_was_asked_for() {
    let asked = |columns: &str| Asked { columns: Some(columns.parse().expect("columns")), ..Asked::default() };
    let text = "1\ta b\tNN\tB-X\t_\n2\tc\tNN\tO\t_\n";
    let told = "5 columns separated by tabs, words in column 2, tags in column 4";
    check_asked(text, asked("2,4"), &["1||a b/B-X c/O"], told);
    check_asked(text, asked("3"), &["1||NN NN"], "5 columns separated by tabs, words in column 3, no tags");
    let ignored = Asked { labels: LabelUse::Ignored, ..Asked::default() };
    check_asked("a NN\nb VB\n", ignored, &["1||a b"], "2 columns separated by spaces, words in column 1, no tags");
    let tabs = Asked { separator: Some(Separator::Tab), ..Asked::default() };
    check_asked("a b\nc\n", tabs, &["1||a b c"], "one column, words in column 1, no tags");
    for bad in ["", "0", "0,1", "1,1", "a", "1,2,3", "-1"] {
        assert!(matches!(bad.parse::<Columns>(), Err(Error::Setting { .. })), "{bad:?}");
    }
}

#[test]
fn documents_and_comments_are_no_words() {
    check("-DOCSTART- -X- O\n\na O\n-DOCSTART-\nb O\n", &["3||a/O", "5||b/O"], SPACES);
    check("# id = 1\n# text = a b\na O\nb O\n\n# c\nd O\n", &["3||a/O b/O", "7||d/O"], SPACES);
    check("# text = a\na\tO\n#\tO\n", &["2||a/O #/O"], TABS);
    // A word that begins with a hash, or is one.
    check("# O\na O\n\n#b O\n", &["1||#/O a/O", "4||#b/O"], SPACES);
    check("#\tO\n#a\tO\n\n# b\tO\n", &["1||#/O #a/O", "4||# b/O"], TABS);
    check("#a\n#\n", &["1||#a #"], "one column, words in column 1, no tags");
    // The Twitter corpora have neither.
    check("IMGID:1\n-DOCSTART-\tO\n# a\tO\n", &["1|1|-DOCSTART-/O # a/O"], TABS);
}

/// All errors of a text, and the posts that were read nevertheless.
#[track_caller]
fn check_errors(text: &str, want: &[&str], posts: usize) {
    let reader = ColumnReader::new(text.as_bytes(), "f", Asked::default());
    let (read, errors): (Vec<_>, Vec<_>) = reader.partition(Result::is_ok);
    let errors: Vec<String> = errors.into_iter().map(|error| error.expect_err("parted").to_string()).collect();
    assert_eq!(errors, want, "{text:?}");
    assert_eq!(read.len(), posts, "{text:?}");
}

#[test]
fn a_malformed_line_takes_its_post_with_it() {
    let width = "2 columns separated by spaces, as in the lines before, with a word in column 1";
    check_errors(
        "a O\nb\nc X O\n\nd O\n",
        &[&format!("f:2: expected {width}, got \"b\""), &format!("f:3: expected {width}, got \"c X O\"")],
        1,
    );
    check_errors("a NN\n\nb O\n", &["f:1: expected a tag such as `O` or `B-type` in column 2, got \"a NN\""], 1);
    check_errors(
        "a 1 2 3 4 5 6 7 8 9 O\n",
        &["f:1: expected at most 10 columns separated by spaces, got \"a 1 2 3 4 5 6 7 8 9 O\""],
        0,
    );
    check_errors(
        "a O\n\nIMGID:1\nb O\n\nc O\n",
        &["f:3: expected no `IMGID:` line, since the first post has none, got \"IMGID:1\""],
        2,
    );
}

/// Pieces of the format of the Twitter corpora, good and bad.
const LINES: [&str; 12] =
    ["IMGID:7", "IMGID:", "", "", "a\tO", "b\tB-PER", "c\tI-LOC", "d\tX", "no tab", "word", "e\tO\tO", " "];

fn lines(picks: &[usize]) -> String {
    picks.iter().map(|&i| LINES[i].to_owned() + "\n").collect()
}

proptest! {
    /// Where a file begins as those of the Twitter corpora do, nothing is told but what their
    /// reader takes for granted.
    #[test]
    fn the_twitter_corpora_are_read_as_ever(picks in prop::collection::vec(0usize..12, 0..30)) {
        let text = format!("IMGID:1\n{}", lines(&picks));
        let asked = Asked { labels: LabelUse::Required, ..Asked::default() };
        let posts: Vec<String> = ColumnReader::new(text.as_bytes(), "f", asked)
            .map(|post| post.map_or_else(|error| error.to_string(), |post| show(&post)[2..].to_owned()))
            .collect();
        let samples: Vec<String> = Reader::new(text.as_bytes(), "f")
            .map(|sample| sample.map_or_else(|error| error.to_string(), |s| {
                let words: Vec<String> = s.words.iter().zip(&s.tags).map(|(w, t)| format!("{w}/{t}")).collect();
                format!("{}|{}", s.image_id, words.join(" "))
            }))
            .collect();
        let without_line = |text: &String| text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '|').to_owned();
        prop_assert_eq!(
            posts.iter().map(without_line).collect::<Vec<_>>(),
            samples.iter().map(without_line).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_is_written_for_scoring_is_read_back(
        rows in prop::collection::vec(("[^ \t\n\r\u{c}]{1,5}", 0usize..4, 0usize..4), 1..8), has_gold in any::<bool>(),
    ) {
        let words: Vec<String> = rows.iter().map(|row| row.0.clone()).collect();
        let tag = |i: usize| ["O", "B-PER", "I-PER", "B-X-Y"][i].to_owned();
        let gold: Vec<String> = rows.iter().map(|row| tag(row.1)).collect();
        let predicted: Vec<String> = rows.iter().map(|row| tag(row.2)).collect();
        let post = TaggedPost { id: "1", words: &words, gold: has_gold.then_some(&gold), predicted: &predicted };
        let Ok(text) = to_columns(&post) else { return Err(TestCaseError::reject("a mark of the format")) };
        let twice = text.repeat(2);
        let read: Vec<PostRecord> =
            ColumnReader::new(twice.as_bytes(), "f", Asked::default()).collect::<Result<_>>().expect("written by us");
        prop_assert_eq!(read.len(), 2);
        prop_assert_eq!(&read[1].body, &Body::Words(words.clone()));
        prop_assert_eq!(&read[1].labels, &Some(Labels::Tags(predicted.clone())));
        if has_gold {
            let scored = read_columns(&text).expect("written by us");
            prop_assert_eq!(scored[0].gold.iter().map(|t| t.to_string()).collect::<Vec<_>>(), gold);
            prop_assert_eq!(scored[0].predicted.iter().map(|t| t.to_string()).collect::<Vec<_>>(), predicted);
        }
    }
}

#[test]
fn what_would_not_be_read_back_is_not_written_for_scoring() {
    let own = |texts: &[&str]| -> Vec<String> { texts.iter().map(|&t| t.to_owned()).collect() };
    for (words, tags) in [
        (vec![], vec![]),
        (vec!["a"], vec![]),
        (vec![""], vec!["O"]),
        (vec!["a b"], vec!["O"]),
        (vec!["IMGID:1"], vec!["O"]),
        (vec!["-DOCSTART-"], vec!["O"]),
        (vec!["a"], vec!["PER"]),
        (vec!["a"], vec!["B-X Y"]),
    ] {
        let (words, tags) = (own(&words), own(&tags));
        let post = TaggedPost { id: "7", words: &words, gold: None, predicted: &tags };
        assert!(matches!(to_columns(&post), Err(Error::Unwritable { .. })), "{post:?}");
    }
}
