"""Goal: /v1/responses is what OpenAI's own client expects of the Responses API.

Method: the real `openai` client against the binary with the demo model on a free port; greedy answers, so that whole,
streamed and stored ones can be compared.
"""

import json
import unittest
import urllib.request

import openai
import pydantic
from test_serve import Server, wait_until

TOOLS = [{"type": "function", "name": "get_weather", "description": "Tells the weather.", "strict": True,
          "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
                         "required": ["city"], "additionalProperties": False}}]


class Cat(pydantic.BaseModel):
    is_black: bool


def question(text="Tell me a story about a cat.", **options):
    return {"model": "demo", "input": text, "temperature": 0, "max_output_tokens": 20, **options}


class ResponsesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--api-key", "secret")
        cls.client = cls.server.client(api_key="secret")
        cls.responses = cls.client.responses

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def metrics(self):
        request = urllib.request.Request(self.server.url + "/metrics", headers={"Authorization": "Bearer secret"})
        with urllib.request.urlopen(request) as response:
            return response.read().decode()

    def streamed(self, **options):
        events = list(self.responses.create(stream=True, **options))
        self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
        return events

    def test_whole_streamed_and_stored_answers_are_the_same(self):
        whole = self.responses.create(**question())
        self.assertEqual((whole.status, whole.incomplete_details.reason), ("incomplete", "max_output_tokens"))
        self.assertEqual(whole.usage.output_tokens, 20)
        events = self.streamed(**question())
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        last = events[-1].response
        self.assertEqual((text, last.output_text), (whole.output_text, whole.output_text))
        self.assertEqual(events[-1].type, "response.incomplete")
        self.assertEqual(self.responses.retrieve(last.id), last)

    def test_chat_completions_gives_the_same_answer(self):
        chat = self.client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": question()["input"]}], temperature=0, max_tokens=20)
        self.assertEqual(self.responses.create(**question()).output_text, chat.choices[0].message.content)

    def test_a_conversation_goes_on_by_its_id_or_its_items(self):
        first = self.responses.create(**question())
        by_id = self.responses.create(**question("And then?", previous_response_id=first.id))
        items = [{"role": "user", "content": question()["input"]}, *[item.to_dict() for item in first.output],
                 {"role": "user", "content": "And then?"}]
        by_items = self.responses.create(**question(items))
        self.assertEqual(by_id.output_text, by_items.output_text)
        self.assertEqual(by_id.usage.input_tokens, by_items.usage.input_tokens)
        self.assertEqual([item.content[0].text for item in self.responses.input_items.list(by_id.id)], ["And then?"])

    def test_calls_their_results_and_a_choice_among_tools(self):
        choice = {"type": "function", "name": "get_weather"}
        asked = question("Weather?", tools=TOOLS, tool_choice=choice, max_output_tokens=200)
        call = self.responses.create(**asked).output[0]
        self.assertEqual((call.type, call.name, call.status), ("function_call", "get_weather", "completed"))
        self.assertIn(json.loads(call.arguments)["city"], ["Paris", "Rome"])
        with self.responses.stream(**asked) as stream:
            for event in stream:
                last = event
        self.assertEqual(last.response.output[0].parsed_arguments, json.loads(call.arguments))
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        answer = self.responses.create(**question([{"role": "user", "content": "Weather?"}, call.to_dict(), result]))
        self.assertGreater(answer.usage.input_tokens, 20)

    def test_an_answer_takes_the_form_of_a_class(self):
        parsed = self.responses.parse(**question("Is the cat black?", text_format=Cat, max_output_tokens=200))
        self.assertIsInstance(parsed.output_parsed, Cat)

    def test_log_probabilities(self):
        part = self.responses.create(**question(top_logprobs=2, include=["message.output_text.logprobs"]))
        logprobs = part.output[0].content[0].logprobs
        self.assertEqual(len(logprobs), 20)
        self.assertEqual(logprobs[0].logprob, logprobs[0].top_logprobs[0].logprob)

    def test_the_background(self):
        asked = question(background=True, max_output_tokens=10)
        response = self.responses.create(**asked)
        self.assertEqual(response.status, "queued")
        wait_until(lambda: self.responses.retrieve(response.id).status != "queued")
        response = self.responses.retrieve(response.id)
        self.assertEqual(response.status, "incomplete")
        self.assertEqual(response.output_text, self.responses.create(**question(max_output_tokens=10)).output_text)
        endless = self.responses.create(
            **question(background=True, max_output_tokens=900, extra_body={"ignore_eos": True}))
        self.assertEqual(self.responses.cancel(endless.id).status, "cancelled")
        self.responses.delete(endless.id)
        with self.assertRaises(openai.NotFoundError):
            self.responses.retrieve(endless.id)
        wait_until(lambda: "vllm:num_requests_running{model_name=\"demo\"} 0" in self.metrics())

    def test_tokens_are_counted(self):
        count = self.responses.input_tokens.count(model="demo", input=question()["input"]).input_tokens
        self.assertEqual(count, self.responses.create(**question()).usage.input_tokens)

    def test_wrong_requests_are_told_which_field(self):
        for field, value in (("input", []), ("previous_response_id", "resp_none"), ("truncation", "some"),
                             ("input", "a " * 5000)):
            with self.assertRaises(openai.APIStatusError) as raised:
                self.responses.create(**question() | {field: value})
            self.assertEqual(raised.exception.body["param"], field)


if __name__ == "__main__":
    unittest.main()
