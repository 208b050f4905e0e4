//! Words to word pieces, one word at a time, so that every word knows its pieces.
//!
//! `[CLS] p_1 .. p_m [SEP]`, where the pieces of a word are a half-open range of positions. A word without pieces (a
//! variation selector, a control character) is one `[UNK]`: every word has a hidden state, and spans of words are
//! ranges of pieces. What it does not do: no padding, no special tokens read from text (the word `[SEP]` is text), and
//! none of the truncation or padding that a `tokenizer.json` asks for.

use crate::{Error, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{AddedToken, Tokenizer, decoders};

const CLS: &str = "[CLS]";
const SEP: &str = "[SEP]";
const UNK: &str = "[UNK]";
/// Pieces that are no text: those that BERT needs, then those that a vocabulary may have.
const SPECIAL: [&str; 5] = [CLS, SEP, UNK, "[PAD]", "[MASK]"];

/// A BERT word-piece tokenizer that keeps words and pieces aligned.
///
/// ```
/// use smvae_encoders::text::tokenizer::WordTokenizer;
/// let vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "gig", "##s", "in", "rome"];
/// let tokenizer = WordTokenizer::from_vocab(vocab.map(String::from).to_vec())?;
/// let encoded = tokenizer.encode(&["Gigs", "in", "Rome"], 128)?;
/// assert_eq!(encoded.ids, [2, 4, 5, 6, 7, 3]);
/// assert_eq!(encoded.words, [1..3, 3..4, 4..5]);
/// # Ok::<(), smvae_encoders::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WordTokenizer {
    inner: Tokenizer,
    cls: u32,
    sep: u32,
    unk: u32,
}

/// A tokenised text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Vocabulary ids of the pieces, `[CLS]` first, `[SEP]` last.
    pub ids: Vec<u32>,
    /// The positions in `ids` of every kept word's pieces, half-open, never empty; together `1..ids.len() - 1`.
    pub words: Vec<Range<u32>>,
    /// Number of words at the end that did not fit.
    pub n_cut: usize,
}

