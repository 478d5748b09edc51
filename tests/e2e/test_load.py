"""Goal: bench/load.py counts what a server really wrote, and its table pairs servers round by round.

Method: against `kedge serve` with the demo model, whose own counters must agree; and against a server that refuses.
"""

import http.server
import json
import re
import subprocess
import threading
import unittest

from test_serve import KEDGE, ROOT, Server

SCRIPT = ROOT / "bench" / "load.py"


def load(*arguments):
    # The system's Python: the script must need nothing else.
    return subprocess.run(["/usr/bin/python3", SCRIPT, "--output-tokens", "8", "--prompt-tokens", "40", *arguments],
                          capture_output=True, text=True, timeout=120, check=False)


class Refuses(http.server.BaseHTTPRequestHandler):
    """Answers every second request for a completion with 429, and the others with one of one token."""

    count = 0
    log_message = None

    def do_GET(self):
        self.answer(200, {"data": [{"id": "m"}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        usage = {"prompt_tokens": len(asked["prompt"].split()), "completion_tokens": 1}
        if not asked.get("stream"):
            return self.answer(200, {"usage": usage})
        Refuses.count += 1
        if Refuses.count % 2:
            return self.answer(429, {"error": {"message": "later"}}, ("Retry-After", "0"))
        chunk = {"choices": [{"text": "x"}], "usage": usage}
        return self.answer(200, f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n")

    def answer(self, status, body, *headers):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in (("Content-Length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, *_):
        pass


class Load(unittest.TestCase):
    def test_counts_are_the_servers_own(self):
        server = Server()
        self.addCleanup(server.stop)
        for extra in ((), ("--chat",)):
            before = server.metric("generation_tokens_total") or 0
            done = load("--url", server.url + "/v1", "--clients", "1,3", "--requests-per-client", "2", "--json", *extra)
            self.assertEqual(done.returncode, 0, done.stderr)
            one, three = json.loads(done.stdout)
            self.assertEqual((one["clients"], one["requests"], one["output_tokens"]), (1, 2, 16))
            self.assertEqual((three["clients"], three["requests"], three["output_tokens"]), (3, 6, 48))
            for result in (one, three):
                self.assertEqual((result["prompts_of_another_length"], result["answers_of_another_length"]), (0, 0))
                self.assertAlmostEqual(result["output_tokens_per_second"],
                                       result["output_tokens"] / result["seconds"])
                self.assertLessEqual(result["first_token_ms"]["median"], result["first_token_ms"]["p95"])
            self.assertGreaterEqual(server.metric("generation_tokens_total") - before, 16 + 48)

    def test_servers_in_turn(self):
        command = f"{KEDGE} serve --port {{port}}"
        done = load("--servers", f"a={command}", f"b={command} --speculative off", "--rounds", "2", "--clients", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        order = re.findall(r"round \d of 2: (\w)", done.stderr)
        self.assertEqual(order, ["a", "b", "b", "a"])
        rows = [line.split("|")[1:-1] for line in done.stdout.splitlines()]
        self.assertEqual([row[1].strip() for row in rows[2:]], ["a", "b"])
        self.assertRegex(rows[3][-2].strip(), r"^[\d.]+ \([\d.]+-[\d.]+\)$")

    def test_refusals_are_waited_out_and_counted(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        done = load("--url", f"http://127.0.0.1:{server.server_port}/v1", "--clients", "1", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        (result,) = json.loads(done.stdout)
        self.assertEqual((result["requests"], result["refusals"], result["answers_of_another_length"]), (4, 4, 4))
        self.assertIn("4 of 4 answers of another length than 8 tokens", done.stderr)

    def test_what_is_wrong_is_said(self):
        done = load("--url", "http://127.0.0.1:9/v1", "--clients", "1")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("load: ", done.stderr)
        done = load("--servers", f"a={KEDGE} serve no/such-model --port {{port}}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("a ended with", done.stderr)
        self.assertIn("no/such-model", done.stderr)


if __name__ == "__main__":
    unittest.main()
