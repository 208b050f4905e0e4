//! Tests of what is written: the same entities in every format, what comes back from our own
//! reader, what a format has no place for.

use super::*;
use crate::formats::{Body, Format, Labels, PostRecord, Settings, TextEntity, read};
use crate::words::{WordConvention, locate, split};
use proptest::prelude::*;
use smvae_core::Entity;
use smvae_core::schemes::Scheme;
use std::ops::Range;

/// A post with entities of words, as a model would find them.
fn found<'a>(
    text: &'a str,
    words: &'a [String],
    places: &'a [Range<usize>],
    spans: &[(usize, usize, &'a str)],
) -> FoundPost<'a> {
    let entity = |&(from, to, label): &(usize, usize, &'a str)| {
        let bytes = places[from].start..places[to - 1].end;
        let start = text[..bytes.start].chars().count();
        let text = &text[bytes];
        FoundEntity { chars: start..start + text.chars().count(), text, label, score: 0.9, words: from..to }
    };
    let entities = spans.iter().map(entity).collect();
    FoundPost { line: 3, text, words, places, entities, ..FoundPost::default() }
}

/// The words of a text, and their places.
fn words_of(text: &str) -> (Vec<String>, Vec<Range<usize>>) {
    split(text, &WordConvention::default()).into_iter().map(|word| (word.text.to_owned(), word.bytes)).unzip()
}

