//! Words to word pieces, one word at a time, so that the pieces of every word are known.
//!
//! ```text
//! [CLS] p_1 .. p_m [SEP]          <s> p_1 .. p_m </s> in RoBERTa's family
//! ```
//! The pieces of a word are a half-open range of these positions. A second text may follow; where
//! its words are is not recorded.
//!
//! WordPiece, byte-level BPE and unigram vocabularies are read. For byte-level BPE every word
//! begins with a space, as with `add_prefix_space=True, is_split_into_words=True` of Hugging Face.
//! A word that gives no pieces, such as a variation selector or a control character, is one
//! `[UNK]`, so that every word has a hidden state and a span of words is a range of pieces.
//!
//! What it does not do: it adds no padding, takes no special pieces from text (a post that says
//! `[SEP]` or `<s>` says these characters), and ignores the truncation and padding that a
//! `tokenizer.json` asks for.

mod added;
mod bertweet;
mod builders;
mod class;
mod emoji;
mod files;
mod folder;
mod guard;
mod notes;
#[cfg(test)]
mod tests;

pub use notes::Note;

use crate::{Error, Result};
use builders::UNK;
use folder::{Found, SpecialNames};
use guard::guarded;
use std::collections::HashSet;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{Encoding, Tokenizer};

/// The pieces around a text, by family.
const FRAMES: [(&str, &str); 2] = [("[CLS]", "[SEP]"), ("<s>", "</s>")];
/// Pieces of a word-piece vocabulary that do not stand for text.
const SPECIAL: [&str; 5] = ["[CLS]", "[SEP]", UNK, "[PAD]", "[MASK]"];

/// The last id that a piece of a tokenizer may have, to be saved.
const LAST_ID: u32 = 1 << 24;

/// A tokenizer that keeps words and pieces aligned.
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
    /// Pieces that no text contains.
    special: HashSet<u32>,
    /// Where the files of the folder that it was read from contradict each other.
    notes: Vec<Note>,
}

/// A tokenised text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Vocabulary ids of the pieces, `[CLS]` (or `<s>`) first, `[SEP]` (or `</s>`) last.
    pub ids: Vec<u32>,
    /// The positions in `ids` of every kept word's pieces, half-open, never empty; together
    /// `1..ids.len() - 1`.
    pub words: Vec<Range<u32>>,
    /// Number of words at the end that did not fit.
    pub n_cut: usize,
}

