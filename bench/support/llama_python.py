#!/usr/bin/env python3
"""One round of llama.cpp through llama-cpp-python's C API, for bench/versus.py: prompts and batched decoding by depth.

usage: llama_python.py MODEL.gguf PP TG BATCHES DEPTHS THREADS
prints [{"work": [kind, tokens, batch, depth], "rate": tokens per second}]
"""
import ctypes
import json
import random
import sys
import time

import llama_cpp as api

CHUNK = 512


class Context:
    """A model and room for `sequences` of `length` tokens each."""

    def __init__(self, path, length, sequences, threads):
        parameters = api.llama_model_default_params()
        self.model = api.llama_model_load_from_file(path.encode(), parameters)
        options = api.llama_context_default_params()
        options.n_ctx = length * sequences
        options.n_batch = options.n_ubatch = max(CHUNK, sequences)
        options.n_seq_max = sequences
        options.n_threads = options.n_threads_batch = threads
        self.context = api.llama_init_from_model(self.model, options)
        if not self.context:
            sys.exit("llama.cpp refused the context")
        self.vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self.model))
        self.batch = api.llama_batch_init(max(CHUNK, sequences), 0, 1)

    def clear(self):
        api.llama_memory_clear(api.llama_get_memory(self.context), True)

    def decode(self, entries):
        """entries: (token, position, sequence, whether its logits are wanted)."""
        self.batch.n_tokens = len(entries)
        for i, (token, position, sequence, wanted) in enumerate(entries):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = wanted
        if api.llama_decode(self.context, self.batch) != 0:
            sys.exit("llama_decode failed")
        api.llama_synchronize(self.context)

    def token(self):
        return random.randrange(self.vocabulary)

    def prompt(self, first, count, sequence=0):
        for start in range(first, first + count, CHUNK):
            end = min(start + CHUNK, first + count)
            self.decode([(self.token(), at, sequence, at + 1 == first + count) for at in range(start, end)])

    def deepen(self, depth, sequences):
        """Sequences with `depth` tokens each: computed once and shared."""
        self.clear()
        if depth:
            self.prompt(0, depth)
        for sequence in range(1, sequences if depth else 0):
            api.llama_memory_seq_cp(api.llama_get_memory(self.context), 0, sequence, -1, -1)

    def greedy(self, row):
        logits = api.llama_get_logits_ith(self.context, row)
        values = ctypes.cast(logits, ctypes.POINTER(ctypes.c_float * self.vocabulary))[0]
        return max(range(0, self.vocabulary, 997), key=values.__getitem__)  # a token: which one costs Python nothing


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def steps(context, count, batch, depth):
    tokens = [context.token() for _ in range(batch)]
    for step in range(count):
        context.decode([(token, depth + step, sequence, True) for sequence, token in enumerate(tokens)])
        tokens = [context.greedy(row) for row in range(batch)]


def main():
    path = sys.argv[1]
    pp, tg, threads = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[6])
    batches, depths = ([int(part) for part in sys.argv[at].split(",")] for at in (4, 5))
    context = Context(path, max(depths) + max(pp, tg), max(batches), threads)
    context.deepen(min(32, pp or tg), 1)  # warms up
    rows = []
    for depth in depths:
        if pp:
            context.deepen(depth, 1)
            rows.append({"work": ["prefill", pp, 1, depth], "rate": pp / timed(lambda: context.prompt(depth, pp))})
        for batch in batches if tg else []:
            context.deepen(depth, batch)
            seconds = timed(lambda: steps(context, tg, batch, depth))
            rows.append({"work": ["decode", tg, batch, depth], "rate": tg * batch / seconds})
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
