"""kedge curate run from outside: recipes on real documents, kills at any instant, odd input."""

import gzip
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

KEDGE = os.environ.get("KEDGE", "build/release/kedge")
ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("KEDGE_SHARED", ROOT.parent / "shared")) / "data" / "curate"
KILLS = 50

PIPELINE = """
steps:
  - clean: {ops: [mojibake, newlines]}
  - filter: {profile: nemo, only: [word_count, numbers]}
  - dedup: {method: fuzzy}
  - pii: {action: mask}
"""


def files_of(folder):
    """Everything that a finished run leaves for its user, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and "work" not in path.relative_to(folder).parts}


class CurateRun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def command(self, *arguments):
        return [KEDGE, "curate", *map(str, arguments)]

    def call(self, *arguments):
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)

    def write_documents(self, files, documents, embeddings=False):
        chance = random.Random(3)
        words = ["harbour", "ship", "rope", "the", "of", "wind", "crew", "sail", "bell", "town", "24", "mast"]
        (self.folder / "in").mkdir()
        for number in range(files):
            with open(self.folder / "in" / f"part-{number}.jsonl", "w", encoding="utf-8") as out:
                for i in range(documents):
                    text = " ".join(chance.choice(words) for _ in range(chance.randrange(20, 400)))
                    if i % 5 == 0:
                        text = " ".join(words * (10 + i % 3)) + " mail me@example.com"
                    row = {"id": f"{number}-{i}", "text": text, "kept": [1.0]}
                    if embeddings:
                        group = random.Random(i % 150)
                        row["embedding"] = [group.gauss(0, 1) + chance.gauss(0, 0.05) for _ in range(24)]
                    out.write(json.dumps(row) + "\n")
        (self.folder / "p.yaml").write_text(PIPELINE, encoding="utf-8")

    def test_killed_at_any_instant_it_goes_on_and_ends_with_the_same_bytes(self):
        self.write_documents(4, 500)
        run = ["run", self.folder / "p.yaml", "--input", self.folder / "in", "--quiet", "--threads", "2"]
        begin = time.monotonic()
        whole = self.call(*run, "--output", self.folder / "whole")
        seconds = time.monotonic() - begin
        self.assertEqual(whole.returncode, 0, whole.stderr)
        expected = files_of(self.folder / "whole")
        self.assertEqual(len(expected), 4 + 4 + 2)
        self.kill_again_and_again(run, expected, seconds, KILLS)

    def kill_again_and_again(self, run, expected, seconds, kills):
        """Runs that are killed at random instants and go on, until each ends: with the expected files."""
        chance = random.Random(11)
        killed = 0
        while killed < kills:
            out = self.folder / f"killed-{killed}"
            (out / "work").mkdir(parents=True)
            (out / "work" / "run.json.tmp-0").write_text("{")  # killed while its first file was written
            while True:
                process = subprocess.Popen(self.command(*run, "--output", out), stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL)
                try:
                    process.wait(timeout=chance.uniform(0.0, seconds))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    killed += 1
                    continue
                break
            self.assertEqual(process.returncode, 0)
            found = files_of(out)
            self.assertEqual(sorted(found), sorted(expected))
            self.assertTrue(found == expected, "the bytes differ")
            self.assertEqual([path.name for path in out.rglob("*") if ".tmp-" in path.name], [])
            shutil.rmtree(out)

    def test_near_embeddings_and_cuts_go_on_when_killed_with_little_memory(self):
        self.write_documents(3, 400, embeddings=True)
        (self.folder / "p.yaml").write_text("""
steps:
  - dedup: {method: semantic, n_clusters: 8, eps: 0.05, memory_mb: 1}
  - dedup: {method: substring, length: 40, memory_mb: 1}