impl WordTokenizer {
    /// Reads the tokenizer of a model folder as transformers 5 reads it: `tokenizer.json` or, where
    /// there is none, `vocab.txt` (uncased unless a file says otherwise) or `vocab.json` with
    /// `merges.txt`; for BERTweet, `bpe.codes` with `vocab.txt`. Settings and added tokens come
    /// from the files beside it. Where they contradict each other, [`Self::notes`] says what was
    /// taken.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`], [`Error::Codes`], [`Error::Read`], and [`Error::Json`], also for
    /// pieces that are there twice or missing, and for tokens that cannot be added.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        reading(folder, || {
            let Found { mut tokenizer, frame: around, names, notes } = folder::read(folder)?;
            let around = frame(&mut tokenizer, &around)?;
            added::mark(&mut tokenizer, &names, around)?;
            Ok(Self { notes, ..Self::new(tokenizer, around)? })
        })
    }

    /// Reads a `tokenizer.json`, such as [`save`](Self::save) writes. Added tokens that are marked
    /// special are found in no text.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Json`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        reading(path, || {
            let mut tokenizer = folder::parse(path)?;
            let around = frame(&mut tokenizer, &SpecialNames::default())?;
            Self::new(tokenizer, around)
        })
    }

    /// An uncased tokenizer with these pieces, whose ids are their positions. A piece that
    /// continues a word begins with `##`.
    ///
    /// # Errors
    /// [`Error::DuplicatePiece`], or [`Error::MissingPiece`] without `[CLS]`, `[SEP]` and `[UNK]`.
    pub fn from_vocab(vocab: Vec<String>) -> Result<Self> {
        let mut inner =
            builders::word_pieces(builders::vocabulary(vocab)?, BertNormalizer::new(true, true, None, true), None);
        added::add_special(&mut inner, SPECIAL);
        let around = frame(&mut inner, &SpecialNames::default())?;
        Self::new(inner, around)
    }

    /// Tokenises the words of one text, at most `max_pieces` pieces with `[CLS]` and `[SEP]`.
    ///
    /// A longer text ends before the first word that does not fit; [`Encoded::n_cut`] says how many
    /// words are missing.
    ///
    /// # Errors
    /// [`Error::PieceLimit`] if `max_pieces` is less than 2, [`Error::Tokenise`] if the tokenizer
    /// fails.
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

    /// The pieces of a second text, to be put behind those of the first: `separators - 1` further
    /// separators (RoBERTa's family has two between the parts of a pair), the pieces of the words,
    /// and a separator. There are at most `max_pieces` in all: words at the end that do not fit are
    /// left out, and if no word fits, the answer is empty.
    ///
    /// # Errors
    /// [`Error::Tokenise`] if the tokenizer fails.
    pub fn encode_second(&self, words: &[&str], separators: usize, max_pieces: usize) -> Result<Vec<u32>> {
        let before = separators.saturating_sub(1);
        let mut ids = vec![self.sep; before];
        for word in words {
            let pieces = self.pieces(word)?;
            if ids.len() + pieces.len() + 1 > max_pieces {
                break;
            }
            ids.extend(pieces);
        }
        if ids.len() == before {
            return Ok(Vec::new());
        }
        ids.push(self.sep);
        Ok(ids)
    }

    /// The pieces of one word, at least one.
    fn pieces(&self, word: &str) -> Result<Vec<u32>> {
        let encoding = guarded(|| self.inner.encode_fast(word, false)).unwrap_or_else(|panicked| Err(panicked.into()));
        let encoding = encoding.map_err(|source| Error::Tokenise { word: word.to_owned(), source })?;
        if encoding.is_empty() {
            return Ok(vec![self.unk]);
        }
        // A unigram vocabulary has `<s>` among its pieces, and would find it in a text.
        let text = |id: &u32| if self.special.contains(id) { self.unk } else { *id };
        Ok(encoding.get_ids().iter().map(text).collect())
    }

    /// Where the files of the folder that it was read from contradict each other, and what was
    /// taken.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Checks that an encoder with so many rows of embeddings has one for every piece of a text.
    ///
    /// # Errors
    /// [`Error::TooManyPieces`].
    pub fn check_rows(&self, rows: usize) -> Result<()> {
        let of_text = |id: &u32| !self.special.contains(id) || [self.cls, self.sep].contains(id);
        let beyond = self.inner.get_vocab(true).into_iter().filter(|(_, id)| *id as usize >= rows && of_text(id));
        let Some((piece, id)) = beyond.max_by_key(|(_, id)| *id) else { return Ok(()) };
        Err(Error::TooManyPieces { pieces: id as usize + 1, rows, piece })
    }

    /// Number of pieces in the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Writes a `tokenizer.json`: under another name first, then renamed, so that half a file never
    /// has this path.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let write = || -> std::io::Result<()> {
            // It is written id by id, and ids without a piece count.
            let last = self.inner.get_vocab(true).into_values().max().unwrap_or_default();
            if last > LAST_ID {
                let why =
                    format!("the tokenizer has a piece with the id {last}, the last that is allowed is {LAST_ID}");
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
            }
            let text = guarded(|| self.inner.to_string(true)).unwrap_or_else(|panicked| Err(panicked.into()));
            let text = text.map_err(std::io::Error::other)?;
            // Nothing is written through a link.
            let _ = std::fs::remove_file(&partial);
            let mut file = std::fs::File::create_new(&partial)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&partial, path)
        };
        write().map_err(|source| {
            let _ = std::fs::remove_file(&partial);
            Error::Write { path: path.to_owned(), source }
        })
    }

    /// Completes a tokenizer whose pieces around a text are known: finds its other special pieces,
    /// and makes sure that none of them is found in a text.
    fn new(mut inner: Tokenizer, [cls, sep]: [u32; 2]) -> Result<Self> {
        // A post that says "[SEP]" says these five characters.
        inner.set_encode_special_tokens(true);
        if let Some(spaced) = inner.get_pre_tokenizer().map(begin_with_space) {
            inner.with_pre_tokenizer(Some(spaced));
        }
        let unk = unknown(&inner)?;
        let added = inner.get_added_tokens_decoder().into_iter();
        let special = added.filter(|(_, token)| token.special).map(|(id, _)| id).chain([cls, sep]);
        Ok(Self { special: special.filter(|id| *id != unk).collect(), inner, cls, sep, unk, notes: Vec::new() })
    }
}

