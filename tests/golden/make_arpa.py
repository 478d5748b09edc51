#!/usr/bin/env python3
"""Writes ngrams.arpa, a tiny model of runs of up to three words, and what KenLM says of sentences by it.

Needs kenlm (0.3.0 was used):
    python3 make_arpa.py FOLDER
"""
import json
import math
import random
import sys
from collections import Counter
from pathlib import Path

import kenlm

WORDS = "the ship left harbour at dawn and a crew pulled on rope while wind rose over cold grey sea".split()


def main():
    folder = Path(sys.argv[1])
    chance = random.Random(9)
    sentences = [["<s>", *(chance.choice(WORDS[: 6 + i % 13]) for _ in range(chance.randrange(1, 9))), "</s>"]
                 for i in range(60)]
    runs = {n: Counter(tuple(s[i:i + n]) for s in sentences for i in range(len(s) - n + 1)) for n in (1, 2, 3)}
    total = sum(runs[1].values())
    with open(folder / "ngrams.arpa", "w", encoding="utf-8") as out:
        print("\\data\\", *(f"ngram {n}={len(runs[n]) + (n == 1)}" for n in runs), sep="\n", file=out)
        for n, counts in runs.items():
            print(f"\n\\{n}-grams:", file=out)
            if n == 1:
                print("-3.25\t<unk>\t-0.125", file=out)
            for run, count in sorted(counts.items()):
                before = runs[n - 1][run[:-1]] if n > 1 else total
                # Discounts and back-off weights are made up: what is compared is how they are looked up.
                line = f"{math.log10((count - .4) / before):.6f}\t{' '.join(run)}"
                print(line if n == 3 else f"{line}\t{-chance.random():.6f}", file=out)
        print("\n\\end\\", file=out)
    model = kenlm.Model(str(folder / "ngrams.arpa"))
    cases = []
    for i in range(60):
        words = [chance.choice([*WORDS, "unseen", "<unk>", "é"]) for _ in range(i % 12)]
        text = " ".join(sentences[i][1:-1]) if i % 3 == 0 else "  ".join(words)
        cases.append({"text": text, "score": model.score(text), "perplexity": model.perplexity(text)})
    with open(folder / "ngrams.json", "w", encoding="utf-8") as out:
        json.dump(cases, out, indent=0)
        out.write("\n")


if __name__ == "__main__":
    main()
