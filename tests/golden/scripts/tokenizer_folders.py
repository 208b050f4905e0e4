"""Model folders whose tokenizers are easily read otherwise than transformers reads them, and its pieces.

    python tokenizer_folders.py OUTPUT_FOLDER

Made with Python 3.11.7, transformers 5.24.0, tokenizers 0.23.3, emoji 2.16.0.

Writes a folder for each function below, with a small vocabulary made by hand (single letters are in it, so that little is
unknown), and pieces.json beside them:

    words            invented words, tokenised one by one (`is_split_into_words`)
    folders.NAME     for each word the ids of its pieces, an unknown piece for a word without; null where BERTweet's
                     normalisation makes several words of one that has no emoji

A word that spells a piece with a meaning of its own ("[SEP]", "<s>") is text here: for it, and for it alone, the
tokenizer is asked with split_special_tokens, and where its vocabulary finds that piece all the same, as unigrams do, it
is an unknown piece.
"""

import json
import string
import sys
from pathlib import Path

import emoji
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

WORDS = [
    "Rome", "rome", "Rôme", "ROME", "in", "gigs", "[SEP]", "[CLS]", "[MASK]", "<s>", "</s>", "<mask>", "[UNK]", "<pad>",
    "<user>", "<USER>", "hi<user>!", "<user><user>", "[HASHTAG]", "[HASHTAG]Rome", "#[HASHTAG]x", "<url>", "Yesterday",
    "yesterday", "doyesterday", "<|tag|>", "日本", "x日", "\u00e9", "\u200b", "\ufe0f", "...", "it's", "@you", "\u00a0",
    "Łódź", "ß", "I", "<mention>", "a<mention>b", "https://x.yz/a?b", "HTTP", "www.x.yz", "don’t", "so…", "@", "😀", "gigs@@",
    "\U0001f602\U0001f602", "so\u2764\ufe0f!", "\U0001f44d\U0001f3fd", "\U0001f471in", "\U0001f202",
]
STRUCTURAL = ["[SEP]", "[CLS]", "[MASK]", "[UNK]", "[PAD]", "<s>", "</s>", "<mask>", "<pad>", "<unk>"]
LETTERS = string.ascii_letters + string.digits + string.punctuation + "日本éßŁłźó"
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MPNET = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]
PARTS = ["rome", "Rome", "R", "##ome", "gig", "##s", "in", "hi", "user", "yes", "##ter", "##day", "it", "you"]


def vocabulary(special, cased=True, parts=PARTS):
    letters = LETTERS if cased else "".join(dict.fromkeys(LETTERS.lower()))
    pieces = special + list(letters) + ["##" + letter for letter in letters if letter.isalnum()]
    return list(dict.fromkeys(pieces + [part for part in parts if cased or part == part.lower()]))


def put(folder, **files):
    for name, content in files.items():
        name = {"vocab": "vocab.txt", "merges": "merges.txt"}.get(name, name + ".json")
        text = content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        (folder / name).write_text(text)


def config(model_type, **more):
    return {"model_type": model_type, **more}


def token(content, special=True, normalized=False, **more):
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=normalized, special=special)
    return {"content": content, **flags, **more}


def lines(pieces):
    return "".join(piece + "\n" for piece in pieces)


def word_pieces(folder, pieces, lowercase, added=(), frame=("[CLS]", "[SEP]")):
    """A tokenizer.json; `added` are dictionaries of tokens."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing((frame[1], ids[frame[1]]), (frame[0], ids[frame[0]]))
    whole = json.loads(tokenizer.to_str())
    special = [token(piece) for piece in pieces if piece in BERT + MPNET]
    n = len(pieces)
    for entry in [*special, *added]:
        whole["added_tokens"].append({"id": ids.get(entry["content"], n), **entry})
        n += entry["content"] not in ids
    put(folder, tokenizer=whole)


def decoder(pieces, *added):
    """As tokenizer_config.json has tokens."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    named = {str(ids[piece]): token(piece) for piece in BERT if piece in ids}
    return named | {str(len(pieces) + i): entry for i, entry in enumerate(added)}


def added_tokens_that_are_marked_special(folder):
    pieces, added = vocabulary(BERT, cased=False), [token("<user>"), token("[HASHTAG]")]
    word_pieces(folder, pieces, True, added)
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    put(folder, config=config("bert"), tokenizer_config={**settings, "added_tokens_decoder": decoder(pieces, *added)})


def added_tokens_of_the_file_alone(folder):
    """No tokenizer_config.json at all."""
    pieces = vocabulary(BERT, cased=False)
    word_pieces(folder, pieces, True, [token("<user>"), token("Yesterday", special=False, normalized=True)])
    put(folder, config=config("electra"))