/// Reads a tokenizer. Every error names the file or folder, also where the crate `tokenizers`
/// panics.
fn reading(path: &Path, read: impl FnOnce() -> Result<WordTokenizer>) -> Result<WordTokenizer> {
    let panicked =
        |panicked: guard::Panicked| Error::Json { path: path.to_owned(), what: "tokenizer", source: panicked.into() };
    guarded(read).map_err(panicked).flatten().map_err(|error| error.of_tokenizer(path))
}

/// The ids of the pieces around a text: those that the tokenizer puts there itself, or else those
/// with the given names or the usual ones, which the tokenizer then puts there itself, so that they
/// are saved with it.
fn frame(inner: &mut Tokenizer, names: &SpecialNames) -> Result<[u32; 2]> {
    if let Some(Ok(framed)) = inner.get_post_processor().map(|_| inner.post_process(Encoding::default(), None, true)) {
        match *framed.get_ids() {
            [cls, sep] => return Ok([cls, sep]),
            [] => {}
            ref more => return Err(Error::Frame { got: more.len() }),
        }
    }
    let known = FRAMES.iter().find(|(cls, _)| inner.token_to_id(cls).is_some()).unwrap_or(&FRAMES[0]);
    let id = |name: &Option<String>, default: &str| -> Result<(String, u32)> {
        let piece = name.clone().unwrap_or_else(|| default.to_owned());
        let id = inner.token_to_id(&piece);
        id.map(|id| (piece.clone(), id)).ok_or(Error::MissingPiece { piece })
    };
    let (cls, sep) = (id(&names.cls, known.0)?, id(&names.sep, known.1)?);
    let ids = [cls.1, sep.1];
    inner.with_post_processor(Some(BertProcessing::new(sep, cls)));
    Ok(ids)
}

/// The id of the piece for text that the vocabulary does not cover.
fn unknown(inner: &Tokenizer) -> Result<u32> {
    let of_model = match inner.get_model() {
        ModelWrapper::WordPiece(model) => Some(model.unk_token.clone()),
        ModelWrapper::BPE(model) => model.unk_token.clone(),
        _ => None,
    };
    let names = [of_model, Some(UNK.to_owned()), Some("<unk>".to_owned())];
    let found = names.into_iter().flatten().find_map(|name| inner.token_to_id(&name));
    found.ok_or_else(|| Error::MissingPiece { piece: UNK.to_owned() })
}

/// The same pre-tokenizer, except that a byte-level one begins every word with a space, as if the
/// word stood in a text.
fn begin_with_space(pre_tokenizer: &PreTokenizerWrapper) -> PreTokenizerWrapper {
    match pre_tokenizer.clone() {
        PreTokenizerWrapper::ByteLevel(byte_level) => byte_level.add_prefix_space(true).into(),
        PreTokenizerWrapper::Sequence(mut sequence) => {
            sequence.as_mut().iter_mut().for_each(|part| *part = begin_with_space(part));
            sequence.into()
        }
        other => other,
    }
}
