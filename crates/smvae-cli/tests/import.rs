//! `smvae import` and `smvae split`: what they refuse, what they tell of the labels that they read,
//! and which posts are kept apart.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::check;

/// A folder with `export.jsonl`, posts of doccano.
fn folder(posts: &[Value]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(dir.path(), "export.jsonl", posts);
    dir
}

fn write(dir: &Path, name: &str, posts: &[Value]) {
    let lines: String = posts.iter().map(|post| format!("{post}\n")).collect();
    fs::write(dir.join(name), lines).expect("writable");
}

fn post(id: &str, text: &str, labels: Value) -> Value {
    json!({"id": id, "text": text, "label": labels})
}

const IMPORT: &str = "import export.jsonl --to labelled.jsonl";

/// Runs a command line and looks for parts of what it says.
#[track_caller]
fn says(dir: &Path, line: &str, code: i32, parts: &[&str]) {
    let (_, said) = check(dir, line, "", code);
    for part in parts {
        assert!(said.contains(part), "{line}: does not say {part:?}\n{said}");
    }
}

#[test]
fn what_an_overwritten_file_loses_is_told() {
    let dir = folder(&[post("1", "Ana sings", json!([[0, 3, "PER"]])), post("2", "so tired", json!([]))]);
    let dir = dir.path();
    check(dir, IMPORT, "", 0);
    write(dir, "export.jsonl", &[post("3", "in Oslo", json!([[3, 7, "LOC"]])), post("2", "so tired", json!([]))]);
    let refused = "--to labelled.jsonl is there already, and holds 2 labelled posts: name all exports together; \
                   --overwrite replaces it, and drops what these do not have";
    says(dir, IMPORT, 2, &[refused]);
    let lost = "labelled.jsonl: 1 labelled post that stood there is labelled in none of these exports and lost: line 1 \
                (id 1), \"Ana sings\"";
    says(dir, &format!("{IMPORT} --overwrite"), 0, &[lost]);
    let (_, said) = check(dir, &format!("{IMPORT} --overwrite"), "", 0);
    assert!(!said.contains("stood there"), "{said}");
    // Of several the first is told, or all of them.
    let two = folder(&[post("4", "so it goes", json!([]))]);
    fs::copy(dir.join("labelled.jsonl"), two.path().join("labelled.jsonl")).expect("writable");
    fs::copy(dir.join("labelled.jsonl"), two.path().join("before.jsonl")).expect("writable");
    let lost = "labelled.jsonl: 2 labelled posts that stood there are labelled in none of these exports and lost";
    let first = format!("{lost}, the first: line 1 (id 3), \"in Oslo\"");
    says(two.path(), &format!("{IMPORT} --overwrite"), 0, &[&first]);
    fs::copy(two.path().join("before.jsonl"), two.path().join("labelled.jsonl")).expect("writable");
    let second = "labelled.jsonl: lost: line 2 (id 2), \"so tired\"";
    says(two.path(), &format!("{IMPORT} --overwrite -v"), 0, &[lost, second]);
    // The dev posts of an earlier week stay.
    fs::copy(dir.join("labelled.jsonl"), dir.join("dev.jsonl")).expect("writable");
    let stays = "none of them for dev: dev.jsonl is not written, and what stands there stays";
    says(dir, &format!("{IMPORT} --dev dev.jsonl --overwrite"), 0, &[stays]);
}

