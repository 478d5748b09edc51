#!/usr/bin/env python3
"""Writes deberta.json: what transformers' DeBERTa-v2 says of small bodies and heads, and how it spells tokens of
deberta.spm.model, a SentencePiece vocabulary with DeBERTa-v3's special tokens, which is trained here.

Weights follow from their names (`values_of`), so that they are in no file. Needs torch, transformers (2.15, 4.57.6
were used), sentencepiece and tokenizers:
    python3 make_deberta.py FOLDER
"""
import io
import json
import sys
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from transformers import (DebertaV2Config, DebertaV2ForSequenceClassification, DebertaV2Model, DebertaV2Tokenizer,
                          DebertaV2TokenizerFast)
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

SIZES = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 48, "max_position_embeddings": 64, "layer_norm_eps": 1e-7, "relative_attention": True,
         "position_buckets": 8, "max_relative_positions": -1, "norm_rel_ebd": "layer_norm", "share_att_key": True,
         "pos_att_type": "p2c|c2p", "position_biased_input": False, "type_vocab_size": 0}
LABELS = {"id2label": {"0": "High", "1": "Medium", "2": "Low"}, "label2id": {"High": 0, "Medium": 1, "Low": 2}}
# name: settings, kind (body, head, fc: NeMo Curator's), lengths of sequences
CASES = {
    "v3": ({}, "body", (1, 2, 40)),
    "own_position_products": ({"share_att_key": False}, "body", (40,)),
    "a_row_a_distance": ({"position_buckets": -1, "max_relative_positions": 6}, "body", (5, 24)),
    "own_products_a_row_a_distance": ({"position_buckets": 0, "share_att_key": False}, "body", (70,)),
    "content_to_position": ({"pos_att_type": "c2p", "share_att_key": False}, "body", (30,)),
    "position_to_content": ({"pos_att_type": ["p2c"], "norm_rel_ebd": "none"}, "body", (30,)),
    "longer_than_the_distances": ({"position_buckets": 32, "max_relative_positions": 128,
                                   "max_position_embeddings": 256}, "body", (400,)),
    "positions_and_types": ({"position_biased_input": True, "type_vocab_size": 2}, "types", (40,)),
    "no_relative_attention": ({"relative_attention": False, "position_biased_input": True}, "body", (40,)),
    "no_terms": ({"pos_att_type": None}, "body", (20,)),
    "head": (LABELS, "head", (1, 40)),
    "head_of_one_label": ({"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "pooler_hidden_act": "tanh"},
                          "head", (40,)),
    "nemo": ({**LABELS, "base_model": "microsoft/deberta-v3-base", "fc_dropout": 0.2}, "fc", (1, 40)),
}
BUCKETS = [(256, 512, 1024), (8, 64, 128), (32, 128, 400), (2, 16, 40), (7, 50, 120)]
TEXTS = ["the ship left harbour", "  Rain   and wind \n at sea ", "naïve Zürich 日本 [SEP] x", "", " ", "a[MASK]b",
         "tabs\tand\u00a0spaces", "?!... (unseen) \u2581 x", "The the THE"]


def values_of(name: str, shape) -> np.ndarray:
    """SplitMix64 from the name's FNV-1a: 24 bits each, from -0.3 to 0.3; norms' weights are around 1."""
    state = np.uint64(14695981039346656037)
    with np.errstate(over="ignore"):
        for byte in name.encode():
            state = (state ^ np.uint64(byte)) * np.uint64(1099511628211)
        count = int(np.prod(shape))
        z = state + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    values = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0 ** -24) - np.float32(0.5)
    values = values * np.float32(0.6)
    if name.endswith("LayerNorm.weight"):
        values = values + np.float32(1)
    return values.reshape(shape)


class NemoClassifier(torch.nn.Module):
    """NeMo Curator's: one product of every token's states, of which the first token's counts."""

    def __init__(self, config):
        super().__init__()
        self.model = DebertaV2Model(config)
        self.fc = torch.nn.Linear(config.hidden_size, 3)

    def forward(self, ids):
        return self.fc(self.model(ids).last_hidden_state)[:, 0]


