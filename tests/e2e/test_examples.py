"""Goal: every file of examples/ runs as its README says.

Method: run each on the demo model and look at what it prints.
"""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
KEDGE = os.environ.get("KEDGE", str(ROOT / "build" / "release" / "kedge"))


def run_example(name, *arguments):
    """Standard output of an example; fails the test when it fails."""
    program = [sys.executable] if name.endswith(".py") else []
    done = subprocess.run([*program, str(EXAMPLES / name), *arguments], cwd=ROOT, env={**os.environ, "KEDGE": KEDGE},
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{name}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class CommandLineExamples(unittest.TestCase):
    def test_answer_file(self):
        lines = run_example("answer_file.sh", "examples/questions.txt").splitlines()
        questions = (EXAMPLES / "questions.txt").read_text(encoding="utf-8").splitlines()
        self.assertEqual([line.split("\t")[0] for line in lines], questions)
        for line in lines:
            self.assertRegex(line.split("\t")[1], r"\w")

    def test_likelier(self):
        lines = run_example("likelier.py").splitlines()
        scores = [float(line.split()[0]) for line in lines]
        self.assertEqual(len(scores), 4)
        self.assertGreater(scores[0], scores[1], lines)
        self.assertGreater(scores[2], scores[3], lines)


class ServerExamples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        cls.address = f"http://127.0.0.1:{port}"
        cls.server = subprocess.Popen([KEDGE, "serve", "--host", "127.0.0.1", "--port", str(port)],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                with urllib.request.urlopen(cls.address + "/v1/health/ready", timeout=5):
                    return
            except OSError:
                assert cls.server.poll() is None, "kedge serve ended before it was ready"
                time.sleep(0.1)
        raise AssertionError("kedge serve was not ready within a minute")

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait(timeout=30)

    def test_chat_openai(self):
        output = run_example("chat_openai.py", self.address)
        answers = re.split(r"^> .*$", output, flags=re.MULTILINE)[1:]
        self.assertEqual(len(answers), 2, output)
        for answer in answers:
            self.assertRegex(answer, r"\w{3}")

    def test_chat_curl(self):
        output = run_example("chat_curl.sh", self.address)
        self.assertIn("data: {", output)
        self.assertTrue(output.strip().endswith("data: [DONE]"), output[-200:])


class ListTest(unittest.TestCase):
    def test_readme_lists_every_example(self):
        listed = set(re.findall(r"\]\((\w+\.\w+)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
        self.assertEqual(listed, {file.name for file in EXAMPLES.iterdir() if file.suffix in (".py", ".sh")})


if __name__ == "__main__":
    unittest.main()
