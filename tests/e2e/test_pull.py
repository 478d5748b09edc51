"""Goal: `kedge pull` brings exactly the hub's bytes into the hub's cache, whatever the network does in between.

Method: the real binary against hub_server.py, with redirects, cuts, stalls, wrong bytes, refusals, kills, and two at
once.
"""

import json
import os
import pathlib
import pty
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import hub_server

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEDGE = os.environ.get("KEDGE", str(ROOT / "build" / "release" / "kedge"))
HUB_VARIABLES = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "SSL_CERT_", "XDG_CACHE_HOME")


def random_bytes(size, seed=7):
    return random.Random(seed).randbytes(size)


FILES = {
    "config.json": b'{"model_type": "llama"}\n',
    "model.safetensors": random_bytes(3_000_000),
    "1_Pooling/config.json": b'{"pooling_mode_cls_token": true}\n',
    "a name with spaces & more#.txt": b"text",
    "empty.txt": b"",
}


class PullCase(unittest.TestCase):
    def setUp(self):
        if not os.access(KEDGE, os.X_OK):
            print(f"\nSKIPPED: {KEDGE} is missing (./kd dev), so pulling was not tried", file=sys.stderr, flush=True)
            self.skipTest("no kedge")
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="kedge-pull-"))
        self.addCleanup(shutil.rmtree, self.home)
        self.cache = self.home / "hub"

    def start_hub(self, files=None, **options):
        hub = hub_server.Hub(FILES if files is None else files, **options)
        self.addCleanup(hub.close)
        return hub

    def environment(self, hub, **variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(HUB_VARIABLES)}
        return {**kept, "HF_HOME": str(self.home), "HF_ENDPOINT": hub.address, **variables}

    def start(self, hub, *arguments, **variables):
        return subprocess.Popen([KEDGE, "pull", *arguments], env=self.environment(hub, **variables), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def pull(self, hub, *arguments, code=0, **variables):
        """Standard output and standard error of a pull that ends with this exit code."""
        process = self.start(hub, *(arguments or ("org/name",)), **variables)
        output, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, f"{output}\n{errors}")
        return output, errors

    def snapshot(self, hub):
        return self.cache / ("models--" + hub.name.replace("/", "--")) / "snapshots" / hub.commit

    def blobs(self):
        return sorted(path.name for path in (self.cache / "models--org--name" / "blobs").iterdir())

    def assert_complete(self, hub, paths=None):
        paths = sorted(hub.files if paths is None else paths)
        snapshot = self.snapshot(hub)
        found = sorted(str(path.relative_to(snapshot)) for path in snapshot.rglob("*") if not path.is_dir())
        self.assertEqual(found, paths)
        for path in paths:
            self.assertEqual((snapshot / path).read_bytes(), hub.files[path], path)
            self.assertTrue((snapshot / path).is_symlink(), path)
            self.assertEqual((snapshot / path).resolve().name, hub.etag(path), path)
        self.assertEqual(self.blobs(), sorted({hub.etag(path) for path in paths}))
        self.assertEqual((snapshot.parent.parent / "refs" / "main").read_text(), hub.commit)


