"""Goal: `kedge serve` is what Anthropic's own client expects.

Method: the real `anthropic` client against the binary with the demo model on a free port; greedy answers, so that whole
and streamed ones can be compared.
"""

import re
import unittest
import urllib.request

import anthropic
from test_serve import Server

TOOLS = [{"name": "get_weather", "description": "Tells the weather.",
          "input_schema": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
                           "required": ["city"], "additionalProperties": False}}]


def question(text="Tell me a story about a cat.", **options):
    return {"model": "demo", "max_tokens": 20, "messages": [{"role": "user", "content": text}],
            "extra_body": {"temperature": 0}, **options}


class AnthropicTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--api-key", "secret")
        cls.client = cls.client_with("secret")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    @classmethod
    def client_with(cls, key):
        return anthropic.Anthropic(base_url=cls.server.url, api_key=key, max_retries=0)

    def streamed(self, **options):
        with self.client.messages.stream(**options) as stream:
            text = "".join(stream.text_stream)
            return text, stream.get_final_message()

    def test_whole_and_streamed_answers_are_the_same(self):
        asked = question(system="Be brief.")
        whole = self.client.messages.create(**asked)
        self.assertEqual(whole.stop_reason, "max_tokens")
        self.assertEqual(whole.usage.output_tokens, 20)
        self.assertGreater(len(whole.content[0].text), 20)
        text, message = self.streamed(**asked)
        self.assertEqual(text, whole.content[0].text)
        self.assertEqual(message.content[0].text, text)
        self.assertEqual((message.stop_reason, message.usage.output_tokens), ("max_tokens", 20))

    def test_counts_are_those_of_the_answer(self):
        asked = question(system=[{"type": "text", "text": "Be brief."}])
        usage = self.client.messages.create(**asked).usage
        del asked["max_tokens"]
        counted = self.client.messages.count_tokens(**asked).input_tokens
        self.assertEqual(counted, usage.input_tokens + usage.cache_read_input_tokens)

    def test_a_mark_keeps_the_prompt_and_usage_tells(self):
        system = [{"type": "text", "text": "You tell stories of foxes. " * 20,
                   "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
        asked = question(system=system)
        first, again = (self.client.messages.create(**asked).usage for _ in range(2))
        whole = first.input_tokens + first.cache_creation_input_tokens + first.cache_read_input_tokens
        self.assertGreater(first.cache_creation_input_tokens, 100)
        self.assertLess(first.input_tokens, 32)
        self.assertEqual(again.cache_creation_input_tokens, 0)
        self.assertGreater(again.cache_read_input_tokens, whole - 33)
        self.assertEqual(again.input_tokens + again.cache_read_input_tokens, whole)
        self.assertGreater(self.metric("kedge_prefix_pinned_pages"), 3)
        with self.assertRaises(anthropic.BadRequestError) as refused:
            system[0]["cache_control"]["ttl"] = "2h"
            self.client.messages.create(**asked)
        self.assertIn("system[0].cache_control.ttl", str(refused.exception))

    def metric(self, name):
        request = urllib.request.Request(self.server.url + "/metrics", headers={"x-api-key": "secret"})
        with urllib.request.urlopen(request) as response:
            text = response.read().decode()
        return float(re.search(rf"^{name}{{.*}} (\S+)$", text, re.MULTILINE).group(1))

    def test_stop_sequences_are_told(self):
        words = self.client.messages.create(**question()).content[0].text.split()
        asked = question(stop_sequences=["never-written", words[2]])
        whole = self.client.messages.create(**asked)
        text, message = self.streamed(**asked)
        for answer in (whole, message):
            self.assertEqual((answer.stop_reason, answer.stop_sequence), ("stop_sequence", words[2]))
            self.assertNotIn(words[2], answer.content[0].text)
        self.assertEqual(text, whole.content[0].text)

    def test_a_call_and_its_result(self):
        asked = question("Weather in Paris?", max_tokens=200, tools=TOOLS,
                         tool_choice={"type": "tool", "name": "get_weather"})
        whole = self.client.messages.create(**asked)
        _, message = self.streamed(**asked)
        for answer in (whole, message):
            self.assertEqual(answer.stop_reason, "tool_use")
            (call,) = [block for block in answer.content if block.type == "tool_use"]
            self.assertEqual(call.name, "get_weather")
            self.assertIn(call.input["city"], ("Paris", "Rome"))
        (call,) = [block for block in whole.content if block.type == "tool_use"]
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny."}
        history = [*asked["messages"], {"role": "assistant", "content": [call.model_dump(exclude_none=True)]},
                   {"role": "user", "content": [result]}]
        after = self.client.messages.create(**question(messages=history, tools=TOOLS, tool_choice={"type": "none"}))
        self.assertIn(after.stop_reason, ("end_turn", "max_tokens"))

    def test_errors_are_the_clients_own(self):
        with self.assertRaises(anthropic.AuthenticationError):
            self.client_with("wrong").messages.create(**question())
        with self.assertRaises(anthropic.NotFoundError):
            self.client.messages.create(**question(model="other"))
        with self.assertRaisesRegex(anthropic.BadRequestError, "'max_tokens'"):
            self.client.messages.create(**question(max_tokens=0))


if __name__ == "__main__":
    unittest.main()