#[test]
fn each_span_that_does_not_fit_is_told_with_what_became_of_it() {
    let spans = json!([[0, 6, "PER"], [0, 9, "PER"], [5, 9, "X"], [10, 15, ""]]);
    let dir = folder(&[post("1", "Lady Gaga lands", spans)]);
    let dir = dir.path();
    let out = "; it is left out";
    let crossing = "\"Lady G\" (PER, characters 0..6) is ";
    let blank = "got [10,15,\"\"]";
    let refused = "3 spans do not fit the words, and nothing is written: --words or --model names the convention";
    says(dir, IMPORT, 1, &[&format!("{crossing}not of whole words"), refused]);
    let moved = [
        &format!("{crossing}moved to the words \"Lady Gaga\""),
        &format!("overlaps \"Lady Gaga\"{out}"),
        &format!("{blank}{out}"),
    ];
    let moved: Vec<&str> = moved.iter().map(|part| part.as_str()).collect();
    says(dir, &format!("{IMPORT} --misfits move"), 0, &moved);
    says(dir, &format!("{IMPORT} --misfits move --overwrite"), 0, &["; 1 span moved; 2 spans left out"]);
    says(dir, &format!("{IMPORT} --misfits drop --overwrite"), 0, &["; 3 spans left out"]);
    // What words have nothing to do with is not blamed on them.
    write(dir, "export.jsonl", &[post("1", "Lady Gaga lands", json!([[0, 9, "PER"], [5, 9, "X"]]))]);
    says(dir, "import export.jsonl --to a.jsonl", 1, &["nothing is written: mend them, or pass --misfits move"]);
    // A convention of which all are whole words is named.
    write(dir, "export.jsonl", &[post("1", "in #Oslo", json!([[4, 8, "LOC"]]))]);
    let named = "nothing is written: with --words twitter2017 every span is of whole words; else mend them";
    says(dir, "import export.jsonl --to a.jsonl", 1, &[named]);
    check(dir, "import export.jsonl --to a.jsonl --words twitter2017", "", 0);
}

#[test]
fn spans_beyond_the_first_are_listed_where_all_are_asked_for() {
    let posts: Vec<Value> = (0..23).map(|i| post(&i.to_string(), "Oslo", json!([[0, 2, "LOC"]]))).collect();
    let dir = folder(&posts);
    says(dir.path(), &format!("{IMPORT} --misfits drop"), 0, &["(id 19): ", "and 3 more, which -v lists"]);
    says(dir.path(), &format!("{IMPORT} --misfits drop --overwrite -v"), 0, &["(id 22): "]);
}

#[test]
fn labels_are_told_with_what_is_odd_about_them() {
    let dir = folder(&[
        post("1", "Ana in Oslo", json!([[0, 3, "PER"], [7, 11, "LOC"]])),
        post("2", "Ana in Oslo", json!([[0, 3, "Per"]])),
        post("3", "Ana in Oslo", json!([[0, 3, "PER"], [7, 11, "LOC"]])),
    ]);
    let alike = "warning: the labels \"PER\" and \"Per\" differ in capitals alone";
    let conflict = "warning: 1 post has other labels than one that says the same, the first: export.jsonl:1 (id 1) and \
                    export.jsonl:2 (id 2)";
    says(dir.path(), IMPORT, 0, &["labels: LOC 2, PER 2, Per 1", alike, conflict]);
    let split = "split labelled.jsonl --to mine --dev 0 --test 0";
    says(dir.path(), split, 0, &["labels: LOC 2, PER 2, Per 1", alike]);
}

#[test]
fn posts_for_dev_that_nobody_has_labelled_are_told() {
    let task = |id: &str, for_dev: bool, annotations: Value| json!({"data": {"id": id, "text": format!("post {id}"), "for_dev": for_dev}, "annotations": annotations});
    let dir = tempfile::tempdir().expect("a temporary folder");
    let tasks = |annotations: Value| json!([task("1", false, annotations), task("2", true, json!([]))]).to_string();
    fs::write(dir.path().join("export.json"), tasks(json!([{"result": []}]))).expect("writable");
    let told = "nobody has labelled any of the posts that were drawn for dev (1): label them next";
    says(dir.path(), "import export.json --to a.jsonl --dev dev.jsonl", 0, &[told]);
    fs::write(dir.path().join("tasks.json"), tasks(json!([]))).expect("writable");
    let nobody = "nobody has labelled any of the 2 posts (is this the file of tasks, and not the export?): nothing is \
                  written";
    says(dir.path(), "import tasks.json --to b.jsonl", 1, &[nobody]);
    assert!(!dir.path().join("b.jsonl").exists());
}

