"""Goal: the memory plan that `kedge inspect` prints is what a run really takes.

Method: a checkpoint of some 400 MB whose context is filled; the peak of the process against the plan's total, within 5
per cent, for weights as stored and for weights that are laid out anew.
"""

import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KEDGE = os.environ.get("KEDGE", str(ROOT / "build" / "release" / "kedge"))
HIDDEN, INNER, LAYERS, VOCABULARY, CONTEXT = 1024, 4096, 8, 32000, 1024
TOLERANCE = 0.05


def shapes() -> dict:
    result = {"model.embed_tokens.weight": [VOCABULARY, HIDDEN], "lm_head.weight": [VOCABULARY, HIDDEN],
              "model.norm.weight": [HIDDEN]}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        result |= {prefix + "input_layernorm.weight": [HIDDEN], prefix + "post_attention_layernorm.weight": [HIDDEN],
                   **{f"{prefix}self_attn.{name}_proj.weight": [HIDDEN, HIDDEN] for name in "qkvo"},
                   prefix + "mlp.gate_proj.weight": [INNER, HIDDEN], prefix + "mlp.up_proj.weight": [INNER, HIDDEN],
                   prefix + "mlp.down_proj.weight": [HIDDEN, INNER]}
    return result


def tensors(quantized: bool) -> dict:
    """Type, shape and bytes of every tensor; quantized: products in I8 with a scale for each row."""
    result = {}
    for name, shape in shapes().items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        if quantized and "_proj." in name:
            result[name] = ("I8", shape, count)
            result[name + "_scale"] = ("BF16", [shape[0], 1], 2 * shape[0])
        else:
            result[name] = ("BF16", shape, 2 * count)
    return result


def write_checkpoint(folder: Path, quantized: bool) -> None:
    """Small bf16 numbers of both signs; what they are does not matter here."""
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
              "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
              "num_attention_heads": 16, "num_key_value_heads": 16, "max_position_embeddings": CONTEXT,
              "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": False}
    if quantized:
        config["quantization_config"] = {"quant_method": "compressed-tensors", "format": "int-quantized",
                                         "config_groups": {"group_0": {"weights": {"num_bits": 8}}}}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    header, offset = {}, 0
    for name, (dtype, shape, size) in tensors(quantized).items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    piece = struct.pack("<8H", 0x3C00, 0xBC10, 0x3B20, 0xBB00, 0x3A80, 0xBC00, 0x3C20, 0xBB80) * (1 << 16)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        while offset > 0:
            file.write(piece[:min(offset, len(piece))])
            offset -= len(piece)


class MemoryPlan(unittest.TestCase):
    def test_the_peak_is_as_planned(self):
        with tempfile.TemporaryDirectory() as name:
            for compute, kv_cache in (("f32", "auto"), ("bf16", "auto"), ("bf16", "int4"), ("int8", "int8")):
                with self.subTest(compute=compute, kv_cache=kv_cache):
                    folder = Path(name) / compute
                    write_checkpoint(folder, compute == "int8")
                    options = ("--compute", compute, "--kv-cache", kv_cache)
                    planned = self.planned(folder, options)
                    measured = self.peak(folder, options)
                    print(f"{compute}, {kv_cache}: planned {planned / 2**20:.1f} MiB, peak {measured / 2**20:.1f} MiB")
                    self.assertLess(abs(measured - planned), TOLERANCE * planned)
                    shutil.rmtree(folder)

    def planned(self, folder: Path, options: tuple) -> int:
        done = subprocess.run([KEDGE, "inspect", folder, *options, "--json"], check=True, capture_output=True,
                              timeout=120)
        return json.loads(done.stdout)["memory"]["total_bytes"]

    def peak(self, folder: Path, options: tuple) -> int:
        """Resident pages when prompt and answers fill the cache, mapped weights included."""
        ids = ",".join(str(i * 37 % VOCABULARY) for i in range(CONTEXT - 2))
        process = subprocess.Popen([KEDGE, "run", folder, "--ids", ids, "-n", "2", "--sequences", "16", "--ignore-eos",
                                    *options, "--packed-cache", "none", "--json"],
                                   stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss * 1024


if __name__ == "__main__":
    unittest.main()
