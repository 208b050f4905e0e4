//! Corpora and posts as people have them, through the built program: text alone in three formats,
//! what is said and kept of how files are read, scores of two files, pictures by path, and wrong
//! values of each option.

mod support;

use serde_json::{Value, json};
use std::path::Path;
use support::{check, json_of, run, save_vision_model};

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    std::fs::write(path, text).expect("writable");
}

/// Invented posts: words with their BIO tags.
const POSTS: [&str; 6] = [
    "Ann/B-PER Lee/I-PER sings/O in/O Oslo/B-LOC",
    "rain/O over/O Bergen/B-LOC",
    "Bo/B-PER meets/O Ann/B-PER Lee/I-PER",
    "Oslo/B-LOC sleeps/O",
    "nothing/O here/O",
    "Bo/B-PER in/O Bergen/B-LOC",
];

fn words_and_tags(post: &str) -> (Vec<&str>, Vec<&str>) {
    post.split(' ').map(|word| word.split_once('/').expect("word/tag")).unzip()
}

/// A corpus of the same posts in each split, each written by `post` and put together by `file`.
fn corpus(dir: &Path, folder: &str, extension: &str, head: &str, post: impl Fn(&[&str], &[&str]) -> String) {
    let posts = POSTS.map(|text| {
        let (words, tags) = words_and_tags(text);
        post(&words, &tags)
    });
    for split in ["train", "dev", "test"] {
        write(dir, &format!("{folder}/{split}.{extension}"), &format!("{head}{}", posts.concat()));
    }
}

fn columns(words: &[&str], tags: &[&str]) -> String {
    let lines: Vec<String> = words.iter().zip(tags).map(|(word, tag)| format!("{word} {tag}\n")).collect();
    lines.concat() + "\n"
}

const SIZES: &str = "--text-encoder tiny --hidden-dim 8 --latent-dim 4 --max-width 3 --epochs 1 --threads 2";

/// Trains on a corpus without images, scores the model and uses it.
#[track_caller]
fn check_text_alone(dir: &Path, folder: &str, said: &str) {
    let (_, log) = check(dir, &format!("train --data {folder} {SIZES} --out run-{folder}"), "", 0);
    assert!(log.contains("6 labelled"), "{log}");
    assert_eq!(log.lines().filter(|line| line.contains(" read as ")).collect::<Vec<_>>().join(""), said, "{log}");
    let (scores, _) = check(dir, &format!("eval --model run-{folder} --data {folder} --json"), "", 0);
    assert_eq!(json_of(&scores)["gold"], json!(8));
    let (out, _) = check(dir, &format!("predict --model run-{folder}"), "{\"text\": \"Ann in Oslo\"}\n", 0);
    assert_eq!(json_of(&out)["words"], json!(["Ann", "in", "Oslo"]));
    assert!(json_of(&out).get("image_missing").is_none(), "{out}");
}

#[test]
fn text_alone_needs_no_image_lines_in_columns() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    corpus(dir.path(), "conll", "txt", "", columns);
    let said = "train.txt, dev.txt read as conll: 2 columns separated by spaces, words in column 1, tags in column 2, \
                without `IMGID:` lines, scheme iob2";
    check_text_alone(dir.path(), "conll", said);
}

#[test]
fn text_alone_is_read_from_json_lines_with_entities() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    corpus(dir.path(), "lines", "jsonl", "", |words, tags| {
        let starts = |tag: &&str| tag.starts_with("B-");
        let entities = tags.iter().enumerate().filter(|(_, tag)| starts(tag)).map(|(i, tag)| {
            let end = i + 1 + tags[i + 1..].iter().take_while(|tag| tag.starts_with("I-")).count();
            json!({"words": [i, end], "label": tag[2..]})
        });
        format!("{}\n", json!({"words": words, "entities": entities.collect::<Vec<_>>()}))
    });
    check_text_alone(dir.path(), "lines", "");
}

#[test]
fn text_alone_is_read_from_tables() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    corpus(dir.path(), "table", "csv", "words,tags\n", |words, tags| {
        format!("{},{}\n", words.join(" "), tags.join(" "))
    });
    check_text_alone(dir.path(), "table", "");
}