#[test]
fn a_post_that_any_export_marks_for_dev_stays_for_dev() {
    let marked = |id: &str, text: &str, labels: Value| {
        let mut post = post(id, text, labels);
        post["for_dev"] = true.into();
        post
    };
    let dir = folder(&[marked("1", "Ana sings", json!([[0, 3, "PER"]])), post("2", "so tired", json!([]))]);
    let dir = dir.path();
    // The same post without its mark, and with the id of another tool.
    let again = [post("1", "Ana sings", json!([])), post("9", "Ana sings", json!([[0, 3, "PER"]]))];
    write(dir, "later.jsonl", &again);
    let import = "import export.jsonl later.jsonl --to train.jsonl --dev dev.jsonl";
    let (_, said) = check(dir, import, "", 0);
    assert!(said.contains("train.jsonl: 3 posts") && said.contains("2 of them in dev.jsonl"), "{said}");
    // Without the export that has the mark the old file stays, and has the same post.
    let shared = "warning: 2 posts of train.jsonl stand in dev.jsonl, too, which stays";
    says(dir, "import later.jsonl --to train.jsonl --dev dev.jsonl --overwrite", 0, &[shared]);
}

#[test]
fn posts_for_dev_of_which_some_are_labelled_are_not_told_as_open() {
    let task = |id: &str, text: &str, annotations: Value| {
        let data = json!({"id": id, "text": text, "for_dev": true});
        json!({"data": data, "annotations": annotations})
    };
    let none = json!([{"result": []}]);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let tasks =
        [task("1", "", none.clone()), task("2", "so", json!([])), json!({"data": {"text": "a"}, "annotations": none})];
    fs::write(dir.path().join("export.json"), json!(tasks).to_string()).expect("writable");
    let (_, said) = check(dir.path(), "import export.json --to a.jsonl --dev dev.jsonl", "", 0);
    assert!(!said.contains("nobody has labelled any"), "{said}");
}

#[test]
fn columns_name_posts_of_exports_of_one_name_apart() {
    let dir = folder(&[post("7", "Ana sings", json!([[0, 3, "PER"]])), json!({"text": "so tired", "label": []})]);
    let dir = dir.path();
    fs::create_dir(dir.join("later")).expect("writable");
    write(&dir.join("later"), "export.jsonl", &[post("9 a", "in Oslo", json!([[3, 7, "LOC"]]))]);
    let ids = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(dir.join(name)).expect("written");
        text.lines().filter_map(|line| line.strip_prefix("IMGID:")).map(str::to_owned).collect()
    };
    check(dir, "import export.jsonl --to one.conll", "", 0);
    assert_eq!(ids("one.conll"), ["export-1-7", "export-2"]);
    check(dir, "import export.jsonl later/export.jsonl --to two.conll", "", 0);
    assert_eq!(ids("two.conll"), ["export.1-1-7", "export.1-2", "export.2-1"]);
}

#[test]
fn the_file_of_tasks_is_told_from_the_export() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    write(dir, "pool.jsonl", &[json!({"id": "1", "text": "Ana Silva sings"}), json!({"text": "in Oslo"})]);
    check(dir, "suggest --pool pool.jsonl --n 2 --to doccano --output tasks.jsonl", "", 0);
    let nobody = "nobody has labelled any of the 2 posts (is this the file of tasks, and not the export?)";
    says(dir, "import tasks.jsonl --to a.jsonl", 1, &[nobody, "nothing is written"]);
    write(dir, "spacy.jsonl", &[json!({"text": "in Oslo", "ents": []})]);
    let none = "warning: no post of spacy.jsonl has an entity: is this the file of tasks, and not the export?";
    says(dir, "import spacy.jsonl --to a.jsonl", 0, &[none]);
    write(dir, "export.jsonl", &[post("1", "Ana sings", json!([])), post("2", "in Oslo", json!([[3, 7, "LOC"]]))]);
    let (_, said) = check(dir, IMPORT, "", 0);
    assert!(!said.contains("has an entity"), "{said}");
}

