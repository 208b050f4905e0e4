"""Hidden states and gradients of all-MiniLM-L6-v2 as Hugging Face transformers computes them.

    python hf_minilm.py MODEL_FOLDER TWITTER2017_TEST_TXT OUTPUT.safetensors

Made with Python 3.11.7, torch 2.15.0 (CPU, f32, one thread), transformers 5.23.0, safetensors 0.8.0, numpy 2.4.6.

The first ten tweets, every word of each, tokenised word by word (`is_split_into_words`; a word without pieces becomes
one [UNK]), each tweet alone without padding, dropout off. Ids are left out, since they can be decoded to the tweets:
a reader needs the corpus. Rows of all tweets one after the other, in file order, [CLS] and [SEP] included; f32 where
not said:

    lengths               [10]        pieces of each tweet; i64
    hidden                [sum, 384]  last hidden states
    loss                  [1]         sum(hidden * w), w[i, j] = cos(0.1 i + 0.01 j), i over all rows; f64
    grad.query            [384, 384]  d loss / d encoder.layer.0.attention.self.query.weight, [out, in]
    grad.layer_norm       [384]       d loss / d encoder.layer.5.output.LayerNorm.weight
    grad.word_embeddings  [384]       d loss / d embeddings.word_embeddings.weight, summed over the vocabulary
"""

import sys

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoTokenizer, BertModel

N_TWEETS = 10


def read_tweets(path):
    """The words of every tweet; only a tab ends a word, since one word of the corpora is U+00A0."""
    with open(path, encoding="utf-8", newline="\n") as file:
        blocks = file.read().split("\n\n")
    tweets = [[line.split("\t")[0] for line in b.split("\n") if "\t" in line] for b in blocks]
    return [words for words in tweets if words]


def piece_ids(tokenizer, words):
    ids = [tokenizer.cls_token_id]
    encoded = tokenizer(words, is_split_into_words=True, add_special_tokens=False, truncation=False, padding=False)
    of_word = [[] for _ in words]
    for id_, word in zip(encoded["input_ids"], encoded.word_ids()):
        of_word[word].append(id_)
    for pieces in of_word:
        ids += pieces or [tokenizer.unk_token_id]
    return ids + [tokenizer.sep_token_id]


def main(model_folder, corpus, output):
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    # eager: the plain softmax of scores, no fused kernel that rounds in another order.
    model = BertModel.from_pretrained(model_folder, attn_implementation="eager", dtype=torch.float32).eval()
    ids = [piece_ids(tokenizer, words) for words in read_tweets(corpus)[:N_TWEETS]]
    hidden = torch.cat([model(input_ids=torch.tensor([row])).last_hidden_state[0] for row in ids])
    i, j = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in hidden.shape), indexing="ij")
    weight = torch.cos(0.1 * i + 0.01 * j)
    loss = (hidden.double() * weight).sum()
    loss.backward()
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    arrays = {
        "lengths": np.array([len(row) for row in ids], dtype=np.int64),
        "hidden": hidden.detach().numpy(),
        "loss": np.array([loss.item()], dtype=np.float64),
        "grad.query": grads["encoder.layer.0.attention.self.query.weight"].numpy(),
        "grad.layer_norm": grads["encoder.layer.5.output.LayerNorm.weight"].numpy(),
        "grad.word_embeddings": grads["embeddings.word_embeddings.weight"].sum(0).numpy(),
    }
    save_file(arrays, output)
    for name, array in arrays.items():
        print(name, array.dtype, array.shape, float(np.linalg.norm(array)))


if __name__ == "__main__":
    main(*sys.argv[1:])
