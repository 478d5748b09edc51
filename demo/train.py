"""Trains the demo model on one CPU thread: tokenizer, packing, Muon and AdamW, checkpoints (see README.md).

Usage: python train.py DATA_FOLDER RUN_FOLDER [--steps N] [--stop N] [--resume]
RUN_FOLDER receives tokenizer.json, shape.json, checkpoint.pt and log.jsonl; export.py makes the model folder of them.
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional

from network import MASKED, Network, Shape, load_shape, save_shape

SPECIALS = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
# Llama 3's split: contractions, words with one leading sign or space, up to three digits, signs, line ends, spaces.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ROW_LENGTHS = [256, 512, 1024]  # the network is compiled once for each
OPEN_ROWS_MAX = 48
TOKENS_A_STEP = 4096


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def train_tokenizer(records, vocab_size, path):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIALS),
        special_tokens=[],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    texts = (text for record in records for text in record_texts(record))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.save(str(path))
    return tokenizer


def record_texts(record):
    return [record["text"]] if "text" in record else [message["content"] for message in record["messages"]]


def encode(tokenizer, record):
    """Ids of a record and, for each, whether it is to be learned: answers are, questions are not."""
    begin, end, start_header, end_header, end_of_turn = (tokenizer.token_to_id(token) for token in SPECIALS)

    def plain(text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    if "text" in record:
        ids = plain(record["text"])
        return [begin, *ids, end], [0] + [1] * (len(ids) + 1)
    ids, learned = [begin], [0]
    for message in record["messages"]:
        head = [start_header, *plain(message["role"]), end_header, *plain("\n\n")]
        body = [*plain(message["content"].strip()), end_of_turn]
        ids += head + body
        learned += [0] * len(head) + [int(message["role"] == "assistant")] * len(body)
    return ids, learned


class Batches:
    """Whole records packed into rows of a few lengths; a record never sees the others of its row."""

    def __init__(self, records, seed):
        self.records, self.seed = records, seed

    def epoch(self, number):
        """Batches of (ids, next ids or -100, mask, token count), in an order that the seed and the number decide."""
        rng = random.Random(f"{self.seed} {number}")
        order = list(range(len(self.records)))
        rng.shuffle(order)
        open_rows, ready = [], {length: [] for length in ROW_LENGTHS}
        for index in order:
            size = len(self.records[index][0])
            fitting = [row for row in open_rows if row.free >= size]
            if fitting:
                min(fitting, key=lambda row: row.free).add(index, size)
            elif size <= ROW_LENGTHS[-1]:
                open_rows.append(Row(next(length for length in ROW_LENGTHS if size <= length)))
                open_rows[-1].add(index, size)
            if len(open_rows) > OPEN_ROWS_MAX:
                full = min(open_rows, key=lambda row: row.free)
                open_rows.remove(full)
                ready[full.length].append(full.members)
                if len(ready[full.length]) * full.length == TOKENS_A_STEP:
                    yield self.batch(ready[full.length], full.length)
                    ready[full.length] = []

    def batch(self, rows, length):
        ids = np.zeros((len(rows), length), dtype=np.int64)
        labels = np.full((len(rows), length), -100, dtype=np.int64)
        owner = np.zeros((len(rows), length), dtype=np.int64)
        for row, members in enumerate(rows):
            at = 0
            for member, index in enumerate(members):
                record_ids, learned = self.records[index]
                size = len(record_ids)
                ids[row, at : at + size] = record_ids
                labels[row, at : at + size - 1] = np.where(np.array(learned[1:]) == 1, np.array(record_ids[1:]), -100)
                owner[row, at : at + size] = member + 1
                at += size
        owner = torch.from_numpy(owner)
        earlier = torch.ones(length, length, dtype=torch.bool).tril()
        seen = (owner[:, None, :, None] == owner[:, None, None, :]) & earlier
        mask = torch.full(seen.shape, MASKED, dtype=torch.bfloat16).masked_fill(seen, 0.0)
        return torch.from_numpy(ids), torch.from_numpy(labels), mask, int((owner > 0).sum())


class Row:
    """Records that share a row of a batch."""

    def __init__(self, length):
        self.length, self.free, self.members = length, length, []

    def add(self, index, size):
        self.members.append(index)
        self.free -= size


def loss_of(network, forward, batch):
    """`forward` is the network's, compiled. Activations are bf16, weights and the loss fp32."""
    ids, labels, mask, _ = batch
    with torch.autocast("cpu", torch.bfloat16):
        hidden = forward(ids, mask, torch.bfloat16)
        learned = labels != -100
        logits = network.logits(hidden[learned])
    return functional.cross_entropy(logits.float(), labels[learned])


def learning_rate(step, options):
    """Rises, stays, and falls to zero over the last part. The stay needs no end known beforehand: a resumed run may be
    given another number of steps, so that a slow machine still ends with the falling part."""
    falling = options.steps * options.fall
    return options.rate * min(1.0, (step + 1) / options.warmup, (options.steps - step) / falling)