#[test]
fn an_import_makes_the_folder_of_a_corpus() {
    let dir = folder(&[post("1", "Ana sings", json!([[0, 2, "PER"]]))]);
    let import = "import export.jsonl --to mine/corpus/train.jsonl";
    says(dir.path(), import, 1, &["nothing is written"]);
    assert!(!dir.path().join("mine").exists());
    let twice = "--dev mine/corpus/train.jsonl would write over --to";
    says(dir.path(), &format!("{import} --dev mine/corpus/train.jsonl"), 2, &[twice]);
    check(dir.path(), &format!("{import} --misfits move"), "", 0);
    assert!(dir.path().join("mine/corpus/train.jsonl").is_file());
}

#[test]
fn what_needs_no_import_is_told() {
    let dir = folder(&[post("1", "Ana sings", json!([[0, 3, "PER"]]))]);
    check(dir.path(), IMPORT, "", 0);
    let own = ["labelled.jsonl holds posts with words and labels already", "hint: smvae split and smvae train read it"];
    says(dir.path(), "import labelled.jsonl --to a.jsonl", 1, &own);
    fs::write(dir.path().join("next.csv"), "rank,text,entities\n1,a,\n").expect("writable");
    let table = "next.csv is a table: import reads exports of Label Studio, doccano, Prodigy and spaCy; a table of labels \
                 needs the columns `words` and `tags`";
    says(dir.path(), "import next.csv --to a.jsonl", 1, &[table]);
}

#[test]
fn a_pool_keeps_no_post_of_a_labelled_image_however_it_is_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let labelled = json!({"words": ["Ana"], "tags": ["B-PER"], "image_id": "3"});
    let other = json!({"words": ["so"], "tags": ["O"], "image_id": "5.png"});
    let none = json!({"words": ["in"], "tags": ["O"], "image_id": ""});
    write(dir.path(), "labelled.jsonl", &[labelled, other, none]);
    let pool = [("one", "3.jpg"), ("two", "./3"), ("three", "./5"), ("four", "4"), ("five", "")];
    write(dir.path(), "pool.jsonl", &pool.map(|(text, image)| json!({"text": text, "image": image})));
    let told = "pool.jsonl: 5 posts: 3 with the image of a labelled one, 2 left";
    says(dir.path(), "split labelled.jsonl --to mine --dev 0 --test 0 --rest-of pool.jsonl", 0, &[told]);
    let rest = fs::read_to_string(dir.path().join("mine/unlabelled.jsonl")).expect("written");
    assert_eq!(rest, "{\"image_id\":\"4\",\"text\":\"four\"}\n{\"text\":\"five\"}\n");
}

#[test]
fn splits_are_replaced_all_or_none() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    let posts: Vec<Value> = (0..12).map(|i| json!({"words": ["post", i.to_string()], "tags": ["O", "O"]})).collect();
    write(dir, "labelled.jsonl", &posts);
    let split = "split labelled.jsonl --to mine --dev 0.3 --test 0.3";
    check(dir, split, "", 0);
    let train = fs::read_to_string(dir.join("mine/train.jsonl")).expect("written");
    // What cannot be replaced is the last of the files.
    fs::remove_file(dir.join("mine/test.jsonl")).expect("written");
    fs::create_dir(dir.join("mine/test.jsonl")).expect("writable");
    says(dir, &format!("{split} --seed 2 --overwrite"), 1, &["cannot write mine/test.jsonl"]);
    assert_eq!(fs::read_to_string(dir.join("mine/train.jsonl")).expect("as it was"), train);
    fs::remove_dir(dir.join("mine/test.jsonl")).expect("empty");
    check(dir, &format!("{split} --seed 2 --overwrite"), "", 0);
    assert_ne!(fs::read_to_string(dir.join("mine/train.jsonl")).expect("written"), train);
}

#[test]
fn an_import_writes_all_files_or_none() {
    let for_dev = json!({"id": "2", "text": "IMGID:1 sings", "for_dev": true, "label": []});
    let dir = folder(&[post("1", "Ana sings", json!([[0, 3, "PER"]])), for_dev]);
    let import = "import export.jsonl --to train.conll --dev dev.conll --words whitespace";
    says(dir.path(), import, 1, &["a word begins with `IMGID:`, as a header does"]);
    assert!(!dir.path().join("train.conll").exists());
}
