"""Goal: `kedge bench` keeps its contract: rows for every prefill and decode, bounds beside them, and clear refusals.

Method: the built binary on the demo model and on configs with made-up weights, with few tokens; the JSON document, the
table, the chart and the exit codes. Speeds are numbers above 0 and nothing more.
"""

import json
import math
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

from test_cli import BAD_INPUT, KEDGE, TIMEOUT_SECONDS, USAGE, CommandLineCase, kedge

OUT_OF_MEMORY, INTERRUPTED = 4, 5
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128, "hidden_size": 64,
         "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0}


def quick(pp=4, tg=2, batch=1):
    return ("--pp", pp, "--tg", tg, "--repeat", 1, "--batch", batch, "--threads", 2)


class BenchCase(CommandLineCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def config(self, **changes):
        path = self.folder / "config.json"
        path.write_text(json.dumps({**LLAMA, **changes}))
        return path

    def bench(self, *arguments, env=None):
        return self.document("bench", *arguments, "--json", env=env)

    def expect_row(self, row, kind, tokens, batch, depth):
        self.assertEqual(set(row), {"kind", "tokens", "batch", "depth", "tokens_per_second",
                                    "bound_tokens_per_second", "percent_of_bound"})
        self.assertEqual((row["kind"], row["tokens"], row["batch"], row["depth"]), (kind, tokens, batch, depth))
        rates = row["tokens_per_second"]
        self.assertEqual(set(rates), {"median", "min", "max"})
        for number in (*rates.values(), row["bound_tokens_per_second"], row["percent_of_bound"]):
            self.assertTrue(math.isfinite(number) and number > 0, row)
        self.assertLessEqual(rates["min"], rates["median"])
        self.assertLessEqual(rates["median"], rates["max"])
        share = 100 * rates["median"] / row["bound_tokens_per_second"]
        self.assertAlmostEqual(row["percent_of_bound"] / share, 1, places=3)


class Contract(BenchCase):
    def test_the_document(self):
        answer = self.bench("demo", "--pp", 32, "--tg", 3, "--batch", "1,4,9", "--depth", "0,100", "--threads", 2,
                            "--repeat", 3)
        self.assertEqual(set(answer), {"model", "threads", "limits", "rows"})
        self.assertIsInstance(answer["model"], str)
        self.assertEqual(answer["threads"], 2)
        self.assertEqual(set(answer["limits"]), {"read_gb_per_s", "bf16_gflop_per_s", "int8_gop_per_s"})
        for limit in answer["limits"].values():
            self.assertTrue(math.isfinite(limit) and limit > 0, answer["limits"])
        expected = [("prefill", 32, 1, 0), ("prefill", 32, 1, 100)]
        expected += [("decode", 3, batch, depth) for depth in (0, 100) for batch in (1, 4, 9)]
        self.assertEqual(len(answer["rows"]), len(expected))
        for row, values in zip(answer["rows"], expected):
            self.expect_row(row, *values)

    def test_either_half_may_be_left_out(self):
        rows = self.bench("demo", *quick(pp=0))["rows"]
        self.assertEqual([row["kind"] for row in rows], ["decode"])
        rows = self.bench("demo", *quick(tg=0))["rows"]
        self.assertEqual([row["kind"] for row in rows], ["prefill"])

    def test_every_instruction_set_has_limits(self):
        for isa in ("scalar", "avx2", "avx_vnni", "avx512", "avx512_vnni", "avx512_bf16"):
            answer = self.bench("demo", *quick(), env={"KEDGE_ISA": isa})
            self.assertTrue(all(limit > 0 for limit in answer["limits"].values()), isa)

    def test_depths_beyond_the_context_are_measured_and_noted(self):
        done = kedge("bench", "demo", *quick(), "--depth", "2000", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"context of 1024", done.stderr)
        self.assertEqual(json.loads(done.stdout)["rows"][0]["depth"], 2000)
        self.assertIn("--context", self.fails(BAD_INPUT, "bench", "demo", *quick(), "--depth", 600, "--context", 512))


class Output(BenchCase):
    def test_the_table(self):
        done = kedge("bench", "demo", *quick())
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.decode().splitlines()
        self.assertIn("demo", lines[0])
        self.assertIn("GB/s", lines[1])
        self.assertTrue(any(line.startswith("prefill ") for line in lines), lines)
        self.assertTrue(any(line.startswith("decode ") for line in lines), lines)

    def test_the_chart_is_well_formed(self):
        chart = self.folder / "chart.svg"
        self.bench("demo", *quick(batch="1,2"), "--svg", chart)
        root = ElementTree.parse(chart).getroot()
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        classes = [element.get("class") for element in root.iter()]
        self.assertEqual(classes.count("bar"), 3)
        self.assertEqual(classes.count("bound"), 3)
        self.assertEqual([entry.name for entry in self.folder.iterdir()], ["chart.svg"])

    def test_a_chart_that_cannot_be_written_fails_first(self):
        self.fails(BAD_INPUT, "bench", "demo", *quick(), "--svg", self.folder / "none" / "chart.svg")

    def test_interruption(self):
        process = subprocess.Popen([KEDGE, "bench", "demo", "--pp", "512", "--repeat", "1000", "--svg",
                                    self.folder / "chart.svg"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while b"1/" not in process.stderr.readline():  # the first row has begun
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        output, message = process.communicate(timeout=TIMEOUT_SECONDS)
        self.assertEqual(process.returncode, INTERRUPTED, message)
        self.assertEqual(output, b"")
        self.assertIn(b"interrupted", message)
        self.assertEqual(list(self.folder.iterdir()), [])


class RandomWeights(BenchCase):
    def test_every_type(self):
        for weights in ("f32", "f16", "bf16", "int8", "int4-g32", "int4-g128", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0",
                        "iq4_nl"):
            answer = self.bench("--random-weights", self.config(), "--weights", weights, *quick())
            self.assertIn(self.folder.name, answer["model"])
            self.expect_row(answer["rows"][0], "prefill", 4, 1, 0)
            self.expect_row(answer["rows"][1], "decode", 2, 1, 0)
        for weights in ("q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"):  # blocks of 256
            self.bench("--random-weights", self.config(hidden_size=256, intermediate_size=256), "--weights", weights,
                       *quick())

    def test_every_compute_path(self):
        for compute in ("auto", "f32", "bf16", "int8"):
            self.bench("--random-weights", self.config(), "--weights", "int8", "--compute", compute, *quick())

    def test_families(self):
        families = ({"model_type": "gemma3_text", "head_dim": 32, "sliding_window": 16, "query_pre_attn_scalar": 32},
                    {"model_type": "phi3"}, {"model_type": "qwen3", "head_dim": 32},
                    {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2},
                    {"model_type": "mistral", "sliding_window": 16}, {"tie_word_embeddings": True},
                    {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}})
        for changes in families:
            rows = self.bench("--random-weights", self.config(**changes), "--weights", "int4-g32",
                              *quick(batch="1,3"), "--depth", "0,40")["rows"]
            self.assertEqual(len(rows), 6, changes)

    def test_rows_that_are_no_whole_blocks(self):
        self.bench("--random-weights", self.config(intermediate_size=72), "--weights", "int4-g32", *quick())

    def test_a_folder_names_its_config(self):
        self.config()
        self.bench("--random-weights", self.folder, *quick())


class Refusals(BenchCase):
    def test_wrong_usage(self):
        for arguments in (["--batch", "0"], ["--batch", "1,,4"], ["--batch", "1,"], ["--batch", ""], ["--batch", "-1"],
                          ["--batch", "1.5"], ["--batch", "100000"], ["--depth", "x"], ["--depth", "-1"],
                          ["--depth", "0 1"], ["--pp", "0", "--tg", "0"], ["--pp", "many"], ["--repeat", "0"],
                          ["--threads", "-1"], ["--weights", "int8"], ["--tg", "-1"], ["--svg"]):
            self.fails(USAGE, "bench", "demo", *arguments)
        self.fails(USAGE, "bench")
        self.fails(USAGE, "bench", "--random-weights", self.config(), "--weights", "int5")
        self.fails(USAGE, "bench", "demo", "--random-weights", self.config())

    def test_models_that_are_none(self):
        self.fails(BAD_INPUT, "bench", "/no/such/model")
        self.fails(BAD_INPUT, "bench", "--random-weights", self.folder / "config.json")
        (self.folder / "config.json").write_text("{")
        self.fails(BAD_INPUT, "bench", "--random-weights", self.folder / "config.json")
        self.fails(BAD_INPUT, "bench", "--random-weights", self.config(model_type="nonsense"))
        self.fails(BAD_INPUT, "bench", "--random-weights", self.config(num_attention_heads=0))
        bert = self.config(model_type="bert", type_vocab_size=2, architectures=["BertModel"])
        self.fails(BAD_INPUT, "bench", "--random-weights", bert)

    def test_what_does_not_fit_is_refused_with_the_numbers(self):
        message = self.fails(OUT_OF_MEMORY, "bench", "demo", "--batch", "1,1024", "--depth", "0,10000000")
        self.assertIn("batch 1024, depth 10000000", message)
        self.assertIn("GiB", message)
        self.fails(OUT_OF_MEMORY, "bench", "demo", "--kv-cache-bytes", "64KiB", "--depth", "1000")
        big = self.config(hidden_size=16384, intermediate_size=53248, num_hidden_layers=126, num_attention_heads=128,
                          num_key_value_heads=128, vocab_size=128256)
        if os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 2**39:
            self.fails(OUT_OF_MEMORY, "bench", "--random-weights", big)


if __name__ == "__main__":
    unittest.main()
