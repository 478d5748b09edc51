#!/usr/bin/env python3
"""Writes tests/corpus/quantized_matrix_fuzz: one small matrix in each layout of quantized checkpoints."""

import json
import struct
from pathlib import Path

ROWS, COLUMNS, GROUP = 16, 64, 32
FOLDER = Path(__file__).resolve().parent.parent / "corpus" / "quantized_matrix_fuzz"
GROUPS = COLUMNS // GROUP


def words(count: int, seed: int) -> bytes:
    return b"".join(struct.pack("<I", (seed * 2654435761 + i * 40503 * 65537) & 0xFFFFFFFF) for i in range(count))


def halves(count: int) -> bytes:
    return struct.pack("<e", 0.25) * count


def write(name: str, settings: dict, tensors: dict) -> None:
    header = {"__metadata__": {"quantization_config": json.dumps(settings), "rows": str(ROWS), "columns": str(COLUMNS)}}
    data = b""
    for part, (dtype, shape, content) in tensors.items():
        header["m." + part] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    (FOLDER / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def gptq(bits: int, order: list) -> dict:
    per_word = 32 // bits
    return {"qweight": ("I32", [COLUMNS // per_word, ROWS], words(COLUMNS // per_word * ROWS, 1)),
            "qzeros": ("I32", [GROUPS, ROWS // per_word], words(GROUPS * ROWS // per_word, 2)),
            "scales": ("F16", [GROUPS, ROWS], halves(GROUPS * ROWS)),
            "g_idx": ("I32", [COLUMNS], struct.pack(f"<{COLUMNS}i", *order))}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    in_order = [k // GROUP for k in range(COLUMNS)]
    write("gptq4", {"quant_method": "gptq", "bits": 4}, gptq(4, in_order))
    write("gptq8_order", {"quant_method": "gptq", "bits": 8, "checkpoint_format": "gptq_v2"},
          gptq(8, [k % GROUPS for k in range(COLUMNS)]))
    write("awq", {"quant_method": "awq", "bits": 4},
          {"qweight": ("I32", [COLUMNS, ROWS // 8], words(COLUMNS * ROWS // 8, 3)),
           "qzeros": ("I32", [GROUPS, ROWS // 8], words(GROUPS * ROWS // 8, 4)),
           "scales": ("F16", [GROUPS, ROWS], halves(GROUPS * ROWS))})
    compressed = {"quant_method": "compressed-tensors", "format": "pack-quantized",
                  "config_groups": {"group_0": {"weights": {"num_bits": 4}}}}
    write("packed", compressed,
          {"weight_packed": ("I32", [ROWS, COLUMNS // 8], words(ROWS * COLUMNS // 8, 5)),
           "weight_scale": ("F16", [ROWS, GROUPS], halves(ROWS * GROUPS)),
           "weight_zero_point": ("I32", [ROWS // 8, GROUPS], words(ROWS // 8 * GROUPS, 6)),
           "weight_shape": ("I64", [2], struct.pack("<2q", ROWS, COLUMNS))})
    activations = {"num_bits": 8, "type": "int", "strategy": "token", "dynamic": True}
    write("w8a8", {**compressed, "format": "int-quantized", "config_groups": {"group_0": {
        "weights": {"num_bits": 8}, "input_activations": activations}}},
          {"weight": ("I8", [ROWS, COLUMNS], words(ROWS * COLUMNS // 4, 7)),
           "weight_scale": ("F16", [ROWS, 1], halves(ROWS))})
    write("fp8_blocks", {"quant_method": "fp8", "weight_block_size": [8, 32]},
          {"weight": ("F8_E4M3", [ROWS, COLUMNS], words(ROWS * COLUMNS // 4, 8)),
           "weight_scale_inv": ("F32", [ROWS // 8, COLUMNS // 32], struct.pack("<f", 0.5) * 4)})
    write("fp8_static", {"quant_method": "fp8", "activation_scheme": "static"},
          {"weight": ("F8_E4M3", [ROWS, COLUMNS], words(ROWS * COLUMNS // 4, 9)),
           "weight_scale_inv": ("F32", [], struct.pack("<f", 0.5)),
           "activation_scale": ("F32", [], struct.pack("<f", 0.5))})


if __name__ == "__main__":
    main()
