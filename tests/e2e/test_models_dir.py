"""Goal: a folder of models is served within a budget, each loaded when it is asked for; aliases are names like others;
reasoning ends where it should; traces reach a collector, and one that is not there harms nobody.

Method: copies of the demo model and tiny encoders, the real `openai` client, a collector on http.server, against the
binary.
"""

import concurrent.futures
import http.server
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

import openai

import tiny_encoders
from test_serve import KEDGE, PATIENCE, ROOT, Server, question, wait_until

DEMO = ROOT / "demo" / "model"


def post(url, path, body, headers=None):
    request = urllib.request.Request(url + path, json.dumps(body).encode(),
                                     {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, json.loads(response.read()), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers


class FolderCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def model(self, name):
        shutil.copytree(DEMO, self.folder / name)

    def serve(self, *arguments):
        server = Server(*arguments)
        self.addCleanup(server.stop)
        self.client = server.client()
        self.url = server.url
        return server

    def say(self, model, **options):
        answer = self.client.chat.completions.create(model=model, messages=question(),
                                                     **{"temperature": 0, "max_tokens": 12, **options})
        self.assertEqual(answer.model, model)
        return answer.choices[0].message.content

    def states(self):
        with urllib.request.urlopen(self.url + "/v1/models") as response:
            return {model["id"]: model["status"]["value"] for model in json.load(response)["data"]}

    def bytes_of(self, name):
        with urllib.request.urlopen(self.url + "/v1/models") as response:
            return next(model["memory_bytes"] for model in json.load(response)["data"] if model["id"] == name)


class ModelsDir(FolderCase):
    def test_models_are_loaded_and_make_room(self):
        for name in ("one", "two", "three"):
            self.model(name)
        (self.folder / "broken").mkdir()
        (self.folder / "broken" / "config.json").write_text("{}")
        options = ("--models-dir", str(self.folder), "--max-num-seqs", "2")
        server = self.serve(*options)
        alone = self.say("one")
        self.assertEqual(self.states(), {"one": "loaded", "two": "unloaded", "three": "unloaded", "broken": "failed"})
        needed = self.bytes_of("one")
        self.assertEqual(server.stop(), 0)

        server = self.serve(*options, "--models-max-bytes", str(2 * needed + needed // 2), "--alias", "gpt-4o=two")
        for name in ("one", "two", "one", "three"):
            self.assertEqual(self.say(name), alone, "they are copies")
        self.assertEqual(self.states(), {"one": "loaded", "two": "unloaded", "three": "loaded", "broken": "failed",
                                         "gpt-4o": "unloaded"})
        self.assertEqual(self.say("gpt-4o"), alone)
        self.assertEqual(self.states()["one"], "unloaded")
        with self.assertRaises(openai.BadRequestError) as refused:
            self.say("broken")
        self.assertIn("'broken' cannot be loaded", str(refused.exception))
        with self.assertRaises(openai.NotFoundError):
            self.say("four")
        self.model("four")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "'four' is there" in server.messages())
        self.assertEqual(self.say("four"), alone)
        self.assertLessEqual(server.metric("kedge_models_bytes"), 2 * needed + needed // 2)
        status, body, _ = post(self.url, "/models/unload", {"model": "four"})
        self.assertEqual((status, body), (200, {"success": True}))
        self.assertEqual(post(self.url, "/models/load", {"model": "one"})[0], 200)
        self.assertEqual(self.states()["one"], "loaded")
        self.assertEqual(server.stop(), 0)

    def test_one_that_never_fits_is_refused_and_others_are_served(self):
        self.model("one")
        server = self.serve("--models-dir", str(self.folder), "--models-max-bytes", "1MiB")
        with self.assertRaises(openai.BadRequestError) as refused:
            self.say("one")
        self.assertRegex(str(refused.exception), r"'one' needs \d+ bytes .* 1048576 bytes")
        with urllib.request.urlopen(self.url + "/v1/health/ready") as response:
            self.assertEqual(response.status, 200)
        self.assertEqual(server.stop(), 0)

    def test_every_kind_under_load(self):
        for name in ("one", "two"):
            self.model(name)
        tiny_encoders.write_encoder(self.folder / "vectors", ranks=False)
        tiny_encoders.write_encoder(self.folder / "scores", ranks=True)
        server = self.serve("--models-dir", str(self.folder), "--max-num-seqs", "2", "--queue-max", "500")
        alone = {name: self.say(name, max_tokens=30) for name in ("one", "two")}
        limit = int(self.bytes_of("one") * 1.2)
        self.assertEqual(server.stop(), 0)
        server = self.serve("--models-dir", str(self.folder), "--max-num-seqs", "2", "--queue-max", "500",
                            "--models-max-bytes", str(limit))

        def ask(index):
            kind = index % 4
            if kind < 2:
                name = ("one", "two")[kind]
                return self.say(name, max_tokens=30) == alone[name]
            if kind == 2:
                return len(self.client.embeddings.create(model="vectors", input="hello").data[0].embedding) == 32
            return post(self.url, "/v1/rerank", {"model": "scores", "query": "a", "documents": ["b", "c"]})[0] == 200

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(ask, range(48))), [True] * 48)
        self.assertGreater(server.metric("kedge_model_unloads_total"), 0)
        self.assertEqual(server.stop(), 0)


class Aliases(FolderCase):
    def test_a_further_name_of_a_model_on_the_command_line(self):
        server = self.serve("demo", "--alias", "gpt-4o-mini", "--alias", "other=demo")
        self.assertEqual(self.say("gpt-4o-mini"), self.say("other"))
        self.assertEqual({model.id: model.root for model in self.client.models.list().data},
                         {"demo": "demo", "gpt-4o-mini": "demo", "other": "demo"})
        self.assertEqual(self.client.models.retrieve("other").root, "demo")
        self.assertEqual(server.stop(), 0)

    def test_one_of_nothing_is_refused(self):
        ended = subprocess.run([KEDGE, "serve", "demo", "--alias", "a=b", "--port", "0"], capture_output=True,
                               text=True, timeout=PATIENCE)
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("--alias a=b: there is no model 'b'", ended.stderr)


class Reasoning(FolderCase):
    def setUp(self):
        super().setUp()
        self.model("thinks")
        settings = json.loads((self.folder / "thinks" / "tokenizer_config.json").read_text())
        # What the prompt begins the model never ends by itself: it has not learned the mark.
        settings["chat_template"] = settings["chat_template"].replace(
            "assistant<|end_header_id|>\\n\\n'", "assistant<|end_header_id|>\\n\\n<think>'") + "{# </think> #}"
        self.assertIn("<think>", settings["chat_template"])
        (self.folder / "thinks" / "tokenizer_config.json").write_text(json.dumps(settings))

    def test_the_budget_ends_it(self):
        server = self.serve(str(self.folder / "thinks"))
        ask = {"model": "thinks", "messages": question(), "temperature": 0, "max_tokens": 60, "ignore_eos": True}
        _, free, _ = post(self.url, "/v1/chat/completions", ask)
        thoughts = free["choices"][0]["message"]["reasoning_content"]
        self.assertEqual(free["choices"][0]["message"]["content"] or "", "")
        for field in ({"thinking_token_budget": 9}, {"max_thinking_tokens": 9}, {"reasoning_budget_tokens": 9},
                      {"nvext": {"max_thinking_tokens": 9}}):
            status, cut, _ = post(self.url, "/v1/chat/completions", ask | field)
            self.assertEqual(status, 200)
            message = cut["choices"][0]["message"]
            self.assertTrue(thoughts.startswith(message["reasoning_content"]), message)
            self.assertLess(len(message["reasoning_content"]), len(thoughts))
            self.assertGreater(len(message["content"]), 0)
            self.assertEqual(cut["choices"][0]["finish_reason"] in ("stop", "length"), True)
        known = {name: value for name, value in ask.items() if name != "ignore_eos"}
        streamed = list(self.client.chat.completions.create(
            **known, stream=True, extra_body={"thinking_token_budget": 9, "ignore_eos": True}))
        self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices),
                         message["content"])
        _, form, _ = post(self.url, "/v1/chat/completions",
                          ask | {"thinking_token_budget": 9, "guided_regex": "[0-9]{3}"})
        self.assertRegex(form["choices"][0]["message"]["content"], r"^[0-9]{3}$")
        _, none, _ = post(self.url, "/v1/messages",
                          {**ask, "thinking": {"type": "enabled", "budget_tokens": 0}})
        self.assertEqual([block["type"] for block in none["content"]], ["text"])
        self.assertEqual(post(self.url, "/v1/chat/completions", ask | {"thinking_token_budget": "x"})[0], 400)
        self.assertEqual(server.stop(), 0)

    def test_the_server_has_a_budget_too(self):
        server = self.serve(str(self.folder / "thinks"), "--reasoning-budget", "0")
        ask = {"model": "thinks", "messages": question(), "temperature": 0, "max_tokens": 30}
        _, answer, _ = post(self.url, "/v1/chat/completions", ask)
        self.assertEqual(answer["choices"][0]["message"].get("reasoning_content") or "", "")
        self.assertGreater(len(answer["choices"][0]["message"]["content"]), 0)
        _, free, _ = post(self.url, "/v1/chat/completions", ask | {"thinking_token_budget": -1})
        self.assertGreater(len(free["choices"][0]["message"]["reasoning_content"]), 0)
        self.assertEqual(server.stop(), 0)


