#!/usr/bin/env python3
"""A corpus of any size for `kedge curate`, with planted duplicates: documents of sentences drawn from real ones.

usage: bench/curate_corpus.py FOLDER [--bytes 20e9] [--file-bytes 500e6] [--copies 0.05] [--near 0.05]
                               [--sentences 2000]

Writes FOLDER/part-NNNNN.jsonl.zst (by `zstd`) until the plain lines amount to --bytes, and FOLDER/truth.json:
documents, exact copies and near copies (one sentence of thirty left out) among them. A document is made again from its
number: copies lie anywhere in the corpus and nothing is held in memory. The same arguments give the same bytes; few
--sentences make small files.
"""
import argparse
import gzip
import json
import pathlib
import random
import re
import subprocess

DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data" / "curate"
SENTENCES = 30


def sentences(count):
    """Some of the reference documents, as JSON strings without their quotes."""
    found = set()
    for path in sorted(DATA.glob("shard-*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                for sentence in re.split(r"(?<=[.!?]) |\n", json.loads(line)["text"]):
                    if 40 <= len(sentence) <= 400:
                        found.add(json.dumps(sentence, ensure_ascii=False)[1:-1])
    return random.Random(0).sample(sorted(found), count)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--bytes", type=float, default=20e9)
    parser.add_argument("--file-bytes", type=float, default=500e6)
    parser.add_argument("--copies", type=float, default=0.05)
    parser.add_argument("--near", type=float, default=0.05)
    parser.add_argument("--sentences", type=int, default=2000)
    options = parser.parse_args()
    pool = sentences(options.sentences)
    options.folder.mkdir(parents=True, exist_ok=True)
    choose = random.Random(0)
    truth = {"documents": 0, "copies": 0, "near": 0, "bytes": 0}
    part = 0
    while truth["bytes"] < options.bytes:
        path = options.folder / f"part-{part:05}.jsonl.zst"
        with subprocess.Popen(["zstd", "-q", "-f", "-1", "-o", str(path)], stdin=subprocess.PIPE) as zstd:
            size = 0
            while size < options.file_bytes and truth["bytes"] + size < options.bytes:
                number = truth["documents"]
                kind = choose.random()
                copied = number > 0 and kind < options.copies + options.near
                # A sentence follows a document's own number, so that no two documents are made of the same ones.
                words = random.Random(choose.randrange(number) if copied else number).choices(pool, k=SENTENCES)
                if copied:
                    near = kind >= options.copies
                    truth["near" if near else "copies"] += 1
                    if near:
                        words.pop(SENTENCES // 2)
                line = f'{{"id":"{number}","text":"{" ".join(words)}"}}\n'.encode("utf-8", "replace")
                zstd.stdin.write(line)
                size += len(line)
                truth["documents"] += 1
            truth["bytes"] += size
        part += 1
        (options.folder / "truth.json").write_text(json.dumps(truth))


if __name__ == "__main__":
    main()
