"""Goal: the command line keeps its contract: one JSON document on standard output, one line for a failure, exit codes.

Method: call the binary as scripts do, on the demo model and on odd input: nothing, wrong flags, missing files,
NUL bytes, broken JSON, a reader that went away.
"""

import json
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEDGE = os.environ.get("KEDGE", str(ROOT / "build" / "release" / "kedge"))
TIMEOUT_SECONDS = 120
USAGE, BAD_INPUT = 2, 3


def kedge(*arguments, stdin=b"", env=None):
    """The finished process. Standard input is bytes or text."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    return subprocess.run([KEDGE, *map(str, arguments)], input=data, capture_output=True, timeout=TIMEOUT_SECONDS,
                          env={**os.environ, **(env or {})}, check=False)


class CommandLineCase(unittest.TestCase):
    def document(self, *arguments, stdin=b"", env=None):
        """The JSON document that a call that must succeed prints, and nothing else with it."""
        done = kedge(*arguments, stdin=stdin, env=env)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return json.loads(done.stdout.decode("utf-8"))

    def fails(self, code, *arguments, stdin=b"", env=None):
        """The message of a call that must end with this exit code: one line, and no output."""
        done = kedge(*arguments, stdin=stdin, env=env)
        message = done.stderr.decode("utf-8")
        self.assertEqual(done.returncode, code, message)
        self.assertEqual(done.stdout, b"")
        if code != USAGE:
            self.assertEqual(message.count("\n"), 1, message)
        return message


class General(CommandLineCase):
    def test_version_and_help(self):
        self.assertRegex(kedge("--version").stdout.decode(), r"^kedge \d+\.\d+\.\d+")
        for command in ("run", "inspect", "tokenize", "detokenize", "template", "logits", "score", "embed", "rerank"):
            done = kedge(command, "--help")
            self.assertEqual(done.returncode, 0, command)
            self.assertIn("--", done.stdout.decode(), command)

    def test_wrong_usage(self):
        for arguments in ([], ["nonsense"], ["tokenize"], ["tokenize", "demo", "--nonsense"], ["detokenize", "demo"],
                          ["run", "demo", "--max-tokens", "many"], ["run", "demo", "--compute", "f16"],
                          ["embed", "demo", "--pooling", "sum"], ["logits", "demo"]):
            self.fails(USAGE, *arguments)

    def test_an_unknown_instruction_set_is_wrong_usage(self):
        self.assertIn("KEDGE_ISA", self.fails(USAGE, "inspect", "demo", env={"KEDGE_ISA": "mmx"}))

    def test_a_model_that_is_not_there(self):
        for command in (["inspect"], ["tokenize"], ["template"], ["score"], ["run", "-p", "x"],
                        ["detokenize", "--ids", "1"]):
            message = self.fails(BAD_INPUT, command[0], "/no/such/model", *command[1:], stdin="{}")
            self.assertIn("/no/such/model", message)
        with tempfile.TemporaryDirectory() as home:
            message = self.fails(BAD_INPUT, "inspect", "org/name", env={"HF_HOME": home})
            self.assertIn("kedge pull", message)

    def test_files_that_are_no_models(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            self.fails(BAD_INPUT, "inspect", path)
            (path / "config.json").write_bytes(b"{\x00")
            self.assertIn("config.json", self.fails(BAD_INPUT, "inspect", path))
            for name, content in (("empty.gguf", b""), ("short.gguf", b"GGUF"), ("noise.gguf", bytes(range(256)) * 8)):
                (path / name).write_bytes(content)
                self.assertIn(name, self.fails(BAD_INPUT, "inspect", path / name))
            (path / "tokenizer.json").write_bytes(b"[1, 2")
            self.assertIn("tokenizer.json", self.fails(BAD_INPUT, "tokenize", path / "tokenizer.json", stdin="a"))

    def test_a_reader_that_went_away(self):
        process = subprocess.Popen([KEDGE, "tokenize", "demo", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.close()
        process.stdin.write(b"word " * 50000)
        process.stdin.close()
        message = process.stderr.read()
        process.stderr.close()
        code = process.wait(timeout=TIMEOUT_SECONDS)
        self.assertIn(code, (1, -signal.SIGPIPE), message)

    def test_closed_standard_streams(self):
        done = subprocess.run(["/bin/sh", "-c", '"$0" tokenize demo --json <&-', KEDGE], capture_output=True,
                              timeout=TIMEOUT_SECONDS, check=False)
        self.assertIn(done.returncode, (1, BAD_INPUT), done.stderr)
        done = subprocess.run(["/bin/sh", "-c", '"$0" inspect demo --json >&-', KEDGE], capture_output=True,
                              timeout=TIMEOUT_SECONDS, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)


class Tokens(CommandLineCase):
    def round_trip(self, text):
        ids = self.document("tokenize", "demo", "--json", stdin=text)["ids"]
        return self.document("detokenize", "demo", "--json", "--ids", ",".join(map(str, ids)))

    def test_every_token_has_its_text(self):
        answer = self.document("tokenize", "demo", "--json", stdin="The sea is calm.\n")
        self.assertEqual(len(answer["ids"]), len(answer["tokens"]))
        self.assertGreater(len(answer["ids"]), 2)

    def test_no_input_is_no_tokens(self):
        self.assertEqual(self.document("tokenize", "demo", "--json"), {"ids": [], "tokens": []})
        nothing = {"text": "", "stream": [], "flush": ""}
        self.assertEqual(self.document("detokenize", "demo", "--json", "--ids", ""), nothing)

    def test_input_is_taken_byte_for_byte(self):
        for text in ("line\n", " two  spaces ", "tab\tand \r\n end", "é 你好 👩🏾‍💻", "a\0b\0"):
            answer = self.round_trip(text.encode())
            self.assertEqual(answer["text"], text)
            self.assertEqual("".join(answer["stream"]) + answer["flush"], text)

    def test_bytes_that_are_no_text(self):
        answer = self.round_trip(b"ok \xff\xfe \x80")
        self.assertTrue(answer["text"].startswith("ok "), answer)

    def test_ids_that_are_no_ids(self):
        for ids in ("1,,2", "a", "1;2", "-1", "1,", "99999999999999999999", "1 2"):
            self.fails(BAD_INPUT, "detokenize", "demo", "--json", "--ids=" + ids)

    def test_an_id_beyond_the_vocabulary_is_no_crash(self):
        self.document("detokenize", "demo", "--json", "--ids", "2147483647")


class Templates(CommandLineCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def template(self, source):
        path = self.folder / "chat.jinja"
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        return path

    def test_further_keys_are_variables_and_dates_are_given(self):
        path = self.template("{{ bos_token }}{{ messages[0].content }}{{ who }}{{ strftime_now('%d %b %Y') }}")
        request = {"messages": [{"role": "user", "content": "é"}], "bos_token": "<s>", "who": "x",
                   "strftime_now": "2024-07-26"}
        answer = self.document("template", path, "--json", stdin=json.dumps(request))
        self.assertEqual(answer["prompt"], "<s>éx26 Jul 2024")

    def test_tools_may_be_null(self):
        path = self.template("{{ tools is none }}{{ tools | length if tools }}")
        for tools in ({}, {"tools": None}):
            request = {"messages": [], **tools}
            self.assertEqual(self.document("template", path, "--json", stdin=json.dumps(request))["prompt"], "True")

    def test_a_refusal_is_bad_input(self):
        request = json.dumps({"messages": [{"role": "system", "content": "x"}]})
        refusing = self.template("{{ raise_exception('no system\nrole') }}")
        message = self.fails(BAD_INPUT, "template", refusing, "--json", stdin=request)
        self.assertIn("no system", message)
        for source in ("{{ messages[0].nope.nope }}", "{% for %}", "{{ 'a' * 10000000000 }}", b"\xff",
                       "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"):
            self.fails(BAD_INPUT, "template", self.template(source), "--json", stdin=request)

    def test_requests_that_are_none(self):
        path = self.template("x")
        for request in ("", "{", "[]", "1", "null", '{"messages": 1}', '{"messages": [1]}', "{}\0",
                        '{"messages": []} x', "[" * 100000, b'{"messages": "\xff"}'):
            self.fails(BAD_INPUT, "template", path, "--json", stdin=request)

    def test_the_order_in_which_a_template_is_found(self):
        request = json.dumps({"messages": [], "tools": None})
        with_tools = json.dumps({"messages": [], "tools": [{"type": "function"}]})
        config = self.folder / "tokenizer_config.json"
        config.write_text(json.dumps({"chat_template": "config", "bos_token": {"content": "<b>"}}))
        self.assertEqual(self.document("template", self.folder, "--json", stdin=request)["prompt"], "config")
        config.write_text(json.dumps({"bos_token": "<b>", "chat_template": [
            {"name": "tool_use", "template": "tools {{ bos_token }}"},
            {"name": "default", "template": "plain {{ bos_token }}"}]}))
        self.assertEqual(self.document("template", self.folder, "--json", stdin=request)["prompt"], "plain <b>")
        self.assertEqual(self.document("template", self.folder, "--json", stdin=with_tools)["prompt"], "tools <b>")
        (self.folder / "chat_template.jinja").write_text("file")
        self.assertEqual(self.document("template", self.folder, "--json", stdin=request)["prompt"], "file")
        other = self.folder / "other.txt"
        other.write_text("override")
        answer = self.document("template", self.folder, "--chat-template", other, "--json", stdin=request)
        self.assertEqual(answer["prompt"], "override")


class Computing(CommandLineCase):
    IDS = "5,6,7,8"

    def greedy(self, *extra, env=None):
        return self.document("run", "demo", "--ids", self.IDS, "--max-tokens", 8, "--temperature", 0, "--ignore-eos",
                             "--compute", "f32", "--json", *extra, env=env)

    def test_greedy_runs_repeat(self):
        first = self.greedy()
        self.assertEqual(len(first["ids"]), 8)
        self.assertEqual(first["finish_reason"], "length")
        self.assertIsInstance(first["timings"], dict)
        self.assertEqual(self.greedy()["ids"], first["ids"])
        ids = ",".join(map(str, first["ids"]))
        answer = self.document("detokenize", "demo", "--json", "--skip-special", "--ids", ids)
        self.assertEqual(first["text"].strip(), answer["text"].strip())

    def test_the_scalar_kernels_answer_too(self):
        self.assertEqual(self.greedy(env={"KEDGE_ISA": "scalar"})["ids"], self.greedy()["ids"])

    def test_a_seed_repeats_what_it_drew(self):
        arguments = ("run", "demo", "-p", "Tell me a story.", "--temperature", 1, "--seed", 7, "--max-tokens", 12,
                     "--json")
        self.assertEqual(self.document(*arguments)["ids"], self.document(*arguments)["ids"])

    def test_prompts_come_from_options_files_and_pipes(self):
        common = ("--temperature", 0, "--max-tokens", 6, "--json")
        by_option = self.document("run", "demo", "-p", "Hello", *common)
        self.assertEqual(self.document("run", "demo", *common, stdin="Hello")["ids"], by_option["ids"])
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("Hello")
            file.flush()
            self.assertEqual(self.document("run", "demo", "--file", file.name, *common)["ids"], by_option["ids"])

    def test_plain_answers_stream_to_standard_output_alone(self):
        done = kedge("run", "demo", "-p", "Hello", "--temperature", "0", "--max-tokens", "6")
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = self.document("run", "demo", "-p", "Hello", "--temperature", 0, "--max-tokens", 6, "--json")
        self.assertEqual(done.stdout.decode().strip(), answer["text"].strip())
        self.assertNotIn(b"\x1b", done.stdout)
        self.assertIn(b"tokens", done.stderr)

    def test_sampling_options_out_of_range(self):
        for option in (["--top-p", "2"], ["--temperature", "-1"], ["--min-p", "1.5"], ["--logit-bias", "x"]):
            done = kedge("run", "demo", "--ids", self.IDS, "--max-tokens", "1", "--json", *option)
            self.assertIn(done.returncode, (USAGE, BAD_INPUT), option)
            self.assertEqual(done.stdout, b"", option)

    def test_ids_that_no_model_has(self):
        for ids in ("999999999", "", "-5"):
            self.fails(BAD_INPUT, "run", "demo", "--ids=" + ids, "--max-tokens", 1, "--json")

    def test_scores(self):
        items = [{"context_ids": [5, 6], "continuation_ids": [7, 8]},
                 {"context": "The sea", "continuation": " is calm"}]
        answers = self.document("score", "demo", "--json", stdin=json.dumps(items))
        self.assertEqual(len(answers), 2)
        self.assertEqual(len(answers[0]["token_logprobs"]), 2)
        for answer in answers:
            self.assertAlmostEqual(answer["logprob"], sum(answer["token_logprobs"]), places=3)
            self.assertLessEqual(max(answer["token_logprobs"]), 0)
            self.assertIsInstance(answer["is_greedy"], bool)
        self.assertEqual(self.document("score", "demo", "--json", stdin="[]"), [])
        for items in ("", "{}", "[1]", "[{}]", '[{"context_ids": "a", "continuation_ids": [1]}]',
                      '[{"context_ids": [1], "continuation_ids": [1e9]}]',
                      '[{"context_ids": [1.5], "continuation_ids": [1]}]'):
            self.fails(BAD_INPUT, "score", "demo", "--json", stdin=items)

    def test_logits_file(self):
        with tempfile.TemporaryDirectory() as folder:
            prompts, out = pathlib.Path(folder) / "prompts.json", pathlib.Path(folder) / "out.safetensors"
            prompts.write_text("[[5, 6, 7], [8]]")
            arguments = ("logits", "demo", "--prompts", prompts, "--compute", "f32", "--out", out)
            done = kedge(*arguments, "--hidden", "--chunk", "2")
            self.assertEqual(done.returncode, 0, done.stderr)
            with out.open("rb") as file:
                header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            vocabulary = self.document("inspect", "demo", "--json")["vocabulary_size"]
            self.assertEqual(header["prompt0.logits"]["shape"], [3, vocabulary])
            self.assertEqual(header["prompt1.logits"]["shape"], [1, vocabulary])
            self.assertEqual(header["prompt0.logits"]["dtype"], "F32")
            self.assertIn("prompt0.hidden0", header)
            out.unlink()
            for content in ("", "{}", "[1]", "[[]]", "[[1, \"a\"]]", "[[999999999]]", "[[-1]]"):
                prompts.write_text(content)
                self.fails(BAD_INPUT, *arguments)
                self.assertFalse(out.exists(), content)

    def test_inspection(self):
        answer = self.document("inspect", "demo", "--json")
        self.assertEqual(answer["kind"], "decoder")
        self.assertGreater(answer["parameters"], 1000)
        self.assertGreater(answer["memory"]["total_bytes"], 0)
        self.assertIn("memory plan", kedge("inspect", "demo").stdout.decode())

    def test_types_of_the_kv_cache(self):
        sizes, names = {}, ("f32", "bf16", "int8", "int4")
        for name in names:
            inspected = self.document("inspect", "demo", "--kv-cache", name, "--json")
            self.assertEqual(inspected["kv_cache"], name)
            sizes[name] = inspected["memory"]["kv_cache_bytes"]
            self.assertEqual(self.document("inspect", "demo", "--kv-cache", name, "--plan", "--json"),
                             {**inspected["memory"], "available_bytes": unittest.mock.ANY})
            run = ("run", "demo", "--kv-cache", name, "-p", "Once", "-n", 8, "--temperature", 0, "--ignore-eos",
                   "--json")
            answers = [self.document(*run, "--threads", threads)["ids"] for threads in (1, 2)]
            self.assertEqual(answers[0], answers[1])
            self.assertEqual(len(answers[0]), 8)
        # Heads of 32 elements: 128, 64, 32 and a scale, 20 bytes.
        self.assertEqual([128 * sizes[name] // sizes["f32"] for name in names], [128, 64, 36, 20])
        self.assertIn(" in int8", kedge("inspect", "demo", "--plan", "--kv-cache", "int8").stdout.decode())
        for command in ("run", "serve", "bench", "score", "inspect", "logits"):
            message = self.fails(USAGE, command, "demo", "--kv-cache", "q8")
            self.assertIn("--kv-cache: q8 not in {auto,f32,bf16,int8,int4}", message)

    def test_rerank_needs_a_reranker(self):
        self.fails(BAD_INPUT, "rerank", "demo", "--json", stdin='{"query": "a", "passages": ["b"]}')
        self.fails(BAD_INPUT, "embed", "demo", "--json", stdin="{broken")


class Terminal(unittest.TestCase):
    """`kedge run` on a pseudo-terminal, as a person uses it."""

    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        environment = {**os.environ, "TERM": "xterm", "HOME": home.name, "XDG_STATE_HOME": home.name, "NO_COLOR": "1"}
        self.screen = ""
        child, self.terminal = pty.fork()
        if child == 0:
            os.execve(KEDGE, [KEDGE, "run", "demo", "--temperature", "0", "--max-tokens", "2000"], environment)
        self.child, self.exit_code = child, None
        self.addCleanup(self.end)

    def end(self):
        if self.exit_code is None:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        os.close(self.terminal)

    def read(self):
        ready, _, _ = select.select([self.terminal], [], [], 0.2)
        if not ready:
            return
        try:
            self.screen += os.read(self.terminal, 65536).decode("utf-8", "replace")
        except OSError:  # the other side has ended
            pass

    def wait_for(self, text):
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while text not in self.screen:
            self.assertLess(time.monotonic(), deadline, f"no {text!r} in {self.screen!r}")
            self.read()

    def type(self, text):
        self.screen = ""
        os.write(self.terminal, text.encode())

    def wait_for_end(self):
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            self.read()
            done, status = os.waitpid(self.child, os.WNOHANG)
            if done:
                self.exit_code = os.waitstatus_to_exitcode(status)
                return self.exit_code
        self.fail(f"still running: {self.screen!r}")

    def test_commands_and_exit(self):
        self.wait_for("> ")
        self.type("/help\n")
        self.wait_for("/regen")
        self.type("/info\n")
        self.wait_for("demo")
        self.type("/nonsense\n")
        self.wait_for("/help")
        self.type("/exit\n")
        self.assertEqual(self.wait_for_end(), 0)

    def test_end_of_input_ends_the_chat(self):
        self.wait_for("> ")
        self.type("/info\n")  # answered: from here on the editor reads the keys, and not the kernel's line discipline
        self.wait_for("demo")
        self.wait_for("> ")
        self.type("\x04")
        self.assertEqual(self.wait_for_end(), 0)

    def test_answers_and_interruption(self):
        self.wait_for("> ")
        self.type("Hello\n")
        self.wait_for("tokens")
        self.type("\x03")  # at the prompt: the program lives on
        os.kill(self.child, signal.SIGINT)  # as a Ctrl-C does before the editor has the keyboard
        self.type("/help\n")
        self.wait_for("/regen")
        self.type("/exit\n")
        self.assertEqual(self.wait_for_end(), 0)


if __name__ == "__main__":
    unittest.main()
