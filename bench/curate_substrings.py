#!/usr/bin/env python3
"""`kedge curate dedup --method substring` beside the program of Lee et al. 2022 (deduplicate-text-datasets): the cuts.

usage: bench/curate_substrings.py --program .../dedup_dataset --input FILE.jsonl [--length 100] [--kedge PATH]

The program's suffix array gives all windows of --length bytes that occur more than once. Of each such cluster all but
the first go; where one overlaps the first, what lies beyond it. kedge must cut the same code points out of every
document. Prints the documents, those that are cut and those that are cut alike; exit code 1 where one is not.
"""
import argparse
import bisect
import json
import pathlib
import subprocess
import sys
import tempfile

SEPARATOR = b"\xff\xff"  # in no text; a document's number follows, so that nothing repeats across a border


def clusters(program, texts, length, folder):
    """Positions of each repeated window in the joined texts, ascending; and where each text begins and ends."""
    joined, borders = bytearray(), []
    for number, text in enumerate(texts):
        borders.append((len(joined), len(joined) + len(text)))
        joined += text + SEPARATOR + number.to_bytes(4, "little")
    data = folder / "data"
    data.write_bytes(joined)
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([program, "make", "--data-file", data], **quiet)
    subprocess.run([program, "self-similar", "--data-file", data, "--length-threshold", str(length),
                    "--frequency-threshold", "0", "--cache-dir", folder / "cache", "--num-threads", "1"], **quiet)
    width = pathlib.Path(f"{data}.table.bin").stat().st_size // len(joined)

    def numbers(name):
        content = next((folder / "cache").glob(name)).read_bytes()
        return [int.from_bytes(content[i:i + width], "little") for i in range(0, len(content), width)]

    positions, at, found = numbers("dups_*"), 0, []
    for size in numbers("sizes_*"):
        found.append(sorted(positions[at:at + size]))
        at += size
    return found, borders


def expected_cuts(texts, length, found, borders):
    begins = [begin for begin, _ in borders]
    windows = [[] for _ in texts]
    for cluster in found:
        inside = [(at, bisect.bisect_right(begins, at) - 1) for at in cluster]
        inside = [(at, document) for at, document in inside if at + length <= borders[document][1]]
        for at, document in inside[1:]:
            first, first_document = inside[0]
            begin = max(at, first + length) if document == first_document else at
            windows[document].append((begin - begins[document], at + length - begins[document]))
    return [code_points(text, merged(spans)) for text, spans in zip(texts, windows)]


def merged(spans):
    result = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if result and begin <= result[-1][1]:
            result[-1][1] = max(result[-1][1], end)
        else:
            result.append([begin, end])
    return result


def code_points(text, spans):
    """Spans of whole characters, counted in code points."""
    def within(at):
        return at < len(text) and text[at] & 0xC0 == 0x80

    result = []
    for begin, end in spans:
        while begin < end and within(begin):
            begin += 1
        while end > begin and within(end):
            end -= 1
        if begin < end:
            result.append([len(text[:begin].decode()), len(text[:end].decode())])
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="dedup_dataset")
    parser.add_argument("--input", required=True)
    parser.add_argument("--length", type=int, default=100)
    parser.add_argument("--kedge", default=str(pathlib.Path(__file__).parent.parent / "build" / "release" / "kedge"))
    arguments = parser.parse_args()
    with open(arguments.input, encoding="utf-8") as file:
        texts = [json.loads(line)["text"].encode() for line in file]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        found, borders = clusters(arguments.program, texts, arguments.length, folder)
        expected = expected_cuts(texts, arguments.length, found, borders)
        output = folder / "out.jsonl"
        subprocess.run([arguments.kedge, "curate", "dedup", "--method", "substring", "--length", str(arguments.length),
                        "--input", arguments.input, "--output", output, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        with open(output, encoding="utf-8") as file:
            cuts = [json.loads(line)["cut"] for line in file]
    alike = sum(one == other for one, other in zip(expected, cuts))
    print(f"{len(texts)} documents, {sum(bool(cut) for cut in expected)} to be cut, {alike} cut alike")
    return 0 if len(cuts) == len(texts) == alike else 1


if __name__ == "__main__":
    sys.exit(main())
