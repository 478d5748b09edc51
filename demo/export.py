"""Turns a training run into the model folder that kedge embeds: bf16 safetensors, configs, tokenizer, chat template.

Usage: python export.py RUN_FOLDER MODEL_FOLDER
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, processors

from network import load_shape

BYTES_MAX = 8_000_000
CHAT_TEMPLATE = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim "
    "+ '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def config_of(shape, begin, ends):
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layer_count,
        "num_attention_heads": shape.head_count,
        "num_key_value_heads": shape.kv_head_count,
        "head_dim": shape.head_size,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context_max,
        "rms_norm_eps": shape.norm_epsilon,
        "rope_theta": shape.rope_theta,
        "rope_scaling": None,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "initializer_range": 0.02,
        "bos_token_id": begin,
        "eos_token_id": ends,
        "torch_dtype": "bfloat16",
        "use_cache": True,
    }


def tokenizer_config(tokenizer, shape, specials):
    added = {
        str(tokenizer.token_to_id(token)): {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for token in specials
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": added,
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|eot_id|>",
        "model_max_length": shape.context_max,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    options.model.mkdir(parents=True, exist_ok=True)
    shape = load_shape(options.run / "shape.json")
    saved = torch.load(options.run / "checkpoint.pt")
    weights = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in saved["network"].items()}
    save_file(weights, options.model / "model.safetensors", metadata={"format": "pt"})
    (options.model / "model.safetensors").chmod(0o644)

    tokenizer = Tokenizer.from_file(str(options.run / "tokenizer.json"))
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    begin, end, _, _, end_of_turn = map(tokenizer.token_to_id, specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{specials[0]} $A", pair=f"{specials[0]} $A {specials[0]} $B", special_tokens=[(specials[0], begin)]
    )
    tokenizer.save(str(options.model / "tokenizer.json"))
    write_json(options.model / "tokenizer_config.json", tokenizer_config(tokenizer, shape, specials))
    write_json(options.model / "config.json", config_of(shape, begin, [end, end_of_turn]))
    write_json(
        options.model / "generation_config.json",
        {
            "bos_token_id": begin,
            "eos_token_id": [end, end_of_turn],
            "do_sample": True,
            "temperature": 0.6,
            "top_p": 0.9,
        },
    )
    size = (options.model / "model.safetensors").stat().st_size
    if size > BYTES_MAX:
        raise SystemExit(
            f"{options.model}/model.safetensors has {size} bytes, expected at most {BYTES_MAX}: choose a smaller shape"
        )
    parameters = sum(tensor.numel() for tensor in weights.values())
    print(f"{options.model}: {size} bytes, {parameters} parameters, step {saved['state']['step']}")


if __name__ == "__main__":
    main()
