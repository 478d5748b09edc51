"""Goal: `kedge quantize` keeps its promises on trained models: fitted methods beat round-to-nearest, 8 bits cost less
than 1e-3 nats, 4 bits fitted are no worse than Q4_K, what is written runs, and Ctrl-C loses nothing. Every family can
be quantized, to folders and to GGUF.

Method: the binary on the demo model (and, where the reference data are, stories260K and small random models of the
families) with little text, its own reports; logits of GGUF files beside those of a folder in as many bits; one run
stopped by SIGINT and gone on with, the folders compared byte for byte; wrong usage.
"""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEDGE = os.environ.get("KEDGE", str(ROOT / "build" / "release" / "kedge"))
DATA = ROOT.parent / "shared" / "data" / "models"
STORIES = DATA / "real-model"
FAMILIES = DATA / "models"
TIMEOUT_SECONDS = 300
TOKENIZED = "Don't stop: na\u00efve caf\u00e9,  123 + 4567.\n\n\tEnd \u65e5\u672c \U0001f600"
TEXT = ("--sequences", "24", "--length", "128", "--held-sequences", "24")
BAD_INPUT, INTERRUPTED = 3, 5
DIVERGENCE_8_BITS_MAX = 1e-3
# Random weights spread errors that trained ones absorb; a mixture answers otherwise where a router changes its mind.
DENSE = ("gemma1-mqa", "gemma2-k256", "gemma3-1b", "phi3-mini-4k")
MIXTURES = ("mixtral-moe", "phi35-moe")
FAMILY_DIVERGENCE_MAX = {"int8": {"dense": 0.02, "mixture": 0.15}, "int4-g32": {"dense": 0.7, "mixture": 0.95}}
GGUF_ARCHITECTURES = {"mistral-v03": "llama", "mixtral-moe": "llama", "qwen2": "qwen2", "qwen3": "qwen3",
                      "phi3-mini-4k": "phi3", "phi4-mini": "phi3", "gemma1-mqa": "gemma", "gemma2-k256": "gemma2",
                      "gemma3-1b": "gemma3"}


def kedge(*arguments):
    return subprocess.run([KEDGE, *map(str, arguments)], capture_output=True, timeout=TIMEOUT_SECONDS, check=False)


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "quantization_report.json"}