#[test]
fn what_was_said_of_a_corpus_is_kept_with_the_run() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    // The words stand in the second column, and an annotator's name is what looks like tags.
    corpus(dir, "odd", "conll", "", |words, tags| {
        let lines: Vec<String> = words.iter().zip(tags).map(|(word, tag)| format!("7\t{word}\t{tag}\tO\n")).collect();
        lines.concat() + "\n"
    });
    let options = "--columns 2,3 --separator tab --scheme iob2";
    let (_, log) = check(dir, &format!("train --data odd {options} {SIZES} --out run"), "", 0);
    let said = "train.conll, dev.conll read as conll: 4 columns separated by tabs, words in column 2, tags in column 3, \
                without `IMGID:` lines, scheme iob2";
    assert!(log.contains(said), "{log}");
    let config = json_of(&std::fs::read_to_string(dir.join("run/config.json")).expect("a run"));
    assert_eq!(config["corpus_format"], json!({"columns": "2,3", "separator": "tab", "scheme": "iob2"}));
    let gold = |line: &str| json_of(&check(dir, line, "", 0).0)["gold"].clone();
    assert_eq!(gold("eval --model run --data odd --json"), json!(8), "read as in training");
    assert_eq!(gold("eval --model run --data odd --json --columns 2,4"), json!(0), "unless something else is said");
    let copy = Path::new("odd").join("test.conll");
    write(dir, "other/test.conll", &std::fs::read_to_string(dir.join(copy)).expect("written"));
    assert_eq!(gold("eval --model run --data other --json"), json!(0), "another corpus is read by itself");
    let (stats, log) = check(dir, &format!("stats --data odd {options} --convention strict --json"), "", 0);
    let entities = &json_of(&stats)["splits"]["test"]["entities"];
    assert_eq!(entities["strict"]["total"], json!(8));
    assert!(entities.get("conlleval").is_none() && log.matches(" read as ").count() == 1, "{log}");
    // A corpus of numbers, as data sets of Hugging Face have them.
    corpus(dir, "numbers", "jsonl", "", |words, tags| {
        let names = ["O", "B-LOC", "B-PER", "I-PER"];
        let numbers: Vec<_> = tags.iter().map(|tag| names.iter().position(|name| name == tag)).collect();
        format!("{}\n", json!({"tokens": words, "ner_tags": numbers}))
    });
    let (_, log) = check(dir, "stats --data numbers", "", 1);
    assert!(log.contains("the tags are numbers") && log.contains("--label-names O,B-PER"), "{log}");
    check(dir, &format!("train --data numbers --label-names O,B-LOC,B-PER,I-PER {SIZES} --out by-number"), "", 0);
    assert_eq!(gold("eval --model by-number --data numbers --json"), json!(8));
    // Posts for prediction, in the same columns.
    let (out, _) = check(dir, "predict --model run --input odd/test.conll --columns 2", "", 0);
    assert_eq!(json_of(out.lines().next().expect("six"))["words"][0], "Ann");
}

const GOLD: &str = "a B-X\nb E-X\nc O\nd S-Y\n\ne S-X\n";
const FOUND: &str = "a B-X\nb I-X\nc O\nd S-Y\n\ne S-X\n";

#[test]
fn scores_come_from_one_file_or_two_in_any_scheme() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    write(dir, "gold.conll", GOLD);
    write(dir, "found.conll", FOUND);
    let lines = GOLD.lines().zip(FOUND.lines());
    let both = |(gold, found): (&str, &str)| match found.split_once(' ') {
        Some((_, tag)) => format!("{gold} {tag}\n"),
        None => "\n".to_owned(),
    };
    write(dir, "both.txt", &lines.map(both).collect::<String>());
    write(
        dir,
        "found.jsonl",
        "{\"words\": [\"a\", \"b\", \"c\", \"d\"], \"entities\": [{\"start\": 0, \"end\": 3, \"label\": \"X\"}]}\n\
         {\"text\": \"e\", \"words\": [\"e\"], \"entities\": []}\n",
    );
    #[track_caller]
    fn check_scores(dir: &Path, line: &str, input: &str, want: [u64; 3]) {
        let scores = json_of(&check(dir, &format!("score --json {line}"), input, 0).0);
        assert_eq!(
            ["gold", "predicted", "correct"].map(|name| scores[name].as_u64().expect("a count")),
            want,
            "{line}"
        );
    }
    // B-X I-X is one entity to conlleval, and none where it must end in E-X.
    for files in ["both.txt", "gold.conll found.conll", "both.txt --columns 1,2,3"] {
        check_scores(dir, files, "", [3, 3, 3]);
        check_scores(dir, &format!("{files} --convention strict"), "", [3, 2, 2]);
        check_scores(dir, &format!("{files} --convention strict --scheme iobes"), "", [3, 2, 2]);
    }
    check_scores(dir, "both.txt --columns 1,3,2 --convention strict", "", [2, 3, 2]);
    check_scores(dir, "gold.conll found.jsonl", "", [3, 1, 1]);
    let piped = std::fs::read_to_string(dir.join("found.jsonl")).expect("written");
    check_scores(dir, "gold.conll -", &piped, [3, 1, 1]);
    let (report, log) = check(dir, "score both.txt", "", 0);
    assert!(report.starts_with("processed 5 tokens with 3 phrases; found: 3 phrases; correct: 3.\naccuracy:  80.00%"));
    assert_eq!(log, "tags read as iobes\n");
}