""", encoding="utf-8")
        run = ["run", self.folder / "p.yaml", "--input", self.folder / "in", "--quiet", "--threads", "2"]
        begin = time.monotonic()
        whole = self.call(*run, "--json", "--output", self.folder / "whole")
        seconds = time.monotonic() - begin
        self.assertEqual(whole.returncode, 0, whole.stderr)
        semantic, substring = json.loads(whole.stdout)["dedups"]
        self.assertGreater(semantic["duplicates"], 100)
        self.assertGreater(substring["cut_texts"], 10)
        self.kill_again_and_again(run, files_of(self.folder / "whole"), seconds, 15)
        gone = json.loads((self.folder / "whole" / "work" / "dedup-0" / "shard-00001.ids").read_text().split()[0])
        said = self.call("explain", self.folder / "p.yaml", "--input", self.folder / "in", "--output",
                         self.folder / "whole", "--id", gone)
        self.assertIn("dedup semantic               dropped: duplicate\n    {\"of\":", said.stdout, said.stderr)

    def test_texts_beside_records_are_told_of(self):
        self.write_documents(1, 3)
        (self.folder / "in" / "readme.md").write_text("# Ships")
        (self.folder / "p.yaml").write_text("format: jsonl\nsteps: [pii]\n")
        counts = []
        for number, more in enumerate(([], ["--include-text"])):
            done = self.call("run", self.folder / "p.yaml", "--input", self.folder / "in", "--json", "--quiet",
                             "--output", self.folder / f"out-{number}", *more)
            self.assertEqual(done.returncode, 0, done.stderr)
            report = json.loads(done.stdout)
            counts.append(report["counts"]["in"])
            self.assertEqual("1 files of text beside files of records are left out" in done.stderr, number == 0)
            self.assertEqual("passed_over" in report, number == 0)
        self.assertEqual(counts, [3, 4])

    def test_interrupted_it_says_so_and_leaves_no_half_file(self):
        self.write_documents(2, 20000)
        process = subprocess.Popen(
            self.command("run", self.folder / "p.yaml", "--input", self.folder / "in", "--output", self.folder / "out",
                         "--quiet"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        if process.returncode == 0:
            self.skipTest("the run was over before it could be interrupted")
        self.assertEqual(process.returncode, 5, errors)
        self.assertFalse((self.folder / "out" / "report.json").exists())
        left = [path.name for path in (self.folder / "out").rglob("*") if path.is_file()]
        endings = (".json", ".jsonl", ".zst", ".keys", ".ids", ".offsets", ".shingles", ".vectors", "lock")
        self.assertTrue(all(name.endswith(endings) for name in left), left)

    def test_odd_input_gets_one_clear_message(self):
        (self.folder / "bad.yaml").write_text("steps: [{filter: {profile: magic}}]")
        bad = self.call("run", self.folder / "bad.yaml", "--input", "x", "--output", self.folder / "o")
        self.assertEqual(bad.returncode, 3)
        self.assertIn("x: found no file of records", bad.stderr)
        self.write_documents(1, 3)
        bad = self.call("run", self.folder / "bad.yaml", "--input", self.folder / "in", "--output", self.folder / "o")
        self.assertEqual(bad.returncode, 3, bad.stderr)
        self.assertIn('bad.yaml.steps[0].filter.profile: found "magic", expected nemo, nemo-code, datatrove',
                      bad.stderr)
        (self.folder / "torn.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00 no gzip at all")
        torn = self.call("run", self.folder / "p.yaml", "--input", self.folder / "torn.jsonl.gz", "--output",
                         self.folder / "t", "--quiet")
        self.assertEqual(torn.returncode, 3, torn.stderr)
        self.assertIn("nothing could be read", torn.stderr)
        both = self.call("run", self.folder / "p.yaml", "--input", self.folder / "torn.jsonl.gz", "--input",
                         self.folder / "in", "--output", self.folder / "b", "--quiet", "--json")
        self.assertEqual(both.returncode, 0, both.stderr)
        counts = json.loads(both.stdout)["counts"]
        self.assertEqual(counts["in"], counts["kept"] + counts["dropped"] + counts["rejected"])
        self.assertEqual(counts["rejected"], 1)
        wrong = self.call("run", self.folder / "p.yaml", "--input", self.folder / "in", "--output", self.folder / "c",
                          "--shard", "3/3")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("--shard: found '3/3', expected i/n", wrong.stderr)

    def test_other_members_pass_through_as_they_stand(self):
        (self.folder / "a.jsonl").write_text(
            '{"id": "a", "score": 1.50, "text": "write to a@b.example now", "tags": ["x",  "y"]}\n'
            '{"id": "b", "text": "nothing here" ,"n":1e3}\n')
        (self.folder / "p.yaml").write_text("format: jsonl\nsteps: [pii]\n")
        done = self.call("run", self.folder / "p.yaml", "--input", self.folder / "a.jsonl", "--output",
                         self.folder / "out", "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.folder / "out" / "shard-00000.jsonl").read_text(),
                         '{"id": "a", "score": 1.50, "text": "write to [EMAIL] now", "tags": ["x",  "y"]}\n'
                         '{"id": "b", "text": "nothing here" ,"n":1e3}\n')

    def write_questions(self):
        """Documents around one question; every fourth file has none."""
        question = "which of the harbours did the crew leave before the wind rose over the mast"
        (self.folder / "items.json").write_text(
            json.dumps([{"task": "t", "item": 1, "question": question, "answer": "none"}]), encoding="utf-8")
        (self.folder / "p.yaml").write_text("""
