//! The facts of the real corpora, counted. Skipped where the corpora are not: `SMVAE_SHARED`, or
//! `../shared` beside the workspace, must have `data/twitter2015` and `data/twitter2017` (their
//! text is not ours to distribute).

use serde_json::Value;
use smvae_data::authors::{Filter, listing};
use smvae_data::corpus::{load_file, split_path};
use smvae_data::stats::{CorpusStats, SplitStats};
use smvae_data::{Corpus, ImageVectors, Reader, Split};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file or folder of the shared folder, or `None` and a line that says so.
fn shared(path: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("SMVAE_SHARED").map_or_else(|| workspace.join("../shared"), PathBuf::from);
    let found = Some(shared.join(path)).filter(|path| path.exists());
    if found.is_none() {
        // Past libtest, which keeps what a test that passes prints with `eprintln!`.
        let _ = writeln!(std::io::stderr(), "skipped: {path} is not in {}", shared.display());
    }
    found
}

fn stats(name: &str) -> Option<CorpusStats> {
    let corpus = Corpus::load(shared(&format!("data/{name}"))?).expect("a well-formed corpus");
    Some(CorpusStats::of(&corpus).expect("well-formed tags"))
}

/// A row: tweets, words, entities by strict, authors and conlleval convention, anomalies of both
/// kinds.
type Facts = [usize; 7];

#[track_caller]
fn check(got: &SplitStats, want: Facts, known_as: &str) {
    let total = |name: &str| got.entities[name].total;
    let anomalies = got.anomalies;
    let facts = [
        got.posts,
        got.words,
        total("strict"),
        total("authors"),
        total("conlleval"),
        anomalies.inside_after_outside,
        anomalies.inside_after_other_type,
    ];
    assert_eq!(facts, want, "{known_as}");
    assert_eq!(got.file.as_ref().and_then(|file| file.known_as), Some(known_as));
}

#[test]
fn twitter2015_has_its_known_counts() {
    let Some(stats) = stats("twitter2015") else { return };
    assert_eq!(stats.labels, ["O", "LOC", "ORG", "OTHER", "PER"]);
    check(&stats.splits[&Split::Train], [4000, 64439, 6166, 6341, 6352, 175, 11], "Twitter2015 train (UMT)");
    check(&stats.splits[&Split::Dev], [1000, 16178, 1541, 1593, 1594, 52, 1], "Twitter2015 valid (UMT)");
    check(&stats.splits[&Split::Test], [3257, 52822, 5072, 5201, 5207, 129, 6], "Twitter2015 test (UMT)");
}

#[test]
fn twitter2017_has_its_known_counts() {
    let Some(stats) = stats("twitter2017") else { return };
    assert_eq!(stats.labels, ["O", "LOC", "MISC", "ORG", "PER"]);
    check(&stats.splits[&Split::Train], [3373, 53007, 6049, 6049, 6049, 0, 0], "Twitter2017 train (UMT)");
    check(&stats.splits[&Split::Dev], [723, 11309, 1324, 1324, 1324, 0, 0], "Twitter2017 valid (UMT)");
    check(&stats.splits[&Split::Test], [723, 11330, 1351, 1351, 1351, 0, 0], "Twitter2017 test (UMT)");
    let train = &stats.splits[&Split::Train];
    assert_eq!((train.url_words, train.longest_post, train.repeated_texts.posts), (0, 50, 4));
    assert_eq!(train.candidates.last().map(|all| all.spans), Some(487_902));
}

#[test]
fn twitter2015_keeps_its_last_tweet_and_its_no_break_space() {
    let Some(dir) = shared("data/twitter2015") else { return };
    for split in Split::ALL {
        let path = split_path(&dir, split).expect("one file");
        assert!(!std::fs::read(&path).expect("reads").ends_with(b"\n\n"), "{split} has no final blank line");
        let samples: Vec<_> = Reader::open(&path).expect("opens").collect::<Result<_, _>>().expect("well-formed");
        let loaded = load_file(&path).expect("well-formed");
        assert!(loaded.samples == samples, "{split}: nothing is told from the file that changes it");
        assert_eq!(
            loaded.read_as.to_string(),
            "conll: 2 columns separated by tabs, words in column 1, tags in column 2, with `IMGID:` lines, \
             scheme iob2, ill-formed in places"
        );
        let spaces = samples.iter().flat_map(|s| &s.words).filter(|word| *word == "\u{a0}").count();
        assert_eq!(spaces, usize::from(split == Split::Dev), "{split}");
        let in_entities = samples.iter().flat_map(|s| s.words.iter().zip(&s.tags));
        assert!(in_entities.filter(|(word, _)| smvae_data::is_url(word)).all(|(_, tag)| tag == "O"), "{split}");
    }
}

/// Counts and digests are those of the authors' own run, see the README of `tests/golden`.
#[test]
fn golden_candidate_listing_of_twitter2017() {
    let Some(dir) = shared("data/twitter2017") else { return };
    let goldens = std::env::var_os("SMVAE_GOLDENS").map(PathBuf::from);
    let goldens = goldens.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden"));
    let text = std::fs::read_to_string(goldens.join("data_twitter2017.json")).expect("the golden file");
    let golden: Value = serde_json::from_str(&text).expect("JSON");
    let corpus = Corpus::load(&dir).expect("a well-formed corpus");
    for (name, split) in [("train", Split::Train), ("dev", Split::Dev), ("test", Split::Test)] {
        for (filter, when) in [(Filter::None, "before"), (Filter::Authors, "after")] {
            let want = &golden[name];
            let got = listing(corpus.split(split), filter).expect("well-formed tags");
            let counts = serde_json::to_value(&got.label_counts).expect("serialises");
            assert_eq!(counts, want[format!("label_counts_{when}_filters")], "{name} {when}");
            assert_eq!(got.rows, want[format!("candidates_{when}_filters")], "{name} {when}");
            assert_eq!(got.sha256, want[format!("sha256_listing_{when}_filters")], "{name} {when}");
            assert_eq!(got.posts, want["sentences_with_rows"], "{name} {when}");
        }
    }
}

#[test]
fn image_vectors_belong_to_their_corpora() {
    for (corpus, other, posts) in [("twitter2015", "twitter2017", 4000), ("twitter2017", "twitter2015", 3373)] {
        let Some(dir) = shared(&format!("data/{corpus}")) else { continue };
        let Some(file) = shared(&format!("features/{corpus}.safetensors")) else { continue };
        let Some(wrong) = shared(&format!("features/{other}.safetensors")) else { continue };
        let corpus = Corpus::load(dir).expect("a well-formed corpus");
        let images = ImageVectors::load(file).expect("well-formed vectors");
        assert_eq!(images.width(), 384);
        // Each image has its vector.
        let coverage = images.coverage(&corpus.train).expect("some match");
        assert_eq!((coverage.found, coverage.missing), (posts, 0));
        let wrong = ImageVectors::load(wrong).expect("well-formed vectors");
        assert!(matches!(wrong.coverage(&corpus.train), Err(smvae_data::Error::NoMatch { .. })));
    }
}
