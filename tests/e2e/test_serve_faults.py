"""Goal: nothing that clients, the system or a thread do wrong costs a server more than that one request.

Method: raw sockets that leave, stall, flood and lie; a KV cache too small for its load; kill -9; a worker thread that a
tracer holds. After each of them the server must have nothing running, no page of the KV cache held by a request, and
answer a normal request.
"""

import concurrent.futures
import contextlib
import ctypes
import json
import os
import pathlib
import random
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from test_serve import KEDGE, PATIENCE, Server, wait_until

IDLE_CONNECTIONS = 10_000
SPARE_FILES = 200
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000  # wait for threads too


def post(body, path="/v1/chat/completions", **headers):
    lines = {"Host": "x", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def chat(**fields):
    return json.dumps({"messages": [{"role": "user", "content": "Tell me a story."}], **fields}).encode()


def ask(server, **fields):
    """Greedy, so that chance ends no answer early."""
    request = urllib.request.Request(server.url + "/v1/chat/completions", chat(**{"temperature": 0, **fields}),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)


def status_of(server, path):
    try:
        with urllib.request.urlopen(server.url + path, timeout=PATIENCE) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


class FaultCase(unittest.TestCase):
    def start(self, *arguments):
        server = Server(*arguments)
        self.addCleanup(server.stop)
        return server

    def connect(self, server):
        connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def is_well(self, server):
        for metric in ("num_requests_running", "num_requests_waiting", "gpu_cache_usage_perc"):
            wait_until(lambda metric=metric: server.metric(metric) == 0)
        self.assertEqual(ask(server, max_tokens=5)["usage"]["completion_tokens"], 5)
        self.assertEqual(status_of(server, "/v1/health/ready"), 200)
        self.assertIsNone(server.process.poll())

    def answer(self, connection):
        """All that comes until the server closes."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(1 << 16):
                received += chunk
        return received


class Leaving(FaultCase):
    def test_clients_that_leave_at_every_stage(self):
        server = self.start()
        for stream in (False, True):
            request = post(chat(stream=stream, n=4, max_tokens=200, ignore_eos=True))
            header = request.index(b"\r\n\r\n") + 4
            stages = {"nothing": 0, "half a line": 9, "half a header": header // 2, "no body": header,
                      "half a body": (header + len(request)) // 2, "all": len(request)}
            for stage, count in stages.items():
                for way in ("close", "reset", "half"):
                    with self.subTest(stage=stage, way=way, stream=stream):
                        self.leave(server, request[:count], way, read=False)
            for way in ("close", "reset", "half"):
                with self.subTest(stage="reading", way=way, stream=stream):
                    self.leave(server, request, way, read=stream)
        self.is_well(server)

    def leave(self, server, sent, way, read):
        connection = self.connect(server)
        connection.sendall(sent)
        if read:
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200"))
            connection.recv(1000)
        if way == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if way == "half":
            connection.shutdown(socket.SHUT_WR)
            self.answer(connection)  # it ends, with or without words
        connection.close()


class Slow(FaultCase):
    def trickle(self, connection, data):
        """A byte now and then, until the server has enough of it."""
        deadline = time.monotonic() + PATIENCE
        connection.settimeout(0.05)
        received = b""
        for byte in data:
            self.assertLess(time.monotonic(), deadline, "the server takes it for ever")
            try:
                connection.sendall(bytes([byte]))
                chunk = connection.recv(1 << 16)
                received += chunk
                if not chunk:
                    return received
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                return received
        self.fail("all was taken")

    def test_slow_senders_are_told_and_cut(self):
        server = self.start("--header-timeout-seconds", "1", "--request-timeout-seconds", "2", "--idle-timeout-seconds",
                            "2")
        crowd = [self.connect(server) for _ in range(200)]
        for connection in crowd:
            connection.sendall(b"GET / HTTP/1.1\r\nX-A: b\r\n")
        header = b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 1000
        self.assertIn(b" 408 ", self.trickle(self.connect(server), header))
        body = post(b"{" + b" " * 10_000)
        start = body.index(b"{")
        connection = self.connect(server)
        connection.sendall(body[:start])
        self.assertIn(b" 408 ", self.trickle(connection, body[start:]))
        for connection in crowd:
            self.assertIn(b" 408 ", self.answer(connection))
        self.assertEqual(self.answer(self.connect(server)), b"", "an idle connection is closed without a word")
        self.is_well(server)

    def test_a_client_that_takes_nothing_is_cut(self):
        server = self.start("--write-timeout-seconds", "1", "--log-format", "json")
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(post(chat(stream=True, n=64, max_tokens=900, ignore_eos=True, logprobs=True, top_logprobs=5),
                                **{"X-Request-Id": "slow-reader"}))

        def line():
            lines = [json.loads(line) for line in server.messages().splitlines()]
            return next((line for line in lines if line.get("id") == "slow-reader"), None)

        wait_until(line)
        self.assertEqual(line()["status"], 499)
        self.assertLess(line()["completion_tokens"], 64 * 900, "the engine went on for nobody")
        self.is_well(server)


class Crowds(FaultCase):
    def test_ten_thousand_idle_connections(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = IDLE_CONNECTIONS if hard == resource.RLIM_INFINITY else min(IDLE_CONNECTIONS, hard - SPARE_FILES)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], count + SPARE_FILES), hard))
        server = self.start()
        with contextlib.ExitStack() as idle:
            for _ in range(count):
                idle.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            wait_until(lambda: server.metric("kedge_http_connections") >= count)
            self.assertEqual(ask(server, max_tokens=5)["usage"]["completion_tokens"], 5)
        wait_until(lambda: server.metric("kedge_http_connections") < 10)
        self.is_well(server)

    def test_connections_past_the_limit_are_told(self):
        server = self.start("--connections-max", "8")
        idle = [self.connect(server) for _ in range(8)]
        for connection in idle:  # each is really there
            connection.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b" 200 ", connection.recv(1 << 16))
        self.assertIn(b" 503 ", self.answer(self.connect(server)))
        idle[0].close()
        wait_until(lambda: self.connects(server))
        for connection in idle:
            connection.close()
        self.is_well(server)

    def connects(self, server):
        try:
            return status_of(server, "/version") == 200
        except OSError:  # cut while it was told so
            return False

    def test_few_open_files(self):
        limit = 320
        server = Server.__new__(Server)
        process = subprocess.Popen(["/bin/sh", "-c", f'ulimit -n {limit}; exec "$0" serve --port 0 --json', KEDGE],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.terminate)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        server.process = process
        server.url = json.loads(process.stdout.readline())["url"]
        server.port = int(server.url.rsplit(":", 1)[1])
        crowd = [self.connect(server) for _ in range(limit)]
        for connection in crowd:
            connection.close()
        wait_until(lambda: self.connects(server))
        self.is_well(server)


class Nonsense(FaultCase):
    def test_wrong_requests_are_refused(self):
        server = self.start("--body-max-bytes", "64KiB")
        deep = b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}"
        cases = {
            "too large": (post(b" " * (1 << 17)), 413),
            "a lie about its size": (post(b"{}", **{"Content-Length": "9" * 30}), 400),
            "two sizes": (post(b"{}").replace(b"Content-Length", b"Content-Length: 3\r\nContent-Length", 1), 400),
            "less than nothing": (post(b"{}", **{"Content-Length": "-1"}), 400),
            "a long header": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
            "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
            "no JSON": (post(b"{"), 400),
            "nothing": (post(b""), 400),
            "not UTF-8": (post(b'{"messages":[{"role":"user","content":"\xff\xfe"}]}'), 400),
            "half a surrogate": (post(b'{"messages":[{"role":"user","content":"\\ud800"}]}'), 400),
            "too deep": (post(deep), 400),
            "a number": (post(b"1e999"), 400),
            "broken chunks": (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                              b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
            "a chunk that never ends": (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: "
                                        b"application/json\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n"
                                        + b"a" * 99_999, 413),
        }
        for name, (sent, status) in cases.items():
            with self.subTest(name):
                connection = self.connect(server)
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    connection.sendall(sent)
                answer = connection.recv(1 << 16)
                self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), (name, answer[:200]))
                self.assertIn(b'"error"', answer)
        self.is_well(server)

    def test_mutated_requests_are_answered_or_refused(self):
        server = self.start()
        dice = random.Random(20261127)
        seeds = [post(chat(max_tokens=2)), post(chat(max_tokens=2, stream=True)),
                 post(b'{"prompt": "a", "max_tokens": 1, "stop": ["b"], "logit_bias": {"3": 1}}', "/v1/completions"),
                 post(b'{"prompt": [1, 2], "max_tokens": 1}', "/tokenize"),
                 post(chat(max_tokens=2, response_format={"type": "json_object"})),
                 post(b'{"model": "demo", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]}',
                      "/v1/messages")]
        pieces = (b"", b"\x00", b"\xff", b'"', b"{", b"]", b"\r\n", b"9" * 9)
        for number in range(1000):
            sent = bytearray(dice.choice(seeds))
            for _ in range(dice.randint(1, 8)):
                at = dice.randrange(len(sent))
                sent[at:at + dice.randint(0, 4)] = dice.choice(pieces + (bytes([dice.randrange(256)]),))
            with self.connect(server) as connection:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                answer = self.answer(connection)
            self.assertNotRegex(answer[:13], rb"^HTTP/1.1 5(?!05)", (number, bytes(sent)))  # 505: a version we lack
        self.is_well(server)


class Memory(FaultCase):
    def test_too_small_a_cache_fails_no_request(self):
        roomy = self.start("--no-prefix-cache", "--kv-cache", "bf16")  # of itself it depends on the CPU
        tight = self.start("--kv-cache", "bf16", "--kv-cache-bytes", "2450KiB", "--max-num-seqs", "12")
        requests = [{"messages": [{"role": "user", "content": f"Story number {i}: " + "a boat at sea " * (i % 5)}],
                     "n": 6, "max_tokens": 150 + 2 * i, "ignore_eos": True, "temperature": 1, "seed": i}
                    for i in range(10)]
        with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
            answers = list(pool.map(lambda request: ask(tight, **request), requests))
        self.assertGreater(tight.metric("num_preemptions_total"), 0, "there was room for all: the test shows nothing")
        for request, answer in zip(requests, answers):
            self.assertEqual(answer["usage"]["completion_tokens"], 6 * request["max_tokens"])
        for i in (0, 5, 9):
            self.assertEqual(ask(roomy, **requests[i])["choices"], answers[i]["choices"])
        self.is_well(tight)


class Disk(FaultCase):
    """A KV cache that is too small for two prompts, and a disk behind it."""

    def start(self, *arguments):
        server = super().start("--kv-cache-bytes", "1500KiB", "--max-num-seqs", "1", *arguments)
        self.words = int(server.metric("kedge_kv_cache_tokens") * 0.6 / 4)
        return server

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def visit(self, server, number, **fields):
        text = f"Story {number}: " + "a boat at sea " * self.words
        answer = ask(server, messages=[{"role": "user", "content": text}], max_tokens=8, ignore_eos=True, **fields)
        usage = answer["usage"]
        self.assertGreater(2 * usage["prompt_tokens"], server.metric("kedge_kv_cache_tokens"), "two prompts fit")
        return answer["choices"], usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]

    def visits(self, server):
        """Greedy and seeded, each prompt more than once."""
        return [self.visit(server, number, **fields) for fields in ({}, {"temperature": 1, "seed": 5})
                for _ in range(2) for number in range(3)]

    def test_a_second_visit_finds_its_pages_on_the_disk(self):
        folder = self.folder()
        plain, server = self.start("--no-prefix-cache"), self.start("--prefix-cache-disk", folder)
        expected, found = self.visits(plain), self.visits(server)
        for number, ((choices, tokens, _), (again, _, cached)) in enumerate(zip(expected, found)):
            self.assertEqual(again, choices, number)
            if number >= 3:
                self.assertGreaterEqual(cached, tokens - 32 - 1, number)
        self.assertGreater(server.metric("kedge_prefix_disk_hits_total"), 0)
        self.assertGreater(server.metric("kedge_prefix_disk_pages"), 0)
        self.assertEqual(server.metric("kedge_prefix_disk_errors_total"), 0)
        self.assertEqual(os.listdir(folder), [], "the file has a name")
        self.is_well(server)

    def test_a_full_disk_costs_no_answer(self):
        folder = self.folder()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "kedge-test", folder],
                          capture_output=True).returncode != 0:
            self.skipTest("NOT TESTED: no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        self.answers_in_spite_of(self.start("--prefix-cache-disk", folder))

    def test_a_file_that_may_not_grow_costs_no_answer(self):
        server = self.start("--prefix-cache-disk", self.folder())
        hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 << 17, hard))
        self.answers_in_spite_of(server)

    def answers_in_spite_of(self, server):
        expected = [choices for choices, _, _ in self.visits(self.start("--no-prefix-cache"))]
        self.assertEqual([choices for choices, _, _ in self.visits(server)], expected)
        self.assertGreaterEqual(server.metric("kedge_prefix_disk_errors_total"), 1)
        self.assertIn("no page is written for 30 s", server.messages())
        self.is_well(server)

    def test_a_folder_that_is_not_there_is_named(self):
        ended = subprocess.run([KEDGE, "serve", "--port", "0", "--prefix-cache-disk", "/nowhere/at/all"],
                               capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(ended.returncode, 3, ended.stderr)
        self.assertIn("/nowhere/at/all: cannot make a file there: No such file or directory", ended.stderr)


class Slots(FaultCase):
    def act(self, server, slot, action, **fields):
        request = urllib.request.Request(f"{server.url}/slots/{slot}?action={action}", json.dumps(fields).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["error"]

    def test_a_prompt_is_saved_and_restored_by_another_process(self):
        with tempfile.TemporaryDirectory() as folder:
            fields = {"messages": [{"role": "user", "content": "a boat at sea " * 40}], "max_tokens": 8, "id_slot": 2}
            first = self.start("--slot-save-path", folder)
            expected = ask(first, **fields)
            status, saved = self.act(first, 2, "save", filename="boat.bin")
            self.assertEqual((status, saved["id_slot"]), (200, 2), saved)
            self.assertGreater(saved["n_saved"], expected["usage"]["prompt_tokens"] - 33)
            self.assertEqual(saved["n_written"], os.path.getsize(os.path.join(folder, "boat.bin")))
            with urllib.request.urlopen(first.url + "/slots") as response:
                slots = json.load(response)
            self.assertEqual(slots[2]["n_prompt_tokens"], saved["n_saved"])
            self.assertFalse(slots[2]["is_processing"])
            second = self.start("--slot-save-path", folder)
            status, restored = self.act(second, 0, "restore", filename="boat.bin")
            self.assertEqual((status, restored["n_restored"]), (200, saved["n_saved"]), restored)
            again = ask(second, **fields)
            self.assertEqual(again["choices"], expected["choices"])
            self.assertEqual(again["usage"]["prompt_tokens_details"]["cached_tokens"], saved["n_saved"])
            self.assertEqual(self.act(second, 0, "erase")[0], 200)
            for slot, action, name, wrong in ((0, "restore", "../boat.bin", 400), (0, "save", "a/b", 400),
                                              (0, "save", ".hidden", 400), (0, "restore", "none.bin", 404),
                                              (0, "burn", "boat.bin", 400), (9999, "save", "boat.bin", 404),
                                              (0, "save", "boat.bin", 400)):
                self.assertEqual(self.act(second, slot, action, filename=name)[0], wrong, (slot, action, name))
            with open(os.path.join(folder, "boat.bin"), "r+b") as file:
                file.truncate(1000)
            status, error = self.act(second, 0, "restore", filename="boat.bin")
            self.assertEqual(status, 400)
            self.assertIn("boat.bin", error["message"])
            self.is_well(second)

    def test_without_a_folder_nothing_is_saved(self):
        status, error = self.act(self.start(), 0, "save", filename="boat.bin")
        self.assertEqual((status, error["code"]), (403, "slots_disabled"))


class Threads(FaultCase):
    def busiest_thread(self, server):
        def times():
            found = {}
            for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
                fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
                found[int(task.name)] = int(fields[11]) + int(fields[12])
            return found

        before = times()
        time.sleep(0.3)
        after = times()
        return max(after, key=lambda thread: after[thread] - before.get(thread, 0))

    def trace(self, request, thread):
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if self.libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def test_a_thread_that_stands_still_is_reported(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        server = self.start("--watchdog-seconds", "1")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(ask, server, n=64, max_tokens=900, ignore_eos=True)
            wait_until(lambda: server.metric("num_requests_running") == 1)
            thread = self.busiest_thread(server)
            try:
                self.trace(PTRACE_SEIZE, thread)
            except OSError as error:
                running.result()
                self.skipTest(f"no thread can be held here: {error}")
            self.trace(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, WALL)
            try:
                wait_until(lambda: status_of(server, "/v1/health/ready") == 503)
                self.assertEqual(status_of(server, "/v1/health/live"), 200)
                self.assertEqual(server.metric("kedge_engine_stalls_total"), 1)
                self.assertGreater(server.metric("kedge_engine_step_seconds"), 1)
            finally:
                self.trace(PTRACE_DETACH, thread)
            self.assertEqual(running.result()["usage"]["completion_tokens"], 64 * 900)
        wait_until(lambda: status_of(server, "/v1/health/ready") == 200)
        self.assertIn("does not go on", server.messages())
        self.assertIn("goes on", server.messages())
        self.is_well(server)


class Restart(FaultCase):
    def test_killed_it_starts_again_on_its_port(self):
        first = self.start()
        connections = [self.connect(first) for _ in range(20)]
        for connection in connections:
            connection.sendall(post(chat(stream=True, n=4, max_tokens=900, ignore_eos=True)))
        connections[0].recv(100)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(PATIENCE)
        second = self.restart(first.port)
        self.assertEqual(second.port, first.port)
        self.is_well(second)

    def restart(self, port):
        server = Server.__new__(Server)
        server.log = open(os.devnull, "rb")
        server.process = subprocess.Popen([KEDGE, "serve", "--port", str(port), "--json"], stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(server.stop)
        server.url = json.loads(server.process.stdout.readline())["url"]
        server.port = int(server.url.rsplit(":", 1)[1])
        return server


if __name__ == "__main__":
    unittest.main()
