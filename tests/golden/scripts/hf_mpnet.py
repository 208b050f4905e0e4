"""Hidden states and all gradients of all-mpnet-base-v2 as Hugging Face transformers computes them.

    python hf_mpnet.py MODEL_FOLDER TEXTS.json OUTPUT.safetensors

Made with Python 3.11.7, torch 2.15.0 (CPU, f32, one thread), transformers 5.24.0, tokenizers 0.23.3, safetensors 0.8.0,
numpy 2.4.6. TEXTS.json is hf_families/texts.json; a text of all its words eight times over is added, so that distances
of all buckets are there.

Every word is tokenised by itself, each text computed alone without padding, dropout off; rows of all texts one after the
other with the pieces around them:

    lengths      [texts]     pieces of each text; i64
    ids          [rows]      of all texts; i64
    hidden       [rows, 48]  every 16th of the last hidden states
    loss         [1]         sum(hidden * w) over all of them, w[i, j] = cos(0.1 i + 0.01 j); f64
    grad.NAME    [2]         by BERT's name for it, of d loss / d NAME in row-major order: its norm, and its sum weighted
                             with cos(0.1 i); f64
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoTokenizer, MPNetModel

from hf_families import berts_name, piece_ids


def main(folder, texts, output):
    torch.set_num_threads(1)
    texts = json.loads(Path(texts).read_text())
    texts.append([word for text in texts for word in text] * 8)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    flat = lambda text: [id_ for word in piece_ids(tokenizer, text) for id_ in word]
    ids = [[tokenizer.cls_token_id, *flat(text), tokenizer.sep_token_id] for text in texts]
    model = MPNetModel.from_pretrained(folder, attn_implementation="eager").eval()
    hidden = torch.cat([model(input_ids=torch.tensor([row])).last_hidden_state[0] for row in ids])
    i, j = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in hidden.shape), indexing="ij")
    loss = (hidden.double() * torch.cos(0.1 * i + 0.01 * j)).sum()
    loss.backward()
    arrays = {
        "lengths": np.array([len(row) for row in ids], dtype=np.int64),
        "ids": np.array([id_ for row in ids for id_ in row], dtype=np.int64),
        "hidden": hidden.detach()[:, ::16].contiguous().numpy(),
        "loss": np.array([loss.item()]),
    }
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            grad = parameter.grad.double().flatten()
            weighted = (grad * torch.cos(0.1 * torch.arange(len(grad), dtype=torch.float64))).sum()
            arrays[f"grad.{berts_name(name)}"] = np.array([grad.norm().item(), weighted.item()])
    save_file(arrays, output)
    print(len(arrays), [len(row) for row in ids], float(hidden.abs().max()), loss.item())


if __name__ == "__main__":
    main(*sys.argv[1:])
