"""Goal: LiteLLM, which many gateways are built on, finds in `kedge serve` both an OpenAI and a NIM server.

Method: the real `litellm` through its providers openai, nvidia_nim, text-completion-openai and cohere.
"""

import json
import os
import unittest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # before the import, which would ask the network for prices

import litellm
from clients_case import KEY, PASSAGES, PERSON, WEATHER, ClientCase, FullServer

ASKED = [{"role": "user", "content": "Tell me a story about a boat."}]


litellm.suppress_debug_info = True


class LiteLLM(ClientCase):
    def options(self, provider="openai", model="demo"):
        return {"model": f"{provider}/{model}", "api_base": self.url, "api_key": KEY, "num_retries": 0}

    def chat(self, provider="openai", **options):
        return litellm.completion(messages=ASKED, temperature=0, **self.options(provider),
                                  **{"max_tokens": 30, **options})

    def test_whole_and_streamed_answers_are_the_same(self):
        for provider in ("openai", "nvidia_nim"):
            with self.subTest(provider):
                whole = self.chat(provider)
                self.assertGreater(len(whole.choices[0].message.content), 20)
                self.assertEqual(whole.usage.completion_tokens, 30)
                chunks = list(self.chat(provider, stream=True, stream_options={"include_usage": True}))
                built = litellm.stream_chunk_builder(chunks, messages=ASKED)
                self.assertEqual(built.choices[0].message.content, whole.choices[0].message.content)
                self.assertEqual(built.choices[0].finish_reason, whole.choices[0].finish_reason)

    def test_usage_of_a_stream(self):
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual(litellm.stream_chunk_builder(chunks, messages=ASKED).usage.completion_tokens, 30)

    def test_completions(self):
        answer = litellm.text_completion(prompt="Once", max_tokens=5, temperature=0,
                                         **self.options("text-completion-openai"))
        self.assertGreater(len(answer.choices[0].text), 3)

    def test_structured_output(self):
        response_format = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
        answer = self.chat(response_format=response_format, max_tokens=300)
        self.check_person(json.loads(answer.choices[0].message.content))

    def test_tools(self):
        # Without this LiteLLM needs a package (mcp) that it doesn't bring.
        answer = self.chat(tools=[WEATHER], tool_choice="required", max_tokens=400,
                           parallel_tool_calls=False, _skip_mcp_handler=True)
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        call = answer.choices[0].message.tool_calls[0]
        self.assertIn(json.loads(call.function.arguments)["city"], ("Paris", "Rome"))

    def test_embeddings(self):
        for provider, extra in (("openai", {}), ("nvidia_nim", {"input_type": "query"})):
            with self.subTest(provider):
                answer = litellm.embedding(input=["a boat", "a dog"], **self.options(provider, "embedder"), **extra)
                self.assertEqual([len(entry["embedding"]) for entry in answer.data], [32, 32])

    def test_ranking(self):
        for provider, base in (("nvidia_nim", self.server.url), ("cohere", self.server.url)):
            with self.subTest(provider):
                answer = litellm.rerank(query="a boat", documents=PASSAGES, top_n=3,
                                        **{**self.options(provider, "ranker"), "api_base": base})
                self.check_ranking([result["index"] for result in answer.results],
                                   [result["relevance_score"] for result in answer.results])

    def test_errors_are_the_clients_own(self):
        with self.assertRaises(litellm.AuthenticationError):
            litellm.completion(messages=ASKED, **{**self.options(), "api_key": "wrong"})
        with self.assertRaises(litellm.NotFoundError):
            litellm.completion(messages=ASKED, **{**self.options(), "model": "openai/gpt-4"})
        with self.assertRaisesRegex(litellm.BadRequestError, "'top_p'"):
            self.chat(top_p=7)
        with self.assertRaises(litellm.ContextWindowExceededError):
            litellm.completion(messages=[{"role": "user", "content": "boat " * 3000}], **self.options())
        with FullServer() as url, self.assertRaises(litellm.RateLimitError):
            litellm.completion(messages=ASKED, **{**self.options(), "api_base": url, "api_key": "none"}, max_retries=0)


if __name__ == "__main__":
    unittest.main()
