#!/usr/bin/env python3
"""Whether what `kedge quantize` writes runs elsewhere, to the same logits: folders in transformers, GGUF in llama.cpp.

usage: bench/quantized_elsewhere.py [--kedge PROGRAM] [--llama-logits PROGRAM] [--models demo,stories,gemma3-1b,...]
                                    [--formats int8,int4-g64,q4_k,...]

Needs torch, transformers, compressed-tensors, safetensors and gguf in this Python. Models are the demo model, stories
(stories260K) and the families of ../shared/data/models; the GGUF types need llama_logits (bench/support/). Prints one
row a format, model and route, with the largest difference of a logit from kedge's (f32 compute) over random prompts of
up to 40 tokens, and that of the median position. Routes:

  loaded        AutoModelForCausalLM.from_pretrained(folder)
  dequantized   the same with CompressedTensorsConfig(dequantize=True)
  unpacked      each matrix by compressed-tensors alone, then run by transformers: what the files say, whatever
                transformers makes of them
  llama.cpp     the file as it is: that program rounds activations to 8 bits
  llama.cpp f32 the file's values, dequantized by the gguf package into a file of F32

Scales are widened to float32 first, with the same values: transformers otherwise rounds every weight to their 16 bits.
w8a8 is compared with activations of 8 bits where it is loaded as it is, and without elsewhere. A value between two
codes is rounded to either by the last bit of a sum and changes all that follows: it gets prompts of two tokens, and its
median counts.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.pop(0)  # bench/tokenizers.py would stand in for the package
os.environ.update(HF_HUB_OFFLINE="1", DO_NOT_TRACK="1")

import gguf
import numpy as np
import torch
import transformers
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationConfig
from compressed_tensors.quantization.utils import helpers
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "models"
MODELS = ("demo,stories,llama-k256,llama31-rope-scaled,mistral-v03,mistral-nemo,mixtral-moe,qwen2,qwen3,phi3-mini-4k,"
          "phi3-longrope,gemma1-mqa,gemma2-k256,gemma3-1b")
FOLDERS = ("int8,int4-g32,int4-g64,int4,int4-g32-symmetric,int4-g64-symmetric,int4-symmetric,w8a8,mixed,"
           "mixed-symmetric")
FILES = "q8_0,q4_0,q4_k,q6_k"
METHODS = {"w8a8": "smooth", "mixed": "gptq", "mixed-symmetric": "gptq"}
TEXT = ("--sequences", "8", "--length", "64", "--held-sequences", "2", "--quiet")
PROMPT_LENGTHS = (1, 7, 40)  # below the smallest window here: llama.cpp gives Phi-3 none
LONG_LENGTHS = {"phi3-longrope": (65, 160)}  # over the original context: llama.cpp chooses factors by its cache's size


def difference(ours: list, theirs: list) -> tuple:
    """Of a logit: the largest of all positions, and that of the median position."""
    positions = np.concatenate([np.abs(a - b).max(axis=1) for a, b in zip(ours, theirs)])
    return float(positions.max()), float(np.median(positions))


class Check:
    def __init__(self, options, work: pathlib.Path):
        self.options, self.work = options, work

    def kedge(self, *arguments) -> None:
        done = subprocess.run([self.options.kedge, *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())

    def kedge_logits(self, model, prompts: list, *arguments) -> list:
        (self.work / "prompts.json").write_text(json.dumps(prompts), encoding="utf-8")
        self.kedge("logits", model, "--compute", "f32", "--packed-cache", "none", "--prompts",
                   self.work / "prompts.json", "--out", self.work / "logits.safetensors", *arguments)
        tensors = load_file(self.work / "logits.safetensors")
        return [tensors[f"prompt{i}.logits"].numpy() for i in range(len(prompts))]

    def llama_logits(self, path, prompts: list) -> list:
        (self.work / "prompts.txt").write_text("\n".join(" ".join(map(str, ids)) for ids in prompts), encoding="utf-8")
        subprocess.run([self.options.llama_logits, path, self.work / "prompts.txt", self.work / "logits.bin"],
                       check=True)
        logits = np.fromfile(self.work / "logits.bin", np.float32).reshape(sum(map(len, prompts)), -1)
        return np.split(logits, np.cumsum([len(ids) for ids in prompts])[:-1])

    def folder(self, model, format_name: str, prompts: list) -> dict:
        out = self.work / "folder"
        shutil.rmtree(out, ignore_errors=True)
        target = format_name.removesuffix("-symmetric")
        self.kedge("quantize", model, "--to", target, "--method", METHODS.get(format_name, "rtn"), "--out", out, *TEXT,
                   *(["--symmetric"] if target != format_name else []), *(["--bits", "6"] if target == "mixed" else []))
        ours = self.kedge_logits(out, prompts, *(["--quantize-activations"] if target == "w8a8" else []))
        weights_only = self.kedge_logits(out, prompts)
        wide, plain = widened(out, self.work / "wide"), unpacked(out, self.work / "plain")
        dequantize = transformers.CompressedTensorsConfig(dequantize=True)
        return {"loaded": attempt(ours, wide, prompts),
                "dequantized": attempt(weights_only, wide, prompts, quantization_config=dequantize),
                "unpacked": attempt(weights_only, plain, prompts)}

    def file(self, model, format_name: str, prompts: list) -> dict:
        out, wide = self.work / "model.gguf", self.work / "wide.gguf"
        out.unlink(missing_ok=True)
        self.kedge("quantize", model, "--to", format_name, "--out", out, *TEXT)
        ours = self.kedge_logits(out, prompts)
        widen_gguf(out, wide)
        return {"llama.cpp": difference(ours, self.llama_logits(out, prompts)),
                "llama.cpp f32": difference(ours, self.llama_logits(wide, prompts))}


def attempt(ours: list, folder: pathlib.Path, prompts: list, **arguments):
    """The differences, or in a word why there are none."""
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True, **arguments)
    except (RuntimeError, ValueError, AttributeError) as error:
        return f"not loaded: {str(error).splitlines()[0][:60]}"
    if report["missing_keys"]:
        return f"not loaded: {len(report['missing_keys'])} tensors not found"
    with torch.no_grad():
        return difference(ours, [model(torch.tensor([ids])).logits[0].float().numpy() for ids in prompts])


def copied(folder: pathlib.Path, out: pathlib.Path, change) -> pathlib.Path:
    """The folder with its tensors, one shard after another, and its settings as `change` leaves them."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors.update(load_file(path))
    change(tensors, settings)
    for name, tensor in tensors.items():
        tensors[name] = tensor.float() if tensor.is_floating_point() else tensor
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "config.json").write_text(json.dumps({**settings, "torch_dtype": "float32"}), encoding="utf-8")
    return out


