"""Steps of `kedge curate run` that ask a model, and semantic deduplication, beside commands that ask it directly."""

import json
import math
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import tiny_encoders

KEDGE = os.environ.get("KEDGE", "build/release/kedge")
TEXTS = ["a boat at sea", "the dog sleeps", "a boat at sea", "rain and wind", "a boat at sea!"]


class CurateModels(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.embedder = tiny_encoders.write_encoder(self.folder / "embedder", ranks=False)
        self.ranker = tiny_encoders.write_encoder(self.folder / "ranker", ranks=True)
        self.input = self.folder / "in.jsonl"
        self.input.write_text("".join(json.dumps({"id": f"d{i}", "text": t}) + "\n" for i, t in enumerate(TEXTS)))

    def call(self, *arguments, standard_input=None):
        done = subprocess.run([KEDGE, *map(str, arguments)], input=standard_input, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def pipeline(self, steps):
        path = self.folder / "pipeline.yaml"
        path.write_text("format: jsonl\nsteps:\n" + steps)
        output = self.folder / "out"
        self.call("curate", "run", path, "--input", self.input, "--output", output, "--quiet")
        return [json.loads(line) for line in (output / "shard-00000.jsonl").read_text().splitlines()]

    def test_embeddings_are_those_of_kedge_embed_and_near_ones_go(self):
        documents = self.pipeline(f"  - embed: {{model: {self.embedder}}}\n")
        lines = self.call("embed", self.embedder, standard_input="".join(json.dumps(t) + "\n" for t in TEXTS))
        for document, line in zip(documents, lines.splitlines(), strict=True):
            for ours, theirs in zip(document["embedding"], json.loads(line)["embedding"], strict=True):
                self.assertAlmostEqual(ours, theirs, 5)
        found = {}
        given = ("--input", self.folder / "out" / "shard-00000.jsonl")
        asked = ("--input", self.input, "--model", self.embedder)
        for name, arguments in (("given", given), ("asked", asked)):
            output = self.folder / f"{name}.jsonl"
            self.call("curate", "dedup", "--method", "semantic", "--clusters", "1", "--which-to-keep", "easy",
                      *arguments, "--output", output, "--quiet")
            found[name] = [json.loads(line) for line in output.read_text().splitlines()]
        decisions = {name: [(line["id"], line["keep"], line["of"]) for line in lines] for name, lines in found.items()}
        self.assertEqual(decisions["given"], decisions["asked"])
        same = [line["keep"] for line in found["asked"] if line["id"] in ("d0", "d2")]
        self.assertEqual(sorted(same), [False, True])

    def test_scores_of_a_head_decide(self):
        scores = [document["score"] for document in self.pipeline(f"  - score: {{model: {self.ranker}}}\n")]
        self.assertEqual(len(scores), len(TEXTS))
        self.assertGreater(len(set(scores)), 1)
        middle = sorted(scores)[2]
        (self.folder / "out").rename(self.folder / "all")
        kept = self.pipeline(f"  - score: {{model: {self.ranker}, min: {middle}}}\n")
        self.assertEqual([d["score"] for d in kept], [score for score in scores if score >= middle])

    def test_a_head_of_several_labels_keeps_by_label(self):
        labels = ("High", "Medium", "Low")
        model = tiny_encoders.write_encoder(self.folder / "classes", ranks=True, labels=labels)
        all_of_them = self.pipeline(f"  - classify: {{model: {model}}}\n")
        self.assertEqual(len(all_of_them), len(TEXTS))
        for document in all_of_them:
            self.assertIn(document["class"], labels)
            self.assertGreater(document["class_score"], 1 / 3)
            self.assertLessEqual(document["class_score"], 1)
        (self.folder / "out").rename(self.folder / "all")
        wanted = all_of_them[0]["class"]
        kept = self.pipeline(f"  - classify: {{model: {model}, keep: [{wanted}]}}\n")
        self.assertEqual([d["id"] for d in kept], [d["id"] for d in all_of_them if d["class"] == wanted])
        (self.folder / "out").rename(self.folder / "some")
        shares = []
        for label in labels:
            documents = self.pipeline(f"  - classify: {{model: {model}, label: {label}}}\n")
            shares.append(documents[0]["class_score"])
            (self.folder / "out").rename(self.folder / label)
        self.assertAlmostEqual(sum(shares), 1, 6)
        self.assertAlmostEqual(max(shares), all_of_them[0]["class_score"], 6)

    def test_a_classifier_in_nemo_curators_layout_is_shown_the_beginning(self):
        model = tiny_encoders.write_classifier(self.folder / "quality")
        found = {}
        long = [text + " and more of it" * 20 for text in TEXTS]
        dotted = [f"{text:<20}..." for text in TEXTS]
        for name, texts, options in (("short", TEXTS, ""), ("cut", dotted, "max_chars: 20"), ("long", long, ""),
                                     ("tokens", long, "max_tokens: 16"), ("all", TEXTS, "max_tokens: 128")):
            self.input.write_text("".join(json.dumps({"id": f"d{i}", "text": t}) + "\n"
                                          for i, t in enumerate(texts)))
            documents = self.pipeline(f"  - classify: {{model: {model}, label: High, {options}}}\n")
            found[name] = [document["class_score"] for document in documents]
            self.assertEqual(len(documents), len(TEXTS))
            (self.folder / "out").rename(self.folder / name)
        self.assertEqual(found["short"], found["all"])
        self.assertEqual(found["short"], found["cut"])  # spaces at the end are no tokens
        self.assertNotEqual(found["short"], found["long"])
        self.assertNotEqual(found["long"], found["tokens"])
        path = self.folder / "pipeline.yaml"
        path.write_text(f"steps:\n  - classify: {{model: {model}, max_tokens: 129}}\n")
        done = subprocess.run([KEDGE, "curate", "run", path, "--input", self.input, "--output", self.folder / "out",
                               "--quiet"], capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("max_tokens", done.stderr)
        self.assertIn("128", done.stderr)

    def test_perplexity_of_a_language_model(self):
        documents = self.pipeline("  - perplexity: {model: demo, max: 1.0e9}\n")
        self.assertEqual(len(documents), len(TEXTS))
        for document in documents:
            ids = json.loads(self.call("tokenize", "demo", "--json", "--add-special",
                                       standard_input=document["text"]))["ids"]
            scored = json.loads(self.call("score", "demo", "--json", standard_input=json.dumps(
                [{"context_ids": ids[:1], "continuation_ids": ids[1:]}])))
            expected = math.exp(-scored[0]["logprob"] / (len(ids) - 1))
            self.assertAlmostEqual(document["perplexity"] / expected, 1, 5)


if __name__ == "__main__":
    unittest.main()
