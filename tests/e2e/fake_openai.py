"""A server that speaks just enough of the OpenAI API to try the chat page: slow streams, errors, cut connections.

By hand: python3 fake_openai.py PAGE.html [PORT], then open the address it prints. The last message chooses the answer:
"markdown", "attack", "slow", "long", "fail", "cut", "broken" or anything else.
"""

import http.server
import json
import pathlib
import re
import sys
import threading
import time

MARKDOWN = """# A small harbour

A *kedge* is a **small anchor**, and `kedging` is ~~rowing~~ hauling on it; see [the word](https://example.org/kedge).

1. Row the anchor out
   - with its cable
   - and a buoy
2. Drop it
3. Haul

> No wind is no excuse.

| Anchor | Weight | Use |
|:-------|-------:|:---:|
| bower  | 400 kg | stay |
| kedge  |  90 kg | move |

```cpp
// Hauls until the ship is over its anchor.
int haul(double distance_m, const std::string& cable = "hemp") {
  int turns = 0;
  while (distance_m > 0.5) distance_m -= 1.2, ++turns;
  return turns;
}
```

Then do it *again*.
"""

ATTACK = """<script>window.attacked = 1</script><img src=x onerror="window.attacked = 2">
[click](javascript:window.attacked=3) ![x](javascript:window.attacked=4) <javascript:window.attacked=5>
[data](data:text/html,<script>window.attacked=6</script>) [quote](https://example.org/"onmouseover="window.attacked=7)

```html
</code></pre><script>window.attacked = 8</script>
```

| <b>x</b> |
|---|
| <svg onload="window.attacked=9"> |

# <iframe src="javascript:parent.attacked=10"></iframe>
"""

PLAIN = "Ahoy! This is an answer that arrives one word at a time, so that the page can show it as it grows."


def pieces_of(text):
    return re.findall(r"\s*\S+|\s+$", text)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *arguments):
        pass

    def do_GET(self):
        if self.path == "/":
            self.reply(200, self.server.page, "text/html; charset=utf-8")
        elif self.path == "/v1/models" and self.allowed():
            about = {"object": "model", "kind": "decoder", "max_model_len": 1024}
            self.reply_json(200, {"object": "list", "data": [{"id": name, **about} for name in self.server.models]})
        elif self.path != "/v1/models":
            self.reply_json(404, {"error": {"message": f"{self.path}: there is no such page"}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.allowed():
            return
        self.server.requests.append(body)
        text = body["messages"][-1]["content"].lower()
        if text.startswith("fail") and not self.server.healed:
            self.reply_json(503, {"error": {"message": "the model is being loaded; try again in a minute"}})
            return
        self.stream(text)

    def allowed(self):
        key = self.server.api_key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return True
        self.reply_json(401, {"error": {"message": "this server needs an API key", "code": 401}})
        return False

    def reply_json(self, status, value):
        self.reply(status, json.dumps(value).encode(), "application/json")

    def reply(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_event(self, data):
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.flush()

    def stream(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        try:
            self.send_answer(text)
        except (BrokenPipeError, ConnectionResetError):
            self.server.stopped.set()

    def send_answer(self, text):
        answers = {"markdown": MARKDOWN, "attack": ATTACK, "slow": "tick " * 2000, "long": "A line.\n\n" * 120}
        pieces = pieces_of(next((answer for word, answer in answers.items() if text.startswith(word)), PLAIN))
        if text.startswith(("cut", "broken")):
            pieces = pieces[:5]
        for piece in pieces:
            self.send_event(json.dumps({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}))
            time.sleep(0.05 if text.startswith("slow") else self.server.pause_s)
        if text.startswith("cut"):
            time.sleep(0.5)  # a browser drops what it has not read yet when the connection breaks
            return
        if text.startswith("broken"):
            self.send_event(json.dumps({"error": {"message": "the model ran out of memory", "code": 507}}))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_event(json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        usage = {"prompt_tokens": 31, "completion_tokens": len(pieces)}
        self.send_event(json.dumps({"choices": [], "usage": usage, "timings": self.server.timings}))
        self.send_event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


class FakeServer(http.server.ThreadingHTTPServer):
    """Runs in threads of its own; `requests` holds every chat request that came."""

    daemon_threads = True

    def __init__(self, page_file, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.page = pathlib.Path(page_file).read_bytes()
        self.address = f"http://127.0.0.1:{self.server_port}/"
        self.reset()

    def reset(self):
        self.models = ["demo"]
        self.api_key = None
        self.healed = False
        self.pause_s = 0.005
        self.timings = None
        self.requests = []
        self.stopped = threading.Event()

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def close(self):
        self.shutdown()
        self.server_close()


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    server = FakeServer(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 8080)
    server.pause_s = 0.03
    print(server.address)
    server.serve_forever()


if __name__ == "__main__":
    main()