#[test]
fn wrong_values_of_options_have_a_message() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    corpus(dir, "plain", "conll", "", columns);
    corpus(dir, "numbers", "jsonl", "", |words, _| {
        format!("{}\n", json!({"words": words, "tags": vec![1; words.len()]}))
    });
    write(dir, "gold.conll", GOLD);
    write(dir, "found.conll", FOUND);
    write(dir, "mixed.txt", "a S-X S-X\nb U-X U-X\n");
    write(dir, "short.conll", "a O\nb O\nc O\nd O\n");
    write(dir, "words.conll", "a O\nb O\nc O\nD O\n\ne O\n");
    for (line, code, message) in [
        ("stats --data plain --from xml", 2, "conll, jsonl, json"),
        ("stats --data plain --from jsonl", 1, "train.conll:1: expected a JSON object"),
        ("stats --data plain --from text", 1, "expected words with labels, and not a text"),
        ("stats --data plain --columns 0,1", 2, "two different numbers from 1"),
        ("stats --data plain --columns 1,1", 2, "two different numbers from 1"),
        ("stats --data plain --columns 1,7", 1, "expected at least 7 columns separated by spaces"),
        ("stats --data plain --separator comma", 2, "tab or spaces"),
        ("stats --data plain --separator tab", 1, "train.conll:1: expected at least 2 columns separated by tabs"),
        ("stats --data plain --separator ;", 2, "tab or spaces"),
        ("stats --data plain --scheme bilo", 2, "iob1, iob2 (or bio), ioe1, ioe2, iobes or bilou"),
        ("stats --data plain --scheme ioe2", 1, "train.conll:1: expected tags of the scheme ioe2"),
        ("stats --data plain --scheme iob1,iob2", 2, "iob1, iob2 (or bio)"),
        ("stats --data plain --convention loose", 2, "conlleval, strict or authors"),
        ("stats --data numbers --label-names PER,LOC", 2, "such as O,B-PER,I-PER"),
        ("stats --data numbers --label-names O", 1, "expected tags by numbers below 1, as many as there are names"),
        ("stats --data numbers", 1, "the tags are numbers: their names must be given"),
        ("score gold.conll --columns 1,2", 2, "--columns of one file has three numbers"),
        ("score gold.conll found.conll --columns 1,2,3", 2, "--columns of two files has two numbers"),
        ("score gold.conll --columns 1,2,9", 1, "a gold and a predicted tag in the columns 2 and 9"),
        ("score gold.conll --columns 1,x", 2, "two or three different numbers from 1"),
        ("score gold.conll --from jsonl", 2, "--from, --separator and --label-names are for two files"),
        ("score gold.conll absent.conll", 1, "cannot read absent.conll"),
        ("score gold.conll short.conll", 1, "gold.conll has 2 posts and short.conll has 1"),
        ("score gold.conll words.conll", 1, "post 1 has other words in gold.conll:1 than in words.conll:1: the word 4"),
        ("score gold.conll found.conll --scheme iob2", 1, "got \"E-X\""),
        ("score gold.conll found.conll --convention authors", 2, "conlleval or strict for tags that are not BIO"),
        ("score mixed.txt", 1, "mixed.txt: the tags cannot be read: name their scheme"),
        ("score mixed.txt", 1, "hint: --scheme names it"),
        ("score gold.conll mixed.txt", 1, "mixed.txt: the tags cannot be read: name their scheme"),
        ("score - -", 2, "only one of the two files can be stdin"),
    ] {
        let (got, stdout, stderr) = run(dir, line, "");
        assert!(stderr.contains(message) && stdout.is_empty(), "{line}: {stderr}");
        assert_eq!(got, Some(code), "{line}: {stderr}");
    }
}

/// The file `vision.safetensors`: a ResNet of one block.
fn vision_model(dir: &Path) {
    save_vision_model(&dir.join("vision.safetensors"));
}