def widened(folder: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    return copied(folder, out, lambda tensors, settings: None)


def unpacked(folder: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    def change(tensors: dict, settings: dict) -> None:
        description = settings.pop("quantization_config")
        schemes = QuantizationConfig.model_validate(description).config_groups.values()
        compressor = BaseCompressor.get_value_from_registry(description["format"])
        for name in [key.removesuffix("_scale") for key in tensors if key.endswith(".weight_scale")]:
            module = name.removesuffix(".weight")
            scheme = next(each for each in schemes if module in each.targets or "Linear" in each.targets)
            parts = {key: tensors.pop(f"{module}.{key}") for key in (
                "weight", "weight_packed", "weight_scale", "weight_zero_point", "weight_shape")
                if f"{module}.{key}" in tensors}
            parts["weight_scale"] = parts["weight_scale"].float()
            tensors[name] = compressor.decompress(parts, scheme)["weight"].contiguous()
    return copied(folder, out, change)


def widen_gguf(path: pathlib.Path, out: pathlib.Path) -> None:
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, field.contents())
        else:
            writer.add_key_value(name, field.contents(), field.types[0])
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, values.reshape([int(size) for size in reversed(tensor.shape)]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def divide_by_127() -> None:
    """compressed-tensors divides a token's largest activation by 127.5, which puts it between two codes, so that the
    last bit of a product decides; integer kernels and kedge divide by 127."""
    original = helpers.calculate_qparams

    def calculate(low, high, arguments, *rest, **named):
        scales, zeros = original(low, high, arguments, *rest, **named)
        largest = torch.maximum(low.abs(), high.abs())
        return largest / 127 if arguments.dynamic and arguments.num_bits == 8 else scales, zeros
    helpers.calculate_qparams = calculate


def model_path(name: str) -> pathlib.Path:
    named = {"demo": ROOT / "demo" / "model", "stories": DATA / "real-model"}
    return named.get(name, DATA / "models" / name / "bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kedge", default=str(ROOT / "build" / "release" / "kedge"))
    parser.add_argument("--llama-logits", default="")
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--formats", default="")
    options = parser.parse_args()
    formats = options.formats or FOLDERS + ("," + FILES if options.llama_logits else "")
    transformers.logging.set_verbosity_error()
    divide_by_127()
    random = np.random.default_rng(5)
    print("| model | format | route | largest difference | median |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        check = Check(options, pathlib.Path(work))
        for name in options.models.split(","):
            model = model_path(name)
            vocabulary = json.loads((model / "config.json").read_text(encoding="utf-8"))["vocab_size"]
            lengths = LONG_LENGTHS.get(name, PROMPT_LENGTHS)
            prompts = [random.integers(3, vocabulary - 8, length).tolist() for length in lengths]
            pairs = [ids[i:i + 2] for ids in prompts for i in range(0, len(ids), 2)]
            for format_name in formats.split(","):
                run = check.file if format_name in FILES.split(",") else check.folder
                for route, found in run(model, format_name, pairs if format_name == "w8a8" else prompts).items():
                    found = f"{found} |" if isinstance(found, str) else f"{found[0]:.1e} | {found[1]:.1e}"
                    print(f"| {name} | {format_name} | {route} | {found} |", flush=True)


if __name__ == "__main__":
    main()
