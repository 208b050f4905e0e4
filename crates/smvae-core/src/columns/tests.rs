//! Columns of tagged text: what is a word, what ends a sentence, what is refused.

use super::*;

#[track_caller]
fn check(text: &str, want: &[&str]) {
    let got: Vec<String> = read_columns(text)
        .expect("well-formed")
        .iter()
        .map(|s| format!("{} / {}", s.gold.join(" "), s.predicted.join(" ")))
        .collect();
    assert_eq!(got, want, "{text:?}");
}

#[track_caller]
fn check_error(text: &str, at: usize) {
    match read_columns(text) {
        Err(Error::Column { line, .. }) => assert_eq!(line, at, "{text:?}"),
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn sentences_end_at_blank_lines_and_boundaries() {
    check("", &[]);
    check("\n\n \t\n", &[]);
    check("a O O", &["O / O"]);
    check("O B-X\n", &["O / B-X"]);
    check("a NN B-X\tI-X\r\n\r\nb O O\r\n", &["B-X / I-X", "O / O"]);
    check("-DOCSTART- -X- O O\n\na O O\n-X- O O\nb O O\n\n\n\nc O O", &["O / O", "O / O", "O / O"]);
    check("\u{a0} B-X O\n\u{3000} I-X O\n", &["B-X I-X / O O"]);
}

#[test]
fn errors_have_the_line() {
    check_error("a O O\n\na O PER\n", 3);
    check_error("a PER O", 1);
    check_error("a O O\nO\n", 2);
    check_error("\u{a0}\n", 1);
    check_error("a B- O\n", 1);
}

#[test]
fn two_columns_can_be_named() {
    let at = |gold, predicted| Some(TagColumns { gold, predicted });
    let text = "a B-X NN O\nb E-X NN S-X\n";
    let read = read_columns_at(text, at(1, 3)).expect("tags of any scheme");
    assert_eq!((read[0].gold.join(" "), read[0].predicted.join(" ")), ("B-X E-X".to_owned(), "O S-X".to_owned()));
    let error = read_columns_at(text, at(1, 4)).expect_err("four columns").to_string();
    assert_eq!(error, "line 1: expected a gold and a predicted tag in the columns 2 and 5, got \"a B-X NN O\"");
}
