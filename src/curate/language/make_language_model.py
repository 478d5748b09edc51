#!/usr/bin/env python3
"""Trains the built-in language model, language_model.bin: from the labelled documents of ../shared/data/curate and from
the translations that packages bring.

usage: make_language_model.py --catalogs DIR [--data DIR] [--out FILE] [--check]     (needs numpy and pyarrow)
--check holds back every fifth document, trains on the rest and prints the shares that are right; nothing is written.
DIR holds unpacked wheels with gettext catalogs (.po). The model in the tree has those of Django 5.2.19, Wagtail 8.0.1,
django CMS 5.1.3, django-oscar 4.2.1, Django REST framework 3.18.3 and Sphinx 9.0.4, all under BSD licences:
    pip download --no-deps --only-binary :all: Django==5.2.19 wagtail==8.0.1 ...; unzip each into DIR
The documents alone are of few kinds: a model of theirs knows a language by what those happen to be about.

The model is a linear classifier over hashed n-grams of one to four characters, what language.cc computes. The file:
"KLM1", u32 buckets, u32 languages, f32 scale, the codes (each ended by a zero), then int8 weights, bucket after bucket.
"""
import argparse
import gzip
import json
import os
import pathlib
import random
import re
import struct
import sys
import unicodedata

import numpy as np

BUCKETS = 1 << 15
SAME = {"zh-hant": "zh", "zh-tw": "zh", "pt-br": "pt", "pt-pt": "pt", "nb": "no"}
SOURCES = {"fastapi", "tldr", "pydoc", "pgdoc", "rustbook"}  # electron's translations are half English
SNIPPETS_OF_LANGUAGE = 1600
CATALOG_TEXTS = 900  # of a language
ENGLISH_TIMES = 4  # as many: texts of every other language go on in English too
MIXED_TEXTS = 500
# Languages that only the catalogs have, those with enough messages or with a script of their own.
FROM_CATALOGS = "am be et eu gl he hr hu hy is ka km kn lt lv mk my pa sk sl sq te vi".split()
EPOCHS = 8
AVERAGED_EPOCHS = 4  # the last ones: what they end with is averaged, since each still moves to and fro


def letters_and_marks():
    table = np.zeros(0x110000, bool)
    for code in range(len(table)):
        table[code] = unicodedata.category(chr(code))[0] in "LM"
    return table


IN_WORD = letters_and_marks()


def padded_words(text, characters_max):
    """Lower-cased runs of letters and marks, a space before and after each, in a row: codes, and the word of each code.

    Words are taken until there are more than characters_max codes.
    """
    codes = np.frombuffer(text[:64 * characters_max].lower().encode("utf-32-le", "replace"), np.uint32)
    index = np.flatnonzero(IN_WORD[codes])
    if not len(index):
        return index, index
    first = np.concatenate([[0], np.flatnonzero(np.diff(index) > 1) + 1])
    sizes = np.diff(np.append(first, len(index)))
    ends = np.cumsum(sizes + 2)
    count = min(int(np.searchsorted(ends, characters_max, side="right")) + 1, len(sizes))
    sizes, ends = sizes[:count], ends[:count]
    letters = int(sizes.sum())
    row = np.full(ends[-1], ord(" "), np.uint32)
    row[np.repeat(ends - sizes - 1 - (np.cumsum(sizes) - sizes), sizes) + np.arange(letters)] = codes[index[:letters]]
    return row, np.repeat(np.arange(count), sizes + 2)


def features(text, characters_max=2000):
    """Buckets, and the square root of how often each occurs, so scaled that the squares sum to one."""
    row, word = padded_words(text, characters_max)
    buckets = []
    value = np.full(len(row), 2166136261, np.uint32)
    for size in (1, 2, 3, 4):
        if size > len(row):
            break
        value = (value[:len(row) - size + 1] ^ row[size - 1:]) * np.uint32(16777619)
        whole = word[:len(value)] == word[size - 1:]
        if size == 1:
            whole = whole & (row != ord(" "))
        buckets.append(((value ^ (value >> np.uint32(15))) & np.uint32(BUCKETS - 1))[whole])
    if not buckets:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    index, counts = np.unique(np.concatenate(buckets), return_counts=True)
    shares = np.sqrt(counts.astype(np.float32))
    return index.astype(np.int64), shares / np.linalg.norm(shares)


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


def code_of(folder):
    """The language of a catalog's folder ("pt_BR"); nothing for what is left out: Latin Serbian, Nynorsk, dialects."""
    code = folder.lower().replace("-", "_")
    if code in ("nn", "sr_latn", "en") or "@" in code:
        return None
    code = {"nb": "no"}.get(code.partition("_")[0], code.partition("_")[0])
    return code if len(code) == 2 else None