def added_tokens_beside_a_vocabulary(folder):
    pieces = vocabulary(BERT, cased=False)
    n = len(pieces)
    put(folder, config=config("bert"), vocab=lines(pieces), added_tokens={"<url>": n + 1, "<user>": n, "Yesterday": n + 2})
    names = {"cls_token": "[CLS]", "mask_token": "[MASK]", "additional_special_tokens": ["<user>"]}
    put(folder, special_tokens_map=names, tokenizer_config={"tokenizer_class": "BertTokenizer", "do_lower_case": True})


def capitals_that_the_settings_keep(folder):
    word_pieces(folder, vocabulary(BERT), True)
    put(folder, config=config("bert"), tokenizer_config={"tokenizer_class": "BertTokenizer", "do_lower_case": False})


def capitals_that_nobody_keeps(folder):
    """tokenizer.json does, and transformers 5 does not."""
    word_pieces(folder, vocabulary(BERT), False)
    put(folder, config=config("distilbert"), tokenizer_config={"tokenizer_class": "DistilBertTokenizerFast"})


def capitals_of_a_bare_vocabulary(folder):
    put(folder, config=config("bert"), vocab=lines(vocabulary(BERT)))


def a_file_that_is_taken_as_it_is(folder):
    pieces, added = vocabulary(BERT), [token("<user>"), token("yesterday", special=False, single_word=True)]
    word_pieces(folder, pieces, True, added)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": False, "cls_token": "[CLS]"}
    put(folder, config=config("bert"), tokenizer_config={**settings, "sep_token": "[SEP]", "unk_token": "[UNK]"})


def accents_and_chinese_characters(folder):
    settings = {"tokenizer_class": "BertTokenizer", "strip_accents": False, "tokenize_chinese_chars": False}
    put(folder, config=config("bert"), vocab=lines(vocabulary(BERT)), tokenizer_config={**settings, "do_lower_case": True})


def tokens_under_other_names(folder):
    """A vocabulary without [MASK], which takes the id before theirs."""
    pieces = vocabulary(BERT[:4], cased=False)
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "user_token": "<user>"}
    more = {"extra_special_tokens": ["<|tag|>", "[HASHTAG]"]}
    put(folder, config=config("bert"), vocab=lines(pieces), tokenizer_config={**settings, **more})


def tokens_that_the_settings_lack(folder):
    pieces = vocabulary(BERT, cased=False)
    word_pieces(folder, pieces, True, [token("<user>"), token("<url>")])
    settings = {"tokenizer_class": "BertTokenizer", "added_tokens_decoder": decoder(pieces)}
    put(folder, config=config("bert"), tokenizer_config=settings)


def mpnets_vocabulary(folder):
    pieces = vocabulary(MPNET, cased=False)
    settings = {"do_lower_case": True, "additional_special_tokens": ["<user>"]}
    put(folder, config=config("mpnet"), vocab=lines(pieces), tokenizer_config=settings)


def mpnets_file(folder):
    pieces = vocabulary(MPNET, cased=False)
    word_pieces(folder, pieces, True, frame=("<s>", "</s>"))
    settings = {"do_lower_case": True, "tokenizer_class": "MPNetTokenizer", "strip_accents": None}
    names = dict(cls_token="<s>", sep_token="</s>", unk_token="[UNK]", pad_token="<pad>")
    mask = {"content": "<mask>", "single_word": False, "lstrip": True, "rstrip": False, "normalized": False}
    put(folder, config=config("mpnet"), tokenizer_config=settings | names, special_tokens_map=names | {"mask_token": mask})


def bytes_with_added_tokens(folder):
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "i"), ("Ġi", "n"), ("Ġ", "r"), ("o", "m"), ("om", "e"), ("Ġr", "ome"), ("Ġ", "<"), ("u", "s")]
    ids = {piece: i for i, piece in enumerate([*special, *letters, *("".join(merge) for merge in merges), "<mask>"])}
    put(folder, config=config("roberta"), vocab_=ids, merges="#version: 0.2\n" + lines(" ".join(m) for m in merges))
    (folder / "vocab_.json").rename(folder / "vocab.json")
    mention = {"__type": "AddedToken", **token("<mention>", special=False, lstrip=True)}
    settings = {"tokenizer_class": "RobertaTokenizer", "additional_special_tokens": ["<user>", mention]}
    put(folder, tokenizer_config=settings)


def unigrams_with_added_tokens(folder):
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    words = [("▁", -3.0), ("▁rome", -4.0), ("▁in", -4.0), ("Rome", -5.0), ("user", -5.0), ("<user", -5.5)]
    pieces = special + words + [(letter, -8.0) for letter in LETTERS]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    whole = json.loads(tokenizer.to_str())
    tokens = [token("<s>"), token("</s>"), token("<mask>"), token("<user>")]
    at = {"<s>": 0, "</s>": 2, "<mask>": len(pieces), "<user>": len(pieces) + 1}
    whole["added_tokens"] = [{"id": at[entry["content"]], **entry} for entry in tokens]
    settings = {"tokenizer_class": "XLMRobertaTokenizer"}
    put(folder, config=config("xlm-roberta"), tokenizer=whole, tokenizer_config=settings)


