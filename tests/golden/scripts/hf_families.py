"""Tiny random encoders of eight families, and what Hugging Face transformers computes with them.

    python hf_families.py OUTPUT_FOLDER [FAMILY ...]

Made with Python 3.11.7, torch 2.15.0 (CPU, f32, one thread), transformers 5.23.0 (bert, roberta, xlm-roberta, modernbert,
modernbert-with-biases) and 5.24.0 (mpnet, distilbert, electra, deberta-v2), tokenizers 0.23.3, safetensors 0.8.0, numpy 2.4.6.

Writes texts.json, a list of texts, each a list of invented words, and a folder for each family, or for those that are
named: `bert`, `roberta`, `xlm-roberta`, `mpnet`, `distilbert`, `electra`, `deberta-v2`, `modernbert`, and
`modernbert-with-biases`, of other settings. Each is a model folder as the hub has them, its
weights in another form: one safetensors file with the old names of layer norms and a head; a half-precision
pytorch_model.bin; two shards of safetensors; one file with the family's prefix and a head; one with `module.` before
all names. Their tokenizers are trained on the texts: word pieces, bytes, unigrams; one that is there already is kept,
since training breaks ties in another order every time. Beside these lies golden.safetensors; every word of a text tokenised
by itself (`is_split_into_words`; a word without pieces is one unknown piece), each text alone without padding, dropout
off, rows of all texts one after the other with the pieces around them:

    lengths       [texts]     pieces of each text; i64
    ids           [rows]      of all texts; i64
    word_pieces   [words]     pieces of each word of all texts; i64
    hidden        [rows, d]   last hidden states; d is 24, and 8 in modernbert-with-biases
    loss          [1]         sum(hidden * w), w[i, j] = cos(0.1 i + 0.01 j), i over all rows; f64
    grad.NAME                 d loss / d NAME by BERT's name for it, of the first three families for the
                              parameters in GRADS, of the others for all; those of what ModernBERT has in
                              one matrix are cut into those of its parts

Prints, of mpnet, the first distance of each bucket, and of DeBERTaV3's settings that of each bucket of more than one
distance, which tests of the crate have.
"""

import json
import re
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2Model,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

TEXTS = [
    ["Lady", "Gaga", "lands", "in", "Oslo", "!"],
    ["the", "band", "from", "Rôme", "plays", "in", "Oslo", "tonight", ",", "it's", "late"],
    ["#Oslo2024", "@lady_gaga", "sings", "😀", "\ufe0f", "\u200b", "again", "&", "again"],
    ["日本", "and", "Łódź", "land", "a", "band", "of", "ladies", "\u00a0", "...", "xyzzy"],
    ["ok"],
]
GRADS = [
    "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight",
    "embeddings.token_type_embeddings.weight",
    "embeddings.LayerNorm.bias",
    "encoder.layer.0.attention.self.query.weight",
    "encoder.layer.0.attention.self.value.bias",
    "encoder.layer.1.intermediate.dense.weight",
    "encoder.layer.1.output.LayerNorm.weight",
]
SIZES = dict(
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=40,
    attn_implementation="eager",
)
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def corpus():
    return [" ".join(text) for text in TEXTS] * 3


def word_pieces(special=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), frame=("[SEP]", "[CLS]"), kind="BertTokenizer"):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # Without 日, so that something is unknown.
    texts = [text.replace("日", "") for text in corpus()]
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=110, special_tokens=list(special)))
    ids = [(piece, tokenizer.token_to_id(piece)) for piece in frame]
    tokenizer.post_processor = processors.BertProcessing(*ids)
    return tokenizer, kind


def mpnets_word_pieces():
    return word_pieces(["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"], ("</s>", "<s>"), "MPNetTokenizer")


def byte_pairs():
    tokenizer = Tokenizer(models.BPE())
    # As in roberta-base's file: no space before the first word, unless it is asked for.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=ROBERTA_SPECIAL, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer, "RobertaTokenizer"


