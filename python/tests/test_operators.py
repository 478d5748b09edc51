"""Every operator says of a table what the command line says of the same documents in a file.

Method: for each operator of the registry, one or more settings over generated and reference documents; rows that are
kept, their texts and new columns are compared with the lines that `kedge curate run` writes, to the last digit.
"""

import json
import subprocess
import unittest

import pyarrow as pa
from module_case import KEDGE, ROOT, SHARED, ModuleCase, documents, shared_documents

from kedge import curate

ARPA = ROOT / "tests" / "golden" / "ngrams.arpa"


def class_name(operator):
    return "".join(word.capitalize() for word in operator.split("_"))


class Operators(ModuleCase):
    def compare(self, name: str, rows: list, **options) -> pa.Table:
        """Both ways; what the module found."""
        kind = getattr(curate, name.capitalize())
        found = kind(**options)(pa.Table.from_pylist(rows))
        expected = self.command_rows([{name: options}], rows, output=f"cli-{len(list(self.folder.iterdir()))}")
        if name == "filter" and options.get("scores"):
            rows_found = [{**row, "scores": json.loads(row["scores"])} for row in found.to_pylist()]
            self.assertEqual(rows_found, expected)
        else:
            self.check_same(found, expected)
        return found

    def test_every_operator_of_the_registry_is_a_class_with_its_documentation(self):
        told = json.loads(subprocess.run([KEDGE, "curate", "ops", "--json"], check=True, capture_output=True).stdout)
        self.assertEqual(told, curate.operators())
        self.assertGreater(len(told), 10)
        for operator in told:
            kind = getattr(curate, class_name(operator["name"]))
            self.assertTrue(issubclass(kind, curate.Operator))
            self.assertIn(operator["reference"], kind.__doc__)
            for option in operator["options"]:
                self.assertIn(f"{option['name']} (", kind.__doc__)
        stub = (curate.__file__).replace("__init__.py", "__init__.pyi")
        with open(stub, encoding="utf-8") as file:
            text = file.read()
        for operator in told:
            self.assertIn(f"class {class_name(operator['name'])}(Operator):", text)
        compile(text, stub, "exec")

    def test_filters(self):
        rows = shared_documents("shard-00000.jsonl.gz", 400)
        found = self.compare("filter", rows, profile="nemo")
        self.assertIn(found.num_rows, range(1, 400))
        self.compare("filter", rows[:60], profile="nemo", scores=True)
        self.compare("filter", rows, profile="nemo", only=["word_count"], limits={"word_count": {"min": 100}})
        found = self.compare("filter", rows, profile="datatrove")
        self.assertIn(found.num_rows, range(1, 400))
        self.compare("filter", rows, profile="nemo-code")

    def test_texts_are_repaired_and_redacted(self):
        rows = documents(500)
        found = self.compare("clean", rows, ops=["mojibake", "newlines"])
        self.assertNotEqual(found.column("text").to_pylist(), [row["text"] for row in rows])
        self.assertIn("[EMAIL]", "".join(self.compare("pii", rows, action="mask").column("text").to_pylist()))
        self.compare("pii", rows, action="hash", salt="pepper")
        self.compare("pii", rows, action="surrogate", seed=7)
        self.compare("pii", rows, action="detect")

    def test_languages_tokens_and_models(self):
        rows = documents(200)
        found = self.compare("language", rows, min_score=0.3)
        self.assertEqual(found.schema.field("lang_score").type, pa.float64())
        self.assertEqual(self.compare("language", rows, keep=["xx"]).num_rows, 0)
        tokens = self.compare("tokens", rows, tokenizer=str(ROOT / "demo" / "model"), min=20, max=400)
        self.assertEqual(tokens.schema.field("token_count").type, pa.int64())
        self.compare("perplexity", rows, model=str(ARPA), max=400)
        (self.folder / "words.csv").write_text("word,count\nthe,100\nship,3\nrope,1\n", encoding="utf-8")
        self.compare("unigrams", rows, frequencies=str(self.folder / "words.csv"), min=-20)
        self.compare("sample", rows, share=0.3, seed=5)

    def test_a_classifier(self):
        rows = documents(300)
        labelled = [{**row, "label": "sea" if "ship" in row["text"] else "land"} for row in rows if row["text"]]
        model = self.folder / "model.bin"
        subprocess.run([KEDGE, "curate", "train-classifier", "--input", str(self.write("labelled.jsonl", labelled)),
                        "--output", str(model), "--epochs", "3", "--dim", "8", "--quiet"], check=True,
                       capture_output=True)
        self.compare("classify", rows, model=str(model), label="sea", min=0.5)
        self.compare("classify", rows, model=str(model), label="sea", rule="pareto")

    def test_duplicates(self):
        rows = documents(600)
        for options in ({"method": "exact"}, {"method": "exact", "normalize": "text"}, {"method": "fuzzy"},
                        {"method": "fuzzy", "params": "datatrove", "verify": False},
                        {"method": "sentence", "min_words": 5, "min_sentences": 1},
                        {"method": "paragraph"}, {"method": "substring", "length": 40},
                        {"method": "bloom", "by": "document"}, {"method": "bloom"}):
            with self.subTest(**options):
                found = self.compare("dedup", rows, **options)
                self.assertIn(found.num_rows, range(1, 600))

    def test_evaluation_items(self):
        if not SHARED.is_dir():
            raise unittest.SkipTest(f"{SHARED} is not there")
        rows = shared_documents("shard-00000.jsonl.gz", 1500)
        items = SHARED / "truth" / "contamination_items.json"
        for mode in ("ngram", "fuzzy"):
            found = self.compare("decontaminate", rows, against=str(items), mode=mode)
            self.assertIn(found.num_rows, range(1, 1501))

    def test_main_text_of_pages(self):
        rows = [{key: row[key] for key in ("id", "url", "lang", "html")} for row in
                shared_documents("html.jsonl.gz", 40)]
        found = self.compare("extract", rows, mode="precision")
        self.assertEqual(found.column_names, ["id", "url", "lang", "text"])
        self.compare("extract", rows, mode="justext")

    def test_a_pipeline_with_two_deduplications(self):
        steps = [{"clean": {"ops": ["mojibake"]}}, {"dedup": {"method": "exact"}}, "language",
                 {"dedup": {"method": "substring", "length": 60}}, {"pii": {"action": "mask"}}]
        rows = documents(500)
        pipeline = curate.Pipeline({"steps": steps})
        table = pa.Table.from_pylist(rows)
        self.check_same(pipeline(table), self.command_rows(steps, rows))
        told = pipeline.explain(table)
        self.assertEqual(told.num_rows, 500)
        self.assertEqual(sum(told.column("keep").to_pylist()), pipeline(table).num_rows)
        self.assertLessEqual({"dedup exact"}, set(told.column("step").to_pylist()))
        details = [json.loads(detail) for keep, detail, reason in zip(*(told.column(name).to_pylist() for name in
                   ("keep", "details", "reason"))) if reason == "duplicate"]
        self.assertLessEqual({detail["of"] for detail in details}, {row["id"] for row in rows})
