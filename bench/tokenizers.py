#!/usr/bin/env python3
"""Encoding speed of kedge and Hugging Face tokenizers on one thread, in turn, as ratios; and the time of long words.

usage: bench/tokenizers.py [--data DIR] [--text-bench PATH] [--rounds 5] [--only NAME] [--megabytes 10] [--words]
It needs a Python with tokenizers (0.23.3), zstandard and pyarrow, and text_bench of the release preset. The text is
taken from the documents and pages of DIR/curate, always the same: some 60 languages, Python sources and HTML, one
document at a time. Each round encodes all of it with Hugging Face (encode_batch_fast), then with kedge; opening and
process start are not timed, and a pass of each before the timed ones has filled the word caches. Times are CPU time of
the process, which on a quiet machine is the time on the clock. The ids of both must agree. --words: instead, a single
word without spaces of 250 KB, 500 KB and 1 MB through kedge; time per byte should not grow. Run it with nothing else
running.
"""
import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import argparse, gzip, io, json, random, shutil, statistics, subprocess, sys, tempfile, time

if os.path.dirname(os.path.abspath(__file__)) == os.path.abspath(sys.path[0]):
    del sys.path[0]  # this file has the library's name

VOCABULARIES = ["llama3", "mistral-v1", "mistral-v3", "gpt2", "qwen3", "gemma3", "bert-uncased", "unigram"]


