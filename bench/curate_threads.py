#!/usr/bin/env python3
"""Two threads beside one: stages of `kedge curate`, by the clock, as ratios.

usage: bench/curate_threads.py [--kedge build/release/kedge] [--rounds 5] [--only STAGE ...] [--seconds 4]

Each round runs a stage with one thread, with two, as two processes of one thread each at the same time, and with two
and one again (their means count, so that a machine that slows down or speeds up favours neither). What two
processes gain, which share nothing, is what the machine has to give: its cores may share caches, memory and a
neighbour's work. The table has medians of the rounds' ratios with their spread. Inputs are those of bench/curate.py,
repeated until one thread takes --seconds. Run it with nothing else running.
"""
import argparse
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import curate

STAGES = ("datatrove_filters", "nemo_filters", "datatrove_minhash", "datatrove_exact", "ftfy_mojibake", "presidio_pii",
          "trafilatura_html", "cld2_language")
TEXT = b'"text": "'


def start(kedge, stage, path, folder, threads):
    curate.clean(folder)
    pipeline = folder / "pipeline.yaml"
    pipeline.write_text(stage.pipeline)
    fields = {"input": path, "output": folder / "out", "pipeline": pipeline, "lid": ""}
    command = [kedge, "curate", *(part.format(**fields) for part in stage.command)]
    return subprocess.Popen([*command, "--threads", str(threads), "--quiet"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def seconds(*started):
    """From now to the end of all; each is a function that starts a process."""
    begin = time.monotonic()
    for process in [function() for function in started]:
        if process.wait() != 0:
            raise curate.Failure(f"{' '.join(map(str, process.args))}: exit code {process.returncode}")
    return time.monotonic() - begin


def measure(arguments, stage):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        stage.every = stage.times = 1
        _, path, _ = curate.prepare(stage, folder)

        def run(threads, work="a"):
            return lambda: start(arguments.kedge, stage, path, folder / work, threads)

        copies = 0
        taken = min(seconds(run(1)) for _ in range(2))  # the first reads from disk
        while taken < arguments.seconds / 1.5:
            content = path.read_bytes()
            with path.open("ab") as file:  # ids come again, which no stage minds; texts do not: as many are duplicates
                for _ in range(math.ceil(arguments.seconds / taken) - 1):
                    copies += 1
                    file.write(content.replace(TEXT, TEXT + b"%d " % copies))
            taken = seconds(run(1))
        two, apart, one_thread = [], [], []
        for _ in range(arguments.rounds):
            before, first, twice = seconds(run(1)), seconds(run(2)), seconds(run(1), run(1, "b"))
            both, one = (first + seconds(run(2))) / 2, (before + seconds(run(1))) / 2
            one_thread.append(one)
            two.append(one / both)
            apart.append(2 * one / twice)
        return (f"| {stage.what} | {statistics.median(one_thread):.3g} | {curate.spread(two)} | "
                f"{curate.spread(apart)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kedge", default=str(curate.ROOT / "build" / "release" / "kedge"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=STAGES)
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise curate.Failure("one core only: there is nothing to compare")
    print("| stage | one thread, s | two threads | two processes |\n|---|---|---|---|", flush=True)
    for stage in curate.STAGES:
        if stage.name in (arguments.only or STAGES):
            print(measure(arguments, stage), flush=True)


if __name__ == "__main__":
    try:
        main()
    except curate.Failure as failure:
        sys.exit(str(failure))