format: jsonl
steps:
  - decontaminate: {against: items.json, action: remove, max_matches: 100000}
  - dedup: {method: fuzzy}
""", encoding="utf-8")
        chance = random.Random(8)
        words = ["harbour", "ship", "rope", "the", "of", "wind", "crew", "sail", "bell.", "town", "24", "mast!"]
        (self.folder / "in").mkdir()
        rows = []
        for i in range(800):
            parts = [" ".join(chance.choice(words) for _ in range(chance.randrange(20, 400)))
                     for _ in range(1 + (i % 4) * (i % 3))]
            rows.append({"id": i, "text": f" {question}? ".join(parts), "kept": [i]})
        for number in range(4):
            with open(self.folder / "in" / f"part-{number}.jsonl", "w", encoding="utf-8") as out:
                out.writelines(json.dumps(row) + "\n" for row in rows[number * 200:(number + 1) * 200])
        return rows

    def test_questions_are_taken_out_and_a_killed_run_goes_on(self):
        rows = self.write_questions()
        run = ["run", self.folder / "p.yaml", "--input", self.folder / "in", "--quiet", "--threads", "2"]
        begin = time.monotonic()
        whole = self.call(*run, "--json", "--output", self.folder / "whole")
        seconds = time.monotonic() - begin
        self.assertEqual(whole.returncode, 0, whole.stderr)
        counts = json.loads(whole.stdout)["counts"]
        self.assertEqual(counts["in"], counts["kept"] + counts["dropped"] + counts["rejected"])
        self.assertGreater(counts["split_into"], counts["kept"] + 200)
        self.kill_again_and_again(run, files_of(self.folder / "whole"), seconds, 15)
        (self.folder / "all").mkdir()
        with open(self.folder / "all" / "all.jsonl", "w", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
        run[3] = self.folder / "all"
        self.assertEqual(self.call(*run, "--output", self.folder / "one").returncode, 0)
        read = lambda name: b"".join(path.read_bytes() for path in sorted((self.folder / name).glob("shard-*.jsonl")))
        self.assertEqual(read("one"), read("whole"))
        ids = [json.loads(line)["id"] for line in read("one").splitlines()]
        self.assertEqual(len(set(map(str, ids))), len(ids))
        self.assertEqual(len(ids), counts["split_into"])

    def test_ops_stats_and_samples(self):
        names = [op["name"] for op in json.loads(self.call("ops", "--json").stdout)]
        self.assertIn("dedup", names)
        self.write_documents(2, 30)
        inputs = ["--input", self.folder / "in" / "part-0.jsonl", "--input", self.folder / "in" / "part-1.jsonl"]
        stats = json.loads(self.call("stats", *inputs, "--json").stdout)
        self.assertEqual(stats["documents"], 60)
        self.assertGreater(stats["exact_duplicates"], 0)
        chosen = []
        for seed in ("1", "1", "2"):
            out = self.folder / f"s{len(chosen)}.jsonl"
            done = self.call("sample", *inputs, "--output", out, "--count", "7", "--seed", seed, "--quiet", "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout), {"in": 60, "chosen": 7, "left_out": 53, "rejected": 0})
            chosen.append(out.read_text().splitlines())
        self.assertEqual(len(chosen[0]), 7)
        self.assertEqual(chosen[0], chosen[1])
        self.assertNotEqual(chosen[0], chosen[2])

    def test_source_code_is_told_from_prose(self):
        documents = SHARED / "shard-00000.jsonl.gz"
        (self.folder / "p.yaml").write_text("steps:\n  - code: {min_share: 0.5, keep: [python]}\n", encoding="utf-8")
        out = self.folder / "out"
        done = self.call("run", self.folder / "p.yaml", "--input", documents, "--output", out, "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads((out / "report.json").read_text())
        with gzip.open(documents) as lines:
            is_code = [json.loads(line)["lang"] == "code" for line in lines]
        said = self.folder / "code.jsonl"
        done = self.call("code", "--input", documents, "--output", said, "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = [json.loads(line) for line in said.read_text().splitlines()]
        kept = [answer["code"] == "python" and answer["share"] >= 0.5 for answer in answers]
        self.assertGreater(sum(k and c for k, c in zip(kept, is_code)), 0.97 * sum(is_code))
        self.assertLess(sum(k and not c for k, c in zip(kept, is_code)), 0.01 * len(is_code))
        self.assertEqual(report["counts"]["kept"], sum(kept))

    def test_a_classifier_is_trained_and_filters_beside_other_models(self):
        chance = random.Random(5)
        words = {"hq": "harbour ship rope wind crew".split(), "junk": "click buy win free now".split()}
        with open(self.folder / "labelled.jsonl", "w", encoding="utf-8") as out:
            for i in range(300):
                label = ("hq", "junk")[i % 2]
                text = " ".join(chance.choice(words[label]) for _ in range(10))
                out.write(json.dumps({"id": i, "text": text, "label": label, "mail": None}) + "\n")
            out.write('{"id": "x", "text": "no label"}\n')
        train = ["train-classifier", "--input", self.folder / "labelled.jsonl", "--holdout", "0.2", "--dim", "8",
                 "--word-ngrams", "2", "--buckets", "1000", "--json", "--quiet", "--output"]
        models = []
        for name, threads in (("a.bin", "1"), ("b.bin", "2")):
            done = self.call(*train, self.folder / name, "--threads", threads)
            self.assertEqual(done.returncode, 0, done.stderr)
            report = json.loads(done.stdout)
            self.assertEqual((report["in"], report["texts"], report["held_out"], report["without_label"]),
                             (301, 240, 60, 1))
            self.assertEqual(report["accuracy"], 1.0)
            models.append((self.folder / name).read_bytes())
        self.assertTrue(models[0] == models[1], "the bytes of the models differ")
        wrong = self.call(*train, self.folder / "c.bin", "--label-field", "mail")
        self.assertEqual(wrong.returncode, 3, wrong.stderr)
        self.assertIn("no text has a label", wrong.stderr)
        (self.folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nship\nharbour\nwind\na\n")
        (self.folder / "p.yaml").write_text(f"""
