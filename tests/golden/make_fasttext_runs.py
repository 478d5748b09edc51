#!/usr/bin/env python3
"""Writes fasttext_runs.bin, a tiny model with runs of words and pieces trained by fastText, and what it says of texts.

Needs fasttext-wheel (0.9.2 was used) and numpy < 2:
    python3 make_fasttext_runs.py FOLDER
"""
import json
import random
import sys
from pathlib import Path

import fasttext

WORDS = {"sea": "ship sail harbour wind rope crew tide naïve", "land": "field plough barn seed cow hedge road über",
         "sky": "cloud wing bird sun star wind blue 日本"}


def text_of(chance, label):
    words = [chance.choice(WORDS[label if chance.random() < .7 else chance.choice(list(WORDS))].split())
             for _ in range(chance.randrange(1, 12))]
    return " ".join(words)


def main():
    folder = Path(sys.argv[1])
    chance = random.Random(5)
    lines = folder / "fasttext_runs.txt"
    lines.write_text("".join(f"__label__{label} {text_of(chance, label)}\n" for label in sorted(WORDS) * 40))
    model = fasttext.train_supervised(str(lines), dim=4, epoch=30, lr=.5, wordNgrams=3, minn=2, maxn=3, bucket=200,
                                      thread=1, verbose=0)
    lines.unlink()
    model.save_model(str(folder / "fasttext_runs.bin"))
    cases = []
    for label in sorted(WORDS) * 15:
        text = text_of(chance, label) + chance.choice(["", " unknown", " __label__sea x", "  </s> y"])
        labels, scores = model.predict(text, k=3)
        cases.append({"text": text, "scores": {name.removeprefix("__label__"): round(float(score), 6)
                                               for name, score in zip(labels, scores)}})
    with open(folder / "fasttext_runs.json", "w", encoding="utf-8") as out:
        json.dump(cases, out, indent=0)
        out.write("\n")


if __name__ == "__main__":
    main()
