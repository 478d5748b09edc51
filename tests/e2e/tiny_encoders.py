"""Writes checkpoints of an embedding and a ranking model: BERT of 2 layers with random weights and a vocabulary of
letters. Standard library only."""

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


def tensors(prefix: str, labels: int) -> dict:
    """Name -> shape."""
    def norm(name):
        return {f"{name}.weight": [HIDDEN], f"{name}.bias": [HIDDEN]}

    def dense(name, rows, columns):
        return {f"{name}.weight": [rows, columns], f"{name}.bias": [rows]}

    embeddings = prefix + "embeddings"
    shapes = {f"{embeddings}.word_embeddings.weight": [len(VOCABULARY), HIDDEN],
              f"{embeddings}.position_embeddings.weight": [POSITIONS, HIDDEN],
              f"{embeddings}.token_type_embeddings.weight": [2, HIDDEN], **norm(f"{embeddings}.LayerNorm"),
              **dense(f"{prefix}pooler.dense", HIDDEN, HIDDEN)}
    for index in range(LAYERS):
        layer = f"{prefix}encoder.layer.{index}"
        for part in ("query", "key", "value"):
            shapes |= dense(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        shapes |= {**dense(f"{layer}.attention.output.dense", HIDDEN, HIDDEN),
                   **norm(f"{layer}.attention.output.LayerNorm"),
                   **dense(f"{layer}.intermediate.dense", FEED_FORWARD, HIDDEN),
                   **dense(f"{layer}.output.dense", HIDDEN, FEED_FORWARD), **norm(f"{layer}.output.LayerNorm")}
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