def documents(data):
    """Texts of every shard and page, shuffled with a fixed seed."""
    import pyarrow.parquet, zstandard
    folder = os.path.join(data, "curate")
    with gzip.open(os.path.join(folder, "shard-00000.jsonl.gz"), "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    with open(os.path.join(folder, "shard-00001.jsonl.zst"), "rb") as file:
        plain = zstandard.ZstdDecompressor().stream_reader(file)
        texts += [json.loads(line)["text"] for line in io.TextIOWrapper(plain, encoding="utf-8")]
    texts += pyarrow.parquet.read_table(os.path.join(folder, "shard-00002.parquet"))["text"].to_pylist()
    random.Random(1).shuffle(texts)
    with gzip.open(os.path.join(folder, "html.jsonl.gz"), "rt", encoding="utf-8") as lines:
        pages = [json.loads(line)["html"] for line in lines]
    random.Random(2).shuffle(pages)
    return texts, pages


def mixed_texts(data, size):
    """A tenth of the bytes are HTML; NUL, which separates the texts of a file, does not occur."""
    texts, pages = documents(data)
    chosen = []
    for source, part in ((texts, size - size // 10), (pages, size // 10)):
        taken = 0
        for text in source:
            text = text.replace("\0", " ").encode("utf-8", "replace")[:part - taken].decode("utf-8", "ignore")
            if text:
                chosen.append(text)
            taken += len(text.encode("utf-8"))
            if part - taken < 4:
                break
    random.Random(3).shuffle(chosen)
    return chosen


def unpack(data, name, folder):
    """The tokenizer.json of a reference vocabulary as a plain file."""
    if name == "unigram":
        return make_unigram(data, folder)
    path = os.path.join(folder, name + ".json")
    with gzip.open(os.path.join(data, "models", "tokenizers", name, "tokenizer.json.gz"), "rb") as packed:
        with open(path, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    return path


def make_unigram(data, folder):
    """No Unigram vocabulary is among the references: one from Mistral's tokens, scored by their order."""
    with open(unpack(data, "mistral-v1", folder), encoding="utf-8") as file:
        tokens = json.load(file)["model"]["vocab"]
    scored = [[token, -8 - 6 * id / len(tokens)] for token, id in sorted(tokens.items(), key=lambda item: item[1])]
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    path = os.path.join(folder, "unigram.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                   "pre_tokenizer": space, "post_processor": None, "decoder": space,
                   "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": scored}}, file)
    return path


def run_kedge(args, tokenizer, text_file, name="tokenizer_encode"):
    command = [args.text_bench, f"--benchmark_filter=^{name}$", "--benchmark_format=json", "--benchmark_min_time=0.3"]
    environment = {**os.environ, "KEDGE_BENCH_TOKENIZER": tokenizer, "KEDGE_BENCH_TEXT": text_file}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)["benchmarks"][0]


def checksum(encodings):
    total = count = 0
    for encoding in encodings:
        for token in encoding.ids:
            total += token * (count % 97 + 1)
            count += 1
    return count, total


def compare(args, name, texts, text_file, folder):
    from tokenizers import Tokenizer
    path = unpack(args.data, name, folder)
    theirs = Tokenizer.from_file(path)
    theirs.no_truncation()
    theirs.no_padding()
    theirs.encode_special_tokens = True
    size = sum(len(text.encode("utf-8")) for text in texts)
    want = checksum(theirs.encode_batch_fast(texts, add_special_tokens=False))
    rounds, same = [], True
    for _ in range(args.rounds):
        begin = time.process_time()
        theirs.encode_batch_fast(texts, add_special_tokens=False)
        their_speed = size / (time.process_time() - begin) / 1e6
        ours = run_kedge(args, path, text_file)
        same = same and (int(ours["tokens"]), int(ours["checksum"])) == want
        rounds.append((their_speed, size / ours["cpu_time"] / 1e3))
    ratios = sorted(ours / theirs for theirs, ours in rounds)
    medians = " | ".join(f"{statistics.median(speeds):.2f}" for speeds in zip(*rounds))
    print(f"| {name} | {want[0]:,} | {'agree' if same else 'DIFFER'} | {medians} | "
          f"{statistics.median(ratios):.1f} ({ratios[0]:.1f}-{ratios[-1]:.1f}) |", flush=True)
    return same


def long_words(data):
    """Words without a space: one letter, random letters, letters and digits, and a language that has none."""
    dice = random.Random(4)
    size = 1_000_000
    texts, _ = documents(data)
    chinese = "".join(c for text in texts for c in text if "\u4e00" <= c <= "\u9fff").encode("utf-8")
    english = "".join(c for text in texts for c in text if "a" <= c <= "z").encode("utf-8")
    return {"aaaa...": b"a" * size,
            "random letters": bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz", k=size)),
            "base64": bytes(dice.choices(b"ABCDEFGHIJKLMNOPabcdefghijklmnop0123456789+/", k=size)),
            "joined English": english[:size],
            "joined Chinese": (chinese * (size // len(chinese) + 1))[:size // 12 * 12]}


def time_words(args, names, folder):
    paths = {name: unpack(args.data, name, folder) for name in names}
    text_file = os.path.join(folder, "word")
    print("| vocabulary | word | 250 KB, ms | 500 KB, ms | 1 MB, ms | 1 MB : 250 KB |\n|---|---|---|---|---|---|")
    for name, path in paths.items():
        for kind, word in long_words(args.data).items():
            times = []
            for quarters in (1, 2, 4):
                with open(text_file, "wb") as file:
                    file.write(word[:len(word) // 12 * 3 * quarters])
                times.append(statistics.median(run_kedge(args, path, text_file)["cpu_time"] for _ in range(3)))
            print(f"| {name} | {kind} | " + " | ".join(f"{t:.1f}" for t in times) + f" | {times[2] / times[0]:.1f} |",
                  flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--data", default=os.path.join(root, "..", "shared", "data"))
    parser.add_argument("--text-bench", default=os.path.join(root, "build", "release", "text_bench"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="vocabularies whose name contains this")
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--words", action="store_true")
    args = parser.parse_args()
    names = [name for name in VOCABULARIES if args.only in name]
    with tempfile.TemporaryDirectory() as folder:
        if args.words:
            time_words(args, names, folder)
            return 0
        texts = mixed_texts(args.data, int(args.megabytes * 1e6))
        text_file = os.path.join(folder, "texts")
        with open(text_file, "wb") as file:
            file.write(b"\0".join(text.encode("utf-8") for text in texts))
        print(f"| vocabulary | tokens | ids | tokenizers, MB/s | kedge, MB/s | kedge : tokenizers (median of "
              f"{args.rounds}, min-max) |\n|---|---|---|---|---|---|")
        return 0 if all([compare(args, name, texts, text_file, folder) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
