//! Tokenisation of words by small vocabularies of each kind, and the forms of model folders.

use super::*;

const VOCAB: [&str; 12] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "gig", "##s", "in", "rome", "[", "]", "sep", "\u{3000}x"];

fn tokenizer() -> WordTokenizer {
    WordTokenizer::from_vocab(VOCAB.map(String::from).to_vec()).expect("has the special pieces")
}

#[track_caller]
fn check(words: &[&str], max_pieces: usize, ids: &[u32], ranges: &[(u32, u32)], n_cut: usize) {
    let got = tokenizer().encode(words, max_pieces).expect("room for two");
    let ranges = ranges.iter().map(|&(start, end)| start..end).collect();
    assert_eq!(got, Encoded { ids: ids.to_vec(), words: ranges, n_cut }, "{words:?}, {max_pieces}");
}

#[test]
fn every_word_knows_its_pieces() {
    check(&[], 9, &[2, 3], &[], 0);
    check(&["GIGS", "in", "R\u{f4}me"], 9, &[2, 4, 5, 6, 7, 3], &[(1, 3), (3, 4), (4, 5)], 0);
    // Nothing is left of these after cleaning, or there never was anything.
    check(
        &["", "\u{a0}", "\u{fe0f}", "\u{200b}", "in"],
        9,
        &[2, 1, 1, 1, 1, 6, 3],
        &[(1, 2), (2, 3), (3, 4), (4, 5), (5, 6)],
        0,
    );
    check(&["xyz", "inxyz"], 9, &[2, 1, 1, 3], &[(1, 2), (2, 3)], 0);
    // Special pieces are text in a text.
    check(&["[SEP]"], 9, &[2, 8, 10, 9, 3], &[(1, 4)], 0);
}

#[test]
fn long_texts_are_cut_between_words() {
    let words = ["in", "gigs", "rome"];
    check(&words, 6, &[2, 6, 4, 5, 7, 3], &[(1, 2), (2, 4), (4, 5)], 0);
    check(&words, 5, &[2, 6, 4, 5, 3], &[(1, 2), (2, 4)], 1);
    // The word after the one that does not fit would: it is left out all the same.
    check(&words, 4, &[2, 6, 3], &[(1, 2)], 2);
    check(&words, 2, &[2, 3], &[], 3);
    for max_pieces in [0, 1] {
        assert!(matches!(tokenizer().encode(&words, max_pieces), Err(Error::PieceLimit { .. })));
    }
}

#[test]
fn bad_vocabularies_are_errors() {
    let vocab = |pieces: &[&str]| WordTokenizer::from_vocab(pieces.iter().map(|p| (*p).to_owned()).collect());
    let missing = |pieces: &[&str], want: &str| {
        assert!(matches!(vocab(pieces), Err(Error::MissingPiece { piece }) if piece == want), "{pieces:?}");
    };
    missing(&[], "[CLS]");
    missing(&["[CLS]", "[UNK]"], "[SEP]");
    missing(&["[CLS]", "[SEP]"], "[UNK]");
    assert!(matches!(vocab(&["a", "b", "a"]), Err(Error::DuplicatePiece { first: 0, second: 2, .. })));
}

#[test]
fn a_file_that_ends_too_early_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tokenizer.json");
    tokenizer().save(&path).expect("writes");
    let whole = std::fs::read(&path).expect("reads");
    for end in (0..whole.len() - 2).step_by(7) {
        std::fs::write(&path, &whole[..end]).expect("writes");
        assert!(matches!(WordTokenizer::from_file(&path), Err(Error::Json { .. })), "{end}");
    }
}

