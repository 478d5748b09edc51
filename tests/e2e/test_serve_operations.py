"""Goal: `kedge serve` lets in whom it should, tells its operator what happens, and takes new keys while it runs.

Method: the binary with the demo model; files of keys that `kedge keys` made; its log read as JSON lines.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from test_serve import KEDGE, PATIENCE, Server, wait_until

BAD_INPUT = 3


def make_key():
    return subprocess.run([KEDGE, "keys", "new"], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout


def entry_of(key, name, **limits):
    entry = subprocess.run([KEDGE, "keys", "hash", "--name", name], input=key, capture_output=True, text=True,
                           timeout=PATIENCE, check=True).stdout
    return entry + "".join(f"  {field}: {json.dumps(value)}\n" for field, value in limits.items())


def ask(url, key=None, path="/v1/chat/completions", **fields):
    """Status, headers and body of one request."""
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key.strip()}"
    body = {"messages": [{"role": "user", "content": "Hi, tell me of xyzzy."}], "max_tokens": 4, **fields}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.headers, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.load(error)


class Keys(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name) / "keys.yaml"
        self.alice, self.bob = make_key(), make_key()

    def test_a_file_of_keys_is_read_again(self):
        self.file.write_text(entry_of(self.alice, "alice", requests_per_minute=2) + entry_of(self.bob, "bob", models=["x"]))
        server = Server("--api-keys-file", self.file, "--log-format", "json")
        self.addCleanup(server.stop)
        self.assertEqual(ask(server.url)[0], 401)
        self.assertEqual(ask(server.url, make_key())[0], 401)
        status, headers, _ = ask(server.url, self.alice)
        self.assertEqual((status, headers["x-ratelimit-limit-requests"]), (200, "2"))
        self.assertEqual(ask(server.url, self.alice)[0], 200)
        status, headers, body = ask(server.url, self.alice)
        self.assertEqual((status, body["error"]["code"]), (429, "rate_limit_exceeded"))
        self.assertIn(int(headers["Retry-After"]), range(1, 31))
        self.assertEqual(ask(server.url, self.bob)[0], 403)

        self.file.write_text("- name: alice\n  hash: broken\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "stay as they are" in server.messages())
        self.assertEqual(ask(server.url, self.bob)[0], 403, "the old keys stay")

        carol = make_key()
        self.file.write_text("\n".join(json.dumps({"name": name, "hash": entry_of(key, name).split("hash: ")[1].strip()})
                                       for name, key in (("alice", self.alice), ("carol", carol))))
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "read again" in server.messages())
        self.assertEqual(ask(server.url, carol)[0], 200)
        self.assertEqual(ask(server.url, self.alice)[0], 200, "it has no limit any more")
        self.assertEqual(ask(server.url, self.bob)[0], 401)
        self.log_is_complete(server)

    def log_is_complete(self, server):
        wait_until(lambda: server.messages().count('"message":"request"') == 10)
        lines = [json.loads(line) for line in server.messages().splitlines()]
        requests = [line for line in lines if line["message"] == "request"]
        answered = [line for line in requests if line["status"] == 200]
        self.assertEqual({line["key"] for line in answered}, {"alice", "carol"})
        for line in answered:
            self.assertEqual((line["model"], line["completion_tokens"]), ("demo", 4))
            self.assertGreater(line["prompt_tokens"], 0)
        self.assertEqual(len({line["id"] for line in requests}), len(requests))
        (broken,) = [line for line in lines if line["level"] == "error"]
        self.assertIn("keys[0].hash", broken["message"])
        for secret in (self.alice.strip(), self.bob.strip(), "xyzzy"):
            self.assertNotIn(secret, server.messages())

    def test_entries_hide_their_keys(self):
        entry = entry_of(self.alice, "alice")
        self.assertRegex(entry, r"^- name: \"alice\"\n  hash: sha256:[0-9a-f]{64}\n$")
        self.assertNotEqual(self.alice, self.bob)
        short = subprocess.run([KEDGE, "keys", "hash"], input="short", capture_output=True, text=True, timeout=PATIENCE,
                               check=False)
        self.assertEqual(short.returncode, BAD_INPUT)

    def test_a_broken_file_stops_the_start(self):
        self.file.write_text("- name: a\n")
        done = subprocess.run([KEDGE, "serve", "--api-keys-file", self.file], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, BAD_INPUT)
        self.assertIn("'keys[0].hash' is missing", done.stderr)


class Addresses(unittest.TestCase):
    def test_a_public_address_needs_a_key(self):
        done = subprocess.run([KEDGE, "serve", "--host", "0.0.0.0", "--port", "0"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, BAD_INPUT)
        self.assertIn("--allow-unauthenticated", done.stderr)
        for arguments in (("--allow-unauthenticated",), ("--api-key", "k")):
            server = Server("--host", "0.0.0.0", *arguments)
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
