"""Renders a Helm chart: as much of Go's templates and of Helm's functions as deploy/helm uses; an error for the rest.

Where helm is installed, test_deploy.py compares the two.
"""

import hashlib
import pathlib
import re

import yaml

PARTS = re.compile(r"\{\{(-)?\s*(/\*.*?\*/|.*?)\s*(-)?\}\}", re.DOTALL)
WORDS = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+)|(\(|\)|\||:=|,)|(\$?[\w.]*[\w.$]))')


class ChartError(Exception):
    """A template that this reader doesn't understand, or one that says `fail`."""


def truth(value) -> bool:
    return bool(value)


def to_yaml(value) -> str:
    return yaml.safe_dump(value, default_flow_style=False, width=10000).removesuffix("\n").removesuffix("\n...")


def indent_after_newline(count: int, text: str) -> str:
    return "\n" + "\n".join(" " * count + line for line in text.split("\n"))


def fail(message: str):
    raise ChartError(message)


FUNCTIONS = {
    "toYaml": to_yaml, "nindent": indent_after_newline, "quote": lambda text: '"' + str(text).replace('"', '\\"') + '"',
    "default": lambda default, value=None: value if truth(value) else default,
    "printf": lambda form, *values: form % values, "print": lambda *values: "".join(map(str, values)),
    "trunc": lambda count, text: text[:count], "trimSuffix": lambda end, text: text.removesuffix(end),
    "contains": lambda part, text: part in text, "lower": str.lower, "not": lambda value: not truth(value),
    "and": lambda *values: next((value for value in values if not truth(value)), values[-1]),
    "or": lambda *values: next((value for value in values if truth(value)), values[-1]),
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "add": lambda *values: sum(values),
    "div": lambda a, b: a // b, "list": lambda *values: list(values), "fail": fail,
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "regexMatch": lambda pattern, text: re.search(pattern, text) is not None,
}


def parse(text: str) -> list:
    """[(kind, argument, children, other children)]: text, an action or a block."""
    pieces, position, trim = [], 0, False
    for match in PARTS.finditer(text):
        before = text[position:match.start()]
        before = before.lstrip() if trim else before
        pieces.append(("text", before.rstrip() if match[1] else before))
        if not match[2].startswith("/*"):
            pieces.append(("action", match[2]))
        position, trim = match.end(), bool(match[3])
    rest = text[position:]
    pieces.append(("text", rest.lstrip() if trim else rest))
    nodes, end = parse_block(iter(pieces))
    if end:
        raise ChartError(f"'{end}' ends nothing")
    return nodes


def parse_block(pieces) -> tuple:
    """The nodes up to `end` or `else ...`, and that word."""
    nodes = []
    for kind, content in pieces:
        word, _, argument = content.partition(" ")
        if kind == "text":
            nodes.append(("text", content, [], []))
        elif word in ("end", "else"):
            return nodes, content
        elif word in ("if", "with", "range", "define"):
            nodes.append(parse_branches(word, argument, pieces))
        else:
            nodes.append(("action", content, [], []))
    return nodes, ""


def parse_branches(word: str, argument: str, pieces) -> tuple:
    body, end = parse_block(pieces)
    other = []
    if end.startswith("else if "):
        other = [parse_branches("if", end.removeprefix("else if "), pieces)]
    elif end == "else":
        other, end = parse_block(pieces)
    if not end:
        raise ChartError(f"'{word} {argument}' has no end")
    return word, argument, body, other


