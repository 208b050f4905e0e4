//! Every distinct word of both Twitter corpora has the pieces that the authors' tokenizer gives it,
//! but for a few listed words, where theirs is not BERT's: there BERT's own pieces come out, and
//! `[UNK]` where BERT has none. The words are those of tweets, so the files are not in the
//! repository. And model folders that are easily read otherwise than transformers reads them, which
//! `tests/golden/scripts/tokenizer_folders.py` makes and asks for the pieces of invented words.

use crate::golden;
use serde::Deserialize;
use smvae_encoders::text::tokenizer::WordTokenizer;
use std::collections::BTreeMap;
use std::io::Read;

#[derive(Deserialize)]
struct Listing {
    n_words: usize,
    differing: Vec<Differing>,
}

#[derive(Deserialize)]
struct Differing {
    word: String,
    standard: Vec<u32>,
}

#[test]
fn golden_words_have_the_same_pieces() {
    let test = "golden_words_have_the_same_pieces";
    let Some(model) = golden::shared(test, "models/all-MiniLM-L6-v2") else { return };
    let Some(words) = golden::shared(test, "goldens/tokenizer_words.tsv.gz") else { return };
    let Some(listing) = golden::shared(test, "goldens/tokenizer.json") else { return };
    let listing: Listing = golden::parse(&listing);
    let mut rows = String::new();
    let file = std::fs::File::open(words).expect("it exists");
    flate2::read::GzDecoder::new(file).read_to_string(&mut rows).expect("gzipped UTF-8");

    let vocab = std::fs::read_to_string(model.join("vocab.txt")).expect("the model has a vocabulary");
    let from_vocab = WordTokenizer::from_vocab(vocab.lines().map(str::to_owned).collect());
    for tokenizer in [WordTokenizer::from_folder(&model), from_vocab] {
        check(&tokenizer.expect("a BERT vocabulary"), &rows, &listing);
    }
}

#[derive(Deserialize)]
struct Folders {
    words: Vec<String>,
    /// The ids of each word's pieces, separated by spaces. `None` for a word that is not compared.
    folders: BTreeMap<String, Vec<Option<String>>>,
}

#[test]
fn golden_folders_are_read_as_transformers_reads_them() {
    let root = golden::root().join("tests/golden/tokenizer_folders");
    let Folders { words, folders } = golden::parse(&root.join("pieces.json"));
    // What is told of each.
    let told = |name: &str| match name {
        "capitals_that_the_settings_keep" => {
            "do_lower_case is true in tokenizer.json and false by tokenizer_config.json; the \
                                              latter is taken"
        }
        "capitals_that_nobody_keeps" => {
            "do_lower_case is false in tokenizer.json and true by tokenizer_config.json, where \
                                         that is the default"
        }
        "capitals_of_a_bare_vocabulary" => "the vocabulary has capitals (\"A\"), and text is lower-cased",
        "a_file_that_is_taken_as_it_is" => {
            "do_lower_case is true in tokenizer.json and false by tokenizer_config.json; the \
                                            former is taken"
        }
        "tweets_that_are_normalised" => "of BERTweet's normalisation, users become @USER",
        "tokens_that_the_settings_lack" => {
            "tokenizer.json has added tokens that tokenizer_config.json does not have, which \
                                            are split like any text, as in transformers 5: <user>, <url>"
        }
        _ => "",
    };
    assert_eq!(folders.len(), 18);
    for (name, theirs) in folders {
        let read = WordTokenizer::from_folder(root.join(&name)).expect(&name);
        let saved = tempfile::tempdir().expect("a temporary folder");
        read.save(saved.path().join("tokenizer.json")).expect("writable");
        let again = WordTokenizer::from_file(saved.path().join("tokenizer.json")).expect("our own file");
        let notes: Vec<String> = read.notes().iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), usize::from(!told(&name).is_empty()), "{name}: {notes:?}");
        assert!(notes.iter().all(|note| note.starts_with(told(&name))), "{name}: {notes:?}");
        for (word, theirs) in words.iter().zip(&theirs) {
            let Some(theirs) = theirs else { continue };
            for tokenizer in [&read, &again] {
                let ids = tokenizer.encode(&[word], 100).expect("room for a word").ids;
                let ours: Vec<String> = ids[1..ids.len() - 1].iter().map(u32::to_string).collect();
                assert_eq!(&ours.join(" "), theirs, "{name}: {word:?}");
            }
        }
    }
}

#[track_caller]
fn check(tokenizer: &WordTokenizer, rows: &str, listing: &Listing) {
    let standard: BTreeMap<&str, &[u32]> = listing.differing.iter().map(|d| (&*d.word, &*d.standard)).collect();
    let unk = tokenizer.encode(&[""], 3).expect("room for one piece").ids[1];
    let (mut n_words, mut n_differ, mut wrong) = (0, 0, Vec::new());
    for row in rows.split_terminator('\n') {
        let (word, ids) = row.split_once('\t').expect("word, tab, ids");
        let theirs: Vec<u32> = ids.split(' ').map(|id| id.parse().expect("an id")).collect();
        let encoded = tokenizer.encode(&[word], 512).expect("room for a word");
        let range = encoded.words[0].start as usize..encoded.words[0].end as usize;
        assert_eq!((range.start, range.end), (1, encoded.ids.len() - 1), "{word:?}");
        let ours = &encoded.ids[range];
        let want = match standard.get(word) {
            None => theirs.as_slice(),
            Some([]) => &[unk],
            Some(pieces) => pieces,
        };
        n_words += 1;
        n_differ += usize::from(ours != theirs);
        if ours != want {
            wrong.push(word);
        }
    }
    assert!(wrong.is_empty(), "{} words, such as {:?}", wrong.len(), &wrong[..wrong.len().min(10)]);
    assert_eq!((n_words, n_differ), (listing.n_words, listing.differing.len()));
}
