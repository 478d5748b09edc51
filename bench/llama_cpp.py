#!/usr/bin/env python3
"""Tokens per second of kedge and llama.cpp on the same GGUF files, in turn, as ratios.

usage: bench/llama_cpp.py --llama-bench PATH [--kedge PATH] [--rounds 5] [--prompt 512] [--new 32] FILE.gguf...
Each round runs llama-bench, then kedge bench, as processes of their own with their own warm-up; the table has the
median of the rounds and the median of the ratios round by round. Run it with nothing else running.
Extra flags for llama-bench: --llama-flags "-rtr 1" and the like.
"""
import argparse, json, os, shlex, statistics, subprocess, sys


def run_json(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)


def llama(args, model):
    rows = run_json([args.llama_bench, "-m", model, "-p", str(args.prompt), "-n", str(args.new),
                     "-t", str(args.threads), "-r", "1", "-o", "json"] + shlex.split(args.llama_flags))
    prompt = next(r["avg_ts"] for r in rows if r["n_prompt"] > 0)
    return prompt, next(r["avg_ts"] for r in rows if r["n_gen"] > 0)


def kedge(args, model):
    row = run_json([args.kedge, "bench", model, "--prompt-tokens", str(args.prompt), "--new-tokens", str(args.new),
                    "--threads", str(args.threads), "--context", "4096", "--repeats", "1", "--json"])
    return row["prompt_per_second_median"], row["new_per_second_median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--llama-bench", required=True)
    parser.add_argument("--llama-flags", default="-fa 1")
    parser.add_argument("--kedge", default="build/release/kedge")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--new", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    print(f"| model | work | llama.cpp | kedge | kedge : llama.cpp (median of {args.rounds}, min-max) |")
    print("|---|---|---|---|---|")
    for model in args.models:
        rounds = [(llama(args, model), kedge(args, model)) for _ in range(args.rounds)]
        for index, work in enumerate((f"prefill {args.prompt}", f"decode {args.new}")):
            theirs, ours = [r[0][index] for r in rounds], [r[1][index] for r in rounds]
            ratios = sorted(o / t for o, t in zip(ours, theirs))
            medians = f"{statistics.median(theirs):.1f} | {statistics.median(ours):.1f}"
            print(f"| {os.path.basename(model)} | {work} | {medians} | "
                  f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}) |", flush=True)


if __name__ == "__main__":
    main()
