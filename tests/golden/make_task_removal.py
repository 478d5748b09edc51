#!/usr/bin/env python3
"""Writes task_removal.json: small corpora, and what NeMo Curator's own TaskDecontamination leaves of them.

Needs an unpacked wheel of nemo-curator 0.8.0 and pandas; what the class imports beside its own arithmetic is a stub:
    python3 make_task_removal.py WHEEL_FOLDER > task_removal.json
"""
import contextlib
import importlib.util
import io
import json
import random
import sys
import types
from pathlib import Path

import pandas

WORDS = ("the a of harbour ship rope crew sail bell town mast wind \u03a3\u039f\u03a6\u039f\u03a3 "
         "\u039f\u0394\u039f\u03a3 \u0130stanbul \u00e9t\u00e9 stra\u00dfe don't it's U.S.A. e-mail 24 3.14 -- ... "
         "\u201cquoted\u201d x\ny \n \u65e5\u672c\u8a9e \U0001F600 !!! ?").split(" ")


def load(folder):
    """The class, with stand-ins for dask and the package around it."""
    for name in ("dask", "dask.dataframe", "nemo_curator", "nemo_curator.datasets", "nemo_curator.modules",
                 "nemo_curator.modules.base", "nemo_curator.tasks", "nemo_curator.utils",
                 "nemo_curator.utils.distributed_utils"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["dask"].delayed = lambda function: function
    sys.modules["dask"].dataframe = sys.modules["dask.dataframe"]
    sys.modules["nemo_curator.datasets"].DocumentDataset = object
    sys.modules["nemo_curator.modules.base"].BaseModule = type("BaseModule", (), {"__init__": lambda *_, **__: None})
    sys.modules["nemo_curator.utils.distributed_utils"].single_partition_write_with_filename = None
    modules = {}
    for name, path in (("nemo_curator.utils.text_utils", "utils/text_utils.py"),
                       ("nemo_curator.tasks.downstream_task", "tasks/downstream_task.py"),
                       ("nemo_curator.modules.task", "modules/task.py")):
        spec = importlib.util.spec_from_file_location(name, Path(folder) / "nemo_curator" / path)
        modules[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])
    return modules


def corpus(chance):
    """Questions, and documents that hold some of them whole, in part, doubled, or not."""
    words = [word for word in WORDS if word]
    run = lambda least, most: " ".join(chance.choice(words) for _ in range(chance.randrange(least, most)))
    questions = [run(4, 24) for _ in range(6)] + [" \n " + run(9, 12), "  " + run(8, 10), run(13, 14)]
    documents = ["", " ", "short", questions[0], questions[8], " " + questions[8] + " and on it goes."]
    for _ in range(14):
        parts = []
        for _ in range(chance.randrange(1, 6)):
            parts.append(run(1, 60) + chance.choice([".", "!", "?", "", " "]))
            kind = chance.random()
            if kind < 0.6:
                parts.append(chance.choice(questions).upper() if kind < 0.1 else chance.choice(questions))
        text = chance.choice([" ", " ", "\n", ". "]).join(parts)
        documents.append(chance.choice(["", "", " ", "\n ", "..."]) + text)
    documents.append("- ! " * 150 + questions[0] + " " + questions[1] + run(20, 40))
    return questions, documents


def answer(modules, questions, documents, limits):
    task = modules["nemo_curator.tasks.downstream_task"].DownstreamTask
    task = type("Task", (task,), {"generate_ngrams": lambda self: self.ngrams})()
    for question in questions:
        task._update_ngrams(question)
    remover = modules["nemo_curator.modules.task"].TaskDecontamination(task, **limits)
    frequencies = remover._compute_ngram_freq_sorted(task.ngrams)
    counts = {}
    found = [dict(remover._find_ngrams(document, task.ngrams, frequencies)) for document in documents]
    for one in found:
        remover._merge_counts(counts, one)
    frame = pandas.DataFrame({"id": range(len(documents)), "text": documents})
    left = remover._remove_ngrams_partition(frame, remover._threshold_ngram_count(counts), frequencies)
    pieces = [[] for _ in documents]
    for number, text in zip(left["id"], left["text"]):
        pieces[number].append(text)
    return {"limits": limits, "questions": questions, "documents": documents,
            "found": [sum(one.values()) for one in found], "pieces": pieces}


def main():
    modules = load(sys.argv[1])
    chance = random.Random(5)
    cases = []
    for matches, length, side, splits in ((10, 200, 200, 10), (2, 20, 10, 10), (100, 0, 0, 3), (4, 40, 30, 2)):
        limits = {"max_matches": matches, "min_document_length": length, "remove_char_each_side": side,
                  "max_splits": splits}
        with contextlib.redirect_stdout(io.StringIO()):  # the class prints what it finds
            cases.append(answer(modules, *corpus(chance), limits))
    json.dump(cases, sys.stdout, ensure_ascii=True, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
