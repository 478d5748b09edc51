#!/usr/bin/env python3
"""A soak: mixed random load on `kedge serve` for as long as you like, then a verdict.

    bench/soak.py --seconds 1800 [--kedge build/release/kedge] [--clients 16] [--json FILE] [-- SERVE ARGUMENTS]

Clients send chats and completions, streamed and whole, short and long, greedy and seeded, with shared beginnings and
without, constrained ones, embeddings, nonsense, and some leave in the middle. It fails unless

- each answer is to the letter what the same request gave alone on an idle server before the load,
- each stream has every token once (text, count and finish reason agree with its solo run),
- the memory of the server (RSS) in the last quarter is within 2 % of that in the second quarter,
- nothing is left behind: no request running or waiting, no page of the KV cache held, no connection but our own,
- no answer was 5xx, and a normal request still answers.

Standard library only.
"""

import argparse
import collections
import http.client
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
RSS_GROWTH_MAX = 0.02
PATIENCE = 300
# A KV cache that cannot hold all that runs: sequences give up their pages and are computed again.
SMALL = ("--max-num-seqs", "16", "--kv-cache-bytes", "5MiB", "--log-level", "warning")
TOPICS = ("a boat", "a cat", "the sea", "an old clock", "two brothers", "rain", "a king", "bread", "a lost key", "snow")
PREFIX = "Once upon a time there was a village by the sea, and everybody in it knew everybody else. " * 4


def make_requests(dice, count):
    """(path, body) of requests whose answers are fixed."""
    requests = []
    for number in range(count):
        topic = dice.choice(TOPICS)
        sampling = {"temperature": 0} if dice.random() < 0.5 else {"temperature": 1.0, "seed": number}
        shared = PREFIX if dice.random() < 0.4 else ""
        text = f"{shared}Number {number}: tell me of {topic}." + " And go on." * dice.randrange(20)
        tokens = dice.choice((1, 8, 40, 120, 300))
        body = {"max_tokens": tokens, **sampling}
        if dice.random() < 0.5:
            body["ignore_eos"] = True
        if dice.random() < 0.2:
            body["n"] = dice.choice((2, 4))
        kind = dice.random()
        if kind < 0.15:
            body.update(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {
                "type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}, "sea": {"type": "boolean"}},
                "required": ["city", "sea"], "additionalProperties": False}}})
            body.pop("ignore_eos", None)
        if kind < 0.6:
            requests.append(("/v1/chat/completions", {"messages": [{"role": "user", "content": text}], **body}))
        elif kind < 0.9:
            requests.append(("/v1/completions", {"prompt": text, **body}))
        else:
            requests.append(("/v1/embeddings", {"input": [topic, text[-200:]]}))
    return requests


