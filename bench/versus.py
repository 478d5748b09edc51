#!/usr/bin/env python3
"""Tokens per second of kedge and other programs on the same GGUF files, in turn, as ratios.

usage: bench/versus.py --llama-bench PATH [--llama-batched-bench PATH] [--ik-llama-bench PATH]
                       [--ik-batched-bench PATH] [--python-peer]
                       [--rounds 5] [--pp 512] [--tg 32] [--batch 1,8] [--depth 0,4096] [--write NAME] FILE.gguf...

Each round runs every program once on a file, as a process of its own with its own warm-up, so that what else the
machine does in that minute meets all of them. The table has the medians of the rounds, and the median and the spread of
the ratios round by round. Run it with nothing else running.

A file that is missing and called like 1b-Q4_0.gguf or 8b-BF16.gguf is made first, by ../shared/bench/synth_gguf.py:
random weights of the shapes of Llama 3 (needs numpy and gguf). Peers:

  --llama-bench          prompts, and decoding one sequence (llama.cpp)
  --llama-batched-bench  decoding several sequences (llama.cpp)
  --ik-llama-bench, --ik-batched-bench       the same, of ik_llama.cpp
  --python-peer          all of it through llama-cpp-python, in this Python, where it can be imported

Extra flags for them: --llama-flags "-fa 1", --batched-flags, --ik-flags "-fa 1 -rtr 1", --ik-batched-flags; for kedge:
--kedge-flags "--kv-cache int8". --write NAME puts the table into bench/RESULTS.md, between the marks of the section
NAME, which it replaces or appends.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "RESULTS.md"
SYNTH = ROOT.parent / "shared" / "bench" / "synth_gguf.py"
PYTHON_PEER = ROOT / "bench" / "support" / "llama_python.py"
SYNTHETIC = re.compile(r"(1b|3b|8b)-(BF16|F16|Q8_0|Q4_0|Q4_K|Q4_K_M|Q6_K)\.gguf")


@dataclass(frozen=True, order=True)
class Work:
    kind: str
    tokens: int
    batch: int
    depth: int

    def __str__(self):
        batch = f" x {self.batch} sequences" if self.batch > 1 else ""
        depth = f" at depth {self.depth}" if self.depth else ""
        return f"{self.kind} {self.tokens}{batch}{depth}"


def numbers(text: str) -> list:
    return [int(part) for part in text.split(",")]


def run(command: list, both: bool = False) -> str:
    """Standard output, or both; "" and a word on standard error where the program fails: its cells stay empty."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, cwd=tempfile.gettempdir())  # some leave a log where they run
    if done.returncode == 0:
        return done.stdout + done.stderr if both else done.stdout
    print(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()[-400:]}", file=sys.stderr)
    return ""


class Kedge:
    name = "kedge"

    def __init__(self, args):
        self.args = args
        self.shares = {}  # (model, work): per cent of the bound, of every round

    def measure(self, model: str) -> dict:
        args = self.args
        output = run([args.kedge, "bench", model, "--pp", args.pp, "--tg", args.tg, "--batch", args.batch, "--depth",
                      args.depth, "--threads", args.threads, "--repeat", 1, "--json",
                      *shlex.split(args.kedge_flags)])
        rates = {}
        for row in json.loads(output)["rows"] if output else []:
            work = Work(row["kind"], row["tokens"], row["batch"], row["depth"])
            rates[work] = row["tokens_per_second"]["median"]
            self.shares.setdefault((model, work), []).append(row["percent_of_bound"])
        return rates


class LlamaBench:
    """llama-bench: prompts and one sequence. A test has a prompt, or new tokens, after n_depth others."""

    def __init__(self, args, name, program, flags):
        self.args, self.name, self.program, self.flags = args, name, program, shlex.split(flags)

    def measure(self, model: str) -> dict:
        args = self.args
        depths = ["-d", args.depth] if args.depth != "0" else []
        new = args.tg if 1 in numbers(args.batch) else 0
        output = run([self.program, "-m", model, "-p", args.pp, "-n", new, *depths, "-t", args.threads, "-r", 1, "-o",
                      "json", *self.flags])
        rates = {}
        for row in json.loads(output) if output else []:
            kind, tokens = ("prefill", row["n_prompt"]) if row["n_prompt"] > 0 else ("decode", row["n_gen"])
            rates[Work(kind, tokens, 1, row.get("n_depth", 0))] = row["avg_ts"]
        return rates