class QuantizeCase(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def report(self, model, name, *arguments):
        done = kedge("quantize", model, "--out", self.folder / name, "--json", *TEXT, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return json.loads(done.stdout)

    def divergence(self, model, name, *arguments):
        return self.report(model, name, *arguments)["held"]["kl_divergence"]

    def answer(self, name):
        done = kedge("run", self.folder / name, "-p", "What is kedge?", "--temperature", "0", "--max-tokens", "12")
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return done.stdout.decode()


class Demo(QuantizeCase):
    def test_fitted_methods_beat_rounding_and_q4_k(self):
        nearest, fitted, balanced = (self.report("demo", method, "--to", "int4-g64", "--method", method)
                                     for method in ("rtn", "gptq", "awq"))
        blocks = self.report("demo", "q4_k.gguf", "--to", "q4_k", "--keep-embeddings")
        self.assertLess(fitted["held"]["kl_divergence"], nearest["held"]["kl_divergence"])
        self.assertLess(balanced["held"]["kl_divergence"], nearest["held"]["kl_divergence"])
        self.assertLess(fitted["held"]["kl_divergence"], blocks["held"]["kl_divergence"])
        self.assertLess(fitted["bits_per_weight"], blocks["bits_per_weight"])
        for name in ("rtn", "gptq", "awq", "q4_k.gguf"):
            self.assertIn("kedge", self.answer(name), name)

    def test_8_bits_cost_next_to_nothing(self):
        for target in ("int8", "w8a8"):
            self.assertLess(self.divergence("demo", target, "--to", target), DIVERGENCE_8_BITS_MAX, target)
            self.assertIn("kedge", self.answer(target))
        self.assertLess(self.divergence("demo", "q8_0.gguf", "--to", "q8_0"), DIVERGENCE_8_BITS_MAX)

    def test_a_stopped_run_goes_on_to_the_same_bytes(self):
        whole, pieces = self.folder / "whole", self.folder / "pieces"
        arguments = ["--to", "int4-g64", "--method", "gptq", *TEXT]
        self.assertEqual(kedge("quantize", "demo", "--out", whole, *arguments).returncode, 0)
        process = subprocess.Popen([KEDGE, "quantize", "demo", "--out", str(pieces), *arguments],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None and not list(pieces.glob("model-00001-*.safetensors")):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        message = process.communicate(timeout=TIMEOUT_SECONDS)[1].decode()
        if process.returncode != 0:  # it may have been done already
            self.assertEqual(process.returncode, INTERRUPTED, message)
            self.assertIn("same command", message)
            other = kedge("quantize", "demo", "--out", pieces, *arguments, "--seed", 9)
            self.assertEqual(other.returncode, BAD_INPUT)
            self.assertIn("--seed", other.stderr.decode())
            self.assertEqual(kedge("quantize", "demo", "--out", pieces, *arguments).returncode, 0)
        self.assertEqual(files_of(whole), files_of(pieces))

    def test_wrong_options_are_one_line(self):
        for arguments in (["--to", "int3"], ["--to", "int4", "--method", "smooth"], ["--to", "w8a8", "--symmetric"],
                          ["--to", "mixed", "--bits", "2"], ["--to", "int4", "--calib", "/no/such/file"]):
            done = kedge("quantize", "demo", "--out", self.folder / "out", *arguments)
            self.assertEqual(done.returncode, BAD_INPUT, arguments)
            self.assertEqual(done.stderr.decode().count("\n"), 1, done.stderr)


@unittest.skipUnless(STORIES.is_dir(), f"{STORIES} is absent")
class Stories(QuantizeCase):
    def test_fitted_methods_beat_rounding(self):
        nearest, fitted, balanced = (self.divergence(STORIES, method, "--to", "int4-g32", "--method", method)
                                     for method in ("rtn", "gptq", "awq"))
        self.assertLess(fitted, nearest)
        self.assertLess(balanced, nearest)
        self.assertLess(self.divergence(STORIES, "int8", "--to", "int8"), DIVERGENCE_8_BITS_MAX)


@unittest.skipUnless(FAMILIES.is_dir(), f"{FAMILIES} is absent")
class Families(QuantizeCase):
    """Fused matrices (Phi-3), norms on both sides and two rotary embeddings (Gemma), experts (Mixtral, Phi-3.5-MoE)."""

    def check(self, family, kind):
        model = FAMILIES / family / "bf16"
        whole = self.divergence(model, f"{family}-8", "--to", "int8", "--method", "rtn")
        nearest, fitted = (self.divergence(model, f"{family}-{method}", "--to", "int4-g32", "--method", method)
                           for method in ("rtn", "gptq"))
        self.assertLess(whole, FAMILY_DIVERGENCE_MAX["int8"][kind], family)
        self.assertLess(fitted, FAMILY_DIVERGENCE_MAX["int4-g32"][kind], family)
        self.assertLess(fitted, nearest, family)
        (self.folder / "prompts.json").write_text(json.dumps([[1, 9, 40, 12, 77]]), encoding="utf-8")
        for name in ("8", "rtn", "gptq"):
            done = kedge("logits", self.folder / f"{family}-{name}", "--prompts", self.folder / "prompts.json",
                         "--out", self.folder / "logits.safetensors")
            self.assertEqual(done.returncode, 0, (family, name, done.stderr.decode(errors="replace")))

    def test_dense_families(self):
        for family in DENSE:
            self.check(family, "dense")

    def test_mixtures_of_experts(self):
        for family in MIXTURES:
            self.check(family, "mixture")

    def test_gguf_of_every_architecture(self):
        for family, architecture in GGUF_ARCHITECTURES.items():
            model = FAMILIES / family / "bf16"
            kind = "mixture" if family in MIXTURES else "dense"
            found = self.divergence(model, f"{family}.gguf", "--to", "q8_0")
            self.assertLess(found, FAMILY_DIVERGENCE_MAX["int8"][kind], family)
            inspected = kedge("inspect", self.folder / f"{family}.gguf", "--json")
            self.assertEqual(inspected.returncode, 0, inspected.stderr.decode(errors="replace"))
            self.assertIn(architecture.encode(), (self.folder / f"{family}.gguf").read_bytes()[:512], family)
            self.check_tokens(model, f"{family}.gguf")

    def check_tokens(self, model, name):
        """The file's own tokenizer is the folder's (spaces after special tokens apart, which GGUF cannot say)."""
        before, after = (subprocess.run([KEDGE, "tokenize", str(path), "--json", "--add-special"],
                                        input=TOKENIZED.encode(), capture_output=True, timeout=TIMEOUT_SECONDS,
                                        check=True).stdout for path in (model, self.folder / name))
        self.assertEqual(json.loads(before)["ids"], json.loads(after)["ids"], name)


if __name__ == "__main__":
    unittest.main()
