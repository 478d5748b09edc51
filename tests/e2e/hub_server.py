"""A server that speaks what downloads need of the Hugging Face hub's API, and can misbehave in every usual way.

By hand: python3 hub_server.py FOLDER [PORT] serves the files of FOLDER as the model local/model; then
    HF_ENDPOINT=http://127.0.0.1:PORT HF_HOME=/tmp/hf kedge pull local/model
"""

import dataclasses
import hashlib
import http.server
import json
import pathlib
import ssl
import sys
import threading
import time
import urllib.parse

LARGE_BYTES = 100_000  # from here on a file is "LFS": named by its SHA-256 and served from elsewhere
CHUNK_BYTES = 1 << 14


def git_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclasses.dataclass
class Faults:
    """What goes wrong with one file. Counters count down."""

    cuts: int = 0  # answers that end half-way
    wrong: int = 0  # answers with a wrong last byte
    errors: int = 0  # answers with HTTP 503
    stalls: int = 0  # answers that stop half-way without an end
    bytes_per_second: float = 0  # 0: as fast as it goes
    no_ranges: bool = False
    missing: bool = False


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that leave are part of the tests."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Hub:
    """One model, its faults, and a record of the requests: (server, method, path, headers)."""

    def __init__(self, files, name="org/name", token=None, gated=False, with_blobs=True, certificate=None, port=0):
        self.files = dict(files)
        self.name = name
        self.token = token
        self.gated = gated
        self.with_blobs = with_blobs
        self.faults = {path: Faults() for path in self.files}
        self.commit = hashlib.sha1(repr(sorted(self.files)).encode()).hexdigest()
        self.requests = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.storage = self._start("storage", StorageHandler, certificate, 0)
        self.front = self._start("hub", HubHandler, certificate, port)
        self.scheme = "https" if certificate else "http"

    def _start(self, role, handler, certificate, port):
        server = Server(("127.0.0.1", port), handler)
        server.hub, server.role = self, role
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    @property
    def address(self):
        return f"{self.scheme}://localhost:{self.front.server_port}"

    @property
    def storage_address(self):
        return f"{self.scheme}://localhost:{self.storage.server_port}"

    def etag(self, path):
        content = self.files[path]
        return hashlib.sha256(content).hexdigest() if len(content) >= LARGE_BYTES else git_sha1(content)

    def requests_for(self, path, method="GET"):
        with self.lock:
            return [request for request in self.requests if request[1] == method and request[2].endswith("/" + path)]

    def close(self):
        self.stopping.set()
        for server in (self.front, self.storage):
            server.shutdown()
            server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    @property
    def hub(self):
        return self.server.hub

    def record(self):
        path = urllib.parse.unquote(self.path.split("?")[0])
        with self.hub.lock:
            self.hub.requests.append((self.server.role, self.command, path, dict(self.headers)))
        return path

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def take(self, faults, counter):
        """Whether this fault happens now."""
        with self.hub.lock:
            left = getattr(faults, counter)
            setattr(faults, counter, max(left - 1, 0))
        return left > 0

    def send_file(self, path):
        content, faults = self.hub.files[path], self.hub.faults[path]
        if self.take(faults, "errors"):
            return self.answer(503)
        status, headers, body = 200, [("ETag", f'"{self.hub.etag(path)}"')], content
        wanted = self.headers.get("Range")
        if wanted and not faults.no_ranges:
            first, last = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
            status, body = 206, content[first:last + 1]
            headers.append(("Content-Range", f"bytes {first}-{last}/{len(content)}"))
        if body and self.take(faults, "wrong"):
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(status)
        for name, value in headers + [("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return None
        if self.take(faults, "cuts"):
            self.wfile.write(body[:len(body) // 2])
            self.close_connection = True
        elif self.take(faults, "stalls"):
            self.wfile.write(body[:len(body) // 2])
            self.hub.stopping.wait(60)
            self.close_connection = True
        else:
            self.send_slowly(body, faults)
        return None

    def send_slowly(self, body, faults):
        for begin in range(0, len(body), CHUNK_BYTES):
            chunk = body[begin:begin + CHUNK_BYTES]
            self.wfile.write(chunk)
            if faults.bytes_per_second:
                time.sleep(len(chunk) / faults.bytes_per_second)

    def do_HEAD(self):  # the name that http.server calls
        self.do_GET()

    def do_GET(self):
        try:
            self.serve(self.record())
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True


class StorageHandler(Handler):
    def serve(self, path):
        self.send_file(path.removeprefix("/"))


class HubHandler(Handler):
    def serve(self, path):
        hub = self.hub
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            code = "GatedRepo" if hub.gated else "RepoNotFound"
            return self.answer(401, b'{"error":"no"}', [("X-Error-Code", code)])
        if path.startswith("/api/models/"):
            return self.serve_listing(path.removeprefix("/api/models/"))
        if path.startswith("/old/name/resolve/"):
            return self.answer(307, b"", [("Location", self.path.replace("/old/name/", f"/{hub.name}/", 1))])
        name, _, rest = path.removeprefix("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        if name != hub.name or file not in hub.files or hub.faults[file].missing:
            return self.answer(404, b"", [("X-Error-Code", "EntryNotFound")])
        if revision not in ("main", hub.commit):
            return self.answer(404, b"", [("X-Error-Code", "RevisionNotFound")])
        if len(hub.files[file]) < LARGE_BYTES:
            return self.send_file(file)
        return self.answer(302, b"Found", [
            ("Location", f"{hub.storage_address}/{urllib.parse.quote(file)}?signature=x"),
            ("X-Linked-ETag", f'"{hub.etag(file)}"'),
            ("X-Linked-Size", str(len(hub.files[file])))])

    def end_headers(self):
        if self.path.find("/resolve/") >= 0:
            self.send_header("X-Repo-Commit", self.hub.commit)
        super().end_headers()

    def tree(self):
        """The other listing, which newer versions of huggingface_hub ask for."""
        entries = []
        for file, content in sorted(self.hub.files.items()):
            entry = {"type": "file", "path": file, "size": len(content), "oid": git_sha1(content)}
            if len(content) >= LARGE_BYTES:
                entry["lfs"] = {"oid": self.hub.etag(file), "size": len(content), "pointerSize": 134}
            entries.append(entry)
        return entries

    def serve_listing(self, path):
        hub = self.hub
        name, _, revision = path.partition("/tree/" if "/tree/" in path else "/revision/")
        if name != hub.name:
            return self.answer(404, b'{"error":"no"}', [("X-Error-Code", "RepoNotFound")])
        if revision not in ("", "main", hub.commit):
            return self.answer(404, b'{"error":"no"}', [("X-Error-Code", "RevisionNotFound")])
        if "/tree/" in path:
            return self.answer(200, json.dumps(self.tree()).encode(), [("Content-Type", "application/json")])
        siblings = []
        for file, content in sorted(hub.files.items()):
            sibling = {"rfilename": file}
            if hub.with_blobs and "blobs=" in self.path:
                sibling.update(size=len(content), blobId=git_sha1(content))
                if len(content) >= LARGE_BYTES:
                    sibling["lfs"] = {"sha256": hub.etag(file), "size": len(content), "pointerSize": 134}
            siblings.append(sibling)
        body = json.dumps({"id": hub.name, "modelId": hub.name, "sha": hub.commit, "private": False, "tags": [],
                           "downloads": 0, "likes": 0, "siblings": siblings}).encode()
        return self.answer(200, body, [("Content-Type", "application/json")])


def main():
    folder = pathlib.Path(sys.argv[1])
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with Hub(files, name="local/model", port=int(sys.argv[2]) if len(sys.argv) > 2 else 0) as hub:
        print(f"HF_ENDPOINT={hub.address} kedge pull local/model", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
