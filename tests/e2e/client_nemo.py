"""Goal: the inference part of NVIDIA's NeMo microservices client works with `kedge serve` as with a NIM.

Method: the real `nemo-microservices` package; greedy answers, so that whole and streamed ones can be compared.
"""

import json
import unittest

import nemo_microservices
from clients_case import KEY, PERSON, WEATHER, ClientCase, FullServer

ASKED = [{"role": "user", "content": "Tell me a story about a boat."}]


def client_of(url: str, key: str):
    root = url.removesuffix("/v1")
    return nemo_microservices.NeMoMicroservices(base_url=root, inference_base_url=root, max_retries=0,
                                                default_headers={"Authorization": f"Bearer {key}"})


class Nemo(ClientCase):
    def setUp(self):
        self.client = client_of(self.url, KEY)

    def chat(self, **options):
        return self.client.chat.completions.create(model="demo", messages=ASKED, temperature=0,
                                                   **{"max_tokens": 30, **options})

    def test_whole_and_streamed_answers_are_the_same(self):
        whole = self.chat()
        self.assertEqual(whole.usage.completion_tokens, 30)
        pieces = [chunk.choices[0].delta.content or "" for chunk in self.chat(stream=True) if chunk.choices]
        self.assertEqual("".join(pieces), whole.choices[0].message.content)
        self.assertGreater(len(pieces), 5)

    def test_completions(self):
        answer = self.client.completions.create(model="demo", prompt="Once", max_tokens=5, temperature=0)
        pieces = self.client.completions.create(model="demo", prompt="Once", max_tokens=5, temperature=0, stream=True)
        self.assertEqual("".join(chunk.choices[0].text for chunk in pieces if chunk.choices), answer.choices[0].text)

    def test_nvext_and_tools(self):
        answer = self.chat(extra_body={"nvext": {"guided_json": PERSON}}, max_tokens=300)
        self.check_person(json.loads(answer.choices[0].message.content))
        answer = self.chat(tools=[WEATHER], tool_choice="required", max_tokens=200)
        arguments = answer.choices[0].message.tool_calls[0].function.arguments
        self.assertIn(json.loads(arguments)["city"], ("Paris", "Rome"))

    def test_embeddings(self):
        for options in ({}, {"encoding_format": "float", "input_type": "passage", "truncate": "END"}):
            answer = self.client.embeddings.create(model="embedder", input=["a boat", "a dog"], **options)
            self.assertEqual([len(entry.embedding) for entry in answer.data], [32, 32])

    def test_models(self):
        self.assertEqual([model.id for model in self.client.inference.models.list().data],
                         ["demo", "embedder", "ranker"])

    def test_errors_are_the_clients_own(self):
        with self.assertRaises(nemo_microservices.AuthenticationError):
            client_of(self.url, "wrong").chat.completions.create(model="demo", messages=ASKED)
        with self.assertRaises(nemo_microservices.NotFoundError):
            self.client.chat.completions.create(model="gpt-4", messages=ASKED)
        with self.assertRaisesRegex(nemo_microservices.BadRequestError, "'top_p'"):
            self.chat(top_p=7)
        with FullServer() as url, self.assertRaises(nemo_microservices.RateLimitError):
            client_of(url, "none").chat.completions.create(model="demo", messages=ASKED)


if __name__ == "__main__":
    unittest.main()