class Chart:
    def __init__(self, folder: pathlib.Path, values: dict, release: str = "test", namespace: str = "default"):
        self.folder = folder
        chart = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
        defaults = yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8"))
        self.root = {
            "Values": merged(defaults, values), "Chart": {key[0].upper() + key[1:]: chart[key] for key in chart},
            "Release": {"Name": release, "Namespace": namespace, "Service": "Helm"},
            "Template": {"BasePath": f"{chart['name']}/templates"}}
        self.files = {file.name: parse(file.read_text(encoding="utf-8"))
                      for file in sorted((folder / "templates").iterdir())}
        self.named = {argument.strip('"'): body for nodes in self.files.values()
                      for kind, argument, body, _ in nodes if kind == "define"}

    def render(self) -> list:
        """The documents of every template, in the files' order."""
        documents = []
        for name in self.files:
            if name.endswith(".yaml"):
                documents += [document for document in yaml.safe_load_all(self.render_file(name)) if document]
        return documents

    def render_file(self, name: str) -> str:
        return self.text(self.files[name], self.root, {"$": self.root})

    def text(self, nodes: list, dot, variables: dict) -> str:
        return "".join(self.node(node, dot, variables) for node in nodes)

    def node(self, node: tuple, dot, variables: dict) -> str:
        kind, argument, body, other = node
        if kind == "text":
            return argument
        if kind == "define":
            return ""
        if kind == "range":
            return self.loop(argument, body, dot, variables)
        value = self.value(argument, dot, variables)
        if kind == "action":
            return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        if kind == "if":
            return self.text(body if truth(value) else other, dot, variables)
        return self.text(body, value, variables) if truth(value) else self.text(other, dot, variables)

    def loop(self, argument: str, body: list, dot, variables: dict) -> str:
        names, _, expression = argument.rpartition(":=")
        values = self.value(expression, dot, variables)
        pairs = sorted(values.items()) if isinstance(values, dict) else list(enumerate(values or []))
        names = [name.strip() for name in names.split(",") if name.strip()]
        result = ""
        for key, value in pairs:
            result += self.text(body, value, {**variables, **dict(zip(names, (key, value)))})
        return result

    def value(self, expression: str, dot, variables: dict):
        words, position = [], 0
        while position < len(expression.rstrip()):
            match = WORDS.match(expression, position)
            if not match:
                raise ChartError(f"what is {expression[position:]!r} in {expression!r}?")
            words.append(match[0].strip())
            position = match.end()
        value, rest = self.pipeline(words, dot, variables)
        if rest:
            raise ChartError(f"{rest} is left over in {expression!r}")
        return value

    def pipeline(self, words: list, dot, variables: dict) -> tuple:
        value, piped = None, []
        while words:
            operands = []
            while words and words[0] not in ("|", ")"):
                operand, words = self.operand(words, dot, variables)
                operands.append(operand)
            value = self.call(operands, piped)
            if not words or words[0] == ")":
                break
            piped, words = [value], words[1:]
        return value, words

    def operand(self, words: list, dot, variables: dict) -> tuple:
        word, rest = words[0], words[1:]
        if word == "(":
            value, rest = self.pipeline(rest, dot, variables)
            return value, rest[1:]
        if word.startswith('"'):
            return word[1:-1].encode().decode("unicode_escape"), rest
        if re.fullmatch(r"-?\d+", word):
            return int(word), rest
        if word == ".Files.Get":
            return (lambda path: (self.folder / path).read_text(encoding="utf-8")), rest
        if word == "include":
            return self.include, rest
        if word.startswith((".", "$")):
            start, *names = word.split(".")
            value = variables[start] if start else dot
            for name in filter(None, names):
                value = value.get(name) if isinstance(value, dict) else None
            return value, rest
        if word in FUNCTIONS:
            return FUNCTIONS[word], rest
        raise ChartError(f"{word!r} is no function that is known here")

    def include(self, name: str, dot) -> str:
        file = name.removeprefix(self.root["Template"]["BasePath"] + "/")
        nodes = self.files[file] if file in self.files else self.named[name]
        return self.text(nodes, dot, {"$": dot})

    @staticmethod
    def call(operands: list, piped: list):
        if callable(operands[0]):
            return operands[0](*operands[1:], *piped)
        if len(operands) != 1 or piped:
            raise ChartError(f"{operands[0]!r} is no function")
        return operands[0]


def merged(defaults, values):
    if not isinstance(defaults, dict) or not isinstance(values, dict):
        return values
    return {**defaults, **{key: merged(defaults.get(key), value) for key, value in values.items()}}
