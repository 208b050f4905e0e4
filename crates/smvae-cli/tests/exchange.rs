//! `smvae predict` between formats: the same posts have the same entities whatever they come in and
//! go out as, and what a format has no place for is said.

mod support;

use serde_json::{Value, json};
use smvae::data::Entity;
use smvae::data::formats::{Body, Format, Labels, PostRecord, Settings, open};
use std::path::Path;
use support::check;

/// A folder with a run that finds the names it was trained on, and `posts.jsonl`.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (people, places) = (["Ann Bo", "Ida Lund", "Zarko", "Mia Fox"], ["Oslo", "Rio Verde", "Bergen"]);
    let (mut corpus, mut posts) = (String::new(), String::new());
    for i in 0..40 {
        let (person, place) = (people[i % 4], places[i % 3]);
        let words: Vec<&str> =
            ["🎉", "met", person, "in", place, "."].iter().flat_map(|part| part.split(' ')).collect();
        let first = 3 + person.split(' ').count();
        let entities = json!([
            {"words": [2, first - 1], "label": "PER"},
            {"words": [first, words.len() - 1], "label": "LOC"},
        ]);
        corpus += &format!("{}\n", json!({"words": words, "entities": entities}));
        posts += &format!("{}\n", json!({"id": i, "text": words.join("  ")}));
    }
    std::fs::create_dir(dir.path().join("corpus")).expect("a new folder");
    for split in ["train", "valid", "test"] {
        std::fs::write(dir.path().join(format!("corpus/{split}.jsonl")), &corpus).expect("writes");
    }
    let posts: String = posts.split_inclusive('\n').take(12).collect();
    std::fs::write(dir.path().join("posts.jsonl"), posts).expect("writes");
    let train = "train --data corpus --text-encoder tiny --hidden-dim 16 --latent-dim 4 --max-width 3 --threads 2 \
                 --epochs 20 --lr 0.01 --out run";
    check(dir.path(), train, "", 0);
    dir
}

