#!/usr/bin/env python3
"""Load on servers that speak OpenAI's API: output tokens per second and the times that a user waits.

usage: bench/load.py [--url http://127.0.0.1:8080/v1] [--clients 1,8,32] [--prompt-tokens 128] [--output-tokens 128]
                     [--requests-per-client 4] [--chat] [--json]
       bench/load.py --servers NAME=CMD [NAME=CMD ...] [--rounds 5] [--clients 1,8,32] [...]

A closed loop: each client sends its next request when its last one is answered, streamed. Prompts are random words that
are one token each to the server at hand (found out by asking it), so that no two share a beginning and every prompt has
--prompt-tokens tokens; the answers' `usage` must say so too, or the difference is reported. `ignore_eos` makes every
answer --output-tokens long where the server knows it (kedge, llama-server, vLLM); --extra '{"min_tokens": 128}' adds
fields for others. Sampling is at --temperature 1, because greedy answers of some models repeat themselves, which a
server that guesses tokens ahead answers much faster than real text.

First token: from the request's first byte to the first text. Between tokens: from each event that has text to the next;
a server may put several tokens into one event, so that `per token` (from the first text to the last, divided) is shown
beside it.

With --servers, each command is started in turn on a free port, {port} in the command, and must answer /health or
/v1/models; it gets a warm-up, then the load of every number of clients, then SIGTERM. Each round starts with another
server. The table has the medians of the rounds, and the median and the spread of the ratios to the first one named:

    bench/load.py --servers kedge='kedge serve 1b-Q4_0.gguf --port {port} --max-num-seqs 32' \\
        llama='llama-server -m 1b-Q4_0.gguf --port {port} -np 32 -c 16384 --no-webui'

Standard library of Python 3.10 only. Run it with nothing else running.
"""
import argparse
import asyncio
import json
import os
import random
import shlex
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from dataclasses import dataclass, field

WORDS = """a an as at be by do go he if in is it me my no of on or so to up us we all and any are ask bad bed big box
boy but buy can car cat cut day did dog eat end far few for fun get had has her him his hot how its job
key law let lot man may men new not now off old one our out own pay put ran red run saw say see set she
sit six sky son sun tax ten the too top try two use war was way who why win yes yet you back best book
both call city come door each even face fact find give good hand have head help here high home hope idea
just keep kind know last life line long love make many mind more most move much name need next only open
over part plan play read real room same side some such take talk tell than that them then they this time
turn very walk want well went what when with word work year""".split()
WORDS_MIN, WORDS_ENOUGH = 16, 64  # fewer words of one token would make prompts that begin alike
FIRST_WORD = "the"
PATIENCE = 600  # seconds for one answer, and for a server to be ready


class Failure(Exception):
    """A message for whoever runs this."""


@dataclass
class Target:
    """A server, as one request needs to know it."""

    url: str
    api_key: str
    model: str = ""
    chat: bool = False
    extra: dict = field(default_factory=dict)

    def body(self, prompt: str, tokens: int) -> dict:
        text = {"messages": [{"role": "user", "content": prompt}]} if self.chat else {"prompt": prompt}
        return {"model": self.model, **text, "max_tokens": tokens, **self.extra}

    @property
    def path(self) -> str:
        return "/chat/completions" if self.chat else "/completions"


@dataclass
class Answer:
    """What one streamed request saw: seconds since it was sent at which text came, and `usage`."""

    times: list = field(default_factory=list)
    usage: dict = field(default_factory=dict)
    refusals: int = 0


# --- HTTP ---


async def connect(target: Target):
    """Reader, writer and the base path of the target's URL."""
    parts = urllib.parse.urlsplit(target.url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, limit=1 << 24,
                                                   ssl=ssl.create_default_context() if secure else None)
    return reader, writer, parts


async def send(target: Target, method: str, path: str, body=None):
    """(status, headers, reader, writer); the caller closes the writer."""
    reader, writer, parts = await connect(target)
    data = json.dumps(body).encode() if body is not None else b""
    head = [f"{method} {parts.path.rstrip('/')}{path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close",
            "Accept: text/event-stream, application/json", f"Content-Length: {len(data)}"]
    if body is not None:
        head.append("Content-Type: application/json")
    if target.api_key:
        head.append(f"Authorization: Bearer {target.api_key}")
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + data)
    status_line = await reader.readline()
    if not status_line.startswith(b"HTTP/1."):
        writer.close()
        raise Failure(f"{target.url}{path}: answered {status_line[:60]!r}, which is not HTTP")
    headers = {}
    while (line := (await reader.readline()).strip()):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return int(status_line.split()[1]), headers, reader, writer