/// A BMP of one pixel.
fn picture(dir: &Path, name: &str, red: u8) {
    let mut bytes = b"BM".to_vec();
    let header = [58, 0, 54, 40, 1, 1, 1 | 24 << 16, 0, 0, 0, 0, 0, 0u32];
    bytes.extend(header.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend([200, 100, red, 0]);
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    std::fs::write(path, bytes).expect("writable");
}

#[test]
fn posts_name_pictures_by_path() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    vision_model(dir);
    for i in 0..6 {
        picture(dir, &format!("images/photos/{i}.bmp"), i * 40);
    }
    picture(dir, "images/top.bmp", 250);
    picture(dir, "outside.bmp", 10);
    write(dir, "images/broken.png", "no image");
    let numbered = std::cell::Cell::new(0);
    corpus(dir, "mine", "jsonl", "", |words, tags| {
        let i = numbered.replace(numbered.get() + 1);
        format!("{}\n", json!({"words": words, "tags": tags, "image": format!("photos/{i}.bmp")}))
    });
    let folder = "--images images --feature-cache cache";
    let train = format!("train --data mine {SIZES} {folder} --vision vision.safetensors --out run");
    let (_, log) = check(dir, &train, "", 0);
    assert!(log.contains("every post has an image"), "{log}");
    // The vectors of training are found again, whichever way they are looked for.
    let scores = check(dir, "eval --model run --data mine --json", "", 0).0;
    assert_eq!(check(dir, &format!("eval --model run --data mine --json {folder}"), "", 0).0, scores);

    let image = |name: &str| format!("{}\n", json!({"text": "Ann in Oslo", "image": name}));
    let posts =
        ["photos/3.bmp", "./photos/3", "photos/9.bmp", "broken.png", "../outside.bmp", "top"].map(image).concat();
    let (out, log) = check(dir, &format!("predict --model run {folder} --chunk 2"), &posts, 0);
    let lines: Vec<Value> = out.lines().map(json_of).collect();
    let missing: Vec<bool> = lines.iter().map(|line| line["image_missing"] == json!(true)).collect();
    assert_eq!(missing, [false, false, true, true, true, false], "{out}");
    let errors: Vec<&str> = lines.iter().map(|line| line["image_error"].as_str().unwrap_or("-")).collect();
    assert_eq!(errors[2], "-", "a file that is not there is missing");
    assert_eq!(errors[3], "it is not a JPEG, PNG, GIF, WebP or BMP image");
    assert_eq!(errors[4], "it is not a path below the folder of images");
    assert!(log.contains("3 posts name an image that has no vector"), "{log}");
    assert_eq!(lines[0]["entities"], lines[1]["entities"]);
    // The same posts with the file of vectors that training made.
    let (by_file, _) = check(dir, "predict --model run", &posts, 0);
    let close = |a: &Value, b: &Value| {
        let scores = |line: &Value| -> Vec<f64> {
            let entities = line["entities"].as_array().expect("entities");
            entities.iter().map(|entity| entity["score"].as_f64().expect("a number")).collect()
        };
        let (a, b) = (scores(a), scores(b));
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
    };
    for (line, other) in lines.iter().zip(by_file.lines().map(json_of)) {
        assert!(close(line, &other), "{line} {other}");
    }
    // A table, and the columns of a corpus, name them just so.
    write(dir, "posts.csv", "text,image\nAnn in Oslo,photos/3.bmp\n");
    write(dir, "posts.conll", "IMGID:photos/3.bmp\nAnn\nin\nOslo\n");
    for input in ["posts.csv", "posts.conll"] {
        let (out, _) = check(dir, &format!("predict --model run {folder} --input {input}"), "", 0);
        let line = json_of(&out);
        assert!(line.get("image_missing").is_none() && close(&line, &lines[0]), "{out}");
    }
    // Another model than that of training is refused, and so is a folder that is not there.
    let (_, log) = check(
        dir,
        &format!("predict --model run {folder} --vision vision.safetensors --preprocessing torchvision-v2"),
        &posts,
        1,
    );
    assert!(log.contains("the image vectors do not fit the model"), "{log}");
    let (_, log) = check(dir, "predict --model run --images absent --feature-cache cache", &posts, 1);
    assert!(log.contains("cannot read absent"), "{log}");
    write(dir, "file", "no folder");
    // Where vectors cannot be kept they are made all the same.
    let (unkept, log) = check(dir, "predict --model run --images images --feature-cache file/cache", &posts, 0);
    assert!(
        unkept.lines().count() == lines.len() && close(&json_of(unkept.lines().next().expect("a line")), &lines[0])
    );
    assert_eq!(log.matches("vectors of images are not kept for later: cannot write file/cache").count(), 1, "{log}");
    assert!(log.contains("--feature-cache names another folder"), "{log}");
    let (_, log) = check(dir, "predict --model run --images file --feature-cache cache", &posts, 1);
    assert!(log.contains("cannot read file"), "{log}");
    let (summary, _) =
        check(dir, "features --images images --by-path --vision vision.safetensors --out v.safetensors --json", "", 0);
    assert_eq!(json_of(&summary)["vectors"], json!(7));
    check(dir, "eval --model run --data mine --image-features v.safetensors", "", 0);
}
