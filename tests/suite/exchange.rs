//! Posts through other programs: what their own packages wrote (`tests/exchange/fixtures.py`) is
//! read as it was meant.

use crate::golden::root;
use serde::Deserialize;
use smvae::data::corpus::CorpusFormat;
use smvae::data::exchange::labelled::posts_of;
use smvae::data::exchange::{Annotated, Export, State, Tool, read};
use smvae::data::formats::TextEntity;
use std::path::PathBuf;

/// A post as it must be read.
#[derive(Deserialize)]
struct Wanted {
    id: String,
    text: String,
    state: String,
    spans: Vec<(usize, usize, String)>,
}

impl Wanted {
    fn state(&self) -> State {
        let span = |(start, end, label): &(usize, usize, String)| TextEntity {
            start: *start,
            end: *end,
            label: label.clone(),
        };
        match self.state.as_str() {
            "labelled" => State::Labelled(self.spans.iter().map(span).collect()),
            "skipped" => State::Skipped,
            _ => State::Unlabelled,
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/exchange/fixtures").join(name)
}

fn wanted() -> Vec<Wanted> {
    let text = std::fs::read_to_string(fixture("posts.json")).expect("a fixture");
    serde_json::from_str(&text).expect("posts")
}

/// Reads a file of a tool, and compares its posts with those that are wanted, as `tell` has each.
#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(
    name: &str,
    tool: Tool,
    tell: impl Fn(&str, &str, &State) -> Option<T>,
) -> Export {
    let export = read(fixture(name)).expect("an export");
    assert_eq!(export.tool, tool, "{name}");
    assert!(export.posts.iter().all(|post| post.odd.is_empty()), "{name}");
    let id = |post: &Annotated| post.id.clone().unwrap_or_default();
    let got: Vec<T> = export.posts.iter().filter_map(|post| tell(&id(post), &post.text, &post.state)).collect();
    let want: Vec<T> = wanted().iter().filter_map(|post| tell(&post.id, &post.text, &post.state())).collect();
    assert_eq!(got, want, "{name}");
    export
}

fn own<T: Clone>(text: &str, rest: &T) -> (String, T) {
    (text.to_owned(), rest.clone())
}

#[test]
fn what_other_programs_wrote_is_read_as_it_was_meant() {
    let several =
        check("label-studio.json", Tool::LabelStudio, |id, text, state| Some((id.to_owned(), own(text, state))));
    assert_eq!(several.several, [6]);
    // JSON_MIN has Label Studio's own ids, and not the tasks that were skipped.
    let kept = |_: &str, text: &str, state: &State| (*state != State::Skipped).then(|| own(text, state));
    assert_eq!(check("label-studio-min.json", Tool::LabelStudio, kept).several, [5]);
    let error = read(fixture("label-studio.conll")).expect_err("no words that can be trusted").to_string();
    assert!(error.contains("its CoNLL export splits the text anew and loses labels"), "{error}");
    // doccano has no word for what nobody has looked at: only what was approved is labelled.
    let labelled = |id: &str, text: &str, state: &State| {
        matches!(state, State::Labelled(_)).then(|| (id.to_owned(), own(text, state)))
    };
    check("doccano-approved.jsonl", Tool::Doccano, labelled);
    let as_labelled = |id: &str, text: &str, state: &State| {
        let spans = if let State::Labelled(spans) = state { spans.clone() } else { Vec::new() };
        Some((id.to_owned(), own(text, &spans)))
    };
    check("doccano.jsonl", Tool::Doccano, as_labelled);
    let of_documents = |_: &str, text: &str, state: &State| {
        Some(own(text, if *state == State::Skipped { &State::Unlabelled } else { state }))
    };
    check("spacy.jsonl", Tool::Spacy, of_documents);
}

#[test]
fn words_of_hugging_face_are_those_of_the_posts() {
    let mut numbers = CorpusFormat::default();
    numbers.label_names = Some("O,B-PER,I-PER,B-LOC,I-LOC".parse().expect("names"));
    for (name, format) in [("datasets-names.jsonl", CorpusFormat::default()), ("datasets-numbers.jsonl", numbers)] {
        let posts = posts_of(fixture(name), &format).expect("a corpus").posts;
        let wanted: Vec<Wanted> = wanted().into_iter().filter(|post| post.state == "labelled").collect();
        assert_eq!(posts.len(), wanted.len());
        for (post, want) in posts.iter().zip(wanted) {
            assert_eq!(post.id.as_deref(), Some(want.id.as_str()));
            let of = |start: usize, end: usize| want.text.chars().skip(start).take(end - start).collect::<String>();
            let mentions: Vec<(String, String)> =
                want.spans.iter().map(|(start, end, label)| (of(*start, *end), label.clone())).collect();
            let found = post.as_found();
            let got: Vec<(String, String)> =
                found.entities.iter().map(|entity| (entity.text.to_owned(), entity.label.to_owned())).collect();
            assert_eq!(got, mentions, "{name}");
        }
    }
}
