"""kedge curate from outside: files in, one line a document out, counts that balance."""

import gzip
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

KEDGE = os.environ.get("KEDGE", "build/release/kedge")
ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("KEDGE_SHARED", ROOT.parent / "shared")) / "data" / "curate"
STORY = "The sea was calm and the wind had gone, so that they could hear the bells of the town all the way to the ship."


class Curate(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return str(Path(self.folder.name, name))

    def write(self, name, documents):
        text = "".join(d if isinstance(d, str) else json.dumps(d, ensure_ascii=False) + "\n" for d in documents)
        with (gzip.open if name.endswith(".gz") else open)(self.path(name), "wb") as file:
            file.write(text.encode("utf-8"))
        return self.path(name)

    def call(self, *arguments):
        return subprocess.run([KEDGE, "curate", *arguments], capture_output=True, text=True, check=False)

    def run_command(self, inputs, *command, code=0):
        """(counts, lines, standard error)."""
        out = self.path("out.jsonl")
        inputs = [part for name in inputs for part in ("--input", str(name))]
        done = self.call(*command, *inputs, "--output", out, "--json", "--quiet")
        self.assertEqual(done.returncode, code, done.stderr)
        if code:
            self.assertFalse(os.path.exists(out))
            return None, None, done.stderr
        lines = Path(out).read_text(encoding="utf-8").splitlines()
        return json.loads(done.stdout), [json.loads(line) for line in lines], done.stderr

    def test_every_profile_decides_on_every_document_in_order(self):
        inputs = [self.write("a.jsonl.gz", [{"id": "x", "text": STORY}, {"id": 2, "text": ""}]),
                  self.write("b.jsonl", [{"id": "y", "text": "\u0000{"}])]
        for profile in ("nemo", "nemo-code", "datatrove", "dolma"):
            counts, rows, _ = self.run_command(inputs, "apply", "--profile", profile)
            self.assertEqual(counts, {"in": 3, "out": 3, "rejected": 0})
            self.assertEqual([row["id"] for row in rows], ["x", 2, "y"])

    def test_personal_data_is_replaced_as_pipelines_do(self):
        text = "mail a@b.cd, pay 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed, id 86095742719"
        source = self.write("pii.jsonl", [{"id": 1, "text": text}])
        patterns = self.write("patterns.yaml", ['- {name: DE_TAX_ID, regex: "[1-9][0-9]{10}", check: mod11_10}\n'])
        all_of_them = ("--types", "EMAIL,CRYPTO_ADDRESS", "--patterns", patterns)
        _, rows, _ = self.run_command([source], "pii", "--replace", "mask", *all_of_them)
        self.assertEqual(rows[0]["text"], "mail [EMAIL], pay [CRYPTO_ADDRESS], id [DE_TAX_ID]")
        _, rows, _ = self.run_command([source], "pii", "--replace", "hash", "--salt", "salt", "--types", "EMAIL")
        self.assertEqual(rows[0]["text"], text.replace("a@b.cd", "[EMAIL:54c627d41c1f3657]"))
        made = [self.run_command([source], "pii", "--replace", "surrogate", "--seed", seed, *all_of_them)[1][0]["text"]
                for seed in ("1", "1", "2")]
        self.assertEqual(made[0], made[1])
        self.assertNotEqual(made[0], made[2])
        self.assertRegex(made[0], r"^mail [^ ]*@example\.[a-z]*, pay 0x[0-9a-fA-F]{40}, id [0-9]{11}$")
        refused = self.call("pii", "--replace", "hash", "--input", source, "--output", self.path("none.jsonl"))
        self.assertEqual(refused.returncode, 3)
        self.assertIn("salt", refused.stderr)

    def test_bad_records_are_named_and_counted(self):
        source = self.write("bad.jsonl", [{"id": 1, "text": "x"}, "not JSON\n", {"id": 2}, {"id": 3, "text": "y"}])
        counts, rows, errors = self.run_command([source], "pii", "--detect", "--ip", "all")
        self.assertEqual(counts, {"in": 4, "out": 2, "rejected": 2})
        self.assertEqual([row["id"] for row in rows], [1, 3])
        self.assertIn("bad.jsonl: line 2", errors)
        self.assertIn("bad.jsonl: line 3", errors)

    def test_inputs_that_cannot_be_read(self):
        _, _, errors = self.run_command([self.path("absent.jsonl")], "langid", code=3)
        self.assertIn("absent.jsonl", errors)
        garbage = self.write("garbage", ["neither JSON\nnor anything\n"])
        self.run_command([garbage], "langid", code=3)
        counts, rows, _ = self.run_command([self.write("empty.jsonl", [])], "langid")
        self.assertEqual((counts["in"], rows), (0, []))

    def test_the_same_bytes_whatever_the_threads(self):
        source = self.write("many.jsonl", [{"id": i, "text": f"{STORY} {i} " * (i % 7)} for i in range(500)])
        bytes_ = set()
        for threads in ("1", "2", "3"):
            self.run_command([source], "apply", "--profile", "nemo", "--threads", threads)
            bytes_.add(Path(self.path("out.jsonl")).read_bytes())
        self.assertEqual(len(bytes_), 1)

    def test_clusters(self):
        source = self.write("d.jsonl", [{"id": "a", "text": STORY}, {"id": "b", "text": STORY.upper()},
                                        {"id": "c", "text": STORY + " Late."}, {"id": "d", "text": "other"}])
        _, rows, _ = self.run_command([source], "dedup", "--method", "exact", "--normalize", "text")
        self.assertEqual(rows, [{"keep": "a", "ids": ["a", "b"]}])
        fuzzy = ("dedup", "--method", "fuzzy", "--params", "kedge", "--verify")
        counts, rows, _ = self.run_command([source], *fuzzy)
        self.assertEqual(rows, [{"keep": "a", "ids": ["a", "b", "c"]}])
        self.assertEqual(counts["out"], 4)

    def test_parts_that_stood_before_are_cut(self):
        source = self.write("d.jsonl", [{"id": "a", "text": STORY + "\nü"},
                                        {"id": "b", "text": "ä " + STORY + " End."}])
        _, rows, _ = self.run_command([source], "dedup", "--method", "substring", "--length", "40")
        self.assertEqual([row["text"] for row in rows], [STORY + "\nü", "ä  End."])
        self.assertEqual(rows[1]["cut"], [[2, 2 + len(STORY)]])
        _, rows, _ = self.run_command([source, source], "dedup", "--method", "paragraph")
        self.assertEqual([row["keep"] for row in rows], [True, True, False, False])
        index = ("dedup", "--method", "paragraph", "--index", self.path("index"))
        self.run_command([source], *index)
        other = self.write("e.jsonl", [{"id": "c", "text": f"New.\n{STORY}"}, {"id": "d", "text": "New."}])
        for _ in range(2):  # the same command again is the same run
            _, rows, _ = self.run_command([other], *index)
            self.assertEqual([(row["text"], row["keep"]) for row in rows], [("New.\n", True), ("New.", True)])
        _, rows, _ = self.run_command([other, source], *index, "--only-dedup-in-index", "false")
        self.assertEqual([row["keep"] for row in rows], [False, False, False, False])
        saved = self.path("filter")
        self.run_command([source], "dedup", "--method", "bloom", "--by", "document", "--save", saved)
        _, rows, _ = self.run_command([source], "dedup", "--method", "bloom", "--by", "document", "--load", saved,
                                      "--read-only")
        self.assertEqual([row["reason"] for row in rows], ["duplicate", "duplicate"])

    @unittest.skipUnless(SHARED.is_dir(), "the reference data is not there")
    def test_on_disk_and_in_steps_the_clusters_are_those_of_one_run(self):
        sources = sorted(SHARED.glob("shard-*"))
        self.assertEqual(len(sources), 3)
        fuzzy = ("dedup", "--method", "fuzzy", "--verify")
        _, together, _ = self.run_command(sources, *fuzzy)
        self.assertGreater(len(together), 500)
        _, rows, _ = self.run_command(sources, *fuzzy, "--max-memory", "1mb")
        self.assertEqual(rows, together)
        indexed = (*fuzzy, "--index", self.path("index"))
        self.run_command(sources[:2], *indexed)
        _, later, _ = self.run_command(sources[2:], *indexed)
        _, rows, _ = self.run_command(sources[2:], "langid")
        new = {row["id"] for row in rows}

        def removed(rows):
            return {i: row["keep"] for row in rows for i in row["ids"] if i != row["keep"] and i in new}
        self.assertGreater(len(removed(later)), 100)
        self.assertEqual(removed(later), removed(together))

    def test_personal_data_repairs_and_languages(self):
        source = self.write("t.jsonl", [{"id": 1, "text": "Ask é@x? No: a@b.example!"},
                                        {"id": 2, "text": "Ça va cafÃ©"}])
        _, rows, _ = self.run_command([source], "pii", "--detect", "--ip", "all")
        self.assertEqual(rows[0]["spans"], [{"type": "EMAIL", "start": 13, "end": 24}])
        _, rows, _ = self.run_command([source], "clean", "--ops", "mojibake")
        self.assertEqual([row["changed"] for row in rows], [False, True])
        self.assertEqual(rows[1]["text"], "Ça va café")
        source = self.write("l.jsonl", [{"id": 1, "text": STORY}, {"id": 2, "text": "1 2 3"}])
        _, rows, _ = self.run_command([source], "langid")
        self.assertEqual([row["lang"] for row in rows], ["en", "und"])

    def test_pages(self):
        html = f"<nav><a href=/>Home</a></nav><main><h1>Title</h1><p>{STORY}</p></main><footer>Imprint</footer>"
        source = self.write("h.jsonl", [{"id": 1, "url": "http://x/", "html": html}])
        _, rows, _ = self.run_command([source], "extract", "--mode", "precision")
        self.assertEqual(rows, [{"id": 1, "url": "http://x/", "text": f"Title\n{STORY}"}])
        body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n<p>caf\xe9"
        gone = b"HTTP/1.1 404 Not Found\r\n\r\n"
        with gzip.open(self.path("w.warc.gz"), "wb") as file:
            for number, response in enumerate((body, gone)):
                file.write(b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:%d>\r\n"
                           b"WARC-Target-URI: http://x/%d\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n"
                           % (number, number, len(response), response))
        counts, rows, _ = self.run_command([self.path("w.warc.gz")], "extract", "--mode", "precision")
        self.assertEqual(rows, [{"id": "<urn:0>", "url": "http://x/0", "text": "café"}])
        self.assertEqual(counts, {"in": 2, "out": 1, "rejected": 1})

    def test_parquet(self):
        source = Path(__file__).parents[1] / "golden" / "two_rows.parquet"
        counts, rows, errors = self.run_command([str(source)], "clean", "--ops", "mojibake")
        self.assertEqual([(row["id"], row["text"]) for row in rows], [("a", "one é"), ("c", "two")])
        self.assertEqual(counts, {"in": 3, "out": 2, "rejected": 1})
        self.assertIn("row 2", errors)

    def test_evaluation_items(self):
        question = "Which of the two ships was the first to reach the far side of the bay that year?"
        with open(self.path("items.json"), "w", encoding="utf-8") as file:
            json.dump([{"task": "t", "item": 5, "question": question, "answer": "none"}], file)
        source = self.write("c.jsonl", [{"id": 1, "text": f"So: {question} Yes."}, {"id": 2, "text": STORY}])
        command = ("decontaminate", "--against", self.path("items.json"), "--mode", "ngram")
        _, rows, _ = self.run_command([source], *command)
        self.assertEqual(rows[0]["matches"], [{"item": 5, "start": 4, "end": 4 + len(question)}])
        self.assertEqual([row["contaminated"] for row in rows], [True, False])

    def test_wrong_usage(self):
        self.assertEqual(self.call("apply", "--profile", "none").returncode, 2)
        self.assertEqual(self.call().returncode, 2)
        source = self.write("one.jsonl", [{"id": 1, "text": STORY}])
        piped = self.call("langid", "--input", source, "--output", "-")
        self.assertEqual((piped.returncode, piped.stdout), (3, ""))
        self.assertIn("--output: found -, expected a file", piped.stderr)


if __name__ == "__main__":
    unittest.main()
