//! Files of tools, as the tools write them, and what becomes of them.

use super::fit::{Fitted, Misfits, fit};
use super::{Export, ReadSettings, State, Tool, read_bytes, read_bytes_with};
use crate::formats::{Body, LabelUse, Labels, json::read_post};
use crate::words::WordConvention;

fn fitted(post: &super::Annotated, misfits: Misfits) -> Fitted {
    fit(post, &WordConvention::default(), misfits)
}

/// The entities of each post, as `id: text label, ...`; `-` for one without labels.
fn summary(export: &Export) -> Vec<String> {
    let of = |post: &super::Annotated| {
        let id = post.id.as_deref().unwrap_or("");
        match &post.state {
            State::Unlabelled => format!("{id}: -"),
            State::Skipped => format!("{id}: skipped"),
            State::Labelled(_) => {
                let fitted = fitted(post, Misfits::Refuse);
                assert!(fitted.misfits.is_empty(), "{:?}", fitted.misfits);
                let text = |e: &smvae_core::Entity| {
                    format!("{} {}", fitted.words[e.span.start..e.span.end].join(" "), e.label)
                };
                format!("{id}: {}", fitted.entities.iter().map(text).collect::<Vec<_>>().join(", "))
            }
        }
    };
    export.posts.iter().map(of).collect()
}

#[track_caller]
fn check(file: &str, tool: Tool, want: &[&str]) {
    let export = read_bytes(file.as_bytes(), "export").expect("an export");
    assert_eq!((export.tool, summary(&export)), (tool, want.iter().map(|&line| line.to_owned()).collect()));
}

#[track_caller]
fn refused(file: &str, want: &str) {
    let error = read_bytes(file.as_bytes(), "export").expect_err("not taken").to_string();
    assert!(error.contains(want), "{error}");
}

/// A task of Label Studio with these annotations.
fn task(id: u32, text: &str, annotations: &str) -> String {
    format!(r#"{{"id": {id}, "data": {{"text": "{text}"}}, "annotations": [{annotations}], "predictions": []}}"#)
}

fn region(start: usize, end: usize, text: &str, label: &str) -> String {
    format!(
        r#"{{"id": "a", "from_name": "label", "to_name": "text", "type": "labels",
            "value": {{"start": {start}, "end": {end}, "text": "{text}", "labels": ["{label}"]}}}}"#
    )
}