def debertas_unigrams(folder, model=dict(unk_id=3), **settings):
    """A file whose normalizer, whose spaces and whose pieces around a text are not what the class makes of it."""
    special = [("[PAD]", 0.0), ("[CLS]", 0.0), ("[SEP]", 0.0), ("[UNK]", 0.0)]
    words = [("▁", -3.0), ("▁rome", -4.0), ("▁in", -4.0), ("Rome", -5.0), ("user", -5.0), ("▁<", -5.5), ("▁.", -5.5)]
    pieces = special + words + [(letter, -8.0) for letter in LETTERS if letter not in "Łź"]
    # What a file with `byte_fallback` would read unknown letters as.
    pieces += [(f"<0x{byte:02X}>", -9.0) for byte in "Łź".encode()]
    tokenizer = Tokenizer(models.Unigram(pieces, **model))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never")
    whole = json.loads(tokenizer.to_str())
    whole["added_tokens"] = [{"id": i, **token(piece)} for i, (piece, _) in enumerate(special)]
    whole["added_tokens"].append({"id": len(pieces), **token("[MASK]")})
    put(folder, config=config("deberta-v2"), tokenizer=whole, tokenizer_config={"do_lower_case": False} | settings)


def debertas_unigrams_with_settings(folder):
    model = dict(unk_id=0, byte_fallback=True)
    debertas_unigrams(folder, model, do_lower_case=True, split_by_punct=True, extra_special_tokens=["<user>"])


TWEETS = ["r o 9", "ro m 8", "rom e</w> 7", "i n</w> 6", "g i 5", "gi g 4", "gig s</w> 3", "u s 2", "us er 2", "e r</w> 2"]


def tweets(folder, **settings):
    """Merges whose parts or results the vocabulary lacks (`rom`, `us`, `er`), and letters that end a word alone."""
    letters = [letter + "@@" for letter in string.ascii_letters + "@:/.'’…[]<>"] + [*string.ascii_lowercase, "@", ".", "I", "é"]
    pieces = ["rome", "ro@@", "in", "gigs", "gig@@", "user", "@USER", "HTTPURL", *letters]
    codes = TWEETS + ["@ U 1", "@U S 1", "@US E 1", "@USE R</w> 1"]
    put(folder, config=config("roberta", tokenizer_class="BertweetTokenizer"), tokenizer_config=settings)
    (folder / "vocab.txt").write_text(lines(f"{piece} {len(pieces) - i}" for i, piece in enumerate(pieces)))
    (folder / "bpe.codes").write_text(lines(codes))


def tweets_that_are_normalised(folder):
    tweets(folder, normalization=True, tokenizer_class="BertweetTokenizer")


FOLDERS = [
    added_tokens_that_are_marked_special,
    added_tokens_of_the_file_alone,
    added_tokens_beside_a_vocabulary,
    capitals_that_the_settings_keep,
    capitals_that_nobody_keeps,
    capitals_of_a_bare_vocabulary,
    a_file_that_is_taken_as_it_is,
    accents_and_chinese_characters,
    tokens_under_other_names,
    tokens_that_the_settings_lack,
    mpnets_vocabulary,
    mpnets_file,
    bytes_with_added_tokens,
    unigrams_with_added_tokens,
    debertas_unigrams,
    debertas_unigrams_with_settings,
    tweets,
    tweets_that_are_normalised,
]


def pieces_of(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    split = AutoTokenizer.from_pretrained(folder, add_prefix_space=True, split_special_tokens=True)
    unknown = tokenizer.convert_tokens_to_ids("[UNK]" if "[UNK]" in tokenizer.get_vocab() else "<unk>")
    ids = []
    for word in WORDS:
        if getattr(tokenizer, "normalization", False):
            normal = tokenizer.normalizeTweet(word)
            if len(normal.split()) != 1 and not any(emoji.is_emoji(letter) for letter in word):
                ids.append(None)
                continue
        theirs = split if word in STRUCTURAL else tokenizer
        if word in STRUCTURAL and not theirs.is_fast:
            # Its other classes look for special tokens whatever they are told.
            found = theirs.convert_tokens_to_ids(theirs._tokenize(word)) or [unknown]
        else:
            found = theirs([word], is_split_into_words=True, add_special_tokens=False)["input_ids"] or [unknown]
        if word in STRUCTURAL:
            found = [unknown if piece in STRUCTURAL else id_ for piece, id_ in zip(theirs.convert_ids_to_tokens(found), found)]
        ids.append(found)
    print(folder.name, type(tokenizer).__name__, len(tokenizer))
    return ids


def main(output):
    output = Path(output)
    found = {}
    for make in FOLDERS:
        folder = output / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        found[folder.name] = pieces_of(folder)
    rows = {name: [ids and " ".join(map(str, ids)) for ids in words] for name, words in found.items()}
    text = json.dumps({"words": WORDS, "folders": rows}, indent=1)
    (output / "pieces.json").write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
