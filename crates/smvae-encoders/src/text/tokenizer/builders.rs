//! Tokenizers as transformers 5 builds them: of a vocabulary, with the settings of a folder.
//!
//! What it does not do: read files, or add tokens.

use super::class::Class;
use super::files::Files;
use super::notes::Note;
use crate::{Error, Result};
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{
    BertNormalizer, Lowercase, NFC, NormalizerWrapper, Replace, Sequence as Normalizers, Strip,
};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{SplitDelimiterBehavior, Tokenizer, decoders};

/// The piece for text that word pieces do not cover.
pub(super) const UNK: &str = "[UNK]";

/// What a class makes of a `tokenizer.json`: the tokenizer, without added tokens if it is built
/// anew.
pub(super) fn rebuilt(class: Class, tokenizer: Tokenizer, files: &Files, notes: &mut Vec<Note>) -> Tokenizer {
    match (class, tokenizer.get_model()) {
        (Class::Bert | Class::MpNet, ModelWrapper::WordPiece(model)) => {
            let casing = files.casing();
            let asked = casing.normalizer();
            if let Some(difference) = difference(tokenizer.get_normalizer(), asked) {
                notes.push(Note::Casing { difference, said: casing.said });
            } else if let Some(piece) = casing.capitals_in_vain(&tokenizer) {
                notes.push(Note::LowerCased { piece });
            }
            word_pieces(model.clone(), asked, files.name("unk_token", class))
        }
        (Class::Roberta, ModelWrapper::BPE(model)) => byte_level(model.clone()),
        (Class::Unigrams, ModelWrapper::Unigram(model)) => unigrams(model.clone(), tokenizer.get_normalizer()),
        (Class::DebertaV2, ModelWrapper::Unigram(model)) => debertas_unigrams(model, files),
        (Class::AsItIs | Class::Bertweet, _) => as_it_is(tokenizer, files, notes),
        _ => {
            notes.push(Note::Kind { class: class.to_string() });
            as_it_is(tokenizer, files, notes)
        }
    }
}

/// Word pieces whose ids are their positions.
///
/// # Errors
/// [`Error::DuplicatePiece`].
pub(super) fn vocabulary(pieces: impl IntoIterator<Item = String>) -> Result<WordPiece> {
    // The only way to a map of the type that the builder wants, which has no public name.
    let mut ids = WordPiece::read_bytes(&[]).expect("no bytes are an empty vocabulary");
    for (second, piece) in pieces.into_iter().enumerate() {
        if let Some(first) = ids.insert(piece.clone(), second as u32) {
            return Err(Error::DuplicatePiece { piece, first: first as usize, second });
        }
    }
    Ok(WordPiece::builder().vocab(ids).build().expect("building fails on files only"))
}

/// Word pieces as BERT and MPNet have them.
pub(super) fn word_pieces(mut model: WordPiece, normalizer: BertNormalizer, unk: Option<String>) -> Tokenizer {
    model.unk_token = unk.unwrap_or_else(|| UNK.to_owned());
    (model.continuing_subword_prefix, model.max_input_chars_per_word) = ("##".to_owned(), 100);
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(normalizer)).expect("there are no added tokens to normalise yet");
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_decoder(Some(decoders::wordpiece::WordPiece::default()));
    tokenizer
}

/// Byte-level BPE as RoBERTa has it.
pub(super) fn byte_level(mut model: BPE) -> Tokenizer {
    (model.dropout, model.unk_token, model.fuse_unk) = (None, None, false);
    (model.continuing_subword_prefix, model.end_of_word_suffix) = (None, None);
    (model.byte_fallback, model.ignore_merges) = (false, false);
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default()));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    tokenizer
}