class WholePulls(PullCase):
    def test_layout_and_output(self):
        hub = self.start_hub()
        output, errors = self.pull(hub)
        self.assertEqual(output, f"{self.snapshot(hub)}\n")
        self.assertIn("5 files", errors)
        self.assertNotIn("\r", errors)
        self.assert_complete(hub)
        again, errors = self.pull(hub)
        self.assertEqual(again, output)
        self.assertIn("were here already", errors)
        self.assertEqual(len(hub.requests_for("config.json")), 2)  # one of each folder

    def test_json(self):
        hub = self.start_hub()
        output, _ = self.pull(hub, "org/name", "--json", "--quiet")
        record = json.loads(output)
        size = sum(map(len, FILES.values()))
        expected = {"model": "org/name", "revision": "main", "commit": hub.commit, "path": str(self.snapshot(hub)),
                    "files": 5, "bytes": size, "bytes_received": size}
        self.assertEqual({name: record[name] for name in expected}, expected)

    def test_revisions(self):
        hub = self.start_hub()
        self.pull(hub, f"org/name@{hub.commit}")
        refs = list((self.cache / "models--org--name" / "refs").iterdir())
        self.assertEqual(refs, [])
        self.assertTrue((self.snapshot(hub) / "config.json").exists())
        _, errors = self.pull(hub, "org/name@v9", code=3)
        self.assertIn("no revision 'v9'", errors)

    def test_patterns(self):
        hub = self.start_hub()
        self.pull(hub, "org/name", "--include", "*.json", "--include", "empty*", "--exclude", "1_*")
        self.assert_complete(hub, ["config.json", "empty.txt"])
        _, errors = self.pull(hub, "org/name", "--include", "*.gguf", code=3)
        self.assertIn("none of the 5 files", errors)

    def test_the_same_weights_in_other_formats_are_skipped(self):
        hub = self.start_hub({"model.safetensors": b"s" * 1000, "pytorch_model.bin": b"p" * 2000})
        _, errors = self.pull(hub)
        self.assertIn("skipping 1 files", errors)
        self.assert_complete(hub, ["model.safetensors"])
        self.pull(hub, "org/name", "--all")
        self.assert_complete(hub)

    def test_a_listing_without_checksums(self):
        hub = self.start_hub(with_blobs=False)
        self.pull(hub)
        self.assert_complete(hub)

    def test_progress_on_a_terminal_is_one_line(self):
        hub = self.start_hub()
        hub.faults["model.safetensors"].bytes_per_second = 1_500_000
        control, terminal = pty.openpty()
        process = subprocess.Popen([KEDGE, "pull", "org/name", "--connections", "1"], env=self.environment(hub),
                                   stdout=subprocess.PIPE, stderr=terminal)
        os.close(terminal)
        text = b""
        while True:
            try:
                piece = os.read(control, 4096)
            except OSError:
                break
            if not piece:
                break
            text += piece
        process.communicate(timeout=60)
        os.close(control)
        self.assertEqual(process.returncode, 0)
        self.assertGreater(text.count(b"\r\x1b[K"), 2)
        self.assertRegex(text, rb"\d/5 files, [\d.]+ .?B of 3.00 MB \(\d+%\), [\d.]+ [kM]B/s, \d+ s left")
        self.assertEqual(text.count(b"\n"), 1)  # the summary

    def test_other_commands_find_the_model_by_its_name(self):
        folder = ROOT / "demo" / "model"
        if not (folder / "config.json").exists():
            self.skipTest("no demo model")
        hub = self.start_hub({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
        self.pull(hub)
        done = subprocess.run([KEDGE, "inspect", "org/name", "--json"], env=self.environment(hub), capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("architecture", json.loads(done.stdout))
        done = subprocess.run([KEDGE, "inspect", "org/other"], env=self.environment(hub), capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 3)
        self.assertIn("kedge pull org/other", done.stderr)


class BadNetworks(PullCase):
    def test_cuts_stalls_and_errors(self):
        hub = self.start_hub()
        hub.faults["model.safetensors"] = hub_server.Faults(cuts=2, errors=2, stalls=1)
        hub.faults["config.json"] = hub_server.Faults(cuts=1, errors=1)
        _, errors = self.pull(hub, HF_HUB_DOWNLOAD_TIMEOUT="1")
        self.assertIn("trying again", errors)
        self.assert_complete(hub)
        # What came before a cut is not asked for again.
        ranges = [request[3]["Range"] for request in hub.requests_for("model.safetensors")
                  if request[0] == "storage" and "Range" in request[3]]
        self.assertTrue(any(not text.startswith("bytes=0-") for text in ranges), ranges)

    def test_wrong_bytes_are_fetched_again(self):
        hub = self.start_hub()
        hub.faults["model.safetensors"].wrong = 1
        hub.faults["config.json"].wrong = 1
        _, errors = self.pull(hub)
        self.assertIn("model.safetensors: its content does not match its checksum; fetching it again", errors)
        self.assert_complete(hub)

    def test_wrong_bytes_again_and_again_are_refused(self):
        hub = self.start_hub()
        hub.faults["model.safetensors"].wrong = 1000
        _, errors = self.pull(hub, code=3)
        self.assertIn(f"expected {hub.etag('model.safetensors')}", errors)
        self.assertFalse((self.snapshot(hub) / "model.safetensors").exists())
        self.assertNotIn(hub.etag("model.safetensors"), self.blobs())

    def test_no_ranges(self):
        hub = self.start_hub()
        for faults in hub.faults.values():
            faults.no_ranges = True
        hub.faults["model.safetensors"].cuts = 1
        self.pull(hub)
        self.assert_complete(hub)

    def test_a_large_file_comes_in_parts(self):
        hub = self.start_hub({"model.safetensors": random_bytes(80_000_000)})
        self.pull(hub)
        self.assert_complete(hub)
        parts = [request for request in hub.requests_for("model.safetensors") if request[0] == "storage"]
        self.assertEqual(len(parts), 3)

    def test_nobody_answers(self):
        hub = self.start_hub()
        _, errors = self.pull(hub, HF_ENDPOINT="http://localhost:1", code=1)
        self.assertIn("localhost:1", errors)
        self.assertIn("trying again", errors)

    def test_a_file_that_vanished(self):
        hub = self.start_hub()
        hub.faults["config.json"].missing = True
        _, errors = self.pull(hub, code=3)
        self.assertIn("file 'config.json': there is no such file", errors)

    def test_a_full_disk(self):
        hub = self.start_hub()

        def limit_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

        done = subprocess.run([KEDGE, "pull", "org/name"], env=self.environment(hub), capture_output=True, text=True,
                              timeout=60, preexec_fn=limit_files)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot write", done.stderr)
        self.pull(hub)
        self.assert_complete(hub)


class Access(PullCase):
    def test_token(self):
        hub = self.start_hub(token="secret")
        _, errors = self.pull(hub, code=3)
        self.assertIn("needs HF_TOKEN", errors)
        _, errors = self.pull(hub, HF_TOKEN="wrong", code=3)
        self.assertIn("refused the token", errors)
        self.assertNotIn("wrong\"", errors)
        (self.home / "token").write_text("secret\n")
        self.pull(hub)
        self.assert_complete(hub)
        for server, _, _, headers in hub.requests:
            if server == "storage":
                self.assertNotIn("Authorization", headers)

    def test_gated(self):
        hub = self.start_hub(token="secret", gated=True)
        _, errors = self.pull(hub, code=3)
        self.assertIn(f"is gated (HTTP 401): accept its terms at {hub.address}/org/name", errors)

    def test_unknown_models_and_names(self):
        hub = self.start_hub()
        _, errors = self.pull(hub, "org/other", code=3)
        self.assertIn("org/other: there is no such model", errors)
        for name in ("", "../x", "a/b/c", "org/name@../x"):
            _, errors = self.pull(hub, name, code=3)
            self.assertIn("is not", errors)

    def test_offline(self):
        hub = self.start_hub()
        _, errors = self.pull(hub, HF_HUB_OFFLINE="1", code=1)
        self.assertIn("HF_HUB_OFFLINE", errors)
        self.assertEqual(hub.requests, [])
        expected, _ = self.pull(hub)
        count = len(hub.requests)
        output, _ = self.pull(hub, HF_HUB_OFFLINE="1")
        self.assertEqual(output, expected)
        self.assertEqual(len(hub.requests), count)

    def test_tls(self):
        openssl = shutil.which("openssl")
        if openssl is None:
            self.skipTest("no openssl program")
        key, certificate = self.home / "key.pem", self.home / "certificate.pem"
        subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, capture_output=True)
        hub = self.start_hub(certificate=(certificate, key))
        _, errors = self.pull(hub, code=3)
        self.assertIn("its certificate was refused: self-signed certificate", errors)
        self.assertEqual(hub.requests, [])
        by_number = hub.address.replace("localhost", "127.0.0.1")
        _, errors = self.pull(hub, HF_ENDPOINT=by_number, SSL_CERT_FILE=str(certificate), code=3)
        self.assertIn("its certificate was refused", errors)
        self.pull(hub, SSL_CERT_FILE=str(certificate))
        self.assert_complete(hub)


class Interruptions(PullCase):
    def interrupted(self, hub, with_signal):
        """A pull that gets the signal when about half of the large file has come."""
        hub.faults["model.safetensors"].bytes_per_second = 1_500_000
        process = self.start(hub, "org/name")
        data = self.cache / "models--org--name" / "blobs" / (hub.etag("model.safetensors") + ".kedge.incomplete")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if data.exists() and data.stat().st_blocks * 512 > 1_000_000:
                break
            time.sleep(0.01)
        process.send_signal(with_signal)
        _, errors = process.communicate(timeout=60)
        hub.faults["model.safetensors"].bytes_per_second = 0
        self.assertFalse((self.snapshot(hub) / "model.safetensors").exists())
        self.assertFalse((self.cache / "models--org--name" / "refs" / "main").exists())
        return process.returncode, errors

    def assert_continues(self, hub):
        output, _ = self.pull(hub, "org/name", "--json")
        self.assert_complete(hub)
        self.assertLess(json.loads(output)["bytes_received"], 2_100_000)

    def test_interrupt(self):
        hub = self.start_hub()
        code, errors = self.interrupted(hub, signal.SIGINT)
        self.assertEqual(code, 5)
        self.assertIn("the same command continues", errors)
        self.assert_continues(hub)

    def test_kill(self):
        hub = self.start_hub()
        code, _ = self.interrupted(hub, signal.SIGKILL)
        self.assertEqual(code, -signal.SIGKILL)
        self.assert_continues(hub)

    def test_two_at_once_share_the_work(self):
        hub = self.start_hub()
        hub.faults["model.safetensors"].bytes_per_second = 3_000_000
        processes = [self.start(hub, "org/name") for _ in range(2)]
        errors = [process.communicate(timeout=120)[1] for process in processes]
        self.assertEqual([process.returncode for process in processes], [0, 0], errors)
        self.assert_complete(hub)
        downloads = [request for request in hub.requests_for("model.safetensors") if request[0] == "storage"]
        self.assertEqual(len(downloads), 1)


class HuggingFaceHub(PullCase):
    """The cache is shared with huggingface_hub, where that is installed."""

    def library(self, hub, program):
        return subprocess.run([sys.executable, "-c", program], env=self.environment(hub), capture_output=True,
                              text=True, timeout=120)

    def setUp(self):
        super().setUp()
        try:
            import huggingface_hub  # noqa: F401, PLC0415: only whether it is there
        except ImportError:
            self.skipTest("huggingface_hub is not installed")

    def test_it_finds_what_kedge_pulled(self):
        hub = self.start_hub()
        expected, _ = self.pull(hub)
        done = self.library(hub, "import huggingface_hub; "
                                 "print(huggingface_hub.snapshot_download('org/name', local_files_only=True))")
        self.assertEqual(done.stdout, expected, done.stderr)

    def test_kedge_finds_what_it_pulled(self):
        hub = self.start_hub()
        done = self.library(hub, "import huggingface_hub; print(huggingface_hub.snapshot_download('org/name'))")
        self.assertEqual(done.returncode, 0, done.stderr)
        output, errors = self.pull(hub)
        self.assertEqual(output, done.stdout)
        self.assertIn("were here already", errors)


if __name__ == "__main__":
    unittest.main()
