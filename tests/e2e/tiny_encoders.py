"""Writes checkpoints of an embedding and a ranking model, BERT of 2 layers with random weights and a vocabulary of
letters, and of a classifier in NeMo Curator's layout, DeBERTa. Standard library only."""

import array
import json
import math
import pathlib
import random
import string
import struct

HIDDEN, FEED_FORWARD, LAYERS, POSITIONS = 32, 64, 2, 128
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SYMBOLS = string.ascii_lowercase + string.digits + string.punctuation
VOCABULARY = [*SPECIAL, *SYMBOLS, *("##" + symbol for symbol in SYMBOLS)]


def norm(name: str) -> dict:
    return {f"{name}.weight": [HIDDEN], f"{name}.bias": [HIDDEN]}


def dense(name: str, rows: int, columns: int) -> dict:
    return {f"{name}.weight": [rows, columns], f"{name}.bias": [rows]}


def layer_tensors(prefix: str, suffix: str) -> dict:
    """Name -> shape of all layers; `suffix`: of the names of q, k and v's products."""
    shapes = {}
    for index in range(LAYERS):
        layer = f"{prefix}encoder.layer.{index}"
        for part in ("query", "key", "value"):
            shapes |= dense(f"{layer}.attention.self.{part}{suffix}", HIDDEN, HIDDEN)
        shapes |= {**dense(f"{layer}.attention.output.dense", HIDDEN, HIDDEN),
                   **norm(f"{layer}.attention.output.LayerNorm"),
                   **dense(f"{layer}.intermediate.dense", FEED_FORWARD, HIDDEN),
                   **dense(f"{layer}.output.dense", HIDDEN, FEED_FORWARD), **norm(f"{layer}.output.LayerNorm")}
    return shapes


def tensors(prefix: str, labels: int) -> dict:
    """Name -> shape."""
    embeddings = prefix + "embeddings"
    shapes = {f"{embeddings}.word_embeddings.weight": [len(VOCABULARY), HIDDEN],
              f"{embeddings}.position_embeddings.weight": [POSITIONS, HIDDEN],
              f"{embeddings}.token_type_embeddings.weight": [2, HIDDEN], **norm(f"{embeddings}.LayerNorm"),
              **dense(f"{prefix}pooler.dense", HIDDEN, HIDDEN)}
    shapes |= layer_tensors(prefix, "")
    return shapes | (dense("classifier", labels, HIDDEN) if labels else {})


def write_safetensors(path: pathlib.Path, shapes: dict, seed: int) -> None:
    generator, header, data = random.Random(seed), {}, array.array("f")
    for name, shape in shapes.items():
        begin, count = 4 * len(data), math.prod(shape)
        if "LayerNorm.weight" in name:
            data.extend([1.0] * count)
        else:
            data.extend(generator.gauss(0, 0.3) for _ in range(count))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, 4 * len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data.tobytes())


def tokenizer() -> dict:
    def special(token, kind):
        return {"SpecialToken": {"id": token, "type_id": kind}}

    def text(name, kind):
        return {"Sequence": {"id": name, "type_id": kind}}

    single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)]
    added = [{"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for index, token in enumerate(SPECIAL)]
    post = {"type": "TemplateProcessing", "single": single, "pair": [*single, text("B", 1), special("[SEP]", 1)],
            "special_tokens": {token: {"id": token, "ids": [SPECIAL.index(token)], "tokens": [token]}
                               for token in ("[CLS]", "[SEP]")}}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "post_processor": post,
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                           "strip_accents": None, "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100,
                      "vocab": {token: index for index, token in enumerate(VOCABULARY)}}}


def metaspace_tokenizer() -> dict:
    """As transformers writes DeBERTa-v3's: pieces by likelihood behind a sign for spaces."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    whole = tokenizer()
    pieces = [*special, *(f"\u2581{symbol}" for symbol in SYMBOLS), *SYMBOLS, "\u2581", "[MASK]"]
    post = whole["post_processor"]
    for token, names in post["special_tokens"].items():
        names["ids"] = [special.index(token)]
    for index, token in enumerate([*special, "[MASK]"]):
        whole["added_tokens"][index] |= {"id": pieces.index(token), "content": token}
    return whole | {
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Strip", "strip_left": True, "strip_right": True},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [space]}, "decoder": space,
        "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": False,
                  "vocab": [[piece, -float(index)] for index, piece in enumerate(pieces)]}}


def write_classifier(folder: pathlib.Path, labels: tuple = ("High", "Medium", "Low")) -> pathlib.Path:
    """A classifier in NeMo Curator's layout in `folder`, which is made: DeBERTa's body under `model.` and one product,
    `fc`, of the first token's states."""
    folder.mkdir(parents=True)
    vocabulary = metaspace_tokenizer()
    count = len(vocabulary["model"]["vocab"])
    config = {"base_model": "microsoft/deberta-v3-base", "fc_dropout": 0.2, "model_type": "deberta-v2",
              "vocab_size": count, "hidden_size": HIDDEN, "intermediate_size": FEED_FORWARD,
              "num_hidden_layers": LAYERS, "num_attention_heads": 4, "max_position_embeddings": POSITIONS // 2,
              "position_buckets": 16, "id2label": {str(i): label for i, label in enumerate(labels)},
              "label2id": {label: i for i, label in enumerate(labels)}}
    for name, content in (("config.json", config), ("tokenizer.json", vocabulary)):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    shapes = {"model.embeddings.word_embeddings.weight": [count, HIDDEN], **norm("model.embeddings.LayerNorm"),
              **layer_tensors("model.", "_proj"), "model.encoder.rel_embeddings.weight": [32, HIDDEN],
              **norm("model.encoder.LayerNorm"), **dense("fc", len(labels), HIDDEN)}
    write_safetensors(folder / "model.safetensors", shapes, seed=2)
    return folder


def write_encoder(folder: pathlib.Path, ranks: bool, labels: tuple = ("LABEL_0",)) -> pathlib.Path:
    """A ranking model (with several labels, a classifier), or an embedding model, in `folder`, which is made."""
    folder.mkdir(parents=True)
    config = {"architectures": ["BertForSequenceClassification" if ranks else "BertModel"], "model_type": "bert",
              "vocab_size": len(VOCABULARY), "hidden_size": HIDDEN, "intermediate_size": FEED_FORWARD,
              "num_hidden_layers": LAYERS, "num_attention_heads": 4, "hidden_act": "gelu",
              "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0,
              "position_embedding_type": "absolute", "id2label": {str(i): label for i, label in enumerate(labels)},
              "label2id": {label: i for i, label in enumerate(labels)}}
    names = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": POSITIONS,
             "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]",
             "mask_token": "[MASK]"}
    for name, content in (("config.json", config), ("tokenizer.json", tokenizer()), ("tokenizer_config.json", names)):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    shapes = tensors("bert." if ranks else "", len(labels) if ranks else 0)
    write_safetensors(folder / "model.safetensors", shapes, seed=1)
    return folder