/// An entity of a text: first and one past the last character, label.
type Found = Vec<(u64, u64, String)>;

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// The entities of a list of objects.
fn objects(list: &Value) -> Found {
    let list = list.as_array().expect("a list");
    list.iter().map(|e| (number(e, "start"), number(e, "end"), e["label"].as_str().expect("one").to_owned())).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn posts_of(path: &Path, format: Format) -> Vec<PostRecord> {
    let settings = Settings { format: Some(format), ..Settings::default() };
    open(path, &settings).expect("a format").collect::<Result<_, _>>().expect("posts")
}

/// The entities of posts in words, as characters of the texts.
fn of_words(posts: &[PostRecord], answers: &[Value]) -> Vec<Found> {
    let in_text = |(post, answer): (&PostRecord, &Value)| -> Found {
        let entities = match &post.labels {
            Some(Labels::Tags(tags)) => smvae::core::schemes::Scheme::Iobes.entities(tags).expect("tags"),
            Some(Labels::Entities(entities)) => entities.clone(),
            _ => panic!("labels"),
        };
        let words: Vec<String> = serde_json::from_value(answer["words"].clone()).expect("words");
        assert_eq!(post.body, Body::Words(words.clone()));
        let text = answer["text"].as_str().expect("a text");
        let places = smvae::data::words::locate(&words, text).expect("its words");
        let in_text = |Entity { span, label }: Entity| {
            (places[span.start].chars.start as u64, places[span.end - 1].chars.end as u64, label)
        };
        entities.into_iter().map(in_text).collect()
    };
    posts.iter().zip(answers).map(in_text).collect()
}

#[test]
fn the_same_posts_have_the_same_entities_in_every_format() {
    let dir = folder();
    let dir = dir.path();
    let (out, _) = check(dir, "predict --model run --input posts.jsonl", "", 0);
    let answers = lines(&out);
    let want: Vec<Found> = answers.iter().map(|answer| objects(&answer["entities"])).collect();
    assert!(want.iter().map(Vec::len).sum::<usize>() >= 6, "the model finds something: {want:?}");

    let to = |format: &str| check(dir, &format!("predict --model run --input posts.jsonl --to {format}"), "", 0).0;
    let spacy: Vec<Found> = lines(&to("spacy")).iter().map(|line| objects(&line["ents"])).collect();
    assert_eq!(spacy, want);
    let prodigy: Vec<Found> = lines(&to("prodigy")).iter().map(|line| objects(&line["spans"])).collect();
    assert_eq!(prodigy, want);
    let doccano: Vec<Found> = lines(&to("doccano"))
        .iter()
        .map(|line| serde_json::from_value(line["label"].clone()).expect("triples"))
        .collect();
    assert_eq!(doccano, want);
    let tasks: Value = serde_json::from_str(&to("label-studio")).expect("JSON");
    for (task, want) in tasks.as_array().expect("an array").iter().zip(&want) {
        let results = task["predictions"][0]["result"].as_array().expect("a list").iter();
        // The emoji in front is two of its units.
        let found = results.map(|result| {
            let value = &result["value"];
            (number(value, "start") - 1, number(value, "end") - 1, value["labels"][0].as_str().expect("one").to_owned())
        });
        assert_eq!(found.collect::<Found>(), *want);
    }
    check(dir, "predict --model run --input posts.jsonl --output found.conll --scheme iobes", "", 0);
    assert_eq!(of_words(&posts_of(&dir.join("found.conll"), Format::Conll), &answers), want);
    for (name, to, format) in [("found.csv", "csv", Format::Csv), ("found.jsonl", "huggingface", Format::JsonLines)] {
        check(dir, &format!("predict --model run --input posts.jsonl --to {to} --output {name} --scheme iobes"), "", 0);
        assert_eq!(of_words(&posts_of(&dir.join(name), format), &answers), want, "{to}");
    }
    columns_have_them_too(dir, &answers, &want);
}

#[cfg(not(feature = "parquet"))]
fn columns_have_them_too(_: &Path, _: &[Value], _: &[Found]) {}

#[cfg(feature = "parquet")]
#[track_caller]
fn columns_have_them_too(dir: &Path, answers: &[Value], want: &[Found]) {
    for (name, format) in [("found.parquet", Format::Parquet), ("found.arrow", Format::Arrow)] {
        check(dir, &format!("predict --model run --input posts.jsonl --output {name}"), "", 0);
        let posts = posts_of(&dir.join(name), format);
        assert_eq!(of_words(&posts, answers), want);
        assert_eq!(posts[3].id.as_deref(), Some("3"));
        // And in again: its words and its text are those of the posts.
        let (again, _) = check(dir, &format!("predict --model run --input {name}"), "", 0);
        let again: Vec<Found> = lines(&again).iter().map(|answer| objects(&answer["entities"])).collect();
        assert_eq!(again, want);
    }
}

#[test]
fn what_a_format_has_no_place_for_is_said() {
    let dir = folder();
    let dir = dir.path();
    std::fs::write(dir.join("bad.jsonl"), "{\"text\": \"a\"}\n{\"txt\": 1}\n{\"text\": \"\"}\n").expect("writes");
    let predict =
        |rest: &str, code: i32| check(dir, &format!("predict --model run --input bad.jsonl {rest}"), "", code);
    let (out, log) = predict("--to doccano", 3);
    assert_eq!(out.lines().count(), 2);
    assert!(log.contains("line 2 is left out: expected an object with"), "{log}");
    assert!(log.contains("error: 1 line is not in the output"), "{log}");
    let (out, log) = predict("--to conll", 3);
    assert!(out.starts_with("a\tO\n\n# line 2: expected an object with"), "{out}");
    assert!(log.contains("line 3 is left out: a post without words has no place in columns"), "{log}");
    #[cfg(feature = "parquet")]
    {
        predict("--output bad.parquet", 3);
        let posts = open(dir.join("bad.parquet"), &Settings::default()).expect("columns").collect::<Vec<_>>();
        assert_eq!(posts.len(), 3);
        let error = &posts[1].as_ref().expect("a row without words").fields;
        assert!(error.get("error").expect("a column").get().contains("expected an object with"));
    }
    let (_, log) = check(dir, "predict --model run --to xml", "", 2);
    assert!(
        log.contains("must be jsonl, conll, csv, huggingface, spacy, label-studio, doccano, prodigy, arrow or parquet"),
        "{log}"
    );
    let (_, log) = predict("--output found.tsv", 2);
    assert!(log.contains("found.tsv: answers are not written as tsv: --to names another format"), "{log}");
    let (_, log) = predict("--output found.xlsx", 2);
    assert!(log.contains("found.xlsx: answers are not written as xlsx: --to names another format"), "{log}");
    predict("--output found", 3);
    assert_eq!(lines(&std::fs::read_to_string(dir.join("found")).expect("written")).len(), 3);
    let (_, log) = predict("--output found.jsonl", 3);
    assert!(log.contains("found.jsonl: 2 posts with ") && !log.contains("in the place of"), "{log}");
    let (_, log) = predict("--output found.jsonl", 3);
    assert!(log.contains(" entities, in the place of what was there\n"), "{log}");
    std::fs::write(dir.join("posts.txt"), "{\"text\": \"a\"}\n").expect("writes");
    let (_, log) = check(dir, "predict --model run --input posts.txt", "", 1);
    assert!(log.contains("posts.txt is named as a text and begins as jsonl does"), "{log}");
    assert!(log.contains("hint: --from jsonl reads it so, --from text as it is named"), "{log}");
    check(dir, "predict --model run --input posts.txt --from text", "", 0);
}
