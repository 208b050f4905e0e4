"""Names and layouts of the authors' Keras variables in smvae: used by convert_authors_weights.py.

Keras numbers its layers on through a session, so that a layer's role is told by its place among those of its kind. Dense
and recurrent kernels are `[in, out]` there and `[out, in]` here; the LSTM gates i, f, c, o are our i, f, g, o.
"""

DENSE = [
    "image_expert.hidden",
    "text_expert.hidden",
    "classifier",
    "text_expert.mu",
    "text_expert.log_var",
    "image_expert.mu",
    "image_expert.log_var",
    "span_hidden",
]
"""Roles of the dense layers that have weights (two more are never called and have none)."""

LSTMS = ["lstm_vae", "lstm_ner"]
"""Roles of the bidirectional layers: of the VAE path, and of the classifier."""

TABLES = {"Embedding-Token": "word", "Embedding-Segment": "token_type", "Embedding-Position": "position"}

LINEAR = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "o": "attention.output.dense",
    "1": "intermediate.dense",
    "2": "output.dense",
}
"""By the last letter of `Wq`, `b1` and so on."""

NORMS = {"MultiHeadSelfAttention-Norm": "attention.output", "FeedForward-Norm": "output"}

PARAMETERS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
}


class UnknownName(Exception):
    """A variable that is none of the authors' program."""


def convert(layers):
    """`[(layer, [(weight name, array)])]` in the file's order to arrays by our names, in our layouts."""
    kinds = {kind: [name for name, weights in layers if name.startswith(kind) and weights] for kind in ("bidirectional", "dense")}
    converted = {}
    for layer, weights in layers:
        for name, array in weights:
            parts = name.removesuffix(":0").split("/")
            if layer in kinds["bidirectional"]:
                ours = lstm(role(layer, kinds["bidirectional"], LSTMS), parts)
            elif layer in kinds["dense"]:
                ours = f"model.{role(layer, kinds['dense'], DENSE)}.{PARAMETERS[parts[-1]]}"
            else:
                ours = f"encoder.{bert(parts[0], parts[-1])}"
            is_table = parts[-1] == "embeddings"
            converted[ours] = array if array.ndim == 1 or is_table else array.T
    return converted


def role(layer, layers, roles):
    if len(layers) != len(roles):
        raise UnknownName(f"expected {len(roles)} layers ({', '.join(roles)}), got {', '.join(layers) or 'none'}")
    return roles[layers.index(layer)]


def lstm(layer, parts):
    names = {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias"}
    return f"model.{layer}.{names[parts[-1]]}{'_reverse' if parts[-3].startswith('backward') else ''}"


def bert(layer, parameter):
    """keras-bert's `Embedding-Token`, `Encoder-3-FeedForward-Norm` (counted from 1), ... in Hugging Face's names."""
    if layer in TABLES:
        return f"embeddings.{TABLES[layer]}_embeddings.weight"
    if layer == "Embedding-Norm":
        return f"embeddings.LayerNorm.{PARAMETERS[parameter]}"
    try:
        _, number, part = layer.split("-", 2)
        block = f"encoder.layer.{int(number) - 1}"
        if part in NORMS:
            return f"{block}.{NORMS[part]}.LayerNorm.{PARAMETERS[parameter]}"
        kind, which = parameter[-2:]
        return f"{block}.{LINEAR[which]}.{ {'W': 'weight', 'b': 'bias'}[kind]}"
    except (ValueError, KeyError):
        raise UnknownName(f"{layer}/{parameter} is no variable of the authors' program") from None