async def pieces(headers: dict, reader):
    """The body as it comes."""
    if "chunked" in headers.get("transfer-encoding", ""):
        while (size := int((await reader.readline()).split(b";")[0] or b"0", 16)) > 0:
            yield await reader.readexactly(size)
            await reader.readexactly(2)
    elif "content-length" in headers:
        yield await reader.readexactly(int(headers["content-length"]))
    else:
        while (piece := await reader.read(1 << 16)):
            yield piece


async def ask(target: Target, method: str, path: str, body=None) -> tuple:
    """(status, body as bytes) of a request that is not streamed."""
    status, headers, reader, writer = await send(target, method, path, body)
    try:
        return status, b"".join([piece async for piece in pieces(headers, reader)])
    finally:
        writer.close()


async def ask_json(target: Target, method: str, path: str, body=None) -> dict:
    status, data = await asyncio.wait_for(ask(target, method, path, body), PATIENCE)
    if status != 200:
        raise Failure(f"{target.url}{path}: status {status}: {data[:300].decode(errors='replace')}")
    return json.loads(data)


# --- one request ---


def text_of(event: dict) -> str:
    choice = (event.get("choices") or [{}])[0]
    delta = choice.get("delta") or {}
    return choice.get("text") or delta.get("content") or delta.get("reasoning_content") or ""


async def stream(target: Target, prompt: str, tokens: int) -> Answer:
    """One streamed answer. A refusal for load (429, 503) is waited out as Retry-After says, and counted."""
    answer = Answer()
    body = {**target.body(prompt, tokens), "stream": True, "stream_options": {"include_usage": True}}
    while True:
        begun = time.perf_counter()
        status, headers, reader, writer = await send(target, "POST", target.path, body)
        try:
            if status in (429, 503):
                answer.refusals += 1
            elif status != 200:
                data = b"".join([piece async for piece in pieces(headers, reader)])
                raise Failure(f"{target.url}{target.path}: status {status}: {data[:300].decode(errors='replace')}")
            else:
                await read_events(headers, reader, answer, begun)
                return answer
        finally:
            writer.close()
        await asyncio.sleep(float(headers.get("retry-after", 1)))


async def read_events(headers: dict, reader, answer: Answer, begun: float) -> None:
    rest = b""
    async for piece in pieces(headers, reader):
        now = time.perf_counter() - begun
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if not line.startswith(b"data:") or data == b"[DONE]":
                continue
            event = json.loads(data)
            if "error" in event:
                raise Failure(f"a stream ended with {event['error']}")
            answer.usage = event.get("usage") or answer.usage
            if text_of(event):
                answer.times.append(now)
    if not answer.usage:
        raise Failure("a stream ended without 'usage', which stream_options.include_usage asks for")


# --- prompts of an exact number of tokens ---


class Prompts:
    """Random prompts of exactly `tokens` tokens, as the server counts them."""

    def __init__(self, words: list, base: int, tokens: int):
        """`base`: how many tokens the first word alone makes, with what the server puts around it."""
        self.words, self.count = words, tokens - base
        if self.count < 8:
            raise Failure(f"--prompt-tokens {tokens}: ask for at least {base + 8}; one word alone makes {base} here")

    def make(self, seed: str) -> str:
        chosen = random.Random(seed).choices(self.words, k=self.count)
        return " ".join([FIRST_WORD, *chosen])

    @staticmethod
    async def prepare(target: Target, tokens: int):
        async def count(words: list) -> int:
            answer = await ask_json(target, "POST", target.path, target.body(" ".join([FIRST_WORD, *words]), 1))
            return answer["usage"]["prompt_tokens"]

        async def of_one_token(words: list) -> list:
            # Every word is at least one token: a group that has as many tokens as words has no longer one.
            if await count(words) - base == len(words):
                return words
            half = len(words) // 2
            return await of_one_token(words[:half]) + await of_one_token(words[half:]) if half else []

        base, words = await count([]), []
        candidates = [word for word in WORDS if word != FIRST_WORD]
        while candidates and len(words) < WORDS_ENOUGH:
            words += await of_one_token(candidates[:16])
            candidates = candidates[16:]
        if len(words) < WORDS_MIN:
            raise Failure(f"the model's vocabulary has only {len(words)} of {len(WORDS)} short English words as one "
                          f"token; at least {WORDS_MIN} are needed to make prompts of an exact length")
        return Prompts(words, base, tokens)