impl WordTokenizer {
    /// Reads `tokenizer.json` of a model folder or, where there is none, `vocab.txt` with the settings of
    /// `tokenizer_config.json` (uncased where that is absent too).
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Json`], and for vocabularies [`Error::DuplicatePiece`] and [`Error::MissingPiece`].
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let json = folder.join("tokenizer.json");
        if json.exists() {
            return Self::from_file(json);
        }
        let config = folder.join("tokenizer_config.json");
        let casing = if config.exists() { parse(&config, "tokenizer_config.json")? } else { Casing::default() };
        let path = folder.join("vocab.txt");
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
        // Only line ends are cut: entries may be Unicode spaces.
        Self::build(text.lines().map(str::to_owned).collect(), casing)
    }

    /// Reads a `tokenizer.json`, such as [`save`](Self::save) writes.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Json`], [`Error::MissingPiece`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let inner = Tokenizer::from_bytes(bytes);
        Self::new(inner.map_err(|source| Error::Json { path: path.to_owned(), what: "tokenizer", source })?)
    }

    /// An uncased tokenizer with these pieces, whose ids are their positions; continuations begin with `##`.
    ///
    /// # Errors
    /// [`Error::DuplicatePiece`], or [`Error::MissingPiece`] without `[CLS]`, `[SEP]` and `[UNK]`.
    pub fn from_vocab(vocab: Vec<String>) -> Result<Self> {
        Self::build(vocab, Casing::default())
    }

    /// Tokenises the words of one text, at most `max_pieces` pieces with `[CLS]` and `[SEP]`.
    ///
    /// A longer text ends before the first word that does not fit; [`Encoded::n_cut`] says how many words are
    /// missing.
    ///
    /// # Errors
    /// [`Error::PieceLimit`] if `max_pieces` is less than 2, [`Error::Tokenise`] if the tokenizer fails.
    pub fn encode(&self, words: &[impl AsRef<str>], max_pieces: usize) -> Result<Encoded> {
        let room = max_pieces.checked_sub(1).filter(|room| *room > 0).ok_or(Error::PieceLimit { max_pieces })?;
        let mut encoded = Encoded { ids: vec![self.cls], words: Vec::with_capacity(words.len()), n_cut: 0 };
        for (i, word) in words.iter().enumerate() {
            let pieces = self.pieces(word.as_ref())?;
            let (start, end) = (encoded.ids.len(), encoded.ids.len() + pieces.len());
            if end > room {
                encoded.n_cut = words.len() - i;
                break;
            }
            encoded.ids.extend(pieces);
            encoded.words.push(start as u32..end as u32);
        }
        encoded.ids.push(self.sep);
        Ok(encoded)
    }

    /// The pieces of one word, at least one.
    fn pieces(&self, word: &str) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(word, false);
        let encoding = encoding.map_err(|source| Error::Tokenise { word: word.to_owned(), source })?;
        Ok(if encoding.is_empty() { vec![self.unk] } else { encoding.get_ids().to_vec() })
    }

    /// Number of pieces in the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Writes a `tokenizer.json`: beside the path first, then renamed, so that there is never half a file.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let write = || -> std::io::Result<()> {
            let text = self.inner.to_string(true).map_err(std::io::Error::other)?;
            let mut partial = path.as_os_str().to_owned();
            partial.push(".partial");
            let mut file = std::fs::File::create(&partial)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&partial, path)
        };
        write().map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    fn build(vocab: Vec<String>, casing: Casing) -> Result<Self> {
        let mut ids: HashMap<String, u32> = HashMap::with_capacity(vocab.len());
        for (second, piece) in vocab.into_iter().enumerate() {
            if let Some(first) = ids.insert(piece.clone(), second as u32) {
                return Err(Error::DuplicatePiece { piece, first: first as usize, second });
            }
        }
        let special = SPECIAL.iter().filter(|piece| ids.contains_key(**piece));
        let special: Vec<AddedToken> = special.map(|piece| AddedToken::from(*piece, true)).collect();
        // The only way to a map of the type that the builder wants, which has no public name.
        let mut map = WordPiece::read_bytes(&[]).expect("no bytes are an empty vocabulary");
        map.extend(ids);
        let model = WordPiece::builder().vocab(map).unk_token(UNK.to_owned()).build();
        let mut inner = Tokenizer::new(model.expect("building fails on files only"));
        let Casing { do_lower_case, strip_accents, tokenize_chinese_chars } = casing;
        let normalizer = BertNormalizer::new(true, tokenize_chinese_chars, strip_accents, do_lower_case);
        inner.with_normalizer(Some(normalizer)).expect("there are no added tokens to normalise yet");
        inner.with_pre_tokenizer(Some(BertPreTokenizer));
        inner.with_decoder(Some(decoders::wordpiece::WordPiece::default()));
        inner.add_special_tokens(special).expect("all of them are in the vocabulary");
        Self::new(inner)
    }

    fn new(mut inner: Tokenizer) -> Result<Self> {
        let id = |piece| inner.token_to_id(piece).ok_or(Error::MissingPiece { piece });
        let (cls, sep, unk) = (id(CLS)?, id(SEP)?, id(UNK)?);
        inner.with_padding(None);
        inner.with_truncation(None).expect("it fails on a stride only");
        // A tweet that says "[SEP]" says these five characters.
        inner.set_encode_special_tokens(true);
        Ok(Self { inner, cls, sep, unk })
    }
}

/// What `tokenizer_config.json` says about characters, with the names and defaults of Hugging Face's `BertTokenizer`.
#[derive(Deserialize)]
#[serde(default)]
struct Casing {
    do_lower_case: bool,
    /// As `do_lower_case` where absent.
    strip_accents: Option<bool>,
    tokenize_chinese_chars: bool,
}

impl Default for Casing {
    fn default() -> Self {
        Self { do_lower_case: true, strip_accents: None, tokenize_chinese_chars: true }
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, what: &'static str) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: path.to_owned(), what, source: source.into() })
}

#[cfg(test)]
mod tests {
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
        assert!(matches!(vocab(&[]), Err(Error::MissingPiece { piece: "[CLS]" })));
        assert!(matches!(vocab(&["[CLS]", "[SEP]"]), Err(Error::MissingPiece { piece: "[UNK]" })));
        assert!(matches!(vocab(&["a", "b", "a"]), Err(Error::DuplicatePiece { first: 0, second: 2, .. })));
    }

    #[test]
    fn folders_are_read_and_files_are_written_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let read = || WordTokenizer::from_folder(folder.path());
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("writes");
        let ids = |t: &WordTokenizer| t.encode(&["Rome", "rome"], 9).expect("room").ids;
        assert!(matches!(read(), Err(Error::Read { path, .. }) if path.ends_with("vocab.txt")));

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
        let read = WordTokenizer::from_file(&path).expect("a tokenizer");
        assert_eq!(read.encode(&["gigs"], 9).expect("room").ids, [2, 4, 5, 3]);
    }

    #[test]
    fn threads_may_share_one() {
        fn shared<T: Send + Sync>() {}
        shared::<WordTokenizer>();
    }
}