#[test]
fn folders_are_read_and_files_are_written_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let read = || WordTokenizer::from_folder(folder.path());
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("writes");
    let ids = |t: &WordTokenizer| t.encode(&["Rome", "rome"], 9).expect("room").ids;
    assert!(matches!(read(), Err(Error::NoTokenizer { sentencepiece: None, .. })));
    put("sentencepiece.bpe.model", "");
    let message = read().expect_err("sentencepiece alone").to_string();
    assert!(message.contains("save_pretrained") && message.contains("sentencepiece.bpe.model"), "{message}");
    std::fs::remove_file(folder.path().join("sentencepiece.bpe.model")).expect("it was written");

    put("vocab.txt", &VOCAB.join("\r\n"));
    let uncased = read().expect("a vocabulary");
    assert_eq!((ids(&uncased), uncased.vocab_size()), (vec![2, 7, 7, 3], VOCAB.len()));
    put("tokenizer_config.json", r#"{"do_lower_case": false, "model_max_length": 512}"#);
    let cased = read().expect("a vocabulary");
    assert_eq!(ids(&cased), [2, 1, 7, 3]);

    let path = folder.path().join("tokenizer.json");
    for tokenizer in [uncased, cased] {
        tokenizer.save(&path).expect("writes");
        assert_eq!(ids(&read().expect("its own file")), ids(&tokenizer));
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 3, "nothing partial is left");
    put("tokenizer.json", "{}");
    assert!(matches!(read(), Err(Error::Json { .. })));
    assert!(matches!(tokenizer().save(folder.path().join("no/file")), Err(Error::Write { .. })));
}

#[test]
fn padding_and_truncation_of_the_file_are_ignored() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tokenizer.json");
    tokenizer().save(&path).expect("writes");
    let text = std::fs::read_to_string(&path).expect("reads");
    let limits = r#""truncation": {"max_length": 1, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "[PAD]"}"#;
    let limited = text.replace("\"truncation\": null,\n  \"padding\": null", limits);
    assert_ne!(text, limited);
    std::fs::write(&path, limited).expect("writes");
    // Also where the folder's class is one that takes tokenizer.json as it is.
    std::fs::write(folder.path().join("tokenizer_config.json"), r#"{"tokenizer_class": "TokenizersBackend"}"#)
        .expect("writes");
    for read in [WordTokenizer::from_file(&path), WordTokenizer::from_folder(folder.path())] {
        assert_eq!(read.expect("a tokenizer").encode(&["gigs"], 9).expect("room").ids, [2, 4, 5, 3]);
    }
}

#[test]
fn a_run_reads_its_tokenizer_as_it_was_trained_with_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, again) = (folder.path().join("tokenizer.json"), folder.path().join("again.json"));
    tokenizer().save(&path).expect("writes");
    let text = std::fs::read_to_string(&path).expect("reads");
    let user = r#""added_tokens": [{"id": 12, "content": "<user>", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true},"#;
    std::fs::write(&path, text.replace("\"added_tokens\": [", user)).expect("writes");
    let ids =
        |tokenizer: Result<WordTokenizer>| tokenizer.expect("a tokenizer").encode(&["<user>"], 9).expect("room").ids;
    // What earlier versions saved from such a folder: the token is marked special, and is text.
    assert_eq!(ids(WordTokenizer::from_file(&path)), [2, 1, 1, 1, 3]);
    assert_eq!(ids(WordTokenizer::from_folder(folder.path())), [2, 12, 3]);
    WordTokenizer::from_folder(folder.path()).and_then(|read| read.save(&again)).expect("writes");
    assert_eq!(ids(WordTokenizer::from_file(&again)), [2, 12, 3]);
}