/// Unigrams of sentencepiece as XLM-R has them, with sentencepiece's part of this normalizer.
fn unigrams(model: Unigram, normalizer: Option<&NormalizerWrapper>) -> Tokenizer {
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(normalizer.and_then(charsmap)).expect("there are no added tokens to normalise yet");
    let metaspace = Metaspace::new('\u{2581}', PrependScheme::Always, true);
    let parts = vec![PreTokenizerWrapper::WhitespaceSplit(WhitespaceSplit), metaspace.clone().into()];
    tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(parts)));
    tokenizer.with_decoder(Some(metaspace));
    tokenizer
}

/// Unigrams of sentencepiece as DeBERTaV3 has them, whatever the normalizer of the file is: what no
/// piece covers is unknown, and never bytes.
fn debertas_unigrams(model: &Unigram, files: &Files) -> Tokenizer {
    let vocabulary: Vec<(String, f64)> = model.iter().cloned().collect();
    let unk = files.name("unk_token", Class::DebertaV2);
    let unk_id = vocabulary.iter().position(|(piece, score)| Some(piece) == unk.as_ref() && *score == 0.0).unwrap_or(1);
    let model = Unigram::from(vocabulary, Some(unk_id), false).unwrap_or_else(|_| model.clone());
    let spaces = ReplacePattern::Regex(r"\s{2,}|[\n\r\t]".to_owned());
    let spaces = Replace::new(spaces, " ").expect("it is a regular expression");
    let mut normalizers: Vec<NormalizerWrapper> = vec![spaces.into(), NFC.into(), Strip::new(false, true).into()];
    if files.flag("do_lower_case") == Some(true) {
        normalizers.insert(0, Lowercase.into());
    }
    let everywhere = files.flag("add_prefix_space").unwrap_or(true);
    let scheme = if everywhere { PrependScheme::Always } else { PrependScheme::First };
    let metaspace = Metaspace::new('\u{2581}', scheme, true);
    let mut parts: Vec<PreTokenizerWrapper> = vec![metaspace.clone().into()];
    if files.flag("split_by_punct") == Some(true) {
        parts.insert(0, Punctuation::new(SplitDelimiterBehavior::Isolated).into());
    }
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(Normalizers::new(normalizers))).expect("there are no added tokens to normalise yet");
    tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(parts)));
    tokenizer.with_decoder(Some(metaspace));
    tokenizer
}

/// A `tokenizer.json` that is not built anew, where `tokenizer_config.json` has no say.
fn as_it_is(tokenizer: Tokenizer, files: &Files, notes: &mut Vec<Note>) -> Tokenizer {
    let casing = files.casing();
    if casing.said
        && let Some(difference) = difference(tokenizer.get_normalizer(), casing.normalizer())
    {
        notes.push(Note::CasingIgnored { difference });
    }
    tokenizer
}

/// The first thing that the two say of characters that differs. `None` where `tokenizer.json` does
/// not have BERT's normalizer.
fn difference(has: Option<&NormalizerWrapper>, asked: BertNormalizer) -> Option<String> {
    let Some(NormalizerWrapper::BertNormalizer(has)) = has else { return None };
    let accents = |n: &BertNormalizer| n.strip_accents.unwrap_or(n.lowercase);
    let settings = [
        ("do_lower_case", has.lowercase, asked.lowercase),
        ("strip_accents", accents(has), accents(&asked)),
        ("tokenize_chinese_chars", has.handle_chinese_chars, asked.handle_chinese_chars),
    ];
    let first = settings.into_iter().find(|(_, has, asked)| has != asked);
    first.map(|(name, has, asked)| format!("{name} is {has} in tokenizer.json and {asked} by tokenizer_config.json"))
}

/// The part of a normalizer that sentencepiece made, which is all that is kept.
fn charsmap(normalizer: &NormalizerWrapper) -> Option<NormalizerWrapper> {
    match normalizer {
        NormalizerWrapper::Precompiled(_) => Some(normalizer.clone()),
        NormalizerWrapper::Sequence(parts) => {
            let parts: &[NormalizerWrapper] = parts.as_ref();
            parts.iter().find_map(charsmap)
        }
        _ => None,
    }
}
