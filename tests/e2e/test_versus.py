"""Goal: bench/versus.py pairs what kedge and another program measured on the same work, and keeps its table in a file.

Method: a stand-in for llama-bench and one for llama-batched-bench that print what those print; the demo's checkpoint.
"""

import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

from test_cli import KEDGE, ROOT, TIMEOUT_SECONDS

SCRIPT = ROOT / "bench" / "versus.py"
LLAMA_BENCH = """#!/usr/bin/env python3
import json, sys
at = lambda name: sys.argv[sys.argv.index(name) + 1]
depths = [int(d) for d in at("-d").split(",")] if "-d" in sys.argv else [0]
rows = [{"n_prompt": p, "n_gen": n, "n_depth": d, "avg_ts": 2.0} for d in depths
        for p, n in ((int(at("-p")), 0), (0, int(at("-n")))) if p or n]
print(json.dumps(rows))
"""
BATCHED_BENCH = """#!/usr/bin/env python3
import sys
at = lambda name: sys.argv[sys.argv.index(name) + 1]
print("main: n_kv_max = 100")
print("|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |")
print("|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|")
for pl in at("-npl").split(","):
    work = f"|{at('-npp'):>6} |{at('-ntg'):>7} |{pl:>5} |    192 |"
    print(f"{work}    0.677 |    94.56 |    3.091 |     4.00 |    3.768 |    50.95 |")
"""


class Versus(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def program(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, "--kedge", KEDGE, "--rounds", "2", "--pp", "8", "--tg", "2",
                               *arguments], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)

    def test_every_work_has_a_ratio(self):
        done = self.run_script("--batch", "1,3", "--depth", "0,16", "--llama-bench",
                               self.program("llama-bench", LLAMA_BENCH), "--llama-batched-bench",
                               self.program("llama-batched-bench", BATCHED_BENCH), ROOT / "demo" / "model")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()[2:]
        works = sorted(line.split(" | ")[1] for line in lines)
        self.assertEqual(works, ["decode 2", "decode 2 at depth 16", "decode 2 x 3 sequences",
                                 "decode 2 x 3 sequences at depth 16", "prefill 8", "prefill 8 at depth 16"])
        for line in lines:
            self.assertIn(", 2) |", line)  # of both rounds

    def test_a_second_peer_has_lines_of_its_own(self):
        single = self.program("llama-bench", LLAMA_BENCH)
        batched = self.program("llama-batched-bench", BATCHED_BENCH)
        done = self.run_script("--batch", "1,3", "--kedge-flags", "--kv-cache int8", "--llama-bench", single,
                               "--ik-llama-bench", single, "--ik-batched-bench", batched, ROOT / "demo" / "model")
        self.assertEqual(done.returncode, 0, done.stderr)
        peers = sorted(line.split(" | ")[2] for line in done.stdout.splitlines()[2:])
        self.assertEqual(peers, ["ik_llama.cpp"] * 3 + ["llama.cpp"] * 2)

    def test_a_program_that_fails_leaves_its_cells_empty(self):
        done = self.run_script("--llama-bench", self.program("llama-bench", "#!/bin/sh\necho broken >&2; exit 3\n"),
                               ROOT / "demo" / "model")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("broken", done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 2)

    def test_files_that_are_not_there(self):
        program = self.program("llama-bench", LLAMA_BENCH)
        self.assertNotEqual(self.run_script("--llama-bench", program, self.folder / "none.gguf").returncode, 0)
        self.assertNotEqual(self.run_script(ROOT / "demo" / "model").returncode, 0)

    def test_a_section_is_appended_once_and_then_replaced(self):
        spec = importlib.util.spec_from_file_location("versus", SCRIPT)
        versus = importlib.util.module_from_spec(spec)
        sys.modules["versus"] = versus  # dataclasses look their module up
        spec.loader.exec_module(versus)
        path = self.folder / "RESULTS.md"
        path.write_text("# Measured\n")
        for text in ("one", "two", r"three \1"):
            versus.write_section(path, "Zen 4", f"<!-- versus: Zen 4 -->\n{text}\n<!-- /versus: Zen 4 -->")
        versus.write_section(path, "Xeon", "<!-- versus: Xeon -->\nx\n<!-- /versus: Xeon -->")
        self.assertEqual(path.read_text(), "# Measured\n\n"
                                           "<!-- versus: Zen 4 -->\nthree \\1\n<!-- /versus: Zen 4 -->\n\n"
                                           "<!-- versus: Xeon -->\nx\n<!-- /versus: Xeon -->\n")


if __name__ == "__main__":
    unittest.main()
