#!/usr/bin/env python3
"""Writes per_extension.json: a table of limits, sources, and what NeMo Curator's PerExtensionFilter scores them.

Needs an unpacked wheel of nemo-curator 1.4.0; what the module imports beside this class is a stub:
    python3 make_per_extension.py WHEEL_FOLDER > per_extension.json
"""
import contextlib
import io
import json
import random
import re
import sys
import tempfile
from pathlib import Path

TABLE = """\
,extension,language,count,Other comments,Include,Alphanum_threshold,Long_line_threshold,XML filter,Alpha filter
0,py,python,1000,"LGTM, ""mostly""; see
the next line",1,0.25,1000,1,
1,ipynb,python,1000,,0,,remove,,
2,pyx,python,1000,,1,0.5, 80 ,1,0.25
3,pyi,python,1000,,1,remove,"Custom! Can we remove comments, please?",,0.5
4,,python,3,no extension,1,.4,500,1,remove
5,cs,c-sharp,1000,,1,,,1,
6,pyw,python,9,twice,0,0.25,1000,1,
6,pyw,python,9,twice,1,1e-1,0,1,
7,pyz,python,9,,,0.25,1000,1,
"""
KINDS = [("python", "py"), ("python", "ipynb"), ("python", "pyx"), ("python", "pyi"), ("python", ""), ("python", None),
         ("c-sharp", "cs"), ("python", "pyw"), ("python", "pyz"), ("python", "toml")]


def load(folder):
    root = Path(folder) / "nemo_curator" / "stages" / "text"
    source = (root / "filters/heuristic/code/code.py").read_text(encoding="utf-8")
    constants = (root / "utils/constants.py").read_text(encoding="utf-8")
    space = {"csv": __import__("csv"), "DocumentFilter": object, "re": re}
    exec(next(line for line in constants.splitlines() if line.startswith("regex_alphanum")), space)
    exec("from __future__ import annotations\n" + source[source.index("class PerExtensionFilter"):], space)
    return space["PerExtensionFilter"]


def sources():
    chance = random.Random(2)
    words = ["x", "=", "1", "def", "value(", "):", "#", "\u00e9t\u00e9", "\u65e5\u672c", "{};", "return", "%%%",
             "\t", "--"]
    texts = ["", "\n", "a", "\u00e9", "x" * 81, "x" * 80, "y\n" * 50, ("z" * 101 + "\n") * 5, "z" * 1001, "%" * 60,
             "12 34", "ab12", "a1!\n", "\r\n\r\n", ("w" * 100 + "\n") * 3 + "w" * 100]
    for _ in range(25):
        line = lambda: " ".join(chance.choice(words) for _ in range(chance.randrange(0, 30)))
        texts.append(chance.choice(["\n", "\n", "\r\n"]).join(line() for _ in range(chance.randrange(1, 9))))
    return texts


def score(filter_, source):
    with contextlib.redirect_stdout(io.StringIO()):  # it prints extensions that it does not know
        try:
            value = filter_.score_document(source)
        except ZeroDivisionError:
            return None
    return value


def main():
    filter_class = load(sys.argv[1])
    texts = sources()
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as table:
        table.write(TABLE)
        table.flush()
        cases = []
        for language, extension in KINDS:
            filter_ = filter_class(language, extension, table.name)
            scores = [score(filter_, text) for text in texts]
            cases.append({"lang": language, "extension": extension or "", "scores": scores,
                          "keep": [filter_.keep_document(one) for one in scores]})
    json.dump({"table": TABLE, "sources": texts, "cases": cases}, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
