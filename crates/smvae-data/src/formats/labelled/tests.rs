//! Tests of corpus files: schemes that become BIO, what lacks words or labels, one file per split.

use crate::corpus::{CorpusFormat, Split, load_file, load_file_with, split_path};
use crate::{Error, Result};
use smvae_core::schemes::Scheme;

/// What a corpus file is read as, and the tags of its first post.
#[track_caller]
fn check_corpus(name: &str, text: &str, scheme: Option<Scheme>, want: Result<(&str, &str), &str>) {
    check_format(name, text, &CorpusFormat { scheme, ..CorpusFormat::default() }, want);
}

#[track_caller]
fn check_format(name: &str, text: &str, format: &CorpusFormat, want: Result<(&str, &str), &str>) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("writes");
    match (load_file_with(&path, format), want) {
        (Ok(split), Ok((read_as, tags))) => {
            assert_eq!(split.read_as.to_string(), read_as);
            assert_eq!(split.samples[0].tags.join(" "), tags);
        }
        (Err(error), Err(want)) => {
            let error = error.to_string();
            assert!(error.contains(want), "{error:?} does not have {want:?}");
        }
        (got, want) => panic!("{got:?}, expected {want:?}"),
    }
}

#[test]
fn corpora_of_every_scheme_become_bio() {
    let columns = |scheme: &str| {
        format!(
            "conll: 2 columns separated by spaces, words in column 1, tags in column 2, without `IMGID:` lines, \
             scheme {scheme}"
        )
    };
    check_corpus("a.conll", "a B-X\nb E-X\nc S-X\n", None, Ok((&columns("iobes"), "B-X I-X B-X")));
    check_corpus("a.txt", "a B-X\nb L-X\nc U-X\n", None, Ok((&columns("bilou"), "B-X I-X B-X")));
    check_corpus("a.conll", "a I-X\nb B-X\n", None, Ok((&columns("iob1"), "I-X B-X")));
    check_corpus("a.conll", "a I-X\nb B-X\n", Some(Scheme::Iob1), Ok((&columns("iob1"), "B-X B-X")));
    check_corpus("a.conll", "a B-X\nb O\nc I-Y\n", None, Ok((&columns("iob2, ill-formed in places"), "B-X O I-Y")));
    check_corpus(
        "a.conll",
        "a B-X\nb O\n\nc B-X\nd S-X\n",
        None,
        Err(":1: expected well-formed tags of iobes, whose prefixes the file has"),
    );
    check_corpus("a.conll", "a B-X\nb S-X\n", Some(Scheme::Iobes), Ok((&columns("iobes"), "B-X B-X")));
    check_corpus(
        "a.conll",
        "a O\n\nb S-X\n",
        Some(Scheme::Iob2),
        Err(":3: expected tags of the scheme iob2, got \"S-X\""),
    );
    check_corpus("a.conll", "a S-X\nb U-X\n", None, Err("the tags cannot be read: name their scheme"));
}

#[test]
fn corpora_have_words_and_labels() {
    let spans = r#"{"words": ["a", "b"], "entities": [{"words": [0, 2], "label": "X"}]}"#;
    check_corpus("a.jsonl", spans, None, Ok(("jsonl", "B-X I-X")));
    let twice = spans.replace("}]", r#"}, {"words": [1, 2], "label": "Y"}]"#);
    check_corpus("a.jsonl", &twice, None, Err(":1: expected entities that fit (the entity 1..2 does not fit"));
    check_corpus(
        "a.jsonl",
        r#"{"text": "a", "label": []}"#,
        None,
        Err(":1: expected words with labels, and not a text"),
    );
    check_corpus("a.jsonl", r#"{"words": ["a"]}"#, None, Err(":1: expected labels beside the words"));
    check_corpus("a.jsonl", r#"{"words": [], "tags": []}"#, None, Err(":1: expected at least one word"));
    check_corpus("a.csv", "text\na\n", None, Err(":2: expected words with labels, and not a text"));
    check_corpus(
        "a.conll",
        "\na\nb\n",
        None,
        Err(":2: expected at least 2 columns separated by spaces, one of them tags"),
    );
    check_corpus("a.txt", "IMGID:1\na\n", None, Err(":2: expected `word<TAB>tag`"));
    check_corpus("a.jsonl", "\n", None, Err("expected at least one"));
    assert!(matches!(load_file("no/such.jsonl"), Err(Error::Read { .. })));
}

#[test]
fn tags_that_are_numbers_need_names() {
    let text = r#"{"tokens": ["a", "b"], "ner_tags": [1, 2]}"#;
    let named =
        |names: &str| CorpusFormat { label_names: Some(names.parse().expect("tags")), ..CorpusFormat::default() };
    check_format("a.jsonl", text, &named("O,B-X,I-X"), Ok(("jsonl, scheme iob2", "B-X I-X")));
    check_format("a.jsonl", text, &named("O,S-X,B-X,E-X"), Err("expected well-formed tags of iobes"));
    check_format("a.jsonl", text, &named("O,B-X"), Err(":1: expected tags by numbers below 2, as many as there are"));
    check_corpus("a.jsonl", text, None, Err("a.jsonl:1: the tags are numbers: their names must be given"));
}

#[test]
fn a_split_has_one_file_of_any_format() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str| std::fs::write(dir.path().join(name), "").expect("writes");
    let error = split_path(dir.path(), Split::Dev).expect_err("none").to_string();
    assert!(
        error.ends_with("has no valid.txt or dev.txt, nor one ending in .conll, .jsonl, .json, .csv, .tsv, .parquet"),
        "{error}"
    );
    write("dev.csv");
    write("valid.doc");
    assert_eq!(split_path(dir.path(), Split::Dev).expect("one"), dir.path().join("dev.csv"));
    write("valid.conll");
    let error = split_path(dir.path(), Split::Dev).expect_err("two").to_string();
    assert!(error.ends_with("has both valid.conll and dev.csv: which is the split? Remove one"), "{error}");
}
