"""What the tests of the Python module share: documents, and `kedge curate run` over them to compare with."""

import gzip
import json
import os
import random
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
KEDGE = os.environ.get("KEDGE", str(ROOT / "build" / "release" / "kedge"))
SHARED = Path(os.environ.get("KEDGE_SHARED", ROOT.parent / "shared")) / "data" / "curate"
WORDS = ["harbour", "ship", "rope", "the", "of", "wind", "crew", "sail", "bell", "town", "24", "mast", "Größe", "and"]


def documents(count: int, seed: int = 3) -> list:
    """Texts with duplicates, near duplicates, e-mail addresses, broken characters and some that filters drop."""
    chance = random.Random(seed)
    rows = []
    for i in range(count):
        lines = [" ".join(chance.choice(WORDS) for _ in range(chance.randrange(5, 40))) + chance.choice([".", "!", ""])
                 for _ in range(chance.randrange(1, 8))]
        text = "\n".join(lines)
        if i % 5 == 4:
            text = rows[chance.randrange(i)]["text"]
        if i % 7 == 6:
            text = rows[chance.randrange(i)]["text"].replace("ship", "boat", 1)
        if i % 11 == 10:
            text += " write to captain@example.com or call 555-123-4567, don\u00e2\u20ac\u2122t wait"
        rows.append({"id": f"doc-{seed}-{i}", "text": "" if i % 97 == 96 else text, "number": i})
    return rows


def shared_documents(name: str, count: int) -> list:
    """The first documents of the reference data; raises SkipTest where it is not there."""
    if not (SHARED / name).is_file():
        raise unittest.SkipTest(f"{SHARED / name} is not there")
    with gzip.open(SHARED / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for _, line in zip(range(count), file)]


def files_of(folder: Path) -> dict:
    """Everything that a finished run leaves for its user, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and "work" not in path.relative_to(folder).parts}


class ModuleCase(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name: str, rows: list) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return path

    def command(self, pipeline: dict, *inputs: Path, output: str = "cli") -> Path:
        """`kedge curate run`; the folder of its output."""
        file = self.folder / "pipeline.json"
        file.write_text(json.dumps(pipeline), encoding="utf-8")
        given = [word for path in inputs for word in ("--input", str(path))]
        subprocess.run([KEDGE, "curate", "run", str(file), *given, "--output", str(self.folder / output), "--quiet"],
                       check=True, capture_output=True)
        return self.folder / output

    def command_rows(self, steps: list, rows: list, output: str = "cli") -> list:
        """What the command line makes of the rows."""
        out = self.command({"format": "jsonl", "steps": steps}, self.write("in.jsonl", rows), output=output)
        with open(out / "shard-00000.jsonl", encoding="utf-8", newline="\n") as file:
            return [json.loads(line) for line in file]

    def check_same(self, found: pa.Table, expected: list) -> None:
        """Equal rows: names in the same order, values to the bit."""
        rows = found.to_pylist()
        self.assertEqual(len(rows), len(expected))
        for row, other in zip(rows, expected):
            self.assertEqual(row, other)


def guide_blocks() -> list:
    """The Python code of docs/guide/python.md, block by block."""
    text = (ROOT / "docs" / "guide" / "python.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)
