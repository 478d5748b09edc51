"""Goal: answers have the form that was asked for, and calls of tools arrive as OpenAI's own client expects them.

Method: the real `openai` client against `kedge serve` with the demo model, which knows nothing of either: whatever it
says is due to the constraint.
"""

import json
import re
import unittest

import openai
from test_serve import DemoCase, question

PERSON = {"type": "object", "additionalProperties": False, "required": ["name", "age", "kind"],
          "properties": {"name": {"type": "string", "maxLength": 12},
                         "age": {"type": "integer", "minimum": 0, "maximum": 150},
                         "kind": {"enum": ["boat", "ship"]}}}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather somewhere.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 10},
                                     "days": {"type": "integer", "maximum": 9}},
    "required": ["city", "days"], "additionalProperties": False}}},
         {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}]


def check_person(case, text):
    person = json.loads(text)
    case.assertEqual(sorted(person), ["age", "kind", "name"])
    case.assertLessEqual(len(person["name"]), 12)
    case.assertIn(person["age"], range(151))
    case.assertIn(person["kind"], ["boat", "ship"])


class Forms(DemoCase):
    def ask(self, **options):
        extra = {"temperature": 1.2, "seed": 3, "max_tokens": 400, **options}
        return self.client.chat.completions.create(model="demo", messages=question(), **extra).choices[0]

    def test_json_schema(self):
        response_format = {"type": "json_schema", "json_schema": {"name": "p", "strict": True, "schema": PERSON}}
        for seed in range(8):
            choice = self.ask(response_format=response_format, seed=seed)
            self.assertEqual(choice.finish_reason, "stop")
            check_person(self, choice.message.content)

    def test_stream_and_several_answers(self):
        texts = {0: "", 1: "", 2: ""}
        for chunk in self.client.chat.completions.create(model="demo", messages=question(), n=3, stream=True, seed=1,
                                                         max_tokens=400, extra_body={"guided_json": PERSON}):
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        for text in texts.values():
            check_person(self, text)

    def test_every_spelling(self):
        for extra, pattern in [({"guided_regex": r"[a-z]{3}-\d{4}"}, r"[a-z]{3}-\d{4}"),
                               ({"nvext": {"guided_choice": ["yes", "no"]}}, "yes|no"),
                               ({"guided_grammar": 'root ::= "x" [0-9]{2} | "y"'}, "x[0-9]{2}|y"),
                               ({"structured_outputs": {"regex": "(ab){1,3}c"}}, "(ab){1,3}c")]:
            with self.subTest(extra):
                self.assertRegex(self.ask(extra_body=extra).message.content, re.compile(f"^(?:{pattern})$"))

    def test_completions(self):
        answer = self.client.completions.create(model="demo", prompt="Once", max_tokens=400,
                                                extra_body={"guided_json": PERSON})
        check_person(self, answer.choices[0].text)

    def test_max_tokens_may_cut(self):
        choice = self.ask(response_format={"type": "json_object"}, max_tokens=2)
        self.assertEqual(choice.finish_reason, "length")

    def test_what_is_wrong_is_named(self):
        for extra, param, words in [({"guided_regex": "(a"}, "guided_regex", "')'"),
                                    ({"guided_json": {"properties": {"a": {"not": {}}}}}, "guided_json",
                                     "#/properties/a"),
                                    ({"nvext": {"guided_grammar": "start: x"}}, "nvext.guided_grammar", "Lark"),
                                    ({"guided_choice": []}, "guided_choice", "1 to")]:
            with self.subTest(param), self.assertRaises(openai.BadRequestError) as caught:
                self.ask(extra_body=extra)
            self.assertEqual(caught.exception.param, param)
            self.assertIn(words, caught.exception.message)


class Tools(DemoCase):
    def ask(self, **options):
        extra = {"seed": 5, "max_tokens": 600, "tools": TOOLS, **options}
        return self.client.chat.completions.create(model="demo", messages=question(), **extra)

    def check(self, name, arguments):
        self.assertIn(name, ["weather", "now"])
        values = json.loads(arguments)
        if name == "weather":
            self.assertEqual(sorted(values), ["city", "days"])
            self.assertLessEqual(values["days"], 9)

    def test_required(self):
        choice = self.ask(tool_choice="required", parallel_tool_calls=False).choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertIsNone(choice.message.content)
        self.assertEqual(len(choice.message.tool_calls), 1)
        call = choice.message.tool_calls[0]
        self.assertTrue(call.id)
        self.check(call.function.name, call.function.arguments)

    def test_named(self):
        choice = self.ask(tool_choice={"type": "function", "function": {"name": "weather"}}).choices[0]
        self.assertEqual([call.function.name for call in choice.message.tool_calls], ["weather"])
        self.check("weather", choice.message.tool_calls[0].function.arguments)

    def test_stream(self):
        options = {"tool_choice": {"type": "function", "function": {"name": "weather"}}, "temperature": 0}
        whole = self.ask(**options).choices[0].message.tool_calls[0].function
        chunks = [chunk.choices[0] for chunk in self.ask(**options, stream=True)]
        calls = [call for chunk in chunks for call in chunk.delta.tool_calls or []]
        first = calls[0]
        self.assertEqual((first.function.name, first.function.arguments, first.type), ("weather", "", "function"))
        self.assertTrue(calls[0].id)
        self.assertTrue(all(call.index == 0 and call.id is None for call in calls[1:]))
        self.assertGreater(len(calls), 2)
        self.assertEqual("".join(call.function.arguments for call in calls), whole.arguments)
        self.assertEqual(chunks[-1].finish_reason, "tool_calls")
        self.assertFalse("".join(chunk.delta.content or "" for chunk in chunks))

    def test_auto_and_none(self):
        choice = self.ask().choices[0]
        for call in choice.message.tool_calls or []:
            self.check(call.function.name, call.function.arguments)
        choice = self.ask(tool_choice="none").choices[0]
        self.assertIsNone(choice.message.tool_calls)
        self.assertTrue(choice.message.content)

    def test_a_form_beside_tools(self):
        response_format = {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}
        choice = self.ask(response_format=response_format).choices[0]
        if choice.message.tool_calls:
            self.check(choice.message.tool_calls[0].function.name, choice.message.tool_calls[0].function.arguments)
        else:
            check_person(self, choice.message.content)

    def test_results_go_back(self):
        call = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
        messages = [*question(), {"role": "assistant", "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "call_1", "content": "noon"}]
        answer = self.client.chat.completions.create(model="demo", messages=messages, tools=TOOLS, max_tokens=60)
        self.assertTrue(answer.choices)

    def test_what_is_wrong_is_named(self):
        strict = [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"not": {}}}}]
        for options, param in [({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
                               ({"tool_choice": "maybe"}, "tool_choice"),
                               ({"tools": openai.NOT_GIVEN, "tool_choice": "required"}, "tool_choice"),
                               ({"tools": strict}, "tools[0].function.parameters")]:
            with self.subTest(param), self.assertRaises(openai.BadRequestError) as caught:
                self.ask(**options)
            self.assertEqual(caught.exception.param, param)


if __name__ == "__main__":
    unittest.main()
