"""Real tweets in a fixed order: what both sides of the comparison train on. Follows the rules of tweets.rs, which says
what they are: which tweets, in which order, in which batches."""

import json
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

BATCH = 16


@dataclass
class Tweet:
    """ids with [CLS] and [SEP]; words: (start, end) in pieces; spans: (start, end, class) in words."""

    ids: list
    words: list
    spans: list
    image: torch.Tensor | None
    entities: set


@dataclass
class Batch:
    """Tweets padded to the longest; spans are rows. Indices of pieces count padded positions of the whole batch."""

    ids: torch.Tensor  # [tweets, longest]
    mask: torch.Tensor  # the same, 1 where there is a piece
    lengths: torch.Tensor  # [tweets]
    word_start: torch.Tensor  # [words], piece
    word_end: torch.Tensor
    span_start: torch.Tensor  # [rows], piece
    span_end: torch.Tensor
    first: torch.Tensor  # [rows], word
    last: torch.Tensor
    text: torch.Tensor  # [rows], tweet
    targets: torch.Tensor  # [rows], class
    images: torch.Tensor  # [tweets, width]
    has_image: torch.Tensor  # [tweets]

    def to(self, device):
        """The same on a device; lengths stay on the CPU, where packing wants them."""
        return Batch(**{k: v if k == "lengths" else v.to(device) for k, v in vars(self).items()})


class Corpus:
    """Reads tweets with the settings of a run folder, which smvae wrote."""

    def __init__(self, run, shared):
        run, self.shared = Path(run), Path(shared)
        self.config = json.loads((run / "config.json").read_text())
        self.labels = json.loads((run / "labels.json").read_text())
        self.bert = json.loads((run / "encoder.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
        self.cls, self.sep, self.unk = (self.tokenizer.token_to_id(t) for t in ("[CLS]", "[SEP]", "[UNK]"))
        images = json.loads((run / "images.json").read_text())
        standard = images["standardisation"]
        self.mean, self.std = torch.tensor(standard["mean"]), torch.tensor(standard["std"])
        self.width = images["width"]
        self.vectors = load_file(self.shared / "features/twitter2017.safetensors")

    def samples(self, split):
        """(image id, words, tags) of every tweet; only a tab ends a word, since one word of the corpora is U+00A0."""
        path = self.shared / f"data/twitter2017/{split}.txt"
        samples = []
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            lines = [line for line in block.split("\n") if line]
            if lines:
                rows = [line.split("\t") for line in lines[1:]]
                samples.append((lines[0].removeprefix("IMGID:"), [r[0] for r in rows], [r[1] for r in rows]))
        return samples

    def tweets(self, samples):
        """Tokenises samples: one call for all words of all tweets, which is the fast way."""
        kept = [[i for i, word in enumerate(words) if "http" not in word] for _, words, _ in samples]
        flat = [words[i] for (_, words, _), keep in zip(samples, kept) for i in keep]
        pieces = iter(self.tokenizer.encode_batch(flat, add_special_tokens=False))
        return [self.tweet(sample, keep, pieces) for sample, keep in zip(samples, kept)]

    def tweet(self, sample, kept, pieces):
        image_id, _, tags = sample
        ids, words = [self.cls], []
        limit, cut = self.config["input"]["max_pieces"], False
        for _ in kept:
            of_word = next(pieces).ids or [self.unk]
            cut = cut or len(ids) + len(of_word) > limit - 1
            if not cut:
                words.append((len(ids), len(ids) + len(of_word)))
                ids = ids + of_word
        gold = chunks(tags)
        label = {(start, end): self.labels.index(name) for start, end, name in gold}
        original = lambda a, b: (kept[a], kept[b - 1] + 1)
        widest = self.config["input"]["max_width"]
        spans = [
            (a, b, label.get(original(a, b), 0))
            for a in range(len(words))
            for b in range(a + 1, min(a + widest, len(words)) + 1)
        ]
        vector = self.vectors.get(image_id)
        image = None if vector is None else (vector.float() - self.mean) / self.std
        return Tweet(ids + [self.sep], words, spans, image, {(a, b, name) for a, b, name in gold})

    def batch(self, tweets):
        lengths = [len(tweet.ids) for tweet in tweets]
        longest = max(lengths)
        ids = torch.zeros(len(tweets), longest, dtype=torch.long)
        words, spans, text, n_words = [], [], [], 0
        for i, tweet in enumerate(tweets):
            ids[i, : lengths[i]] = torch.tensor(tweet.ids)
            words += [(a + i * longest, b + i * longest) for a, b in tweet.words]
            spans += [(a + n_words, b - 1 + n_words, c) for a, b, c in tweet.spans]
            text += [i] * len(tweet.spans)
            n_words += len(tweet.words)
        word_start, word_end = torch.tensor(words, dtype=torch.long).view(-1, 2).unbind(1)
        first, last, targets = torch.tensor(spans, dtype=torch.long).view(-1, 3).unbind(1)
        lengths = torch.tensor(lengths)
        missing = torch.zeros(self.width)
        return Batch(
            ids=ids,
            mask=(torch.arange(longest) < lengths.unsqueeze(1)).long(),
            lengths=lengths,
            word_start=word_start,
            word_end=word_end,
            span_start=word_start[first],
            span_end=word_end[last],
            first=first,
            last=last,
            text=torch.tensor(text),
            targets=targets,
            images=torch.stack([missing if t.image is None else t.image for t in tweets]),
            has_image=torch.tensor([float(t.image is not None) for t in tweets]),
        )

    def steps(self, n_steps, semi, by_length):
        """The first steps as (labelled, unlabelled or None)."""
        tweets = [tweet for tweet in self.tweets(self.samples("train")) if tweet.words]
        order = shuffled(len(tweets))
        per_step = 2 * BATCH if semi else BATCH

        def batches(offset):
            at = [s * per_step + offset + i for s in range(n_steps) for i in range(BATCH)]
            chosen = [tweets[order[i % len(order)]] for i in at]
            if by_length:
                chosen.sort(key=lambda tweet: len(tweet.ids))
            return [self.batch(chosen[i : i + BATCH]) for i in range(0, len(chosen), BATCH)]

        return list(zip(batches(0), batches(BATCH) if semi else [None] * n_steps))


def shuffled(n):
    stride = max(n * 618 // 1000, 1)
    while gcd(stride, n) != 1:
        stride += 1
    return [i * stride % n for i in range(n)]


def chunks(tags):
    """Entities as conlleval reads them: an I- after O or after another type starts one."""
    found, start, kind = [], 0, None
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if kind is not None and (prefix != "I" or name != kind):
            found.append((start, i, kind))
            kind = None
        if prefix != "O" and kind is None:
            start, kind = i, name
    return found
