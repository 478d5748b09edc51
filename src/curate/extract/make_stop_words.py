#!/usr/bin/env python3
"""Writes stop_words.txt, jusText's stop lists of languages other than English, from the labelled documents of
../shared/data/curate.

usage: make_stop_words.py [--data DIR] [--out FILE] [--check]     (needs numpy and pyarrow)
A language's list has the most frequent words of its lines of running text that SPREAD_MIN of its documents have, until
they make up COVERED of all its words. Words that English has half as often are left out, but for short ones: they come
from code and names. --check holds back every fifth document and prints how dense the words are in its paragraphs.
"""
import argparse
import collections
import os
import sys
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../language"))
from make_language_model import documents  # noqa: E402

COVERED, SPREAD_MIN = 0.52, 0.015
WORDS_MIN, WORDS_MAX, TEXT_WORDS_MIN = 40, 500, 3000
UNSPACED = {"ja", "zh", "th", "ko", "lo", "en"}


def paragraphs_of(text):
    """Lines of at least eight words that end as sentences do."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 8 and line.rstrip().endswith((".", "!", "?", ":", "\u0964", "\u06d4", "\u061f")):
            yield [word.lower() for word in words]


def lists_of(rows):
    counts, spread = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    for _, language, text in rows:
        seen = set()
        for words in paragraphs_of(text):
            counts[language].update(words)
            seen.update(words)
        spread[language].update(seen)
    english = counts["en"]
    english_total = sum(english.values())
    documents_of = collections.Counter(language for _, language, _ in rows)
    lists = {}
    for language, words in counts.items():
        total = sum(words.values())
        if language in UNSPACED or total < TEXT_WORDS_MIN:
            continue
        kept, covered = [], 0
        for word, count in words.most_common():
            borrowed = len(word) > 3 and english[word] / english_total * 2 > count / total
            if not all(unicodedata.category(c)[0] in "LM" or c in "'\u2019" for c in word):
                continue
            if borrowed or spread[language][word] < max(3, SPREAD_MIN * documents_of[language]):
                continue
            kept.append(word)
            covered += count
            if len(kept) >= WORDS_MIN and covered >= COVERED * total or len(kept) >= WORDS_MAX:
                break
        lists[language] = sorted(kept)
    return lists, {language: sum(words.values()) for language, words in counts.items()}


def check(rows):
    lists, totals = lists_of([row for i, row in enumerate(rows) if i % 5])
    dense = collections.defaultdict(list)
    for _, language, text in rows[::5]:
        if language in lists:
            known = set(lists[language])
            dense[language] += [sum(word in known for word in words) / len(words) for words in paragraphs_of(text)
                                if sum(map(len, words)) >= 70]
    for language, shares in sorted(dense.items()):
        high = sum(share >= 0.32 for share in shares) / max(1, len(shares))
        low = sum(share >= 0.30 for share in shares) / max(1, len(shares))
        print(f"{language}: {totals[language]} words, list {len(lists[language])}, {len(shares)} paragraphs, "
              f">= .32 {high:.3f}, >= .30 {low:.3f}")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.path.join(here, "../../../../shared/data/curate"))
    parser.add_argument("--out", default=os.path.join(here, "../data/stop_words.txt"))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows = list(documents(options.data))
    if options.check:
        return check(rows)
    lists, _ = lists_of(rows)
    with open(options.out, "w", encoding="utf-8") as out:
        print("# Frequent words of languages, by src/curate/extract/make_stop_words.py; a line `## CODE` begins each",
              "list.", file=out)
        for language, words in sorted(lists.items()):
            print(f"## {language}", *words, sep="\n", file=out)
    return None


if __name__ == "__main__":
    main()
