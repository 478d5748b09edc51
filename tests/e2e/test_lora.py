"""Goal: LoRA adapters come, are chosen, and go, by flag, folder and API; a broken one is refused by name and the server
goes on; requests with different adapters and none, together, get what they get alone; run and logits take one too.

Method: random adapters of the demo model in PEFT's layout, the real `openai` client against the binary.
"""

import concurrent.futures
import json
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

import openai

from test_serve import KEDGE, PATIENCE, Server, question, wait_until

SHAPES = {"self_attn.q_proj": (256, 256), "self_attn.k_proj": (128, 256), "self_attn.v_proj": (128, 256),
          "self_attn.o_proj": (256, 256), "mlp.gate_proj": (512, 256), "mlp.up_proj": (512, 256),
          "mlp.down_proj": (256, 512)}  # of the demo model's four layers


def write_adapter(folder, seed, rank=8, modules=tuple(SHAPES), **config):
    """A random adapter, strong enough to change what the model says."""
    source = random.Random(seed)
    header, data = {}, b""
    for layer in range(4):
        for module in modules:
            rows, columns = SHAPES[module]
            for part, shape in (("lora_A", (rank, columns)), ("lora_B", (rows, rank))):
                values = [source.gauss(0, 0.12) for _ in range(shape[0] * shape[1])]
                begin = len(data)
                data += struct.pack(f"<{len(values)}f", *values)
                header[f"base_model.model.model.layers.{layer}.{module}.{part}.weight"] = {
                    "dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank,
                "target_modules": [module.split(".")[1] for module in modules], **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))


class LoraCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def serve(self, *arguments):
        server = Server("demo", *arguments)
        self.addCleanup(server.stop)
        self.client = server.client()
        self.url = server.url
        return server

    def names(self):
        return {model.id for model in self.client.models.list().data}

    def say(self, model, text="Tell me a story about a boat.", **options):
        answer = self.client.chat.completions.create(model=model, messages=question(text), max_tokens=24,
                                                     **{"temperature": 0, **options})
        self.assertEqual(answer.model, model)
        return answer.choices[0].message.content

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


