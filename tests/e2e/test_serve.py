"""Goal: `kedge serve` is what OpenAI's own client expects, keeps its promises under odd input and load, and ends
cleanly.

Method: the real `openai` client and raw sockets against the binary with the demo model on a free port.
"""

import base64
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import openai

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEDGE = os.environ.get("KEDGE", str(ROOT / "build" / "release" / "kedge"))
PATIENCE = 60  # seconds before a test gives up; far more than anything takes


class Server:
    """One `kedge serve` on a free port."""

    def __init__(self, *arguments):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([KEDGE, "serve", *arguments, "--port", "0", "--json"], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        ready = self.process.stdout.readline()
        if not ready:
            raise RuntimeError("kedge serve ended:\n" + self.messages())
        self.url = json.loads(ready)["url"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def messages(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def client(self, **options):
        key = options.pop("api_key", "none")
        return openai.OpenAI(base_url=self.url + "/v1", api_key=key, max_retries=0, **options)

    def metric(self, name):
        with urllib.request.urlopen(self.url + "/metrics") as response:
            text = response.read().decode()
        found = re.search(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else None

    def stop(self):
        """Asks it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.log.close()
        return code


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen")
        time.sleep(0.01)


def question(text="Tell me a story about a boat."):
    return [{"role": "user", "content": text}]


class DemoCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.client = cls.server.client()

    def post(self, path, body, **headers):
        """Status and JSON of a raw request; `body` is bytes or becomes JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.server.url + path, data,
                                         {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


class Chat(DemoCase):
    def test_answer(self):
        answer = self.client.chat.completions.create(model="demo", messages=question("Who are you?"), temperature=0)
        self.assertGreater(len(answer.choices[0].message.content.split()), 2)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertEqual(answer.usage.prompt_tokens_details.cached_tokens, 0)
        self.assertTrue(answer.system_fingerprint.startswith("fp_"))

    def test_stream_says_the_same(self):
        options = {"model": "demo", "messages": question(), "temperature": 0, "max_tokens": 40}
        whole = self.client.chat.completions.create(**options)
        chunks = list(self.client.chat.completions.create(**options, stream=True,
                                                          stream_options={"include_usage": True}))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual(chunks[-1].usage, whole.usage)
        self.assertEqual(chunks[-2].choices[0].finish_reason, whole.choices[0].finish_reason)
        self.assertGreater(chunks[-2].model_extra["timings"]["predicted_per_second"], 0)
        self.assertGreater(len(chunks), 10)

    def test_several_answers(self):
        options = {"model": "demo", "messages": question(), "n": 2, "max_tokens": 24, "seed": 1, "temperature": 1.5}
        answer = self.client.chat.completions.create(**options)
        texts = [choice.message.content for choice in answer.choices]
        self.assertEqual([choice.index for choice in answer.choices], [0, 1])
        self.assertNotEqual(texts[0], texts[1])
        again = self.client.chat.completions.create(**options)
        self.assertEqual([choice.message.content for choice in again.choices], texts)
        parts = {0: "", 1: ""}
        for chunk in self.client.chat.completions.create(**options, stream=True):
            parts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        self.assertEqual([parts[0], parts[1]], texts)

    def test_log_probabilities(self):
        answer = self.client.chat.completions.create(model="demo", messages=question(), temperature=0, max_tokens=8,
                                                     logprobs=True, top_logprobs=3)
        content = answer.choices[0].logprobs.content
        self.assertEqual(len(content), 8)
        text = b"".join(bytes(entry.bytes) for entry in content).decode()
        self.assertEqual(text, answer.choices[0].message.content)
        for entry in content:
            self.assertLessEqual(entry.logprob, 0)
            self.assertEqual(len(entry.top_logprobs), 3)
            # Greedy: the token taken is the likeliest one.
            self.assertEqual(entry.top_logprobs[0].token, entry.token)
            self.assertAlmostEqual(entry.top_logprobs[0].logprob, entry.logprob, places=5)

    def test_stop(self):
        options = {"model": "demo", "messages": question(), "temperature": 0, "max_tokens": 60}
        whole = self.client.chat.completions.create(**options).choices[0].message.content
        stop = whole.split()[3]
        cut = self.client.chat.completions.create(**options, stop=[stop]).choices[0]
        self.assertEqual(cut.message.content, whole[: whole.index(stop)])
        self.assertEqual(cut.finish_reason, "stop")
        parts = [chunk.choices[0].delta.content or ""
                 for chunk in self.client.chat.completions.create(**options, stop=stop, stream=True)]
        self.assertEqual("".join(parts), whole[: whole.index(stop)])

    def test_length(self):
        choice = self.client.chat.completions.create(model="demo", messages=question(), max_tokens=3,
                                                      temperature=0).choices[0]
        self.assertEqual(choice.finish_reason, "length")

    def test_logit_bias_forces_a_token(self):
        answer = self.client.completions.create(model="demo", prompt="Once", max_tokens=4, temperature=0,
                                                logit_bias={"300": 100}, logprobs=0)
        self.assertEqual(len(set(answer.choices[0].logprobs.tokens)), 1)


class Completions(DemoCase):
    def test_prompts_of_all_kinds(self):
        texts = self.client.completions.create(model="demo", prompt=["The boat", "The sea"], max_tokens=5,
                                               temperature=0)
        self.assertEqual(len(texts.choices), 2)
        single = self.client.completions.create(model="demo", prompt="The sea", max_tokens=5, temperature=0)
        self.assertEqual(single.choices[0].text, texts.choices[1].text)
        ids = self.client.completions.create(model="demo", prompt=[[300, 301], [302]], max_tokens=2)
        self.assertEqual(len(ids.choices), 2)
        self.assertEqual(ids.usage.prompt_tokens, 3)

    def test_echo_scores_the_prompt(self):
        answer = self.client.completions.create(model="demo", prompt=[300, 301, 302], max_tokens=0, echo=True,
                                                logprobs=2)
        logprobs = answer.choices[0].logprobs
        self.assertEqual(len(logprobs.tokens), 3)
        self.assertIsNone(logprobs.token_logprobs[0])
        self.assertLess(logprobs.token_logprobs[1], 0)
        # The scores are those of kedge score.
        request = [{"context_ids": [300], "continuation_ids": [301, 302]}]
        scored = subprocess.run([KEDGE, "score", "demo", "--json"], input=json.dumps(request), capture_output=True,
                                text=True, check=True)
        for mine, other in zip(logprobs.token_logprobs[1:], json.loads(scored.stdout)[0]["token_logprobs"]):
            self.assertAlmostEqual(mine, other, places=3)

    def test_stream(self):
        chunks = list(self.client.completions.create(model="demo", prompt="The boat", max_tokens=5, stream=True,
                                                     temperature=0))
        self.assertEqual(chunks[-1].choices[0].finish_reason, "length")


class BeamSearch(DemoCase):
    def search(self, **fields):
        return self.client.completions.create(model="demo", prompt="Once upon a time", max_tokens=24, logprobs=0,
                                              **{"n": 3, **fields}, extra_body={"use_beam_search": True, "best_of": 5})

    def test_the_likeliest_answers_come_best_first(self):
        answer = self.search()
        scores = [sum(choice.logprobs.token_logprobs) / len(choice.logprobs.tokens) for choice in answer.choices
                  if choice.finish_reason == "length"]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual(len({choice.text for choice in answer.choices}), 3)
        self.assertEqual(answer.usage.completion_tokens,
                         sum(len(choice.logprobs.tokens) for choice in answer.choices))
        self.assertEqual([choice.text for choice in self.search().choices],
                         [choice.text for choice in answer.choices])

    def test_a_stream_says_the_same(self):
        texts = ["", "", ""]
        for part in self.search(stream=True):
            for choice in part.choices:
                texts[choice.index] += choice.text
        self.assertEqual(texts, [choice.text for choice in self.search().choices])

    def test_what_does_not_go_with_it_is_named(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.search(stop=["x"])
        self.assertEqual(caught.exception.param, "stop")


class Errors(DemoCase):
    def test_a_decoder_does_not_rank(self):
        status, body = self.post("/v1/ranking", {"query": {"text": "a"}, "passages": [{"text": "b"}]})
        self.assertEqual((status, body["error"]["param"]), (400, "model"))

    def test_unknown_model(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.chat.completions.create(model="gpt-4", messages=question())
        self.assertEqual(caught.exception.code, "model_not_found")
        self.assertIn("demo", caught.exception.message)

    def test_the_field_is_named(self):
        for change, param in [({"temperature": 3}, "temperature"), ({"top_p": -1}, "top_p"), ({"n": 0}, "n"),
                              ({"max_tokens": -5}, "max_tokens"), ({"stop": [""]}, "stop"),
                              ({"messages": []}, "messages"),
                              ({"response_format": {"type": "yaml"}}, "response_format.type")]:
            with self.subTest(param), self.assertRaises(openai.BadRequestError) as caught:
                self.client.chat.completions.create(**{"model": "demo", "messages": question(), **change})
            self.assertEqual(caught.exception.param, param)

    def test_a_prompt_beyond_the_context(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.completions.create(model="demo", prompt=[300] * 5000)
        self.assertEqual(caught.exception.code, "context_length_exceeded")

    def test_odd_bodies(self):
        deep = b'{"messages":' + b"[" * 100000 + b"]" * 100000 + b"}"
        for body in [b"", b"{", b"null", b"\xff\xfe", b'{"prompt": NaN}', b'{"prompt": "\\ud800"}', b"[]", deep,
                     b'{"prompt":"a","temperature":1e400}', b'{"prompt":"a","seed":99999999999999999999999}']:
            status, answer = self.post("/v1/completions", body)
            self.assertEqual(status, 400, body[:40])
            self.assertTrue(answer["error"]["message"])
        status, _ = self.post("/v1/completions", {"prompt": "a"}, **{"Content-Type": "text/plain"})
        self.assertEqual(status, 415)
        status, _ = self.post("/v1/completions", {"prompt": "a\0b \U0001F6A2 \uFFFF", "max_tokens": 1})
        self.assertEqual(status, 200)

    def test_a_body_beyond_the_limit(self):
        with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE) as raw:
            raw.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        b"Content-Length: 99000000\r\n\r\n")
            self.assertIn(b"HTTP/1.1 413", raw.recv(4096))


class Models(DemoCase):
    def test_list_and_retrieve(self):
        self.assertEqual([model.id for model in self.client.models.list()], ["demo"])
        self.assertEqual(self.client.models.retrieve("demo").owned_by, "kedge")

    def test_embeddings_of_a_decoder(self):
        numbers = self.client.embeddings.create(model="demo", input=["a boat", "a sea"], encoding_format="float")
        self.assertEqual(len(numbers.data), 2)
        _, raw = self.post("/v1/embeddings", {"input": "a boat", "encoding_format": "base64"})
        packed = base64.b64decode(raw["data"][0]["embedding"])
        for mine, other in zip(struct.unpack(f"<{len(packed) // 4}f", packed), numbers.data[0].embedding):
            self.assertAlmostEqual(mine, other, places=5)
        # The client asks for base64 on its own.
        self.assertEqual(len(self.client.embeddings.create(model="demo", input="a boat").data[0].embedding),
                         len(numbers.data[0].embedding))


class Leaving(DemoCase):
    def running(self):
        return self.server.metric("num_requests_running")

    def test_a_client_that_leaves_mid_stream_frees_the_engine(self):
        stream = self.client.chat.completions.create(model="demo", messages=question(), stream=True, n=16,
                                                     extra_body={"ignore_eos": True})
        next(iter(stream))
        self.assertEqual(self.running(), 1)
        stream.close()
        wait_until(lambda: self.running() == 0)

    def test_a_client_that_leaves_before_the_answer_frees_the_engine(self):
        body = json.dumps({"prompt": "a", "max_tokens": 1000, "n": 16, "ignore_eos": True}).encode()
        with socket.create_connection(("127.0.0.1", self.server.port)) as raw:
            raw.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        b"Content-Length: %d\r\n\r\n" % len(body) + body)
            wait_until(lambda: self.running() == 1)
        wait_until(lambda: self.running() == 0)


class Load(DemoCase):
    def test_twenty_at_once_answer_as_one_alone(self):
        prompts = [f"The boat number {i}" for i in range(20)]

        def ask(prompt):
            options = {"model": "demo", "prompt": prompt, "max_tokens": 12, "seed": 7}
            return self.client.completions.create(**options).choices[0].text

        alone = [ask(prompt) for prompt in prompts]
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            together = list(pool.map(ask, prompts))
        self.assertEqual(together, alone)
        self.assertEqual(self.server.metric("num_requests_running"), 0)


    def test_a_prompt_that_begins_alike_is_not_computed_twice(self):
        system = {"role": "system", "content": "You tell stories about boats and foxes. " * 20}
        options = {"model": "demo", "temperature": 0, "max_tokens": 20}
        hits = self.server.metric("prefix_cache_hits_total")
        first, again = (self.client.chat.completions.create(messages=[system, *question()], **options)
                        for _ in range(2))
        self.assertEqual(again.choices[0].message.content, first.choices[0].message.content)
        cached = again.usage.prompt_tokens_details.cached_tokens
        self.assertGreater(cached, again.usage.prompt_tokens - 33)
        self.assertEqual(self.server.metric("prefix_cache_hits_total") - hits,
                         cached + first.usage.prompt_tokens_details.cached_tokens)
        other = self.client.chat.completions.create(messages=[system, *question()], **options,
                                                    extra_body={"cache_salt": "mine", "priority": -1})
        self.assertEqual(other.usage.prompt_tokens_details.cached_tokens, 0)
        self.assertEqual(other.choices[0].message.content, first.choices[0].message.content)

    def test_metrics_have_the_names_of_others(self):
        for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc",
                     "prefix_cache_queries_total",
                     "num_preemptions_total", "time_to_first_token_seconds_count",
                     "time_per_output_token_seconds_count", "spec_decode_num_draft_tokens_total"):
            self.assertIsNotNone(self.server.metric("vllm:" + name), name)
        self.assertEqual(self.server.metric("gpu_cache_usage_perc"), 0)
        self.assertIsNotNone(self.server.metric("kedge_step_seconds_count"))


class Operation(unittest.TestCase):
    def start(self, *arguments):
        server = Server(*arguments)
        self.addCleanup(server.stop)
        return server

    def test_sigterm_lets_a_stream_finish(self):
        server = self.start()
        stream = iter(server.client().chat.completions.create(model="demo", messages=question(), stream=True,
                                                              max_tokens=150, n=32, extra_body={"ignore_eos": True}))
        next(stream)
        server.process.send_signal(signal.SIGTERM)

        def ready_status():
            try:
                with urllib.request.urlopen(server.url + "/v1/health/ready") as response:
                    return response.status
            except urllib.error.HTTPError as error:
                return error.code

        wait_until(lambda: ready_status() == 503)
        with self.assertRaises(openai.InternalServerError) as refused:
            server.client().completions.create(model="demo", prompt="a")
        self.assertEqual(refused.exception.code, "shutting_down")
        self.assertEqual(list(stream)[-1].choices[0].finish_reason, "length")
        self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_a_second_signal_ends_it_now(self):
        server = self.start()
        stream = iter(server.client().chat.completions.create(model="demo", messages=question(), stream=True, n=64,
                                                              extra_body={"ignore_eos": True}))
        next(stream)
        server.process.send_signal(signal.SIGINT)
        wait_until(lambda: "finishing" in server.messages())
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(PATIENCE), 5)

    def test_idle_it_ends_at_once(self):
        server = self.start()
        server.client().models.list()  # leaves a connection open
        self.assertEqual(server.stop(), 0)

    def test_keys(self):
        server = self.start("--api-key", "sesame")
        with self.assertRaises(openai.AuthenticationError):
            server.client(api_key="wrong").models.list()
        self.assertEqual(len(server.client(api_key="sesame").models.list().data), 1)

    def test_a_full_queue_asks_to_come_back(self):
        server = self.start("--queue-max", "1", "--max-num-seqs", "1")
        options = {"model": "demo", "prompt": "a", "max_tokens": 900, "n": 8, "extra_body": {"ignore_eos": True}}
        client = server.client()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            running = [pool.submit(client.completions.create, **options) for _ in range(2)]
            wait_until(lambda: server.metric("num_requests_waiting") == 1)
            with self.assertRaises(openai.RateLimitError) as refused:
                client.completions.create(model="demo", prompt="a")
            self.assertGreaterEqual(int(refused.exception.response.headers["retry-after"]), 1)
            for answer in running:
                self.assertEqual(len(answer.result().choices), 8)

    def test_a_taken_port(self):
        server = self.start()
        second = subprocess.run([KEDGE, "serve", "--port", str(server.port)], capture_output=True, text=True,
                                timeout=PATIENCE)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn(f"port {server.port}", second.stderr)

    def test_names(self):
        server = self.start("demo", "demo", "--served-model-name", "first", "second")
        self.assertEqual([model.id for model in server.client().models.list()], ["first", "second"])
        with self.assertRaises(openai.BadRequestError):
            server.client().completions.create(model="", prompt="a")


if __name__ == "__main__":
    unittest.main()