class BatchedBench:
    """llama-batched-bench: every sequence has a prompt of its own, which makes its depth; 1 token at least."""

    # | PP | TG | B | N_KV | T_PP s | S_PP t/s | T_TG s | S_TG t/s | ...
    ROW = re.compile(r"\|\s*\d+ \|\s*\d+ \|\s*(\d+) \|\s*\d+ \|(?:\s*[\d.]+ \|){3}\s*([\d.]+) \|")

    def __init__(self, args, name, program, flags):
        self.args, self.name, self.program, self.flags = args, name, program, shlex.split(flags)

    def measure(self, model: str) -> dict:
        args, rates = self.args, {}
        for depth in numbers(args.depth):
            batches = [batch for batch in numbers(args.batch) if batch > 1 or depth > 0]
            if not batches:
                continue
            prompt = max(depth, 1)
            context = max(batches) * (prompt + args.tg)
            output = run([self.program, "-m", model, "-c", context, "-npp", prompt, "-ntg", args.tg, "-npl",
                          ",".join(map(str, batches)), "-t", args.threads, *self.flags], both=True)  # ik: the latter
            for batch, rate in self.ROW.findall(output):
                rates[Work("decode", args.tg, int(batch), depth)] = float(rate)
        return rates


class PythonPeer:
    name = "llama-cpp-python"

    def __init__(self, args):
        self.args = args

    def measure(self, model: str) -> dict:
        args = self.args
        output = run([sys.executable, PYTHON_PEER, model, args.pp, args.tg, args.batch, args.depth, args.threads])
        return {Work(*row["work"]): row["rate"] for row in (json.loads(output) if output else [])}


def peers_of(args) -> list:
    peers = []
    if args.llama_bench:
        peers.append(LlamaBench(args, "llama.cpp", args.llama_bench, args.llama_flags))
    if args.llama_batched_bench:
        peers.append(BatchedBench(args, "llama.cpp", args.llama_batched_bench, args.batched_flags))
    if args.ik_llama_bench:
        peers.append(LlamaBench(args, "ik_llama.cpp", args.ik_llama_bench, args.ik_flags))
    if args.ik_batched_bench:
        peers.append(BatchedBench(args, "ik_llama.cpp", args.ik_batched_bench, args.ik_batched_flags))
    if args.python_peer:
        peers.append(PythonPeer(args))
    if not peers:
        sys.exit("name a program to compare with; --help lists them")
    return peers


def model_file(name: str) -> str:
    """The file, made first where it is one of the synthetic ones."""
    path = pathlib.Path(name)
    if path.exists():
        return name
    match = SYNTHETIC.fullmatch(path.name)
    if not match:
        sys.exit(f"{name}: no such file, and no name of a synthetic one (1b-Q4_0.gguf)")
    if not SYNTH.is_file():
        sys.exit(f"{name}: no such file, and {SYNTH} is not there to make it")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    subprocess.run([sys.executable, SYNTH, match[1], match[2], partial], check=True)
    partial.rename(path)
    return name