# --- the load ---


def quantile(values: list, share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def summary(answers: list, seconds: float, args: argparse.Namespace) -> dict:
    timed = [answer for answer in answers if answer.times]  # an answer of special tokens alone has no text
    if not timed:
        raise Failure("no answer had any text")
    first = [1e3 * answer.times[0] for answer in timed]
    between = [1e3 * (b - a) for answer in timed for a, b in zip(answer.times, answer.times[1:])]
    written = [answer.usage["completion_tokens"] for answer in answers]
    per_token = [1e3 * (answer.times[-1] - answer.times[0]) / (answer.usage["completion_tokens"] - 1)
                 for answer in timed if answer.usage["completion_tokens"] > 1]
    cached = [(answer.usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0 for answer in answers]
    return {
        "requests": len(answers),
        "seconds": seconds,
        "output_tokens": sum(written),
        "output_tokens_per_second": sum(written) / seconds,
        "first_token_ms": {"median": statistics.median(first), "p95": quantile(first, 0.95)},
        "between_tokens_ms": {"median": statistics.median(between), "p95": quantile(between, 0.95)} if between else {},
        "per_token_ms": {"median": statistics.median(per_token), "p95": quantile(per_token, 0.95)} if per_token else {},
        "prompts_of_another_length": sum(a.usage["prompt_tokens"] != args.prompt_tokens for a in answers),
        "answers_without_text": len(answers) - len(timed),
        "answers_of_another_length": sum(tokens != args.output_tokens for tokens in written),
        "cached_tokens": sum(cached),
        "refusals": sum(answer.refusals for answer in answers),
    }


async def load(target: Target, prompts: Prompts, clients: int, args: argparse.Namespace, name: str) -> dict:
    """`clients` closed loops; `name` seeds the prompts."""

    async def client(index: int) -> list:
        return [await asyncio.wait_for(stream(target, prompts.make(f"{args.seed} {name} {clients} {index} {turn}"),
                                              args.output_tokens), PATIENCE)
                for turn in range(args.requests_per_client)]

    begun = time.perf_counter()
    answers = sum(await asyncio.gather(*(client(index) for index in range(clients))), [])
    result = {"clients": clients, **summary(answers, time.perf_counter() - begun, args)}
    for what, limit in (("prompts_of_another_length", args.prompt_tokens),
                        ("answers_of_another_length", args.output_tokens)):
        if result[what]:
            print(f"{result[what]} of {len(answers)} {what.replace('_', ' ')} than {limit} tokens", file=sys.stderr)
    if result["cached_tokens"] > 4 * len(answers):  # the first word and what stands before it are always the same
        print(f"{result['cached_tokens']} prompt tokens came from the server's prefix cache", file=sys.stderr)
    return result


async def measure(url: str, args: argparse.Namespace, name: str) -> list:
    """A result for each number of clients, after a warm-up."""
    target = Target(url.rstrip("/"), args.api_key, args.model, args.chat,
                    {"temperature": args.temperature, "ignore_eos": True, **json.loads(args.extra)})
    if not target.model:
        target.model = (await ask_json(target, "GET", "/models"))["data"][0]["id"]
    prompts = await Prompts.prepare(target, args.prompt_tokens)
    warm = [prompts.make(f"{args.seed} warm-up {index}") for index in range(min(max(args.clients), 4))]
    await asyncio.gather(*(stream(target, prompt, min(args.output_tokens, 16)) for prompt in warm))
    return [await load(target, prompts, clients, args, name) for clients in args.clients]


# --- servers in turn ---


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A command that serves on a free port, until `stop`."""

    def __init__(self, name: str, command: str):
        self.name = name
        port = free_port()
        self.root = f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile()
        words = [word.replace("{port}", str(port)) for word in shlex.split(command)]
        try:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        except OSError as error:
            raise Failure(f"{name}: {words[0]} could not be started: {error.strerror}") from error

    async def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        target = Target(self.root, "")
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.log.seek(0)
                raise Failure(f"{self.name} ended with {self.process.returncode}:\n"
                              f"{self.log.read()[-2000:].decode(errors='replace')}")
            for path in ("/health", "/v1/health/ready"):
                try:
                    if (await asyncio.wait_for(ask(target, "GET", path), 10))[0] == 200:
                        return
                except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError, Failure):
                    pass
            await asyncio.sleep(0.2)
        raise Failure(f"{self.name} was not ready after {PATIENCE} s")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


async def measure_server(name: str, command: str, args: argparse.Namespace, round_name: str) -> list:
    server = Server(name, command)
    try:
        await server.wait_until_ready()
        return await measure(server.root + "/v1", args, round_name)
    finally:
        server.stop()


async def compare(args: argparse.Namespace) -> dict:
    """{name: [the results of each round]}"""
    servers = [entry.split("=", 1) for entry in args.servers]
    results = {name: [] for name, _ in servers}
    for index in range(args.rounds):
        turn = index % len(servers)
        for name, command in servers[turn:] + servers[:turn]:
            results[name].append(await measure_server(name, command, args, f"round {index}"))
            rates = ", ".join(f"{r['clients']}: {r['output_tokens_per_second']:.1f}" for r in results[name][-1])
            print(f"round {index + 1} of {args.rounds}: {name}: tokens/s of clients {rates}", file=sys.stderr)
    return results


# --- tables ---


def pair(result: dict, name: str) -> str:
    times = result[name]
    return f"{times['median']:.1f} / {times['p95']:.1f}" if times else ""


HEAD = ["output tokens/s", "first token ms (median / p95)", "between tokens ms (median / p95)",
        "per token ms (median / p95)"]


def row(result: dict) -> list:
    return [f"{result['output_tokens_per_second']:.1f}", pair(result, "first_token_ms"),
            pair(result, "between_tokens_ms"), pair(result, "per_token_ms")]


def table(head: list, rows: list) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])


def median_of(results: list) -> dict:
    """One result of several rounds: medians, field by field."""
    def middle(values: list):
        if isinstance(values[0], dict):
            return {key: middle([value[key] for value in values]) for key in values[0]}
        return statistics.median(values)
    return middle(results)


def ratio(rounds: list, of, digits: int = 2) -> str:
    """Median, least and most of what `of` says of the pairs of results."""
    values = sorted(of(ours, theirs) for ours, theirs in rounds)
    return f"{statistics.median(values):.{digits}f} ({values[0]:.{digits}f}-{values[-1]:.{digits}f})"


def comparison(results: dict) -> str:
    first = next(iter(results))
    rows = []
    for index, load_result in enumerate(results[first][0]):
        for name, rounds in results.items():
            ours, theirs = ([r[index] for r in results[n]] for n in (first, name))
            rates = [""] * 2 if name == first else [
                ratio(list(zip(ours, theirs)), lambda a, b: a["output_tokens_per_second"]
                      / b["output_tokens_per_second"]),
                ratio(list(zip(ours, theirs)), lambda a, b: a["first_token_ms"]["median"]
                      / b["first_token_ms"]["median"])]
            rows.append([str(load_result["clients"]), name, *row(median_of([r[index] for r in rounds])), *rates])
    return table(["clients", "server", *HEAD, f"{first} : it, tokens/s", f"{first} : it, first token"], rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--api-key", default=os.environ.get("OPENAI_API_KEY", ""))
    parser.add_argument("--model", default="", help="default: the first that the server names")
    parser.add_argument("--clients", default="1,8,32", type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--output-tokens", type=int, default=128)
    parser.add_argument("--requests-per-client", type=int, default=4)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--chat", action="store_true", help="/v1/chat/completions instead of /v1/completions")
    parser.add_argument("--extra", default="{}", metavar="JSON", help="more fields of every request")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"),
                        help="of the prompts; default: another one each time, or a server would know them")
    parser.add_argument("--servers", nargs="+", default=[], metavar="NAME=CMD")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="every result as JSON, instead of a table")
    args = parser.parse_args()
    for entry in args.servers:
        if "=" not in entry or "{port}" not in entry:
            parser.error(f"--servers: {entry!r} must be NAME=CMD with {{port}} in the command")
    return args


def main() -> int:
    args = arguments()
    try:
        if args.servers:
            results = asyncio.run(compare(args))
            print(json.dumps(results, indent=1) if args.json else comparison(results))
        else:
            results = asyncio.run(measure(args.url, args, "load"))
            print(json.dumps(results, indent=1) if args.json else
                  table(["clients", *HEAD], [[str(result["clients"]), *row(result)] for result in results]))
    except (Failure, OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
        print(f"load: {error or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
