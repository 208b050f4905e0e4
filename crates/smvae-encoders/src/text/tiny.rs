//! A tiny encoder made on the spot, for the demo, tests and benches: no files, no download.

use super::{BertConfig, HiddenAct};
use std::collections::BTreeMap;

/// Pieces every vocabulary begins with; their positions are their ids.
const SPECIAL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/// Configuration of a BERT of 2 layers and width 64 for a vocabulary of this size.
pub fn tiny(vocab_size: usize) -> BertConfig {
    BertConfig {
        model_type: "bert".to_owned(),
        vocab_size,
        hidden_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        intermediate_size: 128,
        hidden_act: HiddenAct::Gelu,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        max_position_embeddings: 128,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
    }
}

/// A word-piece vocabulary of the words that come at least twice, lower-cased, and of single characters for the rest;
/// the same for the same words in any order.
pub fn tiny_vocabulary<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let (mut counts, mut characters) = (BTreeMap::<String, usize>::new(), BTreeMap::<char, ()>::new());
    for word in words {
        let word = word.to_lowercase();
        characters.extend(word.chars().map(|c| (c, ())));
        *counts.entry(word).or_default() += 1;
    }
    let mut vocabulary: Vec<String> = SPECIAL.map(str::to_owned).to_vec();
    vocabulary.extend(characters.keys().map(char::to_string));
    vocabulary.extend(characters.keys().map(|c| format!("##{c}")));
    let frequent = counts.into_iter().filter(|(word, n)| *n >= 2 && word.chars().count() > 1);
    vocabulary.extend(frequent.map(|(word, _)| word));
    vocabulary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_has_frequent_words_and_all_characters_once() {
        let vocabulary = tiny_vocabulary(["Ab", "ab", "a", "a", "cab"]);
        let want = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##a", "##b", "##c", "ab"];
        assert_eq!(vocabulary, want);
        tiny(vocabulary.len()).validate().expect("the sizes fit");
    }
}