class Adapters(LoraCase):
    def test_modules_of_the_command_line(self):
        write_adapter(self.folder / "a", 1)
        write_adapter(self.folder / "b", 2, use_rslora=True)
        write_adapter(self.folder / "bad", 3, r=5)
        server = self.serve("--lora-modules", f"a={self.folder / 'a'}",
                            json.dumps({"name": "b", "path": str(self.folder / "b")}), f"bad={self.folder / 'bad'}")
        self.assertEqual(self.names(), {"demo", "a", "b"})
        self.assertIn("adapter 'bad' is refused", server.messages())
        self.assertIn("has shape [8, 256], expected [5, 256]", server.messages())
        answers = {name: self.say(name) for name in ("demo", "a", "b")}
        self.assertEqual(len(set(answers.values())), 3)
        model = self.client.models.retrieve("a")
        self.assertEqual(model.parent, "demo")
        self.assertEqual(model.root, str(self.folder / "a"))
        with self.assertRaises(openai.NotFoundError) as missing:
            self.say("bad")
        self.assertIn("could not be loaded", str(missing.exception))
        with self.assertRaises(openai.NotFoundError):
            self.say("other")
        self.assertEqual(self.post("/v1/load_lora_adapter", {"lora_name": "c", "lora_path": str(self.folder)})[0], 403)

    def test_watched_folder(self):
        source = self.folder / "source"
        write_adapter(source / "one", 1)
        write_adapter(source / "broken", 2, modules_to_save=["lm_head"])
        server = self.serve("--peft-source", str(source), "--peft-refresh-seconds", "1")
        self.assertEqual(self.names(), {"demo", "one"})
        self.assertIn("adapter 'broken' is refused", server.messages())
        plain, first = self.say("demo"), self.say("one")
        write_adapter(self.folder / "new", 3)
        shutil.copytree(self.folder / "new", source / "two")
        wait_until(lambda: "two" in self.names())
        self.assertNotEqual(self.say("two"), first)
        shutil.rmtree(source / "two")
        wait_until(lambda: "two" not in self.names())
        write_adapter(source / "broken", 2)
        wait_until(lambda: "broken" in self.names())
        write_adapter(source / "one", 5)  # another adapter under the same name
        wait_until(lambda: self.say("one") != first)
        (source / "one" / "adapter_config.json").write_text("{")
        wait_until(lambda: "stays as it was" in server.messages())
        self.assertIn("one", self.names())
        self.assertEqual(self.say("demo"), plain)

    def test_api(self):
        server = self.serve("--allow-runtime-lora-updating", "--max-lora-rank", "8")
        write_adapter(self.folder / "a", 1)
        write_adapter(self.folder / "large", 2, rank=16)
        status, text = self.post("/v1/load_lora_adapter", {"lora_name": "a", "lora_path": str(self.folder / "a")})
        self.assertEqual((status, text), (200, "Success: LoRA adapter 'a' added successfully."))
        status, text = self.post("/v1/load_lora_adapter", {"lora_name": "l", "lora_path": str(self.folder / "large")})
        self.assertEqual(status, 400)
        self.assertIn("has rank 16, and --max-lora-rank allows 8", text)
        self.assertEqual(self.post("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "/nowhere"})[0], 404)
        whole = self.say("a")
        # Unloaded while it answers: the answer is what it would have been.
        stream = self.client.chat.completions.create(model="a", messages=question(), max_tokens=24, temperature=0,
                                                     stream=True)
        text = next(stream).choices[0].delta.content or ""
        self.assertEqual(self.post("/v1/unload_lora_adapter", {"lora_name": "a"})[0], 200)
        text += "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        self.assertEqual(text, whole)
        with self.assertRaises(openai.NotFoundError):
            self.say("a")
        self.assertEqual(self.post("/v1/unload_lora_adapter", {"lora_name": "a"})[0], 404)
        self.assertIsNotNone(server.metric("vllm:lora_requests_info"))

    def test_a_mixed_batch_says_what_each_says_alone(self):
        modules = []
        for i in range(4):
            write_adapter(self.folder / f"a{i}", i, rank=4 + i)
            modules.append(f"a{i}={self.folder / f'a{i}'}")
        self.serve("--lora-modules", *modules)
        wanted = [("demo" if i % 5 == 4 else f"a{i % 5}", f"Tell me about the number {i % 7}.",
                   {"temperature": i % 2, "seed": i}) for i in range(40)]
        alone = [self.say(model, text, **options) for model, text, options in wanted]
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            together = list(pool.map(lambda one: self.say(one[0], one[1], **one[2]), wanted))
        self.assertEqual(together, alone)
        self.assertEqual(len({self.say(f"a{i}") for i in range(4)} | {self.say("demo")}), 5)


class Commands(LoraCase):
    def run_kedge(self, *arguments):
        return subprocess.run([KEDGE, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)

    def test_run_and_logits(self):
        write_adapter(self.folder / "a", 1)
        common = ["run", "demo", "--json", "-p", "Hello", "--temperature", "0", "-n", "12"]
        plain = json.loads(self.run_kedge(*common).stdout)
        with_adapter = json.loads(self.run_kedge(*common, "--lora", str(self.folder / "a")).stdout)
        self.assertNotEqual(plain["ids"], with_adapter["ids"])
        prompts = self.folder / "prompts.json"
        prompts.write_text("[[1, 2, 3, 4]]")
        written = []
        for options in ([], ["--lora", str(self.folder / "a")]):
            out = self.folder / "out.safetensors"
            done = self.run_kedge("logits", "demo", "--prompts", str(prompts), "--out", str(out), *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            written.append(out.read_bytes())
        self.assertNotEqual(written[0], written[1])

    def test_a_broken_adapter_ends_the_command(self):
        write_adapter(self.folder / "a", 1, bias="all")
        done = self.run_kedge("run", "demo", "-p", "Hello", "--lora", str(self.folder / "a"))
        self.assertEqual(done.returncode, 3)
        self.assertIn("'bias' is 'all', expected none", done.stderr)


if __name__ == "__main__":
    unittest.main()