format: jsonl
steps:
  - clean: {{ops: [{{ftfy: {{}}}}, urls, markdown]}}
  - classify: {{model: a.bin, label: hq, min: 0.5, member: quality}}
  - perplexity: {{model: {ROOT / "tests" / "golden" / "ngrams.arpa"}, max: 400}}
  - tokens: {{tokenizer: vocab.txt, min_fertility: 3}}
  - pii: {{action: surrogate, types: [EMAIL, API_KEY]}}
""")
        texts = ["**ship** harbour wind from a@b.example \u201cAKIAIOSFODNN7EXAMPLE\u201d http://x.y",
                 "click buy win", "crew quartz vexes glyphs jumbled", "ship a a a a a a a a a a a a harbour"]
        (self.folder / "in.jsonl").write_text("".join(json.dumps({"id": i, "text": text}) + "\n"
                                                      for i, text in enumerate(texts)))
        done = self.call("run", self.folder / "p.yaml", "--input", self.folder / "in.jsonl", "--output",
                         self.folder / "out", "--json", "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        reasons = [list(step["reasons"]) for step in json.loads(done.stdout)["steps"]]
        self.assertEqual(reasons, [[], ["score below the least"], ["too unlikely"], ["too few characters a token"], []])
        rows = [json.loads(line) for line in (self.folder / "out" / "shard-00000.jsonl").read_text().splitlines()]
        self.assertEqual([row["id"] for row in rows], [0])
        self.assertEqual(rows[0]["quality"], "hq")
        self.assertRegex(rows[0]["text"],
                         r'^ship harbour wind from [a-z.]+[0-9]+@example\.[a-z]{3} "AKIA[0-9A-Z]{16}" $')
        self.assertNotIn("IOSFODNN7EXAMPLE", rows[0]["text"])

    def test_packs_tokens_as_megatron_reads_them(self):
        (self.folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nship\nharbour\nwind\n")
        (self.folder / "a.jsonl").write_text(
            '{"id":1,"text":"ship wind"}\n{"id":2,"text":"harbour"}\nno\n{"id":3,"text":""}\n')
        pack = ["pack", "--tokenizer", self.folder / "vocab.txt", "--input", self.folder / "a.jsonl", "--end-token",
                "[SEP]", "--json", "--quiet", "--output"]
        done = self.call(*pack, self.folder / "one")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout),
                         {"in": 4, "out": 3, "rejected": 1, "tokens": 6, "sequences": 3, "left_out_tokens": 0})
        self.assertEqual(struct.unpack("<6H", (self.folder / "one.bin").read_bytes()), (5, 7, 3, 6, 3, 3))
        index = (self.folder / "one.idx").read_bytes()
        self.assertEqual(struct.unpack("<9sQBQQ3i3q4q", index),
                         (b"MMIDIDX\0\0", 1, 8, 3, 4, 3, 2, 1, 0, 6, 10, 0, 1, 2, 3))
        done = self.call(*pack, self.folder / "cut", "--length", "4", "--format", "array")
        self.assertEqual(json.loads(done.stdout)["left_out_tokens"], 2)
        self.assertEqual(struct.unpack("<4H", (self.folder / "cut.bin").read_bytes()), (5, 7, 3, 6))
        self.assertFalse((self.folder / "cut.idx").exists())


@unittest.skipUnless(SHARED.is_dir(), f"{SHARED} is not there: the recipes on real documents are NOT TESTED")
class Recipes(unittest.TestCase):
    def run_recipe(self, name, *inputs):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [KEDGE, "curate", "run", str(ROOT / "examples" / "curate" / f"{name}.yaml"), "--output", folder,
                 "--json", "--quiet", *(part for path in inputs for part in ("--input", str(path)))],
                capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            report = json.loads(done.stdout)
            counts = report["counts"]
            self.assertEqual(counts["in"], counts["kept"] + counts["dropped"] + counts["rejected"])
            kept = counts["in"] - counts["rejected"]
            for step in report["steps"]:
                self.assertEqual(step["in"], kept, step["step"])
                self.assertEqual(step["dropped_count"], sum(step["reasons"].values()), step["step"])
                kept = step["kept"]
            self.assertEqual(kept, counts["kept"])
            self.assertGreater(Path(folder, "report.html").stat().st_size, 10000)
            return {step["step"]: step for step in report["steps"]}, counts

    def test_fineweb(self):
        steps, counts = self.run_recipe("fineweb", SHARED / "pages.warc.gz")
        self.assertGreater(steps["extract precision"]["kept"], 190)
        self.assertGreater(counts["rejected"], 0)

    def test_nemo_english(self):
        steps, _ = self.run_recipe("nemo-english", SHARED / "shard-00000.jsonl.gz", SHARED / "shard-00001.jsonl.zst")
        self.assertGreater(steps["dedup exact"]["dropped_count"], 10)
        self.assertGreater(steps["dedup fuzzy"]["dropped_count"], 10)

    def test_code(self):
        steps, _ = self.run_recipe("code", SHARED / "shard-00000.jsonl.gz")
        self.assertGreater(steps["filter nemo-code"]["kept"], 0)

    def test_private_documents(self):
        steps, counts = self.run_recipe("private-documents", SHARED)
        self.assertGreater(steps["pii mask"]["labels"]["EMAIL"], 100)
        self.assertGreater(counts["kept"], 2000)


if __name__ == "__main__":
    unittest.main()
