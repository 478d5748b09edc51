#!/usr/bin/env python3
"""Which of two endings does a model find likelier? Usage: likelier.py [MODEL]

Most benchmarks of language models rest on this: the log-probability of each ending after the same beginning.
"""

import json
import os
import subprocess
import sys

QUESTIONS = [
    ("The ship sailed out of the", [" harbour.", " carrot."]),
    ("Once upon a", [" time", " seven"]),
]


def main() -> None:
    kedge = os.environ.get("KEDGE", "build/release/kedge")
    model = sys.argv[1] if len(sys.argv) > 1 else "demo"
    pairs = [{"context": begin, "continuation": end} for begin, ends in QUESTIONS for end in ends]
    done = subprocess.run([kedge, "score", model, "--json"], input=json.dumps(pairs), capture_output=True, text=True,
                          check=True)
    for pair, score in zip(pairs, json.loads(done.stdout)):
        print(f"{score['logprob']:9.3f}  {pair['context']}{pair['continuation']}")


if __name__ == "__main__":
    main()
