"""kedge curate from outside: what goes in and what comes out, format by format."""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

KEDGE = os.environ.get("KEDGE", "build/release/kedge")
ROOT = Path(__file__).resolve().parents[2]
ARROW = ROOT / ".arrow" / "bin" / "python"
PARQUET = Path(KEDGE).resolve().with_name("libkedge_parquet.so").is_file()

MAKE_ROWS = """
import datetime, decimal, sys
import pyarrow as pa, pyarrow.parquet as pq
n = 3000
pq.write_table(pa.table({
    "id": [f"d{i}" for i in range(n)],
    "text": pa.array([None if i % 100 == 7 else f"ship {i} mail a{i}@b.com" if i % 3 else f"short {i}"
                      for i in range(n)], pa.large_string()),
    "score": pa.array([i / 7 for i in range(n)], pa.float32()),
    "when": pa.array([datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=i) for i in range(n)]),
    "price": pa.array([decimal.Decimal(i) / 100 for i in range(n)], pa.decimal128(12, 2)),
    "meta": [{"a": i, "b": {"c": None if i % 2 else "q"}} for i in range(n)],
    "bytes": [bytes([i % 256, 255]) for i in range(n)],
    "category": pa.array(["u", "v", "w"] * (n // 3)).dictionary_encode(),
    "vector": pa.array([[i, float("nan")] for i in range(n)], pa.list_(pa.float32(), 2)),
}), sys.argv[1], row_group_size=700)
"""
COMPARE_ROWS = """
import sys
import pyarrow.parquet as pq
before, after = pq.read_table(sys.argv[1]), pq.read_table(sys.argv[2])
assert after.column_names == [*before.column_names, "lang", "lang_score"], after.column_names
row = {value: i for i, value in enumerate(before["id"].to_pylist())}
chosen = before.take([row[value] for value in after["id"].to_pylist()])
for name in before.column_names:
    assert before.schema.field(name).type == after.schema.field(name).type, name
    if name != "text":
        assert str(chosen[name].to_pylist()) == str(after[name].to_pylist()), name
assert after["text"][0].as_py() == "ship 1 mail [EMAIL]", after["text"][0]
assert pq.ParquetFile(sys.argv[2]).metadata.row_group(0).column(0).compression == "ZSTD"
print(after.num_rows)
"""
STEPS = """
steps:
  - language: {}
  - dedup: {method: exact}
  - pii: {}
  - filter: {only: [word_count], limits: {word_count: {min: 3}}}
"""


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def call(self, *arguments, **options):
        return subprocess.run([KEDGE, "curate", *map(str, arguments)], capture_output=True, check=False, **options)

    def run_pipeline(self, text, name, *arguments):
        """A run whose counts balance: its report."""
        (self.folder / "p.yaml").write_text(text, encoding="utf-8")
        done = self.call("run", self.folder / "p.yaml", "--output", self.folder / name, "--quiet", "--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        counts = report["counts"]
        self.assertEqual(counts["in"], counts["kept"] + counts["dropped"] + counts["rejected"])
        return report

    def rows(self, path):
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


@unittest.skipUnless(PARQUET and ARROW.exists(), "built without Apache Arrow: Parquet is NOT TESTED")
class Parquet(Case):
    def setUp(self):
        super().setUp()
        self.source = self.folder / "in.parquet"
        subprocess.run([ARROW, "-c", MAKE_ROWS, self.source], check=True)

    def test_other_columns_pass_through_with_their_types(self):
        report = self.run_pipeline("format: parquet" + STEPS, "out", "--input", self.source)
        self.assertEqual(report["counts"], {"in": 3000, "kept": 1980, "dropped": 990, "rejected": 30})
        compared = subprocess.run([ARROW, "-c", COMPARE_ROWS, self.source, self.folder / "out" / "shard-00000.parquet"],
                                  capture_output=True, check=False, text=True)
        self.assertEqual((compared.returncode, compared.stdout), (0, "1980\n"), compared.stderr)

    def test_rows_become_lines_and_lines_rows(self):
        self.run_pipeline("format: jsonl" + STEPS, "lines", "--input", self.source)
        lines = self.rows(self.folder / "lines" / "shard-00000.jsonl")
        self.assertEqual(lines[0]["meta"], {"a": 1, "b": {"c": None}})
        self.assertEqual((lines[0]["price"], lines[0]["vector"], lines[0]["category"], lines[0]["bytes"]),
                         ("0.01", [1, None], "v", "01ff"))
        odd = self.folder / "odd.jsonl"
        odd.write_text('{"id":1,"text":"a","n":1,"mixed":[1],"o":{}}\n{"id":"b","text":"c","n":2.5,"mixed":"x","z":[]}\n')
        for source in (self.folder / "lines" / "shard-00000.jsonl", odd):
            self.run_pipeline("format: parquet\nsteps: [pii]", f"rows-{source.stem}", "--input", source)
            self.run_pipeline("format: jsonl\nsteps: [pii]", f"back-{source.stem}", "--input",
                              self.folder / f"rows-{source.stem}" / "shard-00000.parquet")
        self.assertEqual(self.rows(self.folder / "back-shard-00000" / "shard-00000.jsonl"), lines)
        self.assertEqual(self.rows(self.folder / "back-odd" / "shard-00000.jsonl"),
                         [{"id": "1", "text": "a", "n": 1, "mixed": "[1]", "o": "{}", "z": None},
                          {"id": "b", "text": "c", "n": 2.5, "mixed": "x", "o": None, "z": []}])

    def test_killed_it_ends_with_the_same_bytes(self):
        begin = time.monotonic()
        self.run_pipeline("format: parquet" + STEPS, "whole", "--input", self.source, "--threads", "1")
        seconds = time.monotonic() - begin
        expected = (self.folder / "whole" / "shard-00000.parquet").read_bytes()
        chance = random.Random(5)
        for _ in range(8):
            process = subprocess.Popen([KEDGE, "curate", "run", self.folder / "p.yaml", "--input", self.source,
                                        "--output", self.folder / "killed", "--quiet", "--threads", "2"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, seconds))
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.run_pipeline("format: parquet" + STEPS, "killed", "--input", self.source)
        self.assertEqual((self.folder / "killed" / "shard-00000.parquet").read_bytes(), expected)
        self.assertEqual([path.name for path in (self.folder / "killed").rglob("*.tmp-*")], [])


if __name__ == "__main__":
    unittest.main()