def messages_of(path):
    """(English, translation) pairs of a catalog, but for those marked as guesses."""
    quoted = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
    entry = re.compile(rf"((?:^#,.*\n)*)msgid {quoted}(?:msgid_plural {quoted})?msgstr(?:\[0\])? {quoted}", re.M)
    for match in entry.finditer(path.read_text(encoding="utf-8", errors="replace")):
        parts = ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match[i])) for i in (2, 4)]
        english, translation = (part.replace("\\n", "\n").replace('\\"', '"') for part in parts)
        if "fuzzy" not in match[1] and english != translation and len(translation) >= 8:
            yield english, translation


def read_catalogs(folder):
    """Messages by language; English is what the others were translated from."""
    messages = {"en": set()}
    for path in sorted(pathlib.Path(folder).rglob("*.po")):
        names = re.search(r"/locales?/([^/]+)/", path.as_posix())
        code = code_of(names[1]) if names else None
        for english, translation in messages_of(path) if code else ():
            messages["en"].add(english)
            messages.setdefault(code, set()).add(translation)
    return {code: sorted(found) for code, found in messages.items()}


def catalog_texts(messages, most, generator):
    """Texts of one to twelve messages each, no more than say something new."""
    left = 4 * sum(map(len, messages))
    for _ in range(most):
        count = generator.choice((1, 1, 2, 3, 5, 8, 12))
        text = "\n".join(generator.choice(messages) for _ in range(count))
        yield text
        left -= len(text)
        if left < 0:
            break


def with_english(text, english, generator):
    """A text that goes on in English: manuals, commands and names are half of it in any language."""
    part = generator.choice(english)
    size = max(20, int(len(text) * generator.uniform(0.3, 0.9)))
    begin = generator.randrange(max(1, len(part) - size))
    return text + "\n" + part[begin:begin + size]


def snippets(text, generator):
    """The whole document, and pieces as short as people write."""
    yield text
    for _ in range(3):
        size = generator.choice((30, 60, 120, 400))
        begin = generator.randrange(max(1, len(text) - size))
        yield text[begin:begin + size]


def texts_to_learn(rows, catalogs, languages):
    """Lists of texts by language."""
    generator = random.Random(1)
    english = [text for _, language, text in rows if language == "en"]
    texts = {language: [] for language in languages}
    for _, language, text in rows:
        texts[language].extend(snippets(text, generator))
    for language, found in texts.items():
        times = ENGLISH_TIMES if language == "en" else 1
        generator.shuffle(found)
        del found[SNIPPETS_OF_LANGUAGE * times:]
        if language in catalogs:
            found += catalog_texts(catalogs[language], CATALOG_TEXTS * times, generator)
        if language != "en":
            long = [text for text in generator.sample(found, min(len(found), MIXED_TEXTS)) if len(text) > 60]
            found += [with_english(text, english, generator) for text in long]
    return texts


def train(rows, catalogs, languages):
    generator = random.Random(1)
    samples = []
    for language, texts in texts_to_learn(rows, catalogs, languages).items():
        weight = min(4.0, max(1.0, (SNIPPETS_OF_LANGUAGE / max(1, len(texts))) ** 0.5))
        samples += [(languages.index(language), weight, *features(text)) for text in texts]
    samples = [s for s in samples if len(s[2])]
    weights = np.zeros((BUCKETS, len(languages)), np.float32)
    average = np.zeros_like(weights)
    for epoch in range(EPOCHS):
        generator.shuffle(samples)
        rate = 6.0 / (1 + epoch)
        for gold, weight, index, value in samples:
            scores = value @ weights[index]
            scores = np.exp(scores - scores.max())
            scores /= scores.sum()
            if scores[gold] > 0.995:
                continue
            scores[gold] -= 1
            weights[index] -= np.outer(value, scores * (rate * weight))
        if epoch >= EPOCHS - AVERAGED_EPOCHS:
            average += weights / AVERAGED_EPOCHS
    return average


def check(rows, catalogs, languages):
    held = rows[::5]
    weights = train([row for i, row in enumerate(rows) if i % 5], catalogs, languages)
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
    parser.add_argument("--catalogs", required=True)
    parser.add_argument("--out", default=os.path.join(here, "language_model.bin"))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows = list(documents(options.data))
    catalogs = read_catalogs(options.catalogs)
    languages = sorted({language for _, language, _ in rows} | set(FROM_CATALOGS))
    print(f"{len(rows)} documents, {sum(map(len, catalogs.values()))} messages, {len(languages)} languages",
          file=sys.stderr)
    if options.check:
        return check(rows, catalogs, languages)
    return write(options.out, train(rows, catalogs, languages), languages)


if __name__ == "__main__":
    main()
