#!/usr/bin/env python3
"""Writes random LoRA adapters in PEFT's layout (bf16), to measure with `kedge bench --lora`.

    bench/make_adapters.py OUT --count 8 --rank 16 --config CONFIG.json --modules q_proj,v_proj

CONFIG.json is the model's. Without it, Llama 3.2 1B's shape.
"""

import argparse
import json
import pathlib
import random
import struct

LLAMA_1B = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
            "num_key_value_heads": 8, "head_dim": 64}
MODULES = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"


def shapes(config):
    """Name, outputs and inputs of every module."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    head = config.get("head_dim") or hidden // config["num_attention_heads"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    return {"q_proj": ("self_attn", queries, hidden), "k_proj": ("self_attn", keys, hidden),
            "v_proj": ("self_attn", keys, hidden), "o_proj": ("self_attn", hidden, queries),
            "gate_proj": ("mlp", inner, hidden), "up_proj": ("mlp", inner, hidden), "down_proj": ("mlp", hidden, inner)}


def write(folder, config, modules, rank, seed):
    source = random.Random(seed)
    # bf16 numbers between 2^-9 and 2^-6 of either sign
    numbers = b"".join(struct.pack("<H", source.getrandbits(1) << 15 | (118 + source.randrange(3)) << 7
                                   | source.getrandbits(7)) for _ in range(1 << 16))
    header, end = {}, 0
    for layer in range(config["num_hidden_layers"]):
        for module in modules:
            parent, outputs, inputs = shapes(config)[module]
            for part, shape in (("lora_A", (rank, inputs)), ("lora_B", (outputs, rank))):
                begin, end = end, end + 2 * shape[0] * shape[1]
                header[f"base_model.model.model.layers.{layer}.{parent}.{module}.{part}.weight"] = {
                    "dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "adapter_model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        while end > 0:
            begin = 2 * source.randrange(1 << 15)
            end -= file.write(numbers[begin:begin + min(end, 1 << 16)])
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "target_modules": modules}
    (folder / "adapter_config.json").write_text(json.dumps(settings))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--config", type=pathlib.Path)
    parser.add_argument("--modules", default=MODULES)
    options = parser.parse_args()
    config = json.loads(options.config.read_text()) if options.config else LLAMA_1B
    for index in range(options.count):
        write(options.out / f"a{index}", config, options.modules.split(","), options.rank, index)


if __name__ == "__main__":
    main()