/// A folder with the small tokenizer and this `added_tokens_decoder`.
fn with_decoder(decoder: &str) -> (tempfile::TempDir, Result<WordTokenizer>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    tokenizer().save(folder.path().join("tokenizer.json")).expect("writes");
    let settings = format!(r#"{{"added_tokens_decoder": {decoder}}}"#);
    std::fs::write(folder.path().join("tokenizer_config.json"), settings).expect("writes");
    let read = WordTokenizer::from_folder(folder.path());
    (folder, read)
}

#[test]
fn added_tokens_that_make_no_sense_are_an_error_of_their_file() {
    let check = |decoder: &str, want: &str| {
        let (folder, read) = with_decoder(decoder);
        let error = read.expect_err(decoder);
        let settings = folder.path().join("tokenizer_config.json");
        assert!(matches!(&error, Error::Json { path, .. } if *path == settings), "{error}");
        let why = std::error::Error::source(&error).expect("a reason").to_string();
        assert_eq!(why, format!("added_tokens_decoder {want}"));
    };
    check(r#"{"x": {"content": "<user>"}}"#, "has \"x\" in the place of an id");
    check(r#"{"12.0": {"content": "<user>"}}"#, "has \"12.0\" in the place of an id");
    check(r#"{"12": {"content": 3}}"#, "has {\"content\":3} for the id 12, which is not a token");
    check(r#"{"12": null}"#, "has null for the id 12, which is not a token");
    check(r#"["<user>"]"#, "does not map ids to tokens");
}

#[test]
fn added_tokens_that_transformers_passes_over_or_gives_another_id_are_no_error() {
    let check = |decoder: &str, want: &[u32]| {
        let read = with_decoder(decoder).1.expect(decoder);
        assert_eq!(read.encode(&["<user>"], 9).expect("room").ids, want, "{decoder}");
    };
    check(r#"{"12": {"special": true}}"#, &[2, 1, 1, 1, 3]);
    check(r#"{"12": {"content": null}}"#, &[2, 1, 1, 1, 3]);
    check(r#"{"12": {"content": ""}}"#, &[2, 1, 1, 1, 3]);
    check(r#"{" 12 ": {"content": "<user>"}}"#, &[2, 12, 3]);
    check(r#"{"-1": {"content": "<user>"}}"#, &[2, 12, 3]);
    check(r#"{"99999999999": {"content": "<user>"}}"#, &[2, 12, 3]);
}

#[test]
fn more_pieces_than_rows_are_an_error() {
    let check = |rows: usize, is_fine: bool| {
        let checked = tokenizer().check_rows(rows);
        assert_eq!(checked.is_ok(), is_fine, "{rows}");
        if let Err(error) = checked {
            let message = error.to_string();
            assert!(message.contains("has 12 pieces") && message.contains(&format!("have {rows} rows")), "{message}");
        }
    };
    check(100, true);
    check(VOCAB.len(), true);
    check(VOCAB.len() - 1, false);
    check(2, false);
}

#[test]
fn a_file_without_a_frame_takes_it_from_the_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("writes");
    let vocab = r#"{"<unk>": 0, "<s>": 1, "</s>": 2, "in": 3, "<go>": 4}"#;
    let json = |post: &str| {
        format!(
            r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": null, "post_processor": {post}, "decoder": null,
            "model": {{"type": "WordLevel", "vocab": {vocab}, "unk_token": "<unk>"}}}}"#
        )
    };
    let ids = || WordTokenizer::from_folder(folder.path()).map(|t| t.encode(&["in", "<s>"], 9).expect("room").ids);
    put("tokenizer.json", &json("null"));
    assert_eq!(ids().expect("known names"), [1, 3, 0, 2]);
    put("special_tokens_map.json", r#"{"cls_token": {"content": "<go>", "lstrip": false}, "sep_token": "</s>"}"#);
    assert_eq!(ids().expect("names of the folder"), [4, 3, 1, 2]);
    let one = r#"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
        {"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}"#;
    put("tokenizer.json", &json(one));
    let error = ids().expect_err("one piece around a text");
    assert!(matches!(&error, Error::Json { path, .. } if path == folder.path()), "{error}");
    let why = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(why.starts_with("the tokenizer puts 1 pieces around a text"), "{why}");
}

#[test]
fn threads_may_share_one() {
    fn shared<T: Send + Sync>() {}
    shared::<WordTokenizer>();
}