class Collector:
    """OTLP's HTTP endpoint: keeps every span."""

    def __init__(self, delay=0):
        self.spans, self.paths, collector = [], [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(delay)
                collector.paths.append((self.path, self.headers["Content-Type"]))
                for resource in body["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        collector.spans += scope["spans"]
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Traces(FolderCase):
    def test_spans_reach_a_collector(self):
        collector = Collector()
        self.addCleanup(collector.stop)
        server = self.serve("demo", "--otlp-endpoint", collector.url)
        trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        body = {"model": "demo", "messages": question(), "max_tokens": 8}
        _, answer, headers = post(self.url, "/v1/chat/completions", body, {"traceparent": f"00-{trace}-{parent}-01"})
        wait_until(lambda: len(collector.spans) >= 4)
        self.assertEqual(collector.paths[0], ("/v1/traces", "application/json"))
        span = next(span for span in collector.spans if span["name"] == "chat demo")
        self.assertEqual((span["traceId"], span["parentSpanId"]), (trace, parent))
        attributes = {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
        self.assertEqual(attributes["gen_ai.usage.output_tokens"], str(answer["usage"]["completion_tokens"]))
        self.assertEqual(attributes["gen_ai.usage.input_tokens"], str(answer["usage"]["prompt_tokens"]))
        self.assertEqual(attributes["kedge.request.id"], headers["X-Request-Id"])
        children = [one for one in collector.spans if one.get("parentSpanId") == span["spanId"]]
        self.assertEqual([child["name"] for child in children], ["queue", "prefill", "decode"])
        for child in children:
            self.assertLessEqual(int(span["startTimeUnixNano"]), int(child["startTimeUnixNano"]))
            self.assertLessEqual(int(child["endTimeUnixNano"]), int(span["endTimeUnixNano"]))
        self.assertEqual(server.stop(), 0)

    def test_a_collector_that_is_away_or_stands_still_harms_nobody(self):
        slow = Collector(delay=30)
        self.addCleanup(slow.stop)
        for endpoint in ("http://127.0.0.1:9", slow.url):
            server = self.serve("demo", "--otlp-endpoint", endpoint)
            for _ in range(3):
                self.assertTrue(self.say("demo"))
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
