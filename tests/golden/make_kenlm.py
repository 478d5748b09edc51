#!/usr/bin/env python3
"""Writes kenlm_KIND.bin, one tiny model of runs of up to five words in each of KenLM's formats, and kenlm.json: what
KenLM says of sentences by each of them; and kenlm_pieces.*,
a SentencePiece model with a model of its pieces.

Needs kenlm (0.3.0 was used), the program build_binary of the same version, and sentencepiece:
    python3 make_kenlm.py FOLDER BUILD_BINARY
"""
import json
import math
import random
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import kenlm
import sentencepiece

WORDS = "the ship left harbour at dawn and a crew pulled on rope while wind rose over cold grey sea".split()
KINDS = {
    "probing": ["probing"],
    "rests": ["probing"],
    "trie": ["trie"],
    "quantized": ["-q", "6", "-b", "5", "trie"],
    "array": ["-a", "64", "trie"],
    "quantized_array": ["-q", "4", "-b", "7", "-a", "64", "trie"],
}


def write_arpa(path: Path, sentences: list, order: int, chance: random.Random):
    runs = {n: Counter(tuple(s[i:i + n]) for s in sentences for i in range(len(s) - n + 1))
            for n in range(1, order + 1)}
    total = sum(runs[1].values())
    with open(path, "w", encoding="utf-8") as out:
        print("\\data\\", *(f"ngram {n}={len(runs[n]) + (n == 1)}" for n in runs), sep="\n", file=out)
        for n, counts in runs.items():
            print(f"\n\\{n}-grams:", file=out)
            if n == 1:
                print("-3.25\t<unk>" + "\t-0.125" * (order > 1), file=out)
            for run, count in sorted(counts.items()):
                before = runs[n - 1][run[:-1]] if n > 1 else total
                line = f"{math.log10((count - .4) / before):.6f}\t{' '.join(run)}"
                # Some have no weight, as in files of lmplz: KenLM tells those that go on from those that do not.
                print(line if n == order else f"{line}\t{-chance.random() * (chance.random() < .8):.6f}", file=out)
        print("\n\\end\\", file=out)


def normalized(text: str) -> str:
    """As CCNet's text_normalizer does what these texts have."""
    text = unicodedata.normalize("NFD", text.strip().lower())
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    text = re.sub(r"\d", "0", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return re.sub("[\x00-\x1f\x7f-\x9f]", "", text)


def write_pieces(folder: Path, build_binary: str, sentences: list, chance: random.Random) -> list:
    """A SentencePiece model, a model of its pieces, and CCNet's perplexity of texts."""
    texts = [" ".join(sentence[1:-1]) for sentence in sentences]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(folder / "kenlm_pieces.sp"), vocab_size=40, minloglevel=2)
    (folder / "kenlm_pieces.sp.vocab").unlink()
    processor = sentencepiece.SentencePieceProcessor(str(folder / "kenlm_pieces.sp.model"))
    arpa, path = folder / "kenlm.arpa", folder / "kenlm_pieces.bin"
    pieces = [["<s>", *processor.encode_as_pieces(text), "</s>"] for text in texts]
    write_arpa(arpa, pieces, 3, chance)
    subprocess.run([build_binary, "trie", str(arpa), str(path)], check=True)
    arpa.unlink()
    model, cases = kenlm.Model(str(path)), []
    for i in range(24):
        odd = [*WORDS, "Unseen", "H\xe9r\xe9\u2019s", "1924", "\u65e5\u672c"]
        text = texts[i] if i % 2 else " ".join(chance.choice(odd) for _ in range(i))
        text = text.replace(" a ", "\n")
        line = " ".join(processor.encode_as_pieces(normalized(text)))
        cases.append({"text": text, "perplexity": 10 ** (-model.score(line) / (len(line.split()) + 1))})
    return cases


def main():
    folder, build_binary = Path(sys.argv[1]), sys.argv[2]
    chance = random.Random(11)
    sentences = [["<s>", *(chance.choice(WORDS[: 6 + i % 13]) for _ in range(chance.randrange(1, 12))), "</s>"]
                 for i in range(70)]
    arpa = folder / "kenlm.arpa"
    write_arpa(arpa, sentences, 5, chance)
    texts = []
    for i in range(40):
        words = [chance.choice([*WORDS, "unseen", "<unk>", "é"]) for _ in range(i % 12)]
        texts.append(" ".join(sentences[i][1:-1]) if i % 3 == 0 else "  ".join(words))
    golden = {"texts": texts, "scores": {}}
    for kind, options in KINDS.items():
        path = folder / f"kenlm_{kind}.bin"
        if kind == "rests":
            lower = [folder / f"kenlm_{n}.arpa" for n in range(1, 5)]
            for n, file in enumerate(lower, 1):
                write_arpa(file, sentences, n, chance)
            options = ["-r", " ".join(map(str, lower)), "probing"]
        subprocess.run([build_binary, *options, str(arpa), str(path)], check=True)
        for file in folder.glob("kenlm_?.arpa"):
            file.unlink()
        model = kenlm.Model(str(path))
        golden["scores"][kind] = [model.score(text) for text in texts]
    arpa.unlink()
    golden["pieces"] = write_pieces(folder, build_binary, sentences, chance)
    with open(folder / "kenlm.json", "w", encoding="utf-8") as out:
        json.dump(golden, out, indent=0)
        out.write("\n")


if __name__ == "__main__":
    main()
