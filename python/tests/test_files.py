"""kedge.curate.run writes what the command line writes, and a pipeline does the same to a table.

Method: the same pipelines over the same files by both; every file that a run leaves is compared byte by byte.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import unittest

import pyarrow as pa
import pyarrow.parquet
from module_case import KEDGE, SHARED, ModuleCase, documents, files_of, guide_blocks

from kedge import curate

STEPS = [{"clean": {"ops": ["mojibake", "newlines"]}}, {"filter": {"profile": "nemo", "only": ["word_count"]}},
         {"dedup": {"method": "fuzzy"}}, {"pii": {"action": "mask"}}]


class Files(ModuleCase):
    def test_the_same_bytes_as_the_command_line(self):
        parts = [self.write(f"part-{i}.jsonl", documents(200, seed=i)) for i in range(3)]
        pyarrow.parquet.write_table(pa.Table.from_pylist(documents(100, seed=9)), self.folder / "part-3.parquet")
        parts.append(self.folder / "part-3.parquet")
        with open(parts[0], "a", encoding="utf-8") as file:
            file.write("not JSON\n")
        expected = files_of(self.command({"steps": STEPS}, *parts))
        self.assertEqual(len(expected), 4 + 4 + 2)
        shares, rejects = [], []
        report = curate.run({"steps": STEPS}, parts, self.folder / "out",
                            on_progress=lambda share, *_: shares.append(share),
                            on_reject=lambda where, reason: rejects.append((where, reason)))
        self.assertEqual(files_of(self.folder / "out"), expected)
        self.assertEqual(json.loads(expected["report.json"]), report)
        self.assertEqual(shares, sorted(shares))
        self.assertEqual([where for where, _ in rejects], [f"{parts[0]}: line 201"])

    def test_a_pipeline_file_and_shares_of_several_processes(self):
        for i in range(4):
            self.write(f"part-{i}.jsonl", documents(100, seed=i))
        text = "input: part-*.jsonl\noutput: out\nformat: jsonl\nsteps:\n  - dedup: {method: exact}\n  - language\n"
        (self.folder / "p.yaml").write_text(text, encoding="utf-8")
        subprocess.run([KEDGE, "curate", "run", str(self.folder / "p.yaml"), "--quiet"], check=True,
                       capture_output=True)
        expected = files_of(self.folder / "out")
        shutil.rmtree(self.folder / "out")
        told = [curate.run(self.folder / "p.yaml", shard=f"{part}/2") for part in (0, 1, 0)]
        self.assertEqual([report.get("complete", True) for report in told], [False, False, True])
        self.assertEqual(files_of(self.folder / "out"), expected)

    def test_a_table_is_one_input_file(self):
        rows = documents(400)
        expected = self.command_rows(STEPS, rows)
        (self.folder / "steps.json").write_text(json.dumps({"steps": STEPS}), encoding="utf-8")
        for pipeline in ({"steps": STEPS}, self.folder / "steps.json"):
            self.check_same(curate.Pipeline(pipeline)(pa.Table.from_pylist(rows)), expected)

    def test_recipes_of_other_tools(self):
        recipe = {"input_field": "text", "filters": [{"name": "nemo_curator.filters.WordCountFilter",
                                                      "params": {"min_words": 30, "max_words": 100}}]}
        rows = documents(100)
        (self.folder / "nemo.json").write_text(json.dumps(recipe), encoding="utf-8")
        out = self.folder / "out"
        subprocess.run([KEDGE, "curate", "run", str(self.folder / "nemo.json"), "--input",
                        str(self.write("in.jsonl", rows)), "--output", str(out), "--quiet"], check=True,
                       capture_output=True)
        kept = json.loads((out / "report.json").read_text(encoding="utf-8"))["counts"]["kept"]
        self.assertEqual(curate.Pipeline(recipe)(pa.Table.from_pylist(rows)).num_rows, kept)
        self.assertIn(kept, range(1, 100))

    def test_mistakes(self):
        path = self.write("in.jsonl", documents(3))
        for kind, message, arguments in (
                (ValueError, "no output", {"input": path}),
                (ValueError, "no input", {"output": self.folder / "o"}),
                (FileNotFoundError, "nowhere", {"input": "nowhere", "output": self.folder / "o"}),
                (ValueError, "shard", {"input": path, "output": self.folder / "o", "shard": "2/2"}),
                (ValueError, "shard", {"input": path, "output": self.folder / "o", "shard": "two"})):
            with self.assertRaisesRegex(kind, message):
                curate.run({"steps": ["language"]}, **arguments)
        with self.assertRaisesRegex(ValueError, "at most 1048576"):
            curate.Pipeline({"steps": ["language"], "input": ["x" * (1 << 20)]})
        with self.assertRaisesRegex(FileNotFoundError, "nowhere.yaml"):
            curate.run("nowhere.yaml", path, self.folder / "o")
        curate.run({"steps": ["language"]}, path, self.folder / "o")
        with self.assertRaisesRegex(ValueError, "holds another run"):
            curate.run({"steps": ["pii"]}, path, self.folder / "o")
        with self.assertRaisesRegex(ZeroDivisionError, "division"):
            curate.run({"steps": ["pii"]}, path, self.folder / "p", on_progress=lambda *_: 1 / 0)
        self.assertEqual(files_of(self.folder / "p"), {})

    def test_whichever_library_comes_first(self):
        table = self.folder / "a.parquet"
        pyarrow.parquet.write_table(pa.Table.from_pylist(documents(50)), table)
        for first, second in (("kedge", "pyarrow"), ("pyarrow", "kedge")):
            code = (f"import {first}, {second}, kedge, pyarrow as pa, pyarrow.parquet, sys, pyarrow.json, io\n"
                    f"report = kedge.curate.run({{'steps': ['language']}}, {str(table)!r}, "
                    f"{str(self.folder / first)!r})\n"
                    f"rows = pa.parquet.read_table({str(table)!r})\n"
                    "rows = pa.json.read_json(io.BytesIO(b'{\"text\": \"a@b.com\"}'))\n"
                    "print(report['counts']['kept'], kedge.curate.Pii()(rows).to_pylist())")
            told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
            self.assertEqual(told.stdout, "50 [{'text': '[EMAIL]'}]\n", told.stderr)

    def test_the_guide_runs_as_written(self):
        (self.folder / "documents").mkdir()
        self.write("documents/a.jsonl", documents(50))
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        printed = io.StringIO()
        names = {}
        blocks = guide_blocks()
        self.assertEqual(len(blocks), 3)
        with contextlib.redirect_stdout(printed):
            for block in blocks[:2]:  # the third needs a cluster: test_ray.py
                exec(compile(block, "python.md", "exec"), names)
        self.assertIn("Write to [EMAIL].", printed.getvalue())
        self.assertIn("'in': 50", printed.getvalue())
        self.assertEqual(names["rows"].num_rows, 2)
        self.assertTrue((self.folder / "out" / "shard-00000.jsonl").is_file())

    def test_the_reference_documents(self):
        if not SHARED.is_dir():
            raise unittest.SkipTest(f"{SHARED} is not there")
        inputs = [SHARED / "shard-00001.jsonl.zst", SHARED / "shard-00002.parquet"]
        steps = [{"filter": {"profile": "nemo"}}, {"dedup": {"method": "fuzzy"}}, {"pii": {"action": "mask"}}]
        expected = files_of(self.command({"steps": steps}, *inputs))
        curate.run({"steps": steps}, inputs, self.folder / "out")
        self.assertEqual(files_of(self.folder / "out"), expected)