def rounded(tensor) -> list:
    return [float(f"{value:.6g}") for value in tensor.flatten().tolist()]


def sequence_of(case: str, kind: str, model, length: int) -> dict:
    ids = (values_of(f"{case}{length}", (length,)).astype(np.float64) / 0.6 + 0.5) * 95 + 4
    ids = ids.astype(np.int64)
    sequence = {"ids": ids.tolist()}
    batch = torch.tensor(ids)[None]
    if kind == "head":
        return sequence | {"scores": rounded(model(batch).logits[0])}
    if kind == "fc":
        return sequence | {"scores": rounded(model(batch)[0])}
    more = {}
    if kind == "types":
        sequence["types"] = [int(i >= length // 2) for i in range(length)]
        more = {"token_type_ids": torch.tensor(sequence["types"])[None]}
    states = model(batch, **more).last_hidden_state[0]
    rows = sorted({0, length // 2, length - 1})
    return sequence | {"rows": rows, "states": rounded(states[rows])}


def case_of(name: str, settings: dict, kind: str, lengths) -> dict:
    config = {**SIZES, **settings}
    own = {key: value for key, value in config.items() if key not in ("base_model", "fc_dropout")}
    own["id2label"] = {int(key): value for key, value in own.get("id2label", {"0": "x"}).items()}
    body = DebertaV2Config(**own)
    made = {"head": DebertaV2ForSequenceClassification, "fc": NemoClassifier}.get(kind, DebertaV2Model)(body).eval()
    state = {key: torch.tensor(values_of(key, tuple(value.shape))) for key, value in made.state_dict().items()}
    made.load_state_dict(state)
    shapes = {key: list(value.shape) for key, value in sorted(state.items())}
    return {"name": name, "settings": settings, "tensors": shapes,
            "sequences": [sequence_of(name, kind, made, length) for length in lengths]}


def buckets_of(buckets: int, longest: int, context: int) -> dict:
    distances = torch.arange(context)
    found = make_log_bucket_position(distances, buckets, longest).to(torch.long)
    rows = torch.clamp(found + buckets, 0, 2 * buckets - 1).tolist()
    starts = [i for i in range(context) if i > buckets // 2 and rows[i] != rows[i - 1]]
    assert torch.equal(-found, make_log_bucket_position(-distances, buckets, longest).to(torch.long))
    return {"buckets": buckets, "distance_max": longest, "context": context, "starts": starts,
            "rows": [rows[start] for start in starts]}


def train_vocabulary(path: Path) -> None:
    words = "the ship left harbour at dawn rain and wind sea unseen naïve zürich tabs spaces a b x".split()
    lines = [" ".join(words[(i * step + i) % len(words)] for i in range(9)) for step in range(1, 120)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=40, model_type="unigram", pad_id=0, bos_id=1,
        eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
        normalization_rule_name="identity", num_threads=1, minloglevel=2, max_sentencepiece_length=6)
    path.write_bytes(model.getvalue())


def tokens_of(path: Path) -> dict:
    slow = DebertaV2Tokenizer(str(path))
    fast = DebertaV2TokenizerFast(str(path))
    return {"mask": slow.mask_token_id, "pair": slow("the ship", "a b")["input_ids"],
            "texts": [{"text": text, "ids": slow(text)["input_ids"], "fast": fast(text)["input_ids"]}
                      for text in TEXTS]}


def main():
    folder = Path(sys.argv[1])
    vocabulary = folder / "deberta.spm.model"
    if not vocabulary.exists():  # training gives other bytes with other versions
        train_vocabulary(vocabulary)
    golden = {"config": {"model_type": "deberta-v2", **SIZES},
              "buckets": [buckets_of(*bucket) for bucket in BUCKETS], "tokens": tokens_of(vocabulary),
              "cases": [case_of(name, *case) for name, case in CASES.items()]}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in golden.items())
    (folder / "deberta.json").write_text("{" + lines.replace(', {"name"', ',\n{"name"') + "}\n", encoding="utf-8")


if __name__ == "__main__":
    with torch.no_grad():
        main()
