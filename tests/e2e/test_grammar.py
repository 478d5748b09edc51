"""Goal: whatever is sampled under a constraint is valid in the eyes of others.

Method: random JSON Schemas and regular expressions, answers sampled at random over a real vocabulary by
`grammar_sampler`; `jsonschema` and Python's `re` judge. KEDGE_GRAMMAR_CASES says how many schemas (default 300).
"""

import json
import os
import pathlib
import random
import re
import subprocess
import unittest

try:
    import jsonschema
except ImportError:
    jsonschema = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLER = pathlib.Path(os.environ.get("KEDGE", str(ROOT / "build" / "release" / "kedge"))).parent / "grammar_sampler"
TOKENIZER = os.environ.get("KEDGE_GRAMMAR_TOKENIZER", str(ROOT / "demo" / "model"))
CASES = int(os.environ.get("KEDGE_GRAMMAR_CASES", "300"))

FORMATS = ["date", "date-time", "time", "uuid", "email", "ipv4", "ipv6", "hostname"]
PATTERNS = ["^[a-z]+$", "^[A-Z]{2}[0-9]{1,3}$", "b", "^a|z$", r"^\d{3}-\d{4}$", "^(ab|cd)*$", "[^a-y]", r"^\S+@\S+$",
            "^[\u00e0-\u00ff]{1,4}$", r"^\"q\"\\$", "^.{2,5}$"]
NAMES = ["a", "b", "name", "id", "key word", "quo\"te", "\u00fcber", "items", "x1"]


def sample(cases):
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run([SAMPLER, TOKENIZER], input=lines, capture_output=True, encoding="utf-8", check=True)
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