fn write(format: Output, settings: &WriteSettings, posts: &[FoundPost<'_>]) -> String {
    let mut writer = Writer::new(format, Vec::new(), settings).expect("in memory");
    for post in posts {
        assert_eq!(writer.post(post).expect("in memory"), Written::Whole);
    }
    String::from_utf8(writer.finish().expect("in memory")).expect("text")
}

/// A text with an emoji, a line end, two spaces and an entity at its end; one without entities.
const TEXTS: [&str; 2] = ["🎉 Lady  Gaga\nin Oslo", "nothing"];

/// What is written of the two posts.
#[track_caller]
fn check(format: Output, want: &str) {
    let (words, places) = words_of(TEXTS[0]);
    let mut first = found(TEXTS[0], &words, &places, &[(1, 3, "PER"), (4, 5, "LOC")]);
    (first.id, first.image) = (Some("7"), Some("p/1.jpg"));
    first.entities[1].score = 0.25;
    let (words, places) = words_of(TEXTS[1]);
    let second = found(TEXTS[1], &words, &places, &[]);
    assert_eq!(write(format, &WriteSettings::default(), &[first, second]), want);
}

#[test]
fn every_tool_has_its_form() {
    check(
        Output::Conll,
        "IMGID:p/1.jpg\n🎉\tO\nLady\tB-PER\nGaga\tI-PER\nin\tO\nOslo\tB-LOC\n\nIMGID:line-3\nnothing\tO\n\n",
    );
    check(
        Output::Spacy,
        concat!(
            r#"{"id":"7","image":"p/1.jpg","text":"🎉 Lady  Gaga\nin Oslo","ents":[{"start":2,"end":12,"label":"PER"},"#,
            r#"{"start":16,"end":20,"label":"LOC"}],"tokens":[{"id":0,"start":0,"end":1},"#,
            r#"{"id":1,"start":2,"end":6},{"id":2,"start":7,"end":8},{"id":3,"start":8,"end":12},"#,
            r#"{"id":4,"start":12,"end":13},{"id":5,"start":13,"end":15},{"id":6,"start":16,"end":20}],"#,
            r#""scores":[0.9,0.25]}"#,
            "\n",
            r#"{"text":"nothing","ents":[],"tokens":[{"id":0,"start":0,"end":7}],"scores":[]}"#,
            "\n",
        ),
    );
    check(
        Output::LabelStudio,
        concat!(
            "[\n",
            r#"{"data":{"id":"7","image":"p/1.jpg","text":"🎉 Lady  Gaga\nin Oslo"},"predictions":[{"#,
            r#""model_version":"smvae","result":[{"from_name":"label","id":"1","score":0.9,"to_name":"text","#,
            r#""type":"labels","value":{"end":13,"labels":["PER"],"start":3,"text":"Lady  Gaga"}},"#,
            r#"{"from_name":"label","id":"2","score":0.25,"to_name":"text","type":"labels","#,
            r#""value":{"end":21,"labels":["LOC"],"start":17,"text":"Oslo"}}],"score":0.25}]}"#,
            ",\n",
            r#"{"data":{"text":"nothing"},"predictions":[{"model_version":"smvae","result":[]}]}"#,
            "\n]\n",
        ),
    );
    check(
        Output::Doccano,
        concat!(
            r#"{"caption":null,"id":"7","image":"p/1.jpg","label":[[2,12,"PER"],[16,20,"LOC"]],"#,
            r#""text":"\ud83c\udf89 Lady  Gaga\nin Oslo"}"#,
            "\n",
            r#"{"caption":null,"id":null,"image":null,"label":[],"text":"nothing"}"#,
            "\n",
        ),
    );
    check(
        Output::Csv,
        concat!(
            "id,image,caption,text,words,tags,entities\n",
            "7,p/1.jpg,,\"🎉 Lady  Gaga\nin Oslo\",🎉 Lady Gaga in Oslo,O B-PER I-PER O B-LOC,",
            "\"Lady  Gaga (PER), Oslo (LOC)\"\n",
            ",,,nothing,nothing,O,\n",
        ),
    );
    check(
        Output::HuggingFace,
        concat!(
            r#"{"id":"7","image":"p/1.jpg","ner_tags":["O","B-PER","I-PER","O","B-LOC"],"#,
            r#""tokens":["🎉","Lady","Gaga","in","Oslo"]}"#,
            "\n",
            r#"{"ner_tags":["O"],"tokens":["nothing"]}"#,
            "\n",
        ),
    );
    check(
        Output::Prodigy,
        concat!(
            r#"{"meta":{"id":"7","image":"p/1.jpg","score":0.25},"spans":[{"end":12,"label":"PER","start":2,"#,
            r#""token_end":2,"token_start":1},{"end":20,"label":"LOC","start":16,"token_end":4,"token_start":4}],"#,
            r#""text":"🎉 Lady  Gaga\nin Oslo","tokens":[{"end":1,"id":0,"start":0,"text":"🎉","ws":true},"#,
            r#"{"end":6,"id":1,"start":2,"text":"Lady","ws":true},{"end":12,"id":2,"start":8,"text":"Gaga","ws":true},"#,
            r#"{"end":15,"id":3,"start":13,"text":"in","ws":true},{"end":20,"id":4,"start":16,"text":"Oslo","ws":false}]}"#,
            "\n",
            r#"{"meta":{},"spans":[],"text":"nothing","tokens":[{"end":7,"id":0,"start":0,"text":"nothing","ws":false}]}"#,
            "\n",
        ),
    );
}

#[test]
fn a_file_without_posts_is_whole() {
    let header = "id,image,caption,text,words,tags,entities\n";
    for (format, want) in
        [(Output::Conll, ""), (Output::LabelStudio, "[]\n"), (Output::Doccano, ""), (Output::Csv, header)]
    {
        assert_eq!(write(format, &WriteSettings::default(), &[]), want);
    }
}

#[test]
fn what_a_person_has_said_is_an_annotation() {
    let (words, places) = words_of("in Oslo");
    let post = found("in Oslo", &words, &places, &[(1, 2, "LOC")]);
    let settings = WriteSettings { author: Author::Person, ..WriteSettings::default() };
    let check = |format, want: &[&str], without: &str| {
        let text = write(format, &settings, std::slice::from_ref(&post));
        assert!(want.iter().all(|part| text.contains(part)) && !text.contains(without), "{text}");
    };
    check(Output::LabelStudio, &[r#""annotations":[{"result":[{"#], "score");
    check(Output::Prodigy, &[r#"{"answer":"accept","meta":{},"#], "score");
    check(Output::Spacy, &[r#""ents":[{"start":3,"end":7,"label":"LOC"}]"#], "score");
}

#[test]
fn a_choice_is_a_table_for_people() {
    let (words, places) = words_of("=Oslo, now");
    let mut post = found("=Oslo, now", &words, &places, &[(1, 2, "LOC")]);
    (post.score, post.reason, post.id) = (Some(-1.5), Some("1.0 entities expected"), Some("7"));
    let other = FoundPost { for_dev: true, entities: Vec::new(), ..post.clone() };
    let want = "rank,score,reason,for_dev,id,image,text,entities\n\
                1,-1.5,1.0 entities expected,false,7,,\"'=Oslo, now\",Oslo (LOC)\n\
                2,-1.5,1.0 entities expected,true,7,,\"'=Oslo, now\",\n";
    let text = write(Output::Csv, &WriteSettings::default(), &[post, other]);
    assert_eq!(text, want);
    let read = read_back(Format::Csv, text.as_bytes());
    assert_eq!(read[0].body, Body::Text("=Oslo, now".to_owned()));
}

#[test]
fn tags_are_of_the_scheme_that_was_asked_for() {
    let (words, places) = words_of("Lady Gaga Oslo");
    let post = found("Lady Gaga Oslo", &words, &places, &[(0, 2, "PER"), (2, 3, "LOC")]);
    let check = |scheme, want: &str| {
        let settings = WriteSettings { scheme, ..WriteSettings::default() };
        let text = write(Output::Conll, &settings, std::slice::from_ref(&post));
        assert_eq!(
            text.lines().filter_map(|line| line.split_once('\t')).map(|(_, tag)| tag).collect::<Vec<_>>().join(" "),
            want
        );
    };
    check(Scheme::Iob2, "B-PER I-PER B-LOC");
    check(Scheme::Iob1, "I-PER I-PER I-LOC");
    check(Scheme::Iobes, "B-PER E-PER S-LOC");
    check(Scheme::Bilou, "B-PER L-PER U-LOC");
}

/// What is said of a post that a format has no place for.
#[track_caller]
fn check_left_out(format: Output, words: &[&str], spans: &[(usize, usize, &str)], want: &str) {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let text = words.join(" ");
    let places: Vec<Range<usize>> = locate(&words, &text).expect("joined").into_iter().map(|word| word.bytes).collect();
    let mut writer = Writer::new(format, Vec::new(), &WriteSettings::default()).expect("in memory");
    let written = writer.post(&found(&text, &words, &places, spans)).expect("in memory");
    assert_eq!(written, Written::LeftOut(want.to_owned()));
    let rest = writer.finish().expect("in memory");
    assert!(rest.is_empty() || rest == sheet::header(false).as_bytes());
}

#[test]
fn what_a_format_cannot_hold_is_left_out_and_said() {
    check_left_out(Output::Conll, &[], &[], "a post without words has no place in columns");
    check_left_out(Output::Conll, &["a\tb"], &[], "the word \"a\\tb\" would not be read back from columns");
    check_left_out(Output::Conll, &["IMGID:1"], &[], "the word \"IMGID:1\" would not be read back from columns");
    check_left_out(Output::Conll, &["a"], &[(0, 1, "X\tY")], "the tag \"B-X\\tY\" would not be read back from columns");
    check_left_out(Output::Csv, &["a b"], &[], "the word \"a b\" would not be read back from a cell");
    check_left_out(Output::Csv, &["a"], &[(0, 1, "a b")], "the tag \"B-a b\" would not be read back from a cell");
    check_left_out(
        Output::Spacy,
        &["a", "\u{a0}", "\u{a0}"],
        &[(0, 2, "X")],
        "spaCy has no entity that begins or ends in white space, as \"a \\u{a0}\" does",
    );
}

#[test]
fn a_post_whose_parts_do_not_fit_is_left_out() {
    let (words, places) = words_of("in Oslo");
    let check = |post: FoundPost<'_>| {
        for format in Output::ALL {
            let Ok(mut writer) = Writer::new(format, Vec::new(), &WriteSettings::default()) else { continue };
            let written = writer.post(&post).expect("in memory");
            assert!(matches!(written, Written::LeftOut(_)), "{format:?}: {post:?}");
        }
    };
    let whole = found("in Oslo", &words, &places, &[(1, 2, "LOC")]);
    check(FoundPost { places: &[], ..whole.clone() });
    check(FoundPost { places: &[3..7, 0..2], ..whole.clone() });
    check(FoundPost { places: &[0..2, 3..8], ..whole.clone() });
    check(FoundPost { text: "in aslö", ..whole.clone() });
    for range in [1..1, 1..3] {
        let entity = FoundEntity { words: range, ..whole.entities[0].clone() };
        check(FoundPost { entities: vec![entity.clone()], ..whole.clone() });
        check(FoundPost { entities: Vec::new(), candidates: Some(vec![entity]), ..whole.clone() });
    }
}

#[test]
fn failures_have_the_place_that_a_format_has() {
    let write = |format, has_ids: bool, failed: FailedPost<'_>| {
        let mut writer = Writer::new(format, Vec::new(), &WriteSettings::default()).expect("in memory");
        let words = ["a".to_owned()];
        let (_, places) = words_of("a");
        let mut post = found("a", &words, &places, &[]);
        post.id = has_ids.then_some("7");
        let _ = writer.post(&post).expect("in memory");
        let written = writer.failure(&failed).expect("in memory");
        let text = String::from_utf8(writer.finish().expect("in memory")).expect("text");
        (written, text)
    };
    let failed = FailedPost { line: 3, error: "expected\na post", ..FailedPost::default() };
    let left_out = Written::LeftOut("expected\na post".to_owned());
    assert_eq!(
        write(Output::Conll, false, failed),
        (Written::Whole, "a\tO\n\n# line 3: expected a post\n\n".to_owned())
    );
    assert_eq!(write(Output::Conll, true, failed), (left_out.clone(), "IMGID:7\na\tO\n\n".to_owned()));
    let words = ["b".to_owned()];
    let computed = FailedPost { words: &words, ..failed };
    assert_eq!(write(Output::Conll, true, computed).1, "IMGID:7\na\tO\n\nIMGID:line-3\nb\tO\n\n");
    assert_eq!(
        write(Output::Doccano, false, failed),
        (left_out, "{\"caption\":null,\"id\":null,\"image\":null,\"label\":[],\"text\":\"a\"}\n".to_owned())
    );
}

/// The posts of what was written.
fn read_back(format: Format, bytes: &[u8]) -> Vec<PostRecord> {
    let settings = Settings { format: Some(format), ..Settings::default() };
    read(bytes, "f", &settings).expect("a format").collect::<Result<_>>().expect("posts")
}

#[cfg(feature = "parquet")]
#[test]
fn rows_come_back_from_our_own_reader() {
    let (words, places) = words_of(TEXTS[0]);
    let spans = [(1, 3, "PER"), (4, 5, "LOC")];
    let mut first = found(TEXTS[0], &words, &places, &spans);
    first.id = Some("7");
    first.candidates = Some(first.entities.clone());
    let failed = FailedPost { line: 2, id: Some("8"), error: "no post", ..FailedPost::default() };
    let settings = WriteSettings { has_candidates: true, ..WriteSettings::default() };
    for (output, format) in [(Output::Arrow, Format::Arrow), (Output::Parquet, Format::Parquet)] {
        let mut writer = Writer::new(output, Vec::new(), &settings).expect("in memory");
        for _ in 0..1500 {
            assert_eq!(writer.post(&first).expect("in memory"), Written::Whole);
        }
        writer.flush().expect("in memory");
        assert_eq!(writer.failure(&failed).expect("in memory"), Written::Whole);
        let bytes = writer.finish().expect("in memory");
        let posts = read_back(format, &bytes);
        assert_eq!(posts.len(), 1501);
        let want: Vec<Entity> = spans.iter().map(|&(from, to, label)| Entity::new(from, to, label)).collect();
        assert_eq!(posts[1499].labels, Some(Labels::Entities(want)));
        assert_eq!(posts[1499].body, Body::Words(words.clone()));
        let fields = serde_json::to_string(&posts[1500].fields).expect("serialises");
        let want = concat!(
            r#"{"id":"8","image":null,"text":null,"words":[],"entities":[],"candidates":[],"#,
            r#""words_cut":0,"image_missing":false,"error":"no post"}"#,
        );
        assert_eq!(fields, want);
    }
}

/// Entities that do not overlap, of some words.
fn spans_of(n: usize, lengths: &[usize]) -> Vec<(usize, usize, &'static str)> {
    let (mut spans, mut at) = (Vec::new(), 0);
    for &length in lengths {
        if length > 0 && at + length <= n {
            spans.push((at, at + length, ["PER", "LOC"][length % 2]));
        }
        at += length.max(1);
    }
    spans
}

proptest! {
    /// Any text, in all formats: our own reader and the counting of characters agree about the
    /// entities.
    #[test]
    fn what_is_written_is_read_back(text in "[ab \u{a0}é😀\n.'@=]{0,20}", lengths in prop::collection::vec(0usize..3, 0..8)) {
        let (words, places) = words_of(&text);
        let spans = spans_of(words.len(), &lengths);
        let post = found(&text, &words, &places, &spans);
        let of_words: Vec<Entity> = spans.iter().map(|&(from, to, label)| Entity::new(from, to, label)).collect();
        let of_text: Vec<TextEntity> = post.entities.iter()
            .map(|e| TextEntity { start: e.chars.start, end: e.chars.end, label: e.label.to_owned() })
            .collect();
        for scheme in Scheme::ALL {
            let settings = WriteSettings { scheme, ..WriteSettings::default() };
            if words.is_empty() {
                break;
            }
            let written = write(Output::Conll, &settings, std::slice::from_ref(&post));
            let read = read_back(Format::Conll, written.as_bytes()).remove(0);
            prop_assert_eq!(&read.body, &Body::Words(words.clone()));
            let Some(Labels::Tags(tags)) = read.labels else { panic!("tags") };
            prop_assert_eq!(scheme.entities(&tags).expect("tags of the scheme"), of_words.clone());
            for (output, format) in [(Output::Csv, Format::Csv), (Output::HuggingFace, Format::JsonLines)] {
                let written = write(output, &settings, std::slice::from_ref(&post));
                let read = read_back(format, written.as_bytes()).remove(0);
                prop_assert_eq!(&read.body, &Body::Words(words.clone()));
                prop_assert_eq!(&read.labels, &Some(Labels::Tags(tags.clone())));
                prop_assert!(output != Output::Csv || read.fields.read("text").expect("a string") == Some(text.clone()));
            }
        }
        let settings = WriteSettings::default();
        for (output, name) in [(Output::Doccano, "label"), (Output::Prodigy, "spans"), (Output::Spacy, "ents")] {
            let written = write(output, &settings, std::slice::from_ref(&post));
            let line: serde_json::Value = serde_json::from_str(&written).expect("JSON");
            let body = serde_json::json!({"text": line["text"], "spans": line[name]}).to_string();
            let read = read_back(Format::JsonLines, body.as_bytes()).remove(0);
            prop_assert_eq!(read.body, Body::Text(text.clone()));
            prop_assert_eq!(read.labels, Some(Labels::TextEntities(of_text.clone())), "{}", name);
        }
        let written = write(Output::LabelStudio, &settings, std::slice::from_ref(&post));
        let tasks: serde_json::Value = serde_json::from_str(&written).expect("JSON");
        let units: Vec<u16> = text.encode_utf16().collect();
        for result in tasks[0]["predictions"][0]["result"].as_array().expect("a list") {
            let value = &result["value"];
            let at = |name: &str| value[name].as_u64().expect("a number") as usize;
            let part = String::from_utf16(&units[at("start")..at("end")]).expect("whole characters");
            prop_assert_eq!(Some(part.as_str()), value["text"].as_str());
        }
    }
}
