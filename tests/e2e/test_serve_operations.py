"""Goal: `kedge serve` lets in whom it should, tells its operator what happens, and takes new keys while it runs.

Method: the binary with the demo model; files of keys that `kedge keys` made; its log read as JSON lines.
"""

import json
import os
import pathlib
import signal
import socket
import ssl
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
    body = {"messages": [{"role": "user", "content": "Hi, tell me of xyzzy."}], "max_tokens": 4,
            "temperature": 0, "ignore_eos": True, **fields}
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
        self.file.write_text(entry_of(self.alice, "alice", requests_per_minute=2)
                             + entry_of(self.bob, "bob", models=["x"]))
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
        hashes = {name: entry_of(key, name).split("hash: ")[1].strip()
                  for name, key in (("alice", self.alice), ("carol", carol))}
        self.file.write_text("\n".join(json.dumps({"name": name, "hash": text}) for name, text in hashes.items()))
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


def make_certificate(folder, name):
    """A certificate for localhost that signed itself, with its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], capture_output=True, timeout=PATIENCE, check=True)
    return certificate, key


class Tls(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.certificate, self.key = make_certificate(self.folder, "server")

    def connect(self, server, authority, client=None):
        context = ssl.create_default_context(cafile=authority)
        if client is not None:
            context.load_cert_chain(*client)
        return context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), PATIENCE),
                                   server_hostname="localhost")

    def chat(self, connection):
        body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 20, "stream": True}).encode()
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                           b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
        return answer  # the end of TLS was said, else recv would have raised

    def test_answers_are_streamed_and_the_certificate_is_read_again(self):
        server = Server("--tls-cert", self.certificate, "--tls-key", self.key)
        self.addCleanup(server.stop)
        self.assertTrue(server.url.startswith("https://"))
        with self.connect(server, self.certificate) as connection:
            self.assertIn(connection.version(), ("TLSv1.2", "TLSv1.3"))
            answer = self.chat(connection)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer[:100])
        self.assertIn(b"data: [DONE]", answer)
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertNotIn(b"200", plain.recv(1 << 16))

        old = self.certificate.read_bytes()
        renewed, key = make_certificate(self.folder, "renewed")
        with self.connect(server, self.certificate) as kept:
            self.certificate.write_bytes(b"broken")
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "stays as it is" in server.messages())
            os.replace(renewed, self.certificate)
            os.replace(key, self.key)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: self.speaks(server, self.certificate))
            self.assertIn(b"[DONE]", self.chat(kept))
        self.certificate.write_bytes(old)
        self.assertFalse(self.speaks(server, self.certificate), "the old one is gone")

    def speaks(self, server, authority):
        try:
            self.connect(server, authority).close()
            return True
        except ssl.SSLCertVerificationError:
            return False

    def test_clients_show_certificates_where_asked(self):
        client = make_certificate(self.folder, "client")
        server = Server("--tls-cert", self.certificate, "--tls-key", self.key, "--tls-client-ca", client[0])
        self.addCleanup(server.stop)
        with self.connect(server, self.certificate, client) as connection:
            self.assertIn(b"[DONE]", self.chat(connection))
        stranger = make_certificate(self.folder, "stranger")
        for shown in (None, stranger):
            with self.assertRaises(OSError), self.connect(server, self.certificate, shown) as connection:
                self.chat(connection)

    def test_one_file_alone_is_refused(self):
        done = subprocess.run([KEDGE, "serve", "--tls-cert", self.certificate], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, BAD_INPUT)
        self.assertIn("--tls-key", done.stderr)


if __name__ == "__main__":
    unittest.main()