def moderns_byte_pairs():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    # As in ModernBERT's file, which has the pieces around a text at its end.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]"])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True)])
    ids = [(piece, tokenizer.token_to_id(piece)) for piece in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    return tokenizer, "PreTrainedTokenizerFast"


def unigrams(special=ROBERTA_SPECIAL, frame=("<s>", "</s>"), unk="<unk>", kind="PreTrainedTokenizerFast"):
    tokenizer = Tokenizer(models.Unigram())
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces])
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    texts = [text.replace("日", "") for text in corpus()]
    trainer = trainers.UnigramTrainer(vocab_size=110, special_tokens=special, unk_token=unk)
    tokenizer.train_from_iterator(texts, trainer)
    ids = [(piece, tokenizer.token_to_id(piece)) for piece in frame]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{frame[0]} $A {frame[1]}", special_tokens=ids)
    return tokenizer, kind


def debertas_unigrams():
    # The class has a normalizer of its own, so that the one of the file is of no effect.
    return unigrams(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], ("[CLS]", "[SEP]"), "[UNK]", "DebertaV2Tokenizer")


def old_names_and_a_head(state, folder):
    def old(name):
        return "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    tensors = {old(name): tensor for name, tensor in state.items()}
    save_tensors(tensors | {"cls.predictions.bias": torch.zeros(3)}, folder / "model.safetensors")


def half_precision_pickle(state, folder):
    tensors = OrderedDict(("roberta." + name, tensor.half()) for name, tensor in state.items())
    tensors["lm_head.bias"] = torch.zeros(3)
    torch.save(tensors, folder / "pytorch_model.bin")


def prefixed(prefix, more=()):
    def save(state, folder):
        tensors = {prefix + name: tensor for name, tensor in state.items()}
        save_tensors(tensors | {name: torch.zeros(3) for name in more}, folder / "model.safetensors")

    return save


# Parts of the names that other families have for what BERT has.
BERTS_NAMES = [
    (r"^transformer\.layer\.", "encoder.layer."),
    (r"\.attention\.(q|k|v)_lin\.", lambda m: f".attention.self.{NAMES[m[1]]}."),
    (r"\.attention\.self\.(query|key|value)_proj\.", r".attention.self.\1."),
    (r"\.attention\.attn\.(q|k|v)\.", lambda m: f".attention.self.{NAMES[m[1]]}."),
    (r"\.attention\.(out_lin|attn\.o)\.", ".attention.output.dense."),
    (r"\.(sa_layer_norm|attention\.LayerNorm)\.", ".attention.output.LayerNorm."),
    (r"\.ffn\.lin1\.", ".intermediate.dense."),
    (r"\.ffn\.lin2\.", ".output.dense."),
    (r"\.output_layer_norm\.", ".output.LayerNorm."),
    (r"^embeddings\.tok_embeddings\.", "embeddings.word_embeddings."),
    (r"^embeddings\.norm\.", "embeddings.LayerNorm."),
    (r"^layers\.", "encoder.layer."),
    (r"\.attn_norm\.", ".attention.LayerNorm."),
    (r"\.attn\.Wo\.", ".attention.output.dense."),
    (r"\.mlp_norm\.", ".intermediate.LayerNorm."),
    (r"\.mlp\.Wo\.", ".output.dense."),
]
NAMES = {"q": "query", "k": "key", "v": "value"}
# Parts of the names of ModernBERT's matrices that hold several of BERT's, one below the other.
STACKED = {
    ".attn.Wqkv.": [".attention.self.query.", ".attention.self.key.", ".attention.self.value."],
    ".mlp.Wi.": [".intermediate.dense.", ".intermediate.gate."],
}


def berts_name(name):
    for pattern, ours in BERTS_NAMES:
        name = re.sub(pattern, ours, name)
    return name