class Optimizers:
    """Muon for the matrices, which on few tokens gets much further than AdamW; AdamW for the embedding, faster, and for
    the norms. Rates are given as shares of the run's."""

    def __init__(self, network, options):
        final_norm, embedding = network.model.norm.weight, network.model.embed_tokens.weight
        matrices = [p for p in network.parameters() if p.ndim == 2 and p is not embedding]
        norms = [p for p in network.parameters() if p.ndim == 1 and p is not final_norm]
        groups = [
            {"params": [embedding], "share": 4.0},
            {"params": norms, "share": 1.0},
            {"params": [final_norm], "share": 0.1},
        ]
        self.parts = [
            torch.optim.Muon(
                [{"params": matrices, "share": 1.0}],
                lr=options.rate,
                weight_decay=options.decay,
                momentum=0.95,
                ns_steps=4,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
        ]

    def step(self, rate):
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate * group["share"]
            part.step()
            part.zero_grad()

    def state_dict(self):
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states):
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)


def save(path, network, optimizer, state):
    torch.save(
        {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "state": state}, path.with_suffix(".new")
    )
    path.with_suffix(".new").replace(path)


def prepare(options):
    """Tokenizer, shape and encoded records of a run; a resumed run takes the tokenizer and shape that it began with."""
    options.run.mkdir(parents=True, exist_ok=True)
    records = read_lines(options.data / "train.jsonl")
    if options.resume:
        tokenizer = Tokenizer.from_file(str(options.run / "tokenizer.json"))
        shape = load_shape(options.run / "shape.json")
    else:
        shape = Shape()
        tokenizer = train_tokenizer(records[:30000], shape.vocab_size, options.run / "tokenizer.json")
        save_shape(shape, options.run / "shape.json")
    encoded = [encode(tokenizer, record) for record in records]
    tokens = sum(len(ids) for ids, _ in encoded)
    print(f"{len(encoded)} records, {tokens} tokens, vocabulary {tokenizer.get_vocab_size()}", flush=True)
    return tokenizer, shape, encoded


class Progress:
    """What a run prints and writes to log.jsonl."""

    def __init__(self, options, state):
        self.options, self.losses = options, []
        self.log = open(options.run / "log.jsonl", "a", encoding="utf-8")
        self.began, self.first_step, self.seconds_before = time.time(), state["step"], state["seconds"]

    def add(self, loss, tokens, state):
        """Counts one step, and reports every twentieth."""
        self.losses.append(loss)
        passed = time.time() - self.began
        state.update(step=state["step"] + 1, tokens=state["tokens"] + tokens, seconds=self.seconds_before + passed)
        if state["step"] % 20 and state["step"] != self.options.stop:
            return
        mean, self.losses = sum(self.losses) / len(self.losses), []
        self.log.write(json.dumps({**state, "loss": round(mean, 4)}) + "\n")
        self.log.flush()
        left = (self.options.stop - state["step"]) * passed / (state["step"] - self.first_step) / 60
        rate = state["tokens"] / state["seconds"]
        print(
            f"step {state['step']}/{self.options.stop} loss {mean:.4f} {rate:.0f} tokens/s left {left:.1f} min",
            flush=True,
        )


def all_batches(batches, state):
    """Batches from where `state` says on, epoch after epoch."""
    while True:
        for number, batch in enumerate(batches.epoch(state["epoch"])):
            if number >= state["batch"]:
                state["batch"] = number + 1
                yield batch
        state["epoch"], state["batch"] = state["epoch"] + 1, 0


def train(network, batches, options):
    optimizers = Optimizers(network, options)
    state = {"step": 0, "data": options.data.name, "epoch": 0, "batch": 0, "tokens": 0, "seconds": 0.0}
    checkpoint = options.run / "checkpoint.pt"
    if options.resume:
        saved = torch.load(checkpoint)
        network.load_state_dict(saved["network"])
        optimizers.load_state_dict(saved["optimizer"])
        state = saved["state"]
        if state.get("data") != options.data.name:
            state |= {"data": options.data.name, "epoch": 0, "batch": 0}
    forward = torch.compile(network, dynamic=False)
    progress, saved_at = Progress(options, state), time.time()
    for batch in all_batches(batches, state):
        if state["step"] >= options.stop:
            break
        loss = loss_of(network, forward, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizers.step(learning_rate(state["step"], options))
        progress.add(loss.item(), batch[3], state)
        if time.time() - saved_at > options.save_minutes * 60 or state["step"] == options.stop:
            save(checkpoint, network, optimizers, state)
            saved_at = time.time()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--stop", type=int, help="save and stop at this step, to go on with other data")
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--warmup", type=int, default=40)
    parser.add_argument("--fall", type=float, default=0.35, help="share of the steps over which the rate falls to zero")
    parser.add_argument("--decay", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-minutes", type=float, default=3)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    options.stop = options.stop or options.steps
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    _, shape, encoded = prepare(options)
    train(Network(shape), Batches(encoded, options.seed), options)


if __name__ == "__main__":
    main()