class Schemas:
    """Random schemas of all that is supported; every one of them has a valid value."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.definitions = {}

    def document(self):
        self.definitions = {}
        schema = self.any(3)
        if self.definitions:
            schema = {"allOf": [schema], "$defs": self.definitions} if "$ref" in schema else \
                {**schema, "$defs": self.definitions}
        return schema

    def any(self, depth):
        kinds = [self.string, self.integer, self.number, self.simple, self.values]
        if depth > 0:
            kinds += [self.object, self.object, self.array, self.tuple, self.branches, self.merged, self.reference]
        return self.random.choice(kinds)(depth)

    def chance(self, share=0.5):
        return self.random.random() < share

    def simple(self, _):
        return self.random.choice([{"type": "null"}, {"type": "boolean"}, {"type": ["integer", "null"]}, {}, True,
                                   {"type": ["string", "null"]}])

    def values(self, _):
        pool = [1, -2, 0.5, "a", "quo\"te\\", "\u00e9\n", None, True, [1, "x"], {"k": [None]}]
        if self.chance():
            return {"const": self.random.choice(pool)}
        return {"enum": self.random.sample(pool, self.random.randint(1, 4))}

    def string(self, _):
        schema = {"type": "string"}
        kind = self.random.randint(0, 3)
        if kind == 1:
            schema["pattern"] = self.random.choice(PATTERNS)
        elif kind == 2:
            schema["format"] = self.random.choice(FORMATS)
        elif kind == 3:
            schema["minLength"] = self.random.randint(0, 4)
            if self.chance():
                schema["maxLength"] = schema["minLength"] + self.random.randint(0, 40)
        return schema

    def bounds(self, schema, number):
        low = number()
        high = low + abs(number())
        keys = self.random.randint(1, 3)
        if keys & 1:
            schema[self.random.choice(["minimum", "exclusiveMinimum"])] = low
        if keys & 2:
            schema[self.random.choice(["maximum", "exclusiveMaximum"])] = high + 2
        return schema

    def integer(self, _):
        schema = {"type": "integer"}
        if self.chance(0.7):
            self.bounds(schema, lambda: self.random.randint(-10 ** self.random.randint(0, 12), 10 ** 9))
        if self.chance(0.2) and len(schema) == 1:
            schema["multipleOf"] = self.random.choice([2, 3, 7, 10, 64])
        return schema

    def number(self, _):
        schema = {"type": "number"}
        if self.chance(0.7):
            self.bounds(schema, lambda: round(self.random.uniform(-100, 100), self.random.randint(0, 4)))
        elif self.chance(0.3):
            schema["multipleOf"] = self.random.choice([0.5, 0.25, 2])
        return schema

    def object(self, depth):
        names = self.random.sample(NAMES, self.random.randint(0, 5))
        schema = {"type": "object", "properties": {name: self.any(depth - 1) for name in names}}
        required = [name for name in names if self.chance()]
        if required:
            schema["required"] = required
        kind = self.random.randint(0, 3)
        if kind == 1:
            schema["additionalProperties"] = False
        elif kind == 2:
            schema["additionalProperties"] = self.any(0)
        elif kind == 3 and self.chance():
            schema["patternProperties"] = {"^[n-p]_": self.any(0), "[0-9]$": self.any(0)}
            schema["properties"].pop("x1", None)
            schema["required"] = [name for name in required if name != "x1"]
        return schema

    def array(self, depth):
        schema = {"type": "array", "items": self.any(depth - 1)}
        if self.chance():
            schema["minItems"] = self.random.randint(0, 3)
        if self.chance():
            schema["maxItems"] = schema.get("minItems", 0) + self.random.randint(0, 4)
        return schema

    def tuple(self, depth):
        items = [self.any(depth - 1) for _ in range(self.random.randint(1, 3))]
        schema = {"type": "array", "prefixItems": items}
        if self.chance():
            schema["items"] = self.any(0)
            schema["minItems"] = self.random.randint(0, 4)
        else:
            schema["items"] = False
            schema["minItems"] = self.random.randint(0, len(items))
        return schema

    def branches(self, depth):
        return {"anyOf": [self.any(depth - 1) for _ in range(self.random.randint(1, 3))]}

    def merged(self, depth):
        first, second = (self.object(depth - 1) for _ in range(2))
        for schema in (first, second):
            schema.pop("additionalProperties", None)
            schema.pop("patternProperties", None)
        second["properties"] = {"m_" + name: value for name, value in second["properties"].items()}
        second["required"] = ["m_" + name for name in second.get("required", [])]
        return {"allOf": [first, second]}

    def reference(self, depth):
        name = f"d{len(self.definitions)}"
        self.definitions[name] = {}
        inner = self.any(depth - 1)
        # A list of itself.
        self.definitions[name] = {"type": "object", "properties": {"value": inner, "next": {
            "anyOf": [{"type": "null"}, {"$ref": f"#/$defs/{name}"}]}}, "required": ["value", "next"]}
        return {"$ref": f"#/$defs/{name}"}


@unittest.skipIf(not SAMPLER.exists(), f"{SAMPLER} is not built")
class Grammar(unittest.TestCase):
    @unittest.skipIf(jsonschema is None, "SKIPPED: the Python package jsonschema is missing, so no schema was checked")
    def test_samples_are_valid(self):
        schemas = Schemas(seed=20261126)
        documents = [schemas.document() for _ in range(CASES)]
        cases = [{"kind": "json_schema", "source": json.dumps(document), "seed": i}
                 for i, document in enumerate(documents)]
        finished = 0
        for case, document, answer in zip(cases, documents, sample(cases), strict=True):
            if "error" in answer:
                # Two random parts of one schema may leave no value.
                self.assertIn("no text matches", answer["error"], case["source"])
                continue
            if not answer["finished"]:
                continue
            finished += 1
            try:
                value = json.loads(answer["text"])
                validator = jsonschema.Draft202012Validator
                validator(document, format_checker=validator.FORMAT_CHECKER).validate(value)
            except (ValueError, jsonschema.ValidationError) as error:
                self.fail(f"{case['source']}\n{answer['text']}\n{error}")
        self.assertGreater(finished, CASES * 0.85)

    def test_expressions_match(self):
        chosen = random.Random(7)

        def expression(depth):
            parts = []
            for _ in range(chosen.randint(1, 4)):
                atom = chosen.choice(["a", "b", "[a-f]", "[^a-c\\s]", r"\d", r"\w", r"\.", "\u00e9", "x{2,4}", "."])
                if depth > 0 and chosen.random() < 0.4:
                    # No star on a group: `re` would try every way to divide the text.
                    parts.append(f"(?:{expression(depth - 1)})" + chosen.choice(["", "?", "{2}"]))
                    continue
                parts.append(atom + chosen.choice(["", "", "", "*", "+", "?", "{3}", "{1,5}"]) if "{" not in atom
                             else f"(?:{atom})")
            text = "".join(parts)
            return text + "|" + chosen.choice(["z", "yy+", "[0-9]{2}"]) if chosen.random() < 0.2 else text

        expressions = [expression(2) for _ in range(CASES)]
        cases = [{"kind": "regex", "source": source, "seed": i} for i, source in enumerate(expressions)]
        finished = refused = 0
        for source, answer in zip(expressions, sample(cases), strict=True):
            if "error" in answer:
                refused += 1  # \w is many letters, and these expressions repeat them in repetitions
                self.assertIn("is too large: it needs more than", answer["error"], source)
                continue
            if answer["finished"]:
                finished += 1
                self.assertTrue(re.fullmatch(source, answer["text"], re.ASCII), f"{source}\n{answer['text']!r}")
        self.assertGreater(finished, CASES * 0.75)
        self.assertLess(refused, 1 + CASES * 0.01)


if __name__ == "__main__":
    unittest.main()
