"""Goal: `kedge quantize` keeps its promises on trained models: fitted methods beat round-to-nearest, 8 bits cost less
than 1e-3 nats, 4 bits fitted are no worse than Q4_K, what is written runs, and Ctrl-C loses nothing.

Method: the binary on the demo model (and stories260K where the reference data are) with little text, its own reports;
one run stopped by SIGINT and gone on with, the folders compared byte for byte; wrong usage.
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
STORIES = ROOT.parent / "shared" / "data" / "models" / "real-model"
TIMEOUT_SECONDS = 300
TEXT = ("--sequences", "24", "--length", "128", "--held-sequences", "24")
BAD_INPUT, INTERRUPTED = 3, 5
DIVERGENCE_8_BITS_MAX = 1e-3


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


if __name__ == "__main__":
    unittest.main()
