#!/usr/bin/env python3
"""Writes gguf_dequant.json: one row of random blocks of every GGUF block type, and its values as float32.

Needs numpy and gguf (0.19 was used), the reference implementation that llama.cpp's own tools use:
    python3 make_gguf_dequant.py > gguf_dequant.json
"""
import json

import gguf
import numpy as np

TYPES = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS".split()
# Byte offsets of the float16 numbers of each block: random bits there would often be infinite or no number.
HALVES = {
    "Q4_1": (0, 2), "Q5_1": (0, 2), "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,),
}
COLUMNS = 256


def main():
    generator = np.random.default_rng(20261123)
    cases = []
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        block_elements, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        blocks = generator.integers(0, 256, (COLUMNS // block_elements, block_bytes), dtype=np.uint8)
        for offset in HALVES.get(name, (0,)):
            scales = generator.normal(0, 0.05, blocks.shape[0]).astype(np.float16)
            blocks[:, offset:offset + 2] = scales.view(np.uint8).reshape(-1, 2)
        row = blocks.reshape(1, -1)
        values = gguf.dequantize(row, kind).astype("<f4")
        assert np.isfinite(values).all() and values.shape == (1, COLUMNS)
        cases.append({"type": name, "columns": COLUMNS, "row": row.tobytes().hex(), "values": values.tobytes().hex()})
    lines = ",\n".join(json.dumps(case) for case in cases)
    print('{"cases": [\n' + lines + "\n]}")


if __name__ == "__main__":
    main()
