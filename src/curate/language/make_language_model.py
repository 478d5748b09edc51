#!/usr/bin/env python3
"""Trains the built-in language model, language_model.bin, from the labelled documents of ../shared/data/curate.

usage: make_language_model.py [--data DIR] [--out FILE] [--check]     (needs numpy and pyarrow)
--check holds back every fifth document, trains on the rest and prints the shares that are right; nothing is written.

The model is a linear classifier over hashed n-grams of one to four characters, what language.cc computes. The file:
"KLM1", u32 buckets, u32 languages, f32 scale, the codes (each ended by a zero), then int8 weights, bucket after bucket.
"""
import argparse
import gzip
import json
import os
import random
import struct
import sys
import unicodedata

import numpy as np

BUCKETS = 1 << 15
SAME = {"zh-hant": "zh", "zh-tw": "zh", "pt-br": "pt", "pt-pt": "pt", "nb": "no"}
SOURCES = {"fastapi", "tldr", "pydoc", "pgdoc", "rustbook"}  # electron's translations are half English
SNIPPETS_OF_LANGUAGE = 1600
EPOCHS = 6


def words_of(text):
    """Lower-cased runs of letters and marks, each ideograph and kana run included."""
    word, out = [], []
    for c in text.lower():
        if unicodedata.category(c)[0] in "LM":
            word.append(c)
        elif word:
            out.append("".join(word))
            word = []
    if word:
        out.append("".join(word))
    return out


def hash_of(gram):
    value = 2166136261
    for c in gram:
        value = ((value ^ ord(c)) * 16777619) & 0xFFFFFFFF
    value ^= value >> 15
    return value & (BUCKETS - 1)


def features(text, characters_max=2000):
    """Buckets, and how often each occurs as a share whose squares sum to one."""
    counts, taken = {}, 0
    for word in words_of(text):
        padded = " " + word + " "
        for size in (1, 2, 3, 4):
            for i in range(len(padded) - size + 1):
                gram = padded[i:i + size]
                if gram == " ":
                    continue
                bucket = hash_of(gram)
                counts[bucket] = counts.get(bucket, 0) + 1
        taken += len(padded)
        if taken > characters_max:
            break
    if not counts:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    index = np.fromiter(counts.keys(), np.int64)
    value = np.sqrt(np.fromiter(counts.values(), np.float32))
    return index, value / np.linalg.norm(value)


def documents(folder):
    import pyarrow
    import pyarrow.parquet
    texts = {}
    with gzip.open(os.path.join(folder, "shard-00000.jsonl.gz"), "rt", encoding="utf-8") as lines:
        texts.update((d["id"], d["text"]) for d in map(json.loads, lines))
    stream = pyarrow.input_stream(os.path.join(folder, "shard-00001.jsonl.zst"), compression="zstd")
    texts.update((d["id"], d["text"]) for d in map(json.loads, filter(None, stream.read().decode("utf-8").split("\n"))))
    table = pyarrow.parquet.read_table(os.path.join(folder, "shard-00002.parquet"))
    texts.update((d["id"], d["text"]) for d in table.to_pylist())
    with open(os.path.join(folder, "truth", "meta.jsonl"), encoding="utf-8") as lines:
        for meta in map(json.loads, lines):
            if meta["source"] in SOURCES and meta["id"] in texts:
                language = meta["lang"].lower()
                yield meta["source"], SAME.get(language, language), texts[meta["id"]]


def snippets(text, generator):
    """The whole document, and pieces as short as people write."""
    yield text
    for _ in range(3):
        size = generator.choice((30, 60, 120, 400))
        begin = generator.randrange(max(1, len(text) - size))
        yield text[begin:begin + size]


def train(rows, languages):
    generator = random.Random(1)
    by_language = {}
    for _, language, text in rows:
        by_language.setdefault(language, []).extend(snippets(text, generator))
    samples = []
    for language, texts in sorted(by_language.items()):
        generator.shuffle(texts)
        texts = texts[:SNIPPETS_OF_LANGUAGE]
        weight = min(4.0, (SNIPPETS_OF_LANGUAGE / max(1, len(texts))) ** 0.5)
        samples += [(languages.index(language), weight, *features(text)) for text in texts]
    samples = [s for s in samples if len(s[2])]
    weights = np.zeros((BUCKETS, len(languages)), np.float32)
    for epoch in range(EPOCHS):
        generator.shuffle(samples)
        rate = 6.0 / (1 + epoch)
        for gold, weight, index, value in samples:
            scores = value @ weights[index]
            scores = np.exp(scores - scores.max())
            scores /= scores.sum()
            scores[gold] -= 1
            weights[index] -= np.outer(value, scores * (rate * weight))
    return weights


def check(rows, languages):
    held = rows[::5]
    weights = train([row for i, row in enumerate(rows) if i % 5], languages)
    merged = {"bs": "hr", "sr": "hr"}
    right, wrong = {}, {}
    for source, language, text in held:
        index, value = features(text)
        found = languages[int(np.argmax(value @ weights[index]))] if len(index) else "und"
        same = merged.get(found, found) == merged.get(language, language)
        right.setdefault(source, []).append(same)
        if not same:
            wrong[language, found] = wrong.get((language, found), 0) + 1
    for source, list_ in sorted(right.items()):
        print(f"{source}: {sum(list_)}/{len(list_)} {sum(list_) / len(list_):.4f}")
    print("most often wrong:", sorted(wrong.items(), key=lambda item: -item[1])[:12])


def write(path, weights, languages):
    scale = float(np.abs(weights).max()) / 127
    with open(path, "wb") as file:
        file.write(b"KLM1" + struct.pack("<IIf", BUCKETS, len(languages), scale))
        file.write(b"".join(code.encode() + b"\0" for code in languages))
        file.write(np.rint(weights / scale).astype(np.int8).tobytes())


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.path.join(here, "../../../../shared/data/curate"))
    parser.add_argument("--out", default=os.path.join(here, "language_model.bin"))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows = list(documents(options.data))
    languages = sorted({language for _, language, _ in rows})
    print(f"{len(rows)} documents in {len(languages)} languages", file=sys.stderr)
    if options.check:
        return check(rows, languages)
    return write(options.out, train(rows, languages), languages)


if __name__ == "__main__":
    main()
