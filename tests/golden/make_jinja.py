#!/usr/bin/env python3
"""Writes jinja/expected.json: what jinja2 makes of jinja/expressions.txt and jinja/templates.txt.

usage: make_jinja.py          (needs jinja2==3.1.6)

The environment is the one that transformers builds for chat templates: the immutable sandbox, trim_blocks,
lstrip_blocks, loop controls, the `generation` tag, and its tojson, raise_exception, strftime_now, dict and namespace.
A case that jinja2 refuses has no "expected": an engine must refuse it too, the wording is free.
"""
import json
import pathlib
from datetime import datetime

import jinja2
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).parent / "jinja"
DATE = "2024-07-26"
VARIABLES = {
    "a": 1, "b": 2.5, "s": "Hello World", "e": "", "u": "ÀßŒ你好 👩🏾‍💻 straße ΣΑΣ", "l": [3, 1, 2],
    "d": {"x": 1, "y": [1, 2], "z": {"k": "v"}, "items": "I"}, "n": None, "t": True, "f": False,
    "users": [{"name": "bob", "age": 3, "on": True, "city": "CA"}, {"name": "Al", "age": 1, "on": False, "city": "ny"},
              {"name": "cy", "age": 2, "on": True, "city": "ca"}],
    "html": "<b>\"x\" & 'y'</b>",
    "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo", "reasoning": "think"}],
    "tools": [{"type": "function",
               "function": {"name": "f", "parameters": {"a": [1, 2.0, None, True, "é\n\u0001\u007f"]}}}],
}


class AssistantTracker(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    @jinja2.pass_eval_context
    def _body(self, context, caller):
        return caller()


class TemplateDict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)


class TemplateNamespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            TemplateNamespace.check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        TemplateNamespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[AssistantTracker, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals.update(raise_exception=raise_exception, dict=TemplateDict(), namespace=TemplateNamespace,
                       strftime_now=lambda text: datetime.fromisoformat(DATE).strftime(text))
    return env


def with_reasoning(message):
    names = ("reasoning_content", "thinking", "reasoning")
    reasoning = next((message[name] for name in names if message.get(name) is not None), None)
    return message if reasoning is None else {"thinking": reasoning, **message, "reasoning_content": reasoning}


def main():
    sources = ["{{ " + line + " }}" for line in (HERE / "expressions.txt").read_text("utf-8").splitlines()]
    sources += (HERE / "templates.txt").read_text("utf-8").removesuffix("\n").split("\n===\n")
    sources += ["", "\n", "\n\n", "x\n\n", "a\r\n{% if a %}\r\nx\r\n{% endif %}\r\ny", "a\r{{ a }}\r", "{{ 'a\r\nb' }}"]
    env = environment()
    variables = {"tools": None, "documents": None, "add_generation_prompt": False, **VARIABLES}
    variables["messages"] = [with_reasoning(message) for message in VARIABLES["messages"]]
    cases = []
    for source in sources:
        case = {"template": source}
        try:
            case["expected"] = env.from_string(source).render(**variables)
        except Exception:  # jinja2's own errors and Python's: whatever it refuses
            pass
        if "0x" in case.get("expected", "") and " at 0x" in case["expected"]:
            raise SystemExit(f"the output holds an address: {source}")
        cases.append(case)
    document = {"jinja2": jinja2.__version__, "strftime_now": DATE, "variables": VARIABLES, "cases": cases}
    text = json.dumps(document, ensure_ascii=True, indent=1)
    (HERE / "expected.json").write_text(text + "\n", "utf-8")
    print(f"{len(cases)} cases, {sum('expected' not in case for case in cases)} refused")


if __name__ == "__main__":
    main()
