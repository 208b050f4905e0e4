//! Tests of posts in JSON: the fields, the forms of labels, arrays cut out of a stream.

use super::super::post::{Labels, TextEntity};
use super::*;
use crate::Sample;
use crate::words::locate;
use proptest::prelude::*;
use smvae_core::Entity;

fn read_all(text: &str, layout: Layout) -> Vec<Result<PostRecord>> {
    JsonReader::new(text.as_bytes(), "f.json", layout, LabelUse::IfAny).collect()
}

fn read(object: &str) -> PostRecord {
    let mut posts = read_all(object, Layout::Lines);
    posts.pop().expect("one post").expect("a post")
}

/// A post as `id|image|body`, where a bar separates words.
#[track_caller]
fn check(object: &str, want: &str) {
    let post = read(object);
    let body = match post.body {
        Body::Text(text) => format!("text {text}"),
        Body::Words(words) => format!("words {}", words.join("|")),
    };
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    assert_eq!(format!("{} {} {body}", shown(post.id), shown(post.image)), want, "{object}");
}

#[test]
fn a_post_is_words_or_text() {
    check(r#"{"words": ["a", "b c"]}"#, "- - words a|b c");
    check(r#"{"tokens": ["a"], "text": "a", "id": 12345678901234567890123}"#, "12345678901234567890123 - words a");
    check(r#"{"text": " a  b\u00a0c "}"#, "- - text  a  b\u{a0}c ");
    check(r#"{"text": "a", "words": null, "image_id": "7", "image": {"bytes": 1}}"#, "- 7 text a");
    check(r#"{"text": "", "image_id": null, "image": "p/1.jpg", "id": "x"}"#, "x p/1.jpg text ");
    check(r#"{"text": "a", "text": "b"}"#, "- - text b");
    check(r#"{"text": "a", "image_id": "", "id": ""}"#, " - text a");
    check(r#"{"text": "a", "image_id": 123, "id": -1.50}"#, "-1.50 123 text a");
    check(r#"{"text": "a", "image_id": null, "image": 1e3, "id": true}"#, "true 1e3 text a");
    check(r#"{"text": "a", "image": 7.0, "id": -7.0}"#, "-7 7 text a");
    let limits = r#"{"text": "a", "image": 9007199254740991.0, "id": 9007199254740992.0}"#;
    check(limits, "9007199254740992.0 9007199254740991 text a");
}

#[test]
fn what_is_passed_on_stays_as_it_was_written() {
    let line = r#"{"id":12345678901234567890123,"x":[-0,1E5,1e309],"z":{"z":1,"a":2,"a":3},"text":"a","entities":[]}"#;
    let mut fields = read(line).fields;
    assert_eq!(serde_json::to_string(&fields).expect("serialises"), line);
    fields.retain(|name| name != "entities");
    assert_eq!(serde_json::to_string(&fields).expect("serialises"), line.replace(r#","entities":[]"#, ""));
}

/// The labels of an object: the first name is that of the field they are in.
#[track_caller]
fn check_labels(object: &str, want: Labels) {
    assert_eq!(read(object).labels, Some(want), "{object}");
}

#[test]
fn labels_come_in_many_forms() {
    let tags = Labels::Tags(["B-PER", "O"].map(str::to_owned).to_vec());
    check_labels(r#"{"words": ["Ann", "b"], "tags": ["B-PER", "O"], "label": "news"}"#, tags.clone());
    check_labels(r#"{"tokens": ["Ann", "b"], "ner_tags": ["B-PER", "O"], "tags": null}"#, tags);
    check_labels(r#"{"tokens": ["Ann", "b"], "ner_tags": [1, 0]}"#, Labels::TagNumbers(vec![1, 0]));
    let of_text = Labels::TextEntities(vec![TextEntity { start: 2, end: 5, label: "PER".to_owned() }]);
    for list in [
        r#""entities": [{"start": 2, "end": 5, "label": "PER", "score": 0.5}]"#,
        r#""entities": [{"id": 1, "start_offset": 2, "end_offset": 5, "label": "PER"}]"#,
        r#""spans": [{"start": 2, "end": 5, "words": [1, 2], "label": "PER"}]"#,
        r#""label": [[2, 5, "PER"]]"#,
        r#""labels": [[2, 5, "PER"]]"#,
    ] {
        check_labels(&format!(r#"{{"text": "😀 Ann", {list}}}"#), of_text.clone());
    }
    let of_words = Labels::Entities(vec![Entity::new(1, 3, "PER"), Entity::new(3, 4, "LOC")]);
    for list in [
        r#"{"words": [3, 4], "label": "LOC"}, {"words": [1, 3], "start": 2, "end": 9, "text": "Ann  Bø", "label": "PER"}"#,
        r#"{"start": 2, "end": 9, "label": "PER"}, [10, 14, "LOC"]"#,
    ] {
        let text = r#""text": "😀 Ann  Bø\nOslo ", "words": ["😀", "Ann", "Bø", "Oslo"]"#;
        check_labels(&format!(r#"{{{text}, "entities": [{list}]}}"#), of_words.clone());
    }
    let by_word = r#"{"words": ["a", "b"], "spans": [{"start": 2, "end": 3, "label": "X"}]}"#;
    check_labels(by_word, Labels::Entities(vec![Entity::new(1, 2, "X")]));
    assert_eq!(read(r#"{"text": "a", "entities": null}"#).labels, None);
    let ignored = r#"{"text": "a", "entities": [{"type": 1}]}"#;
    let mut posts = JsonReader::new(ignored.as_bytes(), "f", Layout::Lines, LabelUse::Ignored);
    assert_eq!(posts.next().expect("a post").expect("a post").labels, None);
}

/// The error of an object.
#[track_caller]
fn check_error(object: &str, want: &str) {
    let error = read_all(object, Layout::Lines).pop().expect("one").expect_err(object).to_string();
    assert_eq!(error, format!("f.json:1: expected {want}"), "{object}");
}

#[test]
fn errors_name_the_field() {
    check_error(r#"{"words": [1]}"#, r#""words" to be a list of strings, got "[1]""#);
    check_error(r#"{"text": 1}"#, r#""text" to be a string, got "1""#);
    check_error(r#"{"text": "a", "image_id": [7]}"#, r#""image_id" to be a string or a number, got "[7]""#);
    check_error(r#"{"text": "a", "image": true}"#, r#""image" to be a string or a number, got "true""#);
    check_error(r#"{"text": "a", "id": [7]}"#, r#""id" to be a string or a number, got "[7]""#);
    check_error(
        r#"{"tokens": ["a"], "ner_tags": [-1]}"#,
        r#""ner_tags" to be a list of strings, or of numbers, got "[-1]""#,
    );
    check_error(
        r#"{"words": ["a"], "tags": ["O", "O"]}"#,
        r#""tags" to be as many as the words, 1, and not 2, got "[\"O\", \"O\"]""#,
    );
    check_error(
        r#"{"words": ["a"], "tags": ["PER"]}"#,
        r#""tags" to be tags such as `O` or `B-type`, and not "PER", got "[\"PER\"]""#,
    );
    check_error(r#"{"text": "a", "tags": ["O"]}"#, r#""tags" to be beside "words" or "tokens", got "[\"O\"]""#);
    let forms = r#"a list of {"start", "end", "label"}, {"words", "label"} or [start, end, label]"#;
    check_error(
        r#"{"text": "a", "entities": [{"start": 0, "end": 1, "type": "X"}]}"#,
        &format!(r#""entities" to be {forms}, got "[{{\"start\": 0, \"end\": 1, \"type\": \"X\"}}]""#),
    );
    check_error(
        r#"{"text": "a", "label": [[0, 2, "X"]]}"#,
        r#""label" to be entities within the 1 characters, and not 0..2, got "[[0, 2, \"X\"]]""#,
    );
    check_error(
        r#"{"text": "ab c", "words": ["ab", "c"], "label": [[1, 4, "X"]]}"#,
        r#""label" to be entities of whole words, and not 1..4, got "[[1, 4, \"X\"]]""#,
    );
    check_error(
        r#"{"text": "ab, c", "words": ["ab", "c"], "label": [[0, 2, "X"]]}"#,
        r#""text" to be the words and white space between them, got "\"ab, c\"""#,
    );
    check_error(
        r#"{"words": ["a"], "spans": [{"words": [0, 2], "label": "X"}]}"#,
        r#""spans" to be entities within the 1 words, and not 0..2, got "[{\"words\": [0, 2], \"label\": \"X\"}]""#,
    );
    check_error(
        r#"{"words": ["a", ""], "spans": [{"words": [0, 1], "label": "X"}]}"#,
        r#""words" to be words of which none is empty, as number 2 is, got "[\"a\", \"\"]""#,
    );
    check_error(
        r#"{"text": "ab c", "words": ["ab", "c"], "spans": [{"words": [0, 1], "start": 0, "end": 4, "label": "X"}]}"#,
        concat!(
            r#""spans" to be consistent: the words 0..1 are the characters 0..2, and not 0..4, "#,
            r#"got "[{\"words\": [0, 1], \"start\": 0, \"end\": 4, \"label\": \"X\"}]""#
        ),
    );
    check_error(
        r#"{"text": "é c", "spans": [{"start": 0, "end": 2, "text": "é", "label": "X"}]}"#,
        concat!(
            r#""spans" to be consistent: the characters 0..2 are "é ", and not "é", "#,
            r#"got "[{\"start\": 0, \"end\": 2, \"text\": \"é\", \"label\": \"X\"}]""#
        ),
    );
    check_error(
        r#"{"text": "a", "spans": [{"words": [0, 1], "label": "X"}]}"#,
        concat!(
            r#""spans" to be in characters of the text, since there are no words, "#,
            r#"got "[{\"words\": [0, 1], \"label\": \"X\"}]""#
        ),
    );
}

/// What an array is cut into: `line text` of a post, `line !` of an error.
#[track_caller]
fn check_array(text: &str, want: &[&str]) {
    let shown: Vec<String> = read_all(text, Layout::Array)
        .into_iter()
        .map(|post| match post {
            Ok(PostRecord { line, body: Body::Text(text), .. }) => format!("{line} {text}"),
            Err(crate::Error::Line { line, .. }) => format!("{line} !"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, want, "{text:?}");
}

#[test]
fn arrays_are_cut_where_their_commas_are() {
    check_array("[]", &[]);
    check_array("\u{feff} [\n {\"text\": \"a\"},\n{\"text\":\n\"],[\\\"\", \"x\": [1, {}]}\n]\n", &["2 a", "3 ],[\""]);
    check_array(r#"[1, {"text": "a"}, "b"]"#, &["1 !", "1 a", "1 !"]);
    check_array("[{\"text\": \"a},\n{\"text\": \"b\"},\n{\"text\": \"c\"}]", &["1 !", "2 b", "3 c"]);
}

#[test]
fn arrays_that_do_not_end_well_are_errors_after_their_posts() {
    check_array("[{\"text\": \"a\"},\n", &["1 a", "2 !"]);
    check_array("[{\"text\": \"a\"}", &["1 a", "1 !"]);
    check_array("[{\"text\": \"a\"},]", &["1 a", "1 !"]);
    check_array("[{\"text\": \"a\"}]\nx", &["1 a", "2 !"]);
    check_array("x", &["1 !"]);
    check_array("", &[]);
}

proptest! {
    #[test]
    fn samples_are_read_back(rows in prop::collection::vec(
        (".{0,5}", prop::collection::vec((".{1,6}", 0usize..4), 1..6)), 1..5,
    )) {
        for (image_id, words) in rows {
            let (words, tags): (Vec<String>, Vec<usize>) = words.into_iter().unzip();
            let tags: Vec<String> = tags.into_iter().map(|t| ["O", "B-PER", "I-PER", "S-a b"][t].to_owned()).collect();
            let sample = Sample { image_id, words, tags, caption: None };
            let line = write::to_line(&sample);
            for (text, layout) in [(line.clone() + "\n", Layout::Lines), (format!("[{line}]"), Layout::Array)] {
                let post = read_all(&text, layout).pop().expect("one").expect("written by us");
                prop_assert_eq!(post.body, Body::Words(sample.words.clone()));
                prop_assert_eq!(post.labels, Some(Labels::Tags(sample.tags.clone())));
                prop_assert_eq!(post.image.unwrap_or_default(), sample.image_id.clone());
            }
        }
    }

    #[test]
    fn words_are_found_where_they_stand(
        words in prop::collection::vec("[ab\u{a0}é😀]{1,3}", 0..6), gap in "[ \n\t]{1,2}",
    ) {
        let text = words.join(&gap);
        let characters: Vec<char> = text.chars().collect();
        let places = locate(&words, &text).expect("they are all there");
        let found: Vec<String> = places.into_iter().map(|place| characters[place.chars].iter().collect()).collect();
        prop_assert_eq!(found, words);
    }
}