fn annotation(regions: &[String], more: &str) -> String {
    format!(r#"{{"id": 1, "completed_by": 1, "result": [{}]{more}}}"#, regions.join(", "))
}

#[test]
fn tasks_of_label_studio_are_read() {
    let oslo = annotation(&[region(3, 7, "Oslo", "LOC")], "");
    let tasks = [
        task(1, "in Oslo", &oslo),
        task(2, "in Oslo", ""),
        task(3, "in Oslo", &annotation(&[], r#", "was_cancelled": true"#)),
        task(4, "in Oslo", &annotation(&[], r#", "was_cancelled": false"#)),
        // Units, and characters.
        task(5, "🎉🎉 Oslo", &annotation(&[region(5, 9, "Oslo", "LOC")], "")),
        task(6, "🎉🎉 Oslo", &annotation(&[region(3, 7, "Oslo", "LOC")], "")),
        task(7, "in Oslo", &[annotation(&[], ""), oslo.clone()].join(", ")),
        task(8, "in Oslo", &[annotation(&[], r#", "ground_truth": true"#), oslo.clone()].join(", ")),
    ];
    let file = format!("[{}]", tasks.join(",\n"));
    let loc = |id| format!("{id}: Oslo LOC");
    let want = [loc(1), "2: -".into(), "3: skipped".into(), "4: ".into(), loc(5), loc(6), loc(7), "8: ".into()];
    check(&file, Tool::LabelStudio, &want.each_ref().map(String::as_str));
    assert_eq!(read_bytes(file.as_bytes(), "export").expect("an export").several, [7, 8]);
    let minimal = r#"[{"text": "in Oslo", "id": 9, "label": [{"start": 3, "end": 7, "text": "Oslo", "labels": ["LOC"]}],
        "annotator": 1, "annotation_id": 2}, {"text": "x", "id": 10, "annotator": 1, "annotation_id": 3},
        {"text": "x", "id": 11, "annotator": null, "annotation_id": null}]"#;
    check(minimal, Tool::LabelStudio, &["9: Oslo LOC", "10: ", "11: -"]);
    // The editor's way to write the end of a line.
    let two_lines = task(12, "Lady\\nGaga", &annotation(&[region(0, 9, "Lady\\\\nGaga", "PER")], ""));
    check(&format!("[{two_lines}]"), Tool::LabelStudio, &["12: Lady Gaga PER"]);
}

/// What is told of the one span of a file, and what becomes of it when spans are moved.
#[track_caller]
fn odd(file: &str, want: &str, moved: &[(usize, usize)]) {
    let export = read_bytes(file.as_bytes(), "export").expect("an export");
    for misfits in [Misfits::Refuse, Misfits::Drop] {
        let fitted = fitted(&export.posts[0], misfits);
        assert!(fitted.entities.is_empty() && !fitted.odd[0].kept);
        assert!(fitted.odd[0].to_string().contains(want), "{}", fitted.odd[0]);
    }
    let fitted = fitted(&export.posts[0], Misfits::Move);
    let spans: Vec<(usize, usize)> = fitted.entities.iter().map(|e| (e.span.start, e.span.end)).collect();
    assert_eq!((spans.as_slice(), fitted.odd[0].kept), (moved, !moved.is_empty()));
}

#[test]
fn what_label_studio_cannot_mean_is_told() {
    let bad = |region: String| format!("[{}]", task(1, "🎉 in Oslo", &annotation(&[region], "")));
    odd(&bad(region(0, 2, "Rome", "LOC")), "expected the text to have \"Rome\" at that place, got {", &[]);
    odd(&bad(region(3, 99, "Oslo", "LOC")), "expected the text to have \"Oslo\" at that place", &[(2, 3)]);
    odd(&bad(region(0, 2, "in Oslo", "LOC")), ": the text has it at characters 2..9", &[(1, 3)]);
    odd(&bad(region(5, 9, "Oslo", "LOC").replace(r#""text": "Oslo", "#, "")), "regions with their \"text\"", &[]);
    odd(&bad(region(6, 10, "Oslo", "LOC").replace(r#"["LOC"]"#, r#"["LOC", "PER"]"#)), "regions of one label", &[]);
    odd(
        &bad(region(6, 10, "Oslo", "LOC").replace("\"labels\": [", "\"hypertextlabels\": [")),
        "and not hypertextlabels",
        &[],
    );
    // What stands twice in the text has no place of its own.
    odd(&format!("[{}]", task(1, "Oslo Oslo", &annotation(&[region(1, 5, "Oslo", "LOC")], ""))), "at that place", &[]);
    refused(r#"[{"data": {"title": 1}}]"#, "\"text\" to be a string");
    refused(r#"[{"data": {"title": "a", "body": "b"}}]"#, "export:1: which field is the text? It may be body or title");
    refused("-DOCSTART- -X- O\nin -X- _ O\n\n", "Label Studio's JSON export: its CoNLL export splits the text anew");
}

#[test]
fn the_text_of_a_task_is_in_the_one_field_that_may_be_it_or_in_the_one_that_is_named() {
    let one = r#"[{"data": {"body": "in Oslo", "image": "a.jpg"}, "annotations": [{"result": []}]}]"#;
    let export = read_bytes(one.as_bytes(), "export").expect("an export");
    assert_eq!((export.posts[0].text.as_str(), export.text_field.as_deref()), ("in Oslo", Some("body")));
    let two = one.replace("\"body\"", "\"title\": \"a\", \"body\"");
    let named = |name: &str| ReadSettings { text_field: Some(name.to_owned()) };
    let export = read_bytes_with(two.as_bytes(), "export", &named("body")).expect("an export");
    assert_eq!((export.posts[0].text.as_str(), export.text_field), ("in Oslo", None));
    let error = read_bytes_with(two.as_bytes(), "export", &named("txt")).expect_err("no such field").to_string();
    assert!(error.contains("\"txt\" to be a string"), "{error}");
}

#[test]
fn of_several_annotations_the_newest_counts() {
    let minimal = |annotation: u32, date: &str, label: &str| {
        format!(
            r#"{{"text": "in Oslo", "id": 9, "annotator": {annotation}, "annotation_id": {annotation}, "created_at": "{date}",
                "label": [{{"start": 3, "end": 7, "text": "Oslo", "labels": ["{label}"]}}]}}"#
        )
    };
    // As its converter writes them: the newest first.
    let file =
        format!("[{}, {}]", minimal(2, "2026-01-02T10:00:00Z", "LOC"), minimal(1, "2026-01-01T10:00:00Z", "ORG"));
    check(&file, Tool::LabelStudio, &["9: Oslo LOC"]);
    assert_eq!(read_bytes(file.as_bytes(), "export").expect("an export").several, [1]);
    let dated =
        |date: &str, label: &str| annotation(&[region(3, 7, "Oslo", label)], &format!(r#", "created_at": "{date}""#));
    let annotations = [dated("2026-01-02T10:00:00Z", "LOC"), dated("2026-01-01T10:00:00Z", "ORG")].join(", ");
    check(&format!("[{}]", task(1, "in Oslo", &annotations)), Tool::LabelStudio, &["1: Oslo LOC"]);
}

#[test]
fn every_form_of_doccano_is_read() {
    let lines = r#"{"id": 1, "text": "in Oslo", "label": [[3, 7, "LOC"]], "Comments": []}
{"id": 2, "data": "in Oslo", "label": []}
{"id": 3, "text": "🎉 Oslo", "labels": [[2, 6, "LOC"]], "image": "a.jpg"}
{"id": 4, "text": "in Oslo", "entities": [{"id": 1, "label": "LOC", "start_offset": 3, "end_offset": 7}]}
"#;
    check(lines, Tool::Doccano, &["1: Oslo LOC", "2: ", "3: Oslo LOC", "4: Oslo LOC"]);
    let old = r#"{"text": "in Oslo", "annotations": [{"label": 3, "start_offset": 3, "end_offset": 7, "user": 1}]}"#;
    refused(old, "labels by name");
    odd(r#"{"text": "in Oslo", "label": [[3, 8, "LOC"]]}"#, "spans within the 7 characters, and not 3..8", &[]);
    odd(r#"{"text": "in Oslo", "label": [[3, 7]]}"#, "[start, end, \"label\"]", &[]);
    odd(r#"{"text": "in Oslo", "label": [[3, 7, ""]]}"#, "spans whose label has text", &[]);
    odd(r#"{"text": "in Oslo", "label": [[3, 7, "LOC "]]}"#, "no white space at an end", &[]);
    odd(r#"{"text": "in Oslo", "label": [[null, 7, "LOC"]]}"#, "start and end are numbers of characters", &[]);
}

#[test]
fn lines_of_prodigy_are_read() {
    let lines =
        r#"{"text": "in Oslo", "spans": [{"start": 3, "end": 7, "token_start": 1, "token_end": 1, "label": "LOC"}],
"#
        .replace('\n', " ")
            + r#""answer": "accept", "meta": {"id": "a", "image": "b.jpg"}}
{"text": "x", "answer": "reject", "spans": []}
{"text": "x", "answer": "accept"}
{"text": "y", "spans": []}"#;
    check(&lines, Tool::Prodigy, &["a: Oslo LOC", ": skipped", ": ", ": -"]);
}

#[test]
fn what_was_labelled_keeps_what_suggest_wrote_beside_it() {
    let suggested = r#""suggested": {"rank": 1, "for_dev": true}, "words": ["in", "Oslo"], "entities": []"#;
    let tokens = r#""tokens": [{"text": "in", "start": 0, "end": 2, "id": 0}]"#;
    let spans = r#""spans": [{"start": 3, "end": 7, "label": "LOC"}]"#;
    let prodigy = format!(r#"{{"id": "a", "text": "in Oslo", {suggested}, {tokens}, {spans}, "answer": "accept"}}"#);
    let doccano = format!(r#"{{"id": "a", "text": "in Oslo", {suggested}, "label": [[3, 7, "LOC"]]}}"#);
    let region = region(3, 7, "Oslo", "LOC");
    let task = format!(
        r#"[{{"data": {{"id": "a", "text": "in Oslo", {suggested}}}, "annotations": [{{"result": [{region}]}}]}}]"#
    );
    for (file, tool) in [(&prodigy, Tool::Prodigy), (&doccano, Tool::Doccano), (&task, Tool::LabelStudio)] {
        check(file, tool, &["a: Oslo LOC"]);
        assert!(read_bytes(file.as_bytes(), "export").expect("an export").posts[0].for_dev, "{tool:?}");
    }
    // The tool's own place for the mark counts first.
    let own = doccano.replace("\"id\"", "\"for_dev\": false, \"id\"");
    assert!(!read_bytes(own.as_bytes(), "export").expect("an export").posts[0].for_dev);
}

#[test]
fn exports_with_words_that_were_kept_are_no_posts_of_a_corpus() {
    let words = r#""id": 1, "text": "in Oslo", "tokens": ["in", "Oslo"]"#;
    let entity = r#"{"label": "LOC", "start_offset": 3, "end_offset": 7}"#;
    for more in ["", r#", "relations": []"#] {
        check(&format!(r#"{{{words}, "entities": [{entity}]{more}}}"#), Tool::Doccano, &["1: Oslo LOC"]);
    }
    check(&format!(r#"{{{words}, "entities": [], "relations": []}}"#), Tool::Doccano, &["1: "]);
    let ents = r#""ents": [{"start": 3, "end": 7, "label": "LOC"}], "tags": ["O", "O"]"#;
    check(&format!("{{{words}, {ents}}}"), Tool::Spacy, &["1: Oslo LOC"]);
}

#[test]
fn what_suggest_wrote_for_doccano_nobody_has_labelled() {
    let beside = r#""image": null, "caption": null, "reason": "a", "for_dev": false"#;
    let fields = format!(r#""text": "in Oslo", "label": [[3, 7, "LOC"]], {beside}"#);
    check(&format!(r#"{{"id": "a", {fields}}}"#), Tool::Doccano, &["a: -"]);
    check(&format!(r#"{{"id": null, {fields}}}"#), Tool::Doccano, &[": -"]);
    check(&format!(r#"{{"id": 1, {fields}}}"#), Tool::Doccano, &["1: Oslo LOC"]);
    check(&format!(r#"{{"id": "a", {fields}, "Comments": []}}"#), Tool::Doccano, &["a: Oslo LOC"]);
}

#[test]
fn documents_of_spacy_are_read() {
    let lines = r#"{"text": "in Oslo", "ents": [{"start": 3, "end": 7, "label": "LOC"}], "tokens": [{"id": 0, "start": 0, "end": 2}]}
{"text": "x", "ents": [], "tokens": [{"id": 0, "start": 0, "end": 1}]}
{"text": "x", "tokens": [{"id": 0, "start": 0, "end": 1}]}
{"text": "in Oslo", "ents": [], "tokens": [], "spans": {"sc": [{"start": 3, "end": 7, "label": "LOC", "kb_id": ""}]}}
"#;
    check(lines, Tool::Spacy, &[": Oslo LOC", ": ", ": -", ": Oslo LOC"]);
    odd(r#"{"text": "a", "ents": [{"start": 0, "end": 2, "label": "X"}]}"#, "spans within the 1 characters", &[]);
    refused(r#"{"text": "a", "tokens": [{"start": 0, "end": 1}], "ents": 1}"#, "\"ents\" to be a list");
}

#[test]
fn what_is_no_export_is_refused() {
    for (file, want) in [
        ("", "at least one post"),
        ("[]", "at least one post"),
        (r#"{"text": "a", "entities": [], "suggested": {"rank": 1}}"#, "an export of Label Studio"),
        (r#"{"a": 1}"#, "an export of Label Studio"),
        ("[1]", "an array of JSON objects"),
        ("{", "export:1: expected a JSON object"),
        ("IMGID:1\na O\n", "expected a JSON object"),
        (r#"{"text": "a", "words": ["a"], "entities": []}"#, "export holds posts with words and labels already"),
        (r#"{"tokens": ["a"], "ner_tags": ["O"]}"#, "export holds posts with words and labels already"),
        ("PK\u{3}\u{4}", "cannot read export"),
    ] {
        refused(file, want);
    }
}

#[test]
fn bytes_that_are_no_text_are_told() {
    for file in [&b"{\"text\": \"\xe9\", \"label\": []}"[..], &b"[{\"text\": \"\xe9\", \"label\": []}]"[..]] {
        let error = read_bytes(file, "export").expect_err("not UTF-8").to_string();
        assert!(error.starts_with("export:1: expected valid UTF-8 (convert it first"), "{error}");
    }
}

#[test]
fn misfits_are_refused_moved_or_dropped_and_always_told() {
    let spans = r#"{"text": "New York-based Ana Silva", "label": [[0, 8, "LOC"], [15, 24, "PER"], [15, 18, "PER"],
        [18, 19, "X"], [14, 18, "PER"]]}"#
        .replace('\n', " ");
    let export = read_bytes(spans.as_bytes(), "export").expect("an export");
    let told = |misfits| {
        let Fitted { entities, misfits, .. } = fitted(&export.posts[0], misfits);
        let entities: Vec<String> =
            entities.iter().map(|e| format!("{}..{} {}", e.span.start, e.span.end, e.label)).collect();
        (entities.join(", "), misfits.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let want = [
        r#""New York" (LOC, characters 0..8) is not of whole words: they are "New York-based""#,
        r#""Ana" (PER, characters 15..18) overlaps "Ana Silva""#,
        r#"" " (X, characters 18..19) holds no word"#,
    ];
    for misfits in [Misfits::Refuse, Misfits::Drop] {
        let (entities, told) = told(misfits);
        assert_eq!((entities.as_str(), told), ("2..4 PER", want.map(str::to_owned).to_vec()));
    }
    let (entities, told) = told(Misfits::Move);
    assert_eq!(entities, "0..2 LOC, 2..4 PER");
    assert!(told[0].ends_with(r#"is moved to the words "New York-based""#), "{told:?}");
}

#[test]
fn a_span_that_is_moved_onto_another_is_told_once() {
    let spans = r#"{"text": "Ana Silva", "label": [[0, 9, "PER"], [4, 7, "LOC"]]}"#;
    let export = read_bytes(spans.as_bytes(), "export").expect("an export");
    let told = fitted(&export.posts[0], Misfits::Move).misfits;
    let told: Vec<(String, bool)> = told.iter().map(|misfit| (misfit.to_string(), misfit.kept)).collect();
    assert_eq!(told, [(r#""Sil" (LOC, characters 4..7) overlaps "Ana Silva""#.to_owned(), false)]);
}

#[test]
fn a_line_is_read_back() {
    let file = r#"{"id": 1, "text": "🎉 Ana in  Oslo", "label": [[2, 5, "PER"], [10, 14, "LOC"]], "image": "a.jpg"}"#;
    let export = read_bytes(file.as_bytes(), "export").expect("an export");
    let fitted = fitted(&export.posts[0], Misfits::Refuse);
    let read = read_post(fitted.to_line(&export.posts[0]).as_bytes(), LabelUse::IfAny).expect("our own line");
    assert_eq!((read.id.as_deref(), read.image.as_deref()), (Some("1"), Some("a.jpg")));
    assert_eq!(read.body, Body::Words(fitted.words.clone()));
    assert_eq!(read.labels, Some(Labels::Entities(fitted.entities)));
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,20}", start in 0usize..24, end in 0usize..24, bytes: Vec<u8>) {
        let _ = read_bytes(&bytes, "export");
        let value = serde_json::json!({"start": start, "end": end, "text": text, "labels": ["X"]});
        let task = serde_json::json!([{"data": {"text": text}, "annotations": [{"result": [{"value": value}]}]}]);
        let line = serde_json::json!({"text": text, "label": [[start, end, "X"], [0, end, "Y"]]});
        for file in [task.to_string(), line.to_string()] {
            if let Ok(export) = read_bytes(file.as_bytes(), "export") {
                for misfits in [Misfits::Refuse, Misfits::Move, Misfits::Drop] {
                    let fitted = fitted(&export.posts[0], misfits);
                    let entities = &fitted.entities;
                    assert!(entities.is_sorted() && entities.windows(2).all(|e| e[0].span.end <= e[1].span.start));
                    assert!(entities.iter().all(|e| e.span.start < e.span.end && e.span.end <= fitted.words.len()));
                }
            }
        }
    }
}
