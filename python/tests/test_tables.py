"""Tables of every kind and library come in and go out; mistakes are exceptions; Python goes on meanwhile.

Method: one text operator over the same documents in each form of Arrow's and each library's; the results are equal.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import datasets
import numpy
import pandas
import polars
import pyarrow as pa
from module_case import documents

from kedge import _kedge, curate

ROWS = [{**row, "text": None if i % 13 == 12 else row["text"]} for i, row in enumerate(documents(300))]
TABLE = pa.Table.from_pylist(ROWS)
MASK = curate.Pii(action="mask")
EXPECTED = MASK(TABLE).to_pylist()


def with_text(texts) -> pa.Table:
    return TABLE.set_column(TABLE.schema.get_field_index("text"), "text", texts)


class ArrowForms(unittest.TestCase):
    def check(self, table) -> pa.Table:
        found = MASK(table)
        self.assertIsInstance(found, pa.Table)
        self.assertEqual(found.to_pylist(), EXPECTED)
        return found

    def test_what_is_expected(self):
        self.assertEqual(len(EXPECTED), sum(row["text"] is not None for row in ROWS))
        self.assertTrue(any("[EMAIL]" in row["text"] for row in EXPECTED))
        kept = [row["number"] for row in ROWS if row["text"] is not None]
        self.assertEqual([row["number"] for row in EXPECTED], kept)

    def test_types_of_text(self):
        texts = TABLE.column("text")
        self.assertEqual(self.check(with_text(texts)).schema.field("text").type, pa.string())
        large = self.check(with_text(texts.cast(pa.large_string())))
        self.assertEqual(large.schema.field("text").type, pa.large_string())
        self.check(with_text(texts.cast(pa.string_view())))
        distinct = texts.combine_chunks().dictionary_encode()
        for index in (pa.uint16(), pa.int32(), pa.int64()):
            self.check(with_text(pa.DictionaryArray.from_arrays(distinct.indices.cast(index), distinct.dictionary)))

    def test_a_small_dictionary(self):
        texts = pa.DictionaryArray.from_arrays(pa.array([1, 0, None, 1], pa.int8()), pa.array(["a@b.com", "none"]))
        self.assertEqual(MASK(pa.table({"text": texts})).to_pylist(),
                         [{"text": "none"}, {"text": "[EMAIL]"}, {"text": "none"}])

    def test_chunks_slices_and_batches(self):
        self.check(pa.concat_tables([TABLE.slice(0, 0), TABLE.slice(0, 7), TABLE.slice(7, 200), TABLE.slice(207)]))
        padded = pa.concat_tables([TABLE.slice(3, 5), TABLE, TABLE.slice(8, 4)]).combine_chunks()
        self.check(padded.slice(5, TABLE.num_rows))
        self.check(TABLE.combine_chunks().to_batches()[0])
        batch = padded.to_batches()[0].slice(5, TABLE.num_rows)
        self.check(batch)
        structs = pa.chunked_array([batch.to_struct_array()])  # the offset is the struct's own
        self.check(pa.Table.from_struct_array(structs))

    def test_a_stream_that_is_nobody_s_table(self):
        class Stream:
            def __arrow_c_stream__(self, requested_schema=None):
                return pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()).__arrow_c_stream__()

        class Array:
            def __arrow_c_array__(self, requested_schema=None):
                return TABLE.combine_chunks().to_batches()[0].__arrow_c_array__()

        self.check(Stream())
        self.check(Array())
        self.check(pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()))  # ends when it was read
        told = MASK.explain(pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()))
        self.assertEqual(told.num_rows, len(ROWS))

    def test_ids(self):
        same = ["text"] * 4
        for ids, kept in (([5, 6, 7, 8], 5), (["a", "b", "c", "d"], "a"), ([2**64 - 1, 1, 2, 3], 2**64 - 1)):
            table = pa.table({"id": pa.array(ids, pa.uint64() if isinstance(kept, int) else None), "text": same})
            told = curate.Dedup(method="exact").explain(table).to_pylist()
            of = f'"{kept}"' if isinstance(kept, str) else str(kept)
            self.assertEqual([row["details"] for row in told[1:]], ['{"of":' + of + "}"] * 3)
        told = curate.Dedup(method="exact").explain(pa.table({"text": same})).to_pylist()
        self.assertEqual(told[3]["details"], '{"of":0}')

    def test_nothing_is_copied_on_the_way_in(self):
        before = pa.total_allocated_bytes()
        told = curate.Pii(action="detect")._run(TABLE, details=False)
        self.assertEqual(pa.total_allocated_bytes(), before)
        keep = pa.table(told[0]).column("keep")
        self.assertEqual(pa.total_allocated_bytes(), before)  # nor on the way out
        self.assertEqual(len(keep), len(ROWS))

    def test_tables_outlive_what_they_came_from(self):
        capsules = _kedge.TableRunner.operator("pii", "{}", "{}").run(TABLE.__arrow_c_stream__(), 1, True, "")[0]
        table = pa.table(capsules)
        column = table.column("reason")
        del capsules, table
        self.assertEqual(column.to_pylist().count("no text in 'text'"), sum(row["text"] is None for row in ROWS))

    def test_empty_tables(self):
        empty = TABLE.slice(0, 0)
        self.assertEqual(MASK(empty).num_rows, 0)
        found = curate.Language()(empty)
        self.assertEqual(found.schema.field("lang").type, pa.string())
        self.assertEqual(curate.Dedup(method="fuzzy")(empty).num_rows, 0)


class Deduplication(unittest.TestCase):
    VECTORS = [[1.0, 0.0], [0.0, 2.0], None, [2.0, 0.001], [0.0, 1.0], [float("nan"), 1.0]]

    def test_near_embeddings_go(self):
        near = curate.Dedup(method="semantic", n_clusters=1, which_to_keep="easy")
        for kind in (pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float32(), 2)):
            table = pa.table({"id": list("abcdef"), "text": ["t"] * 6, "embedding": pa.array(self.VECTORS, kind)})
            kept = near(table)["id"].to_pylist()
            self.assertEqual(len(kept), 4, kind)
            self.assertEqual(sum(name in kept for name in "ad"), 1)
            self.assertEqual(sum(name in kept for name in "be"), 1)
            self.assertTrue({"c", "f"} <= set(kept))
            self.assertEqual(near(pa.concat_tables([table.slice(1), table.slice(0, 1)]))["id"].to_pylist()[0], "b")
        frame = polars.DataFrame({"text": ["x", "y"], "embedding": [[1.0, 0.0], [1.0, 0.0]]})
        self.assertEqual(near(frame)["text"].to_list(), ["x"])

    def test_an_index_knows_earlier_tables(self):
        with tempfile.TemporaryDirectory() as folder:
            seen = curate.Dedup(method="exact", index=str(Path(folder, "index")))
            first = pa.table({"id": ["a", "b", "c"], "text": ["ship", "sail", "ship"]})
            second = pa.table({"id": ["d", "e"], "text": ["sail", "wind"]})
            self.assertEqual(seen(first)["id"].to_pylist(), ["a", "b"])
            self.assertEqual(seen(second)["id"].to_pylist(), ["e"])
            self.assertEqual(seen(first)["id"].to_pylist(), ["a", "b"])  # the same run again
            self.assertEqual(seen(second)["id"].to_pylist(), ["e"])
            near = curate.Dedup(method="fuzzy", index=str(Path(folder, "near")))
            rows = near(TABLE)
            self.assertEqual(near(TABLE).num_rows, rows.num_rows)
            lines = curate.Dedup(method="paragraph", index=str(Path(folder, "lines")), min_words=0)
            self.assertEqual(lines(pa.table({"text": ["Menu\nA"]}))["text"].to_pylist(), ["Menu\nA"])
            for _ in range(2):
                found = lines(pa.table({"text": ["Menu\nB", "B\nC"]}))
                self.assertEqual(found["text"].to_pylist(), ["B", "B\nC"])

    def test_dolma_says_and_drops_nothing(self):
        found = curate.Filter(profile="dolma")(TABLE)
        self.assertEqual(found.num_rows, len(EXPECTED))
        self.assertEqual(sorted(json.loads(found["dolma"][0].as_py())), ["c4", "gopher_v1", "gopher_v2_lines"])

    def test_a_classifier_is_trained_on_a_table(self):
        with tempfile.TemporaryDirectory() as folder:
            texts = ["harbour ship rope wind", "click buy win free"] * 60
            table = pa.table({"text": texts, "label": ["__label__hq", "junk"] * 59 + ["two words", None]})
            told = [curate.train_classifier(table, Path(folder, name), dim=8, buckets=1000, epochs=20)
                    for name in ("a.bin", "b.bin")]
            self.assertEqual({name: told[0][name] for name in ("in", "texts", "labels", "without_label", "rejected")},
                             {"in": 120, "texts": 118, "labels": 2, "without_label": 2, "rejected": 0})
            self.assertEqual(Path(folder, "a.bin").read_bytes(), Path(folder, "b.bin").read_bytes())
            keep = curate.Classify(model=str(Path(folder, "a.bin")), label="hq", min=0.5)
            self.assertEqual(set(keep(table)["text"].to_pylist()), {texts[0]})
            with self.assertRaisesRegex(ValueError, "no text has a label"):
                curate.train_classifier(table, Path(folder, "c.bin"), label="text")
            with self.assertRaisesRegex(ValueError, "epoch: no such setting"):
                curate.train_classifier(table, Path(folder, "c.bin"), epoch=1)


class Libraries(unittest.TestCase):
    def test_polars(self):
        frame = polars.DataFrame(ROWS)
        found = MASK(frame)
        self.assertIsInstance(found, polars.DataFrame)
        self.assertEqual(found.to_dicts(), EXPECTED)
        self.assertIn("lang_score", curate.Language()(frame).columns)

    def test_polars_without_pyarrow(self):
        code = ("import sys; sys.modules['pyarrow'] = None; import polars; from kedge import curate\n"
                "frame = polars.DataFrame({'text': ['a@b.com', None, 'c']})\n"
                "print(curate.Pii()(frame)['text'].to_list(), polars.DataFrame(curate.Pii().explain(frame)).shape)")
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        self.assertEqual(told.stdout, "['[EMAIL]', 'c'] (3, 5)\n", told.stderr)

    def test_pandas(self):
        frame = pandas.DataFrame(ROWS, index=range(1000, 1300))
        found = MASK(frame)
        self.assertIsInstance(found, pandas.DataFrame)
        self.assertEqual(found.to_dict("records"), EXPECTED)
        self.assertEqual(found.index[0], 1000)
        self.assertEqual(curate.Language()(frame)["lang_score"].dtype, numpy.float64)

    def test_datasets(self):
        whole = datasets.Dataset.from_list(ROWS)
        found = MASK(whole)
        self.assertIsInstance(found, datasets.Dataset)
        self.assertEqual(found.to_list(), EXPECTED)
        chosen = whole.select([4, 2, 0])  # an index over the same Arrow table
        self.assertEqual([row["number"] for row in MASK(chosen).to_list()], [4, 2, 0])
        labels = datasets.ClassLabel(names=["log", "mail"])
        labelled = datasets.Dataset.from_dict({"text": ["a@b.com", "c"], "kind": [1, 0]}).cast_column("kind", labels)
        self.assertEqual(MASK(labelled).features["kind"], labels)
        spread = whole.with_format("arrow").map(MASK, batched=True, num_proc=2, batch_size=50)
        self.assertEqual(spread.with_format(None).to_list(), EXPECTED)

    def test_other_things_are_refused(self):
        with self.assertRaisesRegex(TypeError, "builtins.list, expected a table"):
            MASK([1])


class Mistakes(unittest.TestCase):
    def check(self, kind, message, call):
        with self.assertRaises(kind) as raised:
            call()
        self.assertIn(message, str(raised.exception))

    def test_settings(self):
        self.check(ValueError, 'filter.profile: found "nem", expected nemo', lambda: curate.Filter(profile="nem"))
        self.check(ValueError, "pii.shape: no such setting; there are", lambda: curate.Pii(shape=1))
        self.check(FileNotFoundError, "nowhere.ftz", lambda: curate.Language(model="nowhere.ftz"))
        self.check(ValueError, "found 'filtre', expected an operator", lambda: curate.Pipeline({"steps": ["filtre"]}))

    def test_embeddings(self):
        near = curate.Dedup(method="semantic")
        self.check(ValueError, "no column 'embedding' of embeddings", lambda: near(TABLE))
        words = pa.table({"text": ["a"], "embedding": [["x"]]})
        self.check(ValueError, "expected lists of float or double", lambda: near(words))

    def test_columns(self):
        self.check(ValueError, "no column 'text'; it has a, b", lambda: MASK(pa.table({"a": [1], "b": [2]})))
        self.check(ValueError, "column 'text': found Arrow's type 'g'", lambda: MASK(pa.table({"text": [1.5]})))
        self.check(ValueError, "column 'text': found whole numbers", lambda: MASK(pa.table({"text": [1]})))
        self.check(ValueError, "column 'id': found Arrow's type", lambda: MASK(pa.table({"id": [.5], "text": ["a"]})))
        self.check(ValueError, "no column 'body'", lambda: curate.Pii(fields={"text": "body"})(TABLE))
        self.assertEqual(curate.Pii(fields={"text": "body"})(pa.table({"body": ["a@b.com"]})).to_pylist(),
                         [{"body": "[EMAIL]"}])

    def test_bytes_that_are_no_text_are_rejected(self):
        broken = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"),
                                                        pa.py_buffer(b"\xffa")])
        told = MASK.explain(pa.table({"text": broken})).to_pylist()
        self.assertEqual([row["keep"] for row in told], [None, True])
        self.assertEqual(told[0]["reason"], "not UTF-8")

    def test_a_stream_is_read_once(self):
        stream = TABLE.__arrow_c_stream__()
        runner = _kedge.TableRunner.operator("pii", "{}", "{}")
        runner.run(stream, 1, False, "")
        self.check(ValueError, "read before", lambda: runner.run(stream, 1, False, ""))
        self.check(ValueError, "", lambda: runner.run(object(), 1, False, ""))


class Beside(unittest.TestCase):
    LONG = pa.table({"text": ["the wind and the crew of the ship " * 400] * 20000})

    def test_operators_are_pickled_by_their_settings(self):
        again = pickle.loads(pickle.dumps(MASK))
        self.assertEqual(again(TABLE).to_pylist(), EXPECTED)
        self.assertEqual(repr(again), "kedge.curate.Pii(action='mask')")
        pipeline = pickle.loads(pickle.dumps(curate.Pipeline({"steps": [{"pii": {"action": "mask"}}]})))
        self.assertEqual(pipeline(TABLE).to_pylist(), EXPECTED)

    def test_after_a_fork(self):
        child = os.fork()
        if child == 0:
            os._exit(0 if MASK(TABLE).to_pylist() == EXPECTED else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_other_threads_run_meanwhile(self):
        done = []
        worker = threading.Thread(target=lambda: done.append(MASK(TABLE.slice(0, 2000)).num_rows))
        long = threading.Thread(target=lambda: done.append(curate.Filter(profile="nemo", threads=1)(
            self.LONG.slice(0, 1000)).num_rows))
        long.start()
        worker.start()
        worker.join()
        first = list(done)
        long.join()
        self.assertEqual(first, [len(EXPECTED)])  # the short one came in between
        self.assertEqual(len(done), 2)

    def test_a_signal_ends_the_work(self):
        class Enough(Exception):
            pass

        def ring(*_):
            raise Enough

        before = signal.signal(signal.SIGALRM, ring)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with self.assertRaises(Enough):
            curate.Filter(profile="nemo", threads=1)(self.LONG)

    def test_the_number_of_threads_changes_nothing(self):
        table = pa.Table.from_pylist(documents(800))
        one, four = (curate.Dedup(method="fuzzy", threads=threads)(table).to_pylist() for threads in (1, 4))
        self.assertEqual(one, four)

    def test_spilled_files_are_gone(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        before, tempfile.tempdir = tempfile.tempdir, folder.name
        try:
            curate.Dedup(method="substring", length=40, memory_mb=1)(pa.Table.from_pylist(documents(2000)))
        finally:
            tempfile.tempdir = before
        self.assertEqual(os.listdir(folder.name), [])