def compare(model: str, kedge: Kedge, peers: list, rounds: int) -> list:
    """Lines of the table: every work that kedge and a peer both did."""
    ours, theirs = [], {}
    for index in range(rounds):
        print(f"{os.path.basename(model)}: round {index + 1} of {rounds}", file=sys.stderr)
        for peer in peers:
            for work, rate in peer.measure(model).items():
                theirs.setdefault((work, peer.name), {})[index] = rate
        ours.append(kedge.measure(model))
    lines = []
    for (work, name), rates in theirs.items():
        pairs = [(ours[index][work], rate) for index, rate in rates.items() if work in ours[index] and rate > 0]
        if not pairs:
            continue
        ratios = sorted(our / their for our, their in pairs)
        our, their = (statistics.median(column) for column in zip(*pairs))
        share = statistics.median(kedge.shares[model, work])
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}, {len(pairs)})"
        weights = os.path.basename(model).removesuffix(".gguf")
        lines.append(f"| {weights} | {work} | {name} | {their:.1f} | {our:.1f} ({share:.0f}%) | {spread} |")
    return lines


def machine_name() -> str:
    """The processor, the cores that this process may use, and what of its instructions matters here."""
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"model name\s*:\s*(.*)", text)
    flags = set(re.search(r"flags\s*:\s*(.*)", text)[1].split())
    names = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "VNNI", "avx512_bf16": "BF16", "amx_tile": "AMX"}
    has = ", ".join(name for flag, name in names.items() if flag in flags)
    return f"{len(os.sched_getaffinity(0))} cores of {model[1].strip() if model else 'an unknown CPU'} ({has})"


def section(args, lines: list) -> str:
    # Where files lie is this machine's own affair.
    names = (os.path.basename(word) if os.path.exists(word) else word for word in sys.argv[1:])
    command = "bench/versus.py " + shlex.join(name for name in names if name)
    return "\n".join([
        f"<!-- versus: {args.write} -->", f"## kedge and others: {args.write} ({datetime.date.today()})",
        f"{machine_name()}, {args.threads} threads.",
        "Tokens per second of all sequences; in brackets, per cent of what the machine allows (docs/guide/bench.md).",
        "Ratios: median of the rounds (min-max, rounds).", "", *lines, "",
        f"    {command}", f"<!-- /versus: {args.write} -->"])


def write_section(path: pathlib.Path, name: str, text: str) -> None:
    old = path.read_text(encoding="utf-8")
    marks = re.compile(f"<!-- versus: {re.escape(name)} -->.*?<!-- /versus: {re.escape(name)} -->", re.DOTALL)
    new = marks.sub(lambda _: text, old) if marks.search(old) else f"{old.rstrip()}\n\n{text}\n"
    path.write_text(new, encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="FILE.gguf")
    parser.add_argument("--kedge", default=str(ROOT / "build" / "release" / "kedge"))
    parser.add_argument("--llama-bench", default="")
    parser.add_argument("--llama-batched-bench", default="")
    parser.add_argument("--ik-llama-bench", default="")
    parser.add_argument("--ik-batched-bench", default="")
    parser.add_argument("--python-peer", action="store_true")
    parser.add_argument("--llama-flags", default="-fa 1")
    parser.add_argument("--batched-flags", default="-fa on")
    parser.add_argument("--ik-flags", default="-fa 1 -rtr 1")
    parser.add_argument("--ik-batched-flags", default="-fa on -rtr")
    parser.add_argument("--kedge-flags", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pp", type=int, default=512)
    parser.add_argument("--tg", type=int, default=32)
    parser.add_argument("--batch", default="1")
    parser.add_argument("--depth", default="0")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--write", default="", metavar="NAME")
    args = parser.parse_args()
    for name in ("kedge", "llama_bench", "llama_batched_bench", "ik_llama_bench", "ik_batched_bench"):
        if getattr(args, name):
            setattr(args, name, os.path.abspath(getattr(args, name)))
    args.models = [os.path.abspath(model) for model in args.models]
    return args


def main():
    args = arguments()
    peers, kedge = peers_of(args), Kedge(args)
    lines = ["| weights | work | peer | peer tokens/s | kedge tokens/s (of bound) | kedge : peer |",
             "|---|---|---|---|---|---|"]
    for model in args.models:
        lines += compare(model_file(model), kedge, peers, args.rounds)
    print("\n".join(lines))
    if args.write:
        write_section(RESULTS, args.write, section(args, lines))


if __name__ == "__main__":
    main()