class Server:
    def __init__(self, kedge, arguments):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([kedge, "serve", "--port", "0", "--json", *arguments], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        self.port = int(json.loads(self.process.stdout.readline())["url"].rsplit(":", 1)[1])

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10

    def metric(self, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        text = connection.getresponse().read().decode()
        connection.close()
        return float(re.search(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE).group(1))

    def stop(self):
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        self.log.close()
        return code


class Client:
    """One connection that is kept, and made anew when it is lost."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def send(self, path, body, stream):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        fields = dict(body, stream=True, stream_options={"include_usage": True}) if stream else body
        self.connection.request("POST", path, json.dumps(fields), {"Content-Type": "application/json"})
        return self.connection.getresponse()

    def drop(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def text_of(choice):
    return choice["message"]["content"] if "message" in choice else choice["text"]


def whole_answer(response):
    """What must be the same whenever and however a request is answered."""
    answer = json.loads(response.read())
    if "choices" not in answer:
        return [entry["embedding"] for entry in answer["data"]]
    choices = [(text_of(choice) or "", choice["finish_reason"]) for choice in answer["choices"]]
    return {"choices": choices, "tokens": answer["usage"]["completion_tokens"]}


def streamed_answer(response):
    texts, reasons = collections.defaultdict(str), {}
    tokens, done = None, False
    for line in response:
        if not line.startswith(b"data: "):
            continue
        data = line[6:].strip()
        if done:
            raise ValueError("more after [DONE]")
        if data == b"[DONE]":
            done = True
            continue
        chunk = json.loads(data)
        if "error" in chunk:
            raise ValueError(f"an error in the stream: {chunk['error']}")
        tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
        for choice in chunk["choices"]:
            delta = choice.get("delta", choice)
            texts[choice["index"]] += delta.get("content", delta.get("text")) or ""
            if choice["finish_reason"] is not None:
                if choice["index"] in reasons:
                    raise ValueError("an answer ended twice")
                reasons[choice["index"]] = choice["finish_reason"]
    if not done:
        raise ValueError("the stream was cut")
    return {"choices": [(texts[index], reasons[index]) for index in sorted(reasons)], "tokens": tokens}


class Soak:
    def __init__(self, server, requests, solo, seconds):
        self.server, self.requests, self.solo = server, requests, solo
        self.deadline = time.monotonic() + seconds
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.faults = []

    def note(self, kind, fault=None):
        with self.lock:
            self.counts[kind] += 1
            if fault is not None and len(self.faults) < 20:
                self.faults.append(fault)

    def run_client(self, seed):
        dice = random.Random(seed)
        client = Client(self.server.port)
        while time.monotonic() < self.deadline:
            try:
                self.one(client, dice)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self.note("broken", repr(error))
                client.drop()
        client.drop()

    def one(self, client, dice):
        number = dice.randrange(len(self.requests))
        path, body = self.requests[number]
        stream = path != "/v1/embeddings" and dice.random() < 0.6
        way = dice.random()
        if way < 0.05:
            response = client.send(path, {"messages": 7, "prompt": {}, "input": {}}, False)
            response.read()
            self.note("refused" if 400 <= response.status < 500 else "not refused",
                      None if 400 <= response.status < 500 else f"nonsense got {response.status}")
            return
        response = client.send(path, body, stream)
        if response.status == 429:
            response.read()
            self.note("asked to wait")
            time.sleep(0.05)
            return
        if response.status != 200:
            self.note("failed", f"{path} got {response.status}: {response.read()[:200]!r}")
            return
        if stream and way < 0.15:
            for _ in range(dice.randrange(6)):
                response.readline()
            client.drop()
            self.note("left")
            return
        answer = streamed_answer(response) if stream else whole_answer(response)
        if answer == self.solo[number]:
            self.note("streamed" if stream else "whole")
        else:
            self.note("different", f"request {number} ({path}): {answer!r} is not {self.solo[number]!r}"[:1000])

    def watch(self, samples):
        while time.monotonic() < self.deadline:
            samples.append(self.server.rss_bytes())
            time.sleep(1)


def solo_answers(server, requests):
    client = Client(server.port)
    answers = [whole_answer(client.send(path, body, False)) for path, body in requests]
    client.drop()
    return answers


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def leftovers(server):
    """What is still there when all clients have gone."""
    found = []
    for name, rest in (("num_requests_running", 0), ("num_requests_waiting", 0), ("gpu_cache_usage_perc", 0),
                       ("kedge_http_connections", 1)):  # the one that asks
        if not wait_for(lambda name=name, rest=rest: server.metric(name) <= rest):
            found.append(f"{name} is still {server.metric(name)}")
    return found


def verdict(soak, samples, left):
    quarter = len(samples) // 4
    second, last = samples[quarter:2 * quarter], samples[-quarter:]
    growth = statistics.median(last) / statistics.median(second) - 1 if quarter > 0 else 0.0
    problems = list(soak.faults) + left
    if abs(growth) > RSS_GROWTH_MAX:
        problems.append(f"RSS changed by {growth:.1%}, expected at most {RSS_GROWTH_MAX:.0%}")
    if quarter == 0:
        problems.append("too short to tell of memory: expected at least 4 s")
    return {"counts": dict(soak.counts), "rss_start_bytes": samples[0],
            "rss_second_quarter_bytes": statistics.median(second or [0]),
            "rss_last_quarter_bytes": statistics.median(last or [0]), "rss_growth": growth, "problems": problems}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kedge", default=str(ROOT / "build" / "release" / "kedge"))
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=60, help="different ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="a file for the figures")
    parser.add_argument("serve", nargs="*", help="arguments of kedge serve; none: the demo, in a small KV cache")
    options = parser.parse_args()
    server = Server(options.kedge, options.serve or ["demo", *SMALL])
    requests = make_requests(random.Random(options.seed), options.requests)
    print(f"{len(requests)} requests alone", file=sys.stderr)
    soak = Soak(server, requests, solo_answers(server, requests), options.seconds)
    samples = []
    print(f"{options.clients} clients for {options.seconds:.0f} s", file=sys.stderr)
    seeds = [options.seed * 1000 + number for number in range(options.clients)]
    threads = [threading.Thread(target=soak.run_client, args=(seed,)) for seed in seeds]
    threads.append(threading.Thread(target=soak.watch, args=(samples,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = verdict(soak, samples, leftovers(server))
    report["seconds"] = options.seconds
    report["preemptions"] = server.metric("num_preemptions_total")
    report["generated_tokens"] = server.metric("generation_tokens_total")
    if solo_answers(server, requests[:3]) != soak.solo[:3]:
        report["problems"].append("after the load a request is answered in another way")
    code = server.stop()
    if code != 0:
        report["problems"].append(f"the server ended with {code}")
    text = json.dumps(report, indent=1)
    print(text)
    if options.json:
        pathlib.Path(options.json).write_text(text + "\n")
    sys.exit(1 if report["problems"] else 0)


if __name__ == "__main__":
    main()