def berts_parts(name, tensor):
    """A tensor by BERT's name for it, or several."""
    for stacked, parts in STACKED.items():
        if stacked in name:
            names = [berts_name(name.replace(stacked, part)) for part in parts]
            return dict(zip(names, tensor.chunk(len(parts))))
    return {berts_name(name): tensor}


def shards(state, folder):
    names = sorted(state)
    half = len(names) // 2
    files = dict(zip([f"model-0000{i}-of-00002.safetensors" for i in (1, 2)], (names[:half], names[half:])))
    for file, part in files.items():
        save_tensors({name: state[name] for name in part}, folder / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in files.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


FAMILIES = {
    "bert": (
        word_pieces,
        BertConfig(max_position_embeddings=48, type_vocab_size=2, **SIZES),
        BertModel,
        old_names_and_a_head,
    ),
    "roberta": (
        byte_pairs,
        RobertaConfig(max_position_embeddings=66, type_vocab_size=1, layer_norm_eps=1e-5, **SIZES),
        RobertaModel,
        half_precision_pickle,
    ),
    "xlm-roberta": (
        unigrams,
        XLMRobertaConfig(
            max_position_embeddings=50, type_vocab_size=1, layer_norm_eps=1e-5, hidden_act="gelu_new", **SIZES
        ),
        XLMRobertaModel,
        shards,
    ),
    "mpnet": (
        mpnets_word_pieces,
        MPNetConfig(max_position_embeddings=66, layer_norm_eps=1e-5, **SIZES),
        MPNetModel,
        prefixed("mpnet.", ["lm_head.bias"]),
    ),
    "distilbert": (
        lambda: word_pieces(kind="DistilBertTokenizer"),
        DistilBertConfig(
            dim=24,
            n_layers=2,
            n_heads=4,
            hidden_dim=40,
            max_position_embeddings=48,
            attn_implementation="eager",
        ),
        DistilBertModel,
        prefixed("module.distilbert.", ["module.vocab_projector.bias"]),
    ),
    "electra": (
        lambda: word_pieces(kind="ElectraTokenizer"),
        ElectraConfig(max_position_embeddings=48, embedding_size=16, **SIZES),
        ElectraModel,
        prefixed("electra.", ["discriminator_predictions.dense.bias"]),
    ),
    "deberta-v2": (
        debertas_unigrams,
        # As DeBERTaV3 has it, with so few buckets that most distances share one.
        DebertaV2Config(
            max_position_embeddings=48,
            relative_attention=True,
            position_buckets=8,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            pos_att_type="p2c|c2p",
            position_biased_input=False,
            **SIZES,
        ),
        DebertaV2Model,
        prefixed("deberta.", ["lm_predictions.lm_head.bias", "deberta.embeddings.position_embeddings.weight"]),
    ),
    "modernbert": (
        moderns_byte_pairs,
        # The first and the last layer see a text, those between a window of four pieces to each side.
        ModernBertConfig(max_position_embeddings=64, local_attention=8, **SIZES | {"num_hidden_layers": 4}),
        ModernBertModel,
        prefixed("model.", ["head.dense.weight", "head.norm.weight", "decoder.bias"]),
    ),
    "modernbert-with-biases": (
        moderns_byte_pairs,
        ModernBertConfig(
            max_position_embeddings=64,
            local_attention=5,
            layer_types=["sliding_attention", "full_attention"],
            rope_parameters={
                "full_attention": {"rope_type": "default", "rope_theta": 100.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
            },
            attention_bias=True,
            mlp_bias=True,
            norm_bias=True,
            norm_eps=1e-3,
            hidden_activation="gelu_new",
            **SIZES | {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 12},
        ),
        ModernBertModel,
        prefixed(""),
    ),
}
# Of the first, only these.
SOME_GRADS = {"bert", "roberta", "xlm-roberta"}


def random_weights(model):
    """Large enough that attention is not flat; numbers that half precision has."""
    for name, parameter in model.named_parameters():
        centre = 1.0 if berts_name(name).endswith(("LayerNorm.weight", "final_norm.weight")) else 0.0
        parameter.data.normal_(centre, 0.3).copy_(parameter.data.half().float())


def piece_ids(tokenizer, words):
    encoded = tokenizer(words, is_split_into_words=True, add_special_tokens=False, truncation=False, padding=False)
    of_word = [[] for _ in words]
    for id_, word in zip(encoded["input_ids"], encoded.word_ids()):
        of_word[word].append(id_)
    return [pieces or [tokenizer.unk_token_id] for pieces in of_word]


def make(folder, build_tokenizer, config, model_class, save_weights):
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "tokenizer.json"
    tokenizer, tokenizer_class = build_tokenizer()
    if file.exists():
        tokenizer = Tokenizer.from_file(str(file))
    else:
        tokenizer.save(str(file))
    special = dict(unk_token="<unk>", cls_token="<s>", sep_token="</s>", pad_token="<pad>")
    if config.model_type in ("bert", "distilbert", "electra", "deberta-v2", "modernbert"):
        special = dict(unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]")
    if config.model_type == "mpnet":
        special["unk_token"] = "[UNK]"
    settings = {"tokenizer_class": tokenizer_class, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    config.vocab_size = tokenizer.get_vocab_size()
    if config.model_type == "modernbert":
        named = {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "cls": "[CLS]", "sep": "[SEP]"}
        for name, piece in named.items():
            setattr(config, f"{name}_token_id", tokenizer.token_to_id(piece))
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True) + "\n")

    theirs = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    if config.model_type == "modernbert":
        # Its class takes the file as it is, which has no space before the first word.
        theirs.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    pieces = [piece_ids(theirs, words) for words in TEXTS]
    flat = lambda text: [id_ for word in text for id_ in word]
    ids = [[theirs.cls_token_id, *flat(text), theirs.sep_token_id] for text in pieces]

    model = model_class(config).eval()
    random_weights(model)
    save_weights(model.state_dict(), folder)
    hidden = torch.cat([model(input_ids=torch.tensor([row])).last_hidden_state[0] for row in ids])
    i, j = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in hidden.shape), indexing="ij")
    loss = (hidden.double() * torch.cos(0.1 * i + 0.01 * j)).sum()
    loss.backward()
    # What has no part in the hidden states (a pooler) has no gradient.
    grads = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            grads |= berts_parts(name, parameter.grad)
    names = GRADS if folder.name in SOME_GRADS else sorted(grads)
    arrays = {
        "lengths": np.array([len(row) for row in ids], dtype=np.int64),
        "ids": np.array([id_ for row in ids for id_ in row], dtype=np.int64),
        "word_pieces": np.array([len(word) for text in pieces for word in text], dtype=np.int64),
        "hidden": hidden.detach().numpy(),
        "loss": np.array([loss.item()], dtype=np.float64),
        **{f"grad.{name}": grads[name].numpy() for name in names},
    }
    if config.model_type == "mpnet":
        buckets = MPNetEncoder.relative_position_bucket(torch.arange(0, -601, -1), num_buckets=32).tolist()
        print("buckets begin at", [buckets.index(bucket) for bucket in sorted(set(buckets))])
    if config.model_type == "deberta-v2":
        buckets = make_log_bucket_position(torch.arange(600), 256, 512).int().tolist()
        print("buckets begin at", [buckets.index(bucket) for bucket in range(129, 256)])
    save_arrays(arrays, folder / "golden.safetensors")
    print(folder.name, config.vocab_size, [len(row) for row in ids], float(hidden.detach().abs().max()), loss.item())
    for words, text in zip(TEXTS, pieces):
        print("   ", [(word, theirs.convert_ids_to_tokens(ids)) for word, ids in zip(words, text)])


def main(output, *names):
    torch.set_num_threads(1)
    output = Path(output)
    for name in names or FAMILIES:
        make(output / name, *FAMILIES[name])
    (output / "texts.json").write_text(json.dumps(TEXTS, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
