"""Measures an exported model folder on held-out phrasings, or talks to it, with the plain PyTorch forward.

Usage: python evaluate.py MODEL_FOLDER HELDOUT.jsonl [--limit N]
       python evaluate.py MODEL_FOLDER --ask "question" ["next question" ...] [--system TEXT] [--temperature T]
Checks: a right answer holds the key of its question (numbers as whole numbers); a question outside the ground is
answered by saying so; perplexity is per token of the reference answers.
"""

import argparse
import json
import math
import re
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

from network import Network, Shape

DECLINES = re.compile(
    r"do not know|don't know|sorry|cannot|can only|know nothing|not sure|not learned|larger model|more than I know|"
    r"no clock|no news|no calendar|too small|too hard|only a|will not help|not told|not tell|have no",
    re.IGNORECASE,
)


class Model:
    """Weights, tokenizer and end tokens of a folder."""

    def __init__(self, folder):
        config = json.loads((folder / "config.json").read_text())
        self.shape = Shape(
            config["vocab_size"],
            config["hidden_size"],
            config["intermediate_size"],
            config["num_hidden_layers"],
            config["num_attention_heads"],
            config["num_key_value_heads"],
            config["max_position_embeddings"],
            config["rope_theta"],
            config["rms_norm_eps"],
        )
        self.network = Network(self.shape)
        self.network.load_state_dict(
            {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        )
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.ends = set(config["eos_token_id"])

    def prompt(self, messages):
        text = "<|begin_of_text|>" + "".join(
            f"<|start_header_id|>{m['role']}<|end_header_id|>\n\n{m['content'].strip()}<|eot_id|>" for m in messages
        )
        return self.tokenizer.encode(
            text + "<|start_header_id|>assistant<|end_header_id|>\n\n", add_special_tokens=False
        ).ids

    @torch.no_grad()
    def generate(self, ids, temperature=0.0, top_p=0.9, new_tokens_max=300):
        new = []
        while len(new) < new_tokens_max and len(ids) + len(new) < self.shape.context_max:
            logits = self.network.logits(self.network(torch.tensor([ids + new]))[0, -1])
            token = int(logits.argmax()) if temperature == 0 else sample(logits / temperature, top_p)
            if token in self.ends:
                break
            new.append(token)
        return self.tokenizer.decode(new)

    @torch.no_grad()
    def negative_logprob(self, messages):
        """Sum over the tokens of the last answer and its end, and their count."""
        prompt = self.prompt(messages[:-1])
        answer = self.tokenizer.encode(messages[-1]["content"].strip() + "<|eot_id|>", add_special_tokens=False).ids
        hidden = self.network(torch.tensor([prompt + answer]))[0, len(prompt) - 1 : -1]
        return float(functional.cross_entropy(self.network.logits(hidden), torch.tensor(answer), reduction="sum")), len(
            answer
        )


def sample(logits, top_p):
    probabilities, order = logits.softmax(-1).sort(descending=True)
    probabilities[probabilities.cumsum(-1) - probabilities > top_p] = 0
    return int(order[torch.multinomial(probabilities, 1)])


def right(check, answer):
    if check == "|":
        return bool(DECLINES.search(answer))
    if re.fullmatch(r"\d+", check):
        return bool(
            re.search(
                rf"(?<!\d){check}(?!\d)", answer.split("=")[-1] if "=" in answer and ":" not in answer else answer
            )
        )
    if check.startswith("^"):
        return answer.lower().startswith(check[1:].lower())
    return check.lower() in answer.lower()


def measure(model, path, limit):
    records = [json.loads(line) for line in open(path, encoding="utf-8")]
    total, tokens = 0.0, 0
    kinds = {"facts and sums": [0, 0], "outside the ground": [0, 0]}
    misses = []
    for record in records[:limit]:
        messages, check = record["messages"], record["check"]
        loss, count = model.negative_logprob(messages)
        total, tokens = total + loss, tokens + count
        if check:
            answer = model.generate(model.prompt(messages[:-1]), new_tokens_max=100)
            kind = kinds["outside the ground" if check == "|" else "facts and sums"]
            kind[0] += right(check, answer)
            kind[1] += 1
            if not right(check, answer):
                misses.append({"question": messages[-2]["content"], "answer": answer, "check": check})
    result = {
        "dialogs": len(records[:limit]),
        "answer_tokens": tokens,
        "perplexity": round(math.exp(total / tokens), 3),
    }
    result |= {
        kind: {"right": good, "asked": asked, "rate": round(good / max(asked, 1), 4)}
        for kind, (good, asked) in kinds.items()
    }
    return result, misses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("heldout", type=Path, nargs="?")
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--ask", nargs="*")
    parser.add_argument("--system")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = Model(options.model)
    if options.ask:
        messages = [{"role": "system", "content": options.system}] if options.system else []
        for question in options.ask:
            messages.append({"role": "user", "content": question})
            messages.append(
                {"role": "assistant", "content": model.generate(model.prompt(messages), options.temperature)}
            )
            print(f"> {question}\n{messages[-1]['content']}\n")
        return
    result, misses = measure(model, options.heldout, options.limit)
    for miss in misses[:40]:
        print(json.dumps(miss))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
