"""Goal: `kedge serve` takes each option from the highest of its layers, and says where each came from.

Method: the binary with made-up environments and files; its own account of them, and the port it really listens on.
"""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEDGE = os.environ.get("KEDGE", str(ROOT / "build" / "release" / "kedge"))
PATIENCE = 60
BAD_INPUT = 3


def environment(**variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KEDGE_", "NIM_"))}
    return {**kept, **variables}


def print_config(*arguments, **variables):
    done = subprocess.run([KEDGE, "serve", "--print-config", "--json", *arguments], env=environment(**variables),
                          capture_output=True, text=True, timeout=PATIENCE, check=True)
    return json.loads(done.stdout)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Configuration(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name) / "kedge.yaml"

    def test_each_option_says_where_it_came_from(self):
        self.file.write_text("port: 9000\nmax_num_seqs: 8\nqueue-max: 5\ncontext: 100\n")
        shown = print_config("--config", self.file, "--queue-max", "3", KEDGE_SERVE_PORT="9001", KEDGE_API_KEY="s3cret",
                             NIM_SERVER_PORT="9002", NIM_MAX_MODEL_LEN="512", NIM_TENSOR_PARALLEL_SIZE="8")
        options = shown["options"]
        self.assertEqual(options["port"], {"value": "9001", "layer": "environment", "from": "KEDGE_SERVE_PORT"})
        self.assertEqual(options["queue-max"], {"value": "3", "layer": "flag", "from": "flag"})
        self.assertEqual(options["context"], {"value": "512", "layer": "foreign", "from": "NIM_MAX_MODEL_LEN"})
        self.assertEqual(options["max-num-seqs"], {"value": "8", "layer": "file", "from": str(self.file)})
        self.assertEqual(options["host"], {"value": "127.0.0.1", "layer": "default", "from": "default"})
        self.assertEqual(options["api-key"]["value"], "(hidden)")
        self.assertEqual(shown["unused"], ["NIM_TENSOR_PARALLEL_SIZE"])
        self.assertNotIn("s3cret", json.dumps(shown))

    def test_what_is_wrong_ends_it_with_one_line(self):
        self.file.write_text("max-num-sequences: 8\n")
        for arguments, variables, told in (((), {"KEDGE_SERVE_PORT": "many"}, "KEDGE_SERVE_PORT: "),
                                           (("--config", self.file), {}, "did you mean 'max-num-seqs'?"),
                                           ((), {"KEDGE_SERVE_CONFIG": "/nowhere.yaml"}, "/nowhere.yaml")):
            done = subprocess.run([KEDGE, "serve", *arguments], env=environment(**variables), capture_output=True,
                                  text=True, timeout=PATIENCE, check=False)
            self.assertEqual(done.returncode, BAD_INPUT, done.stderr)
            self.assertIn(told, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_nim_variables_act(self):
        port = free_port()
        variables = {"NIM_SERVER_PORT": str(port), "NIM_SERVED_MODEL_NAME": "meta/llama", "NIM_MODEL_NAME": "demo",
                     "NIM_MAX_MODEL_LEN": "256"}
        server = subprocess.Popen([KEDGE, "serve", "--json"], env=environment(**variables), stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True)
        try:
            self.assertEqual(json.loads(server.stdout.readline())["url"], f"http://127.0.0.1:{port}")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models") as response:
                (model,) = json.load(response)["data"]
            self.assertEqual((model["id"], model["max_model_len"]), ("meta/llama", 256))
        finally:
            server.terminate()
            server.communicate(timeout=PATIENCE)


if __name__ == "__main__":
    unittest.main()
