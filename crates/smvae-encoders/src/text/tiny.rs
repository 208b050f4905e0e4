//! A tiny encoder made on the spot, for the demo, tests and benches: no files, no download.

use super::{Family, HiddenAct, TransformerConfig};
use std::collections::BTreeMap;

/// Pieces every vocabulary begins with; their positions are their ids.
const SPECIAL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/// Configuration of a BERT of 2 layers and width 64 for a vocabulary of this size.
pub fn tiny(vocab_size: usize) -> TransformerConfig {
    TransformerConfig {
        model_type: Family::Bert,
        vocab_size,
        hidden_size: 64,
        embedding_size: None,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        intermediate_size: 128,
        hidden_act: HiddenAct::Gelu,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        max_position_embeddings: 128,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        pad_token_id: None,
        position_embedding_type: None,
        disentangled: None,
        modern: None,
    }
}

/// A vocabulary of the words that come at least `min_count` times, lower-cased; all others are
/// `[UNK]`. The same for the same words in any order. With every rare word alike, an untrained
/// encoder can tell names from the words around them after a few examples, which spelling them out
/// does not give it.
pub fn tiny_vocabulary<'a>(words: impl IntoIterator<Item = &'a str>, min_count: usize) -> Vec<String> {
    let mut counts = BTreeMap::<String, usize>::new();
    for word in words {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let frequent = counts.into_iter().filter(|(word, n)| *n >= min_count && !SPECIAL.contains(&word.as_str()));
    SPECIAL.into_iter().map(str::to_owned).chain(frequent.map(|(word, _)| word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_has_frequent_words_once() {
        let vocabulary = tiny_vocabulary(["Ab", "ab", "a", "cab", "a"], 2);
        assert_eq!(vocabulary, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "ab"]);
        tiny(vocabulary.len()).validate().expect("the sizes fit");
    }
}
