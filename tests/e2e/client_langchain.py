"""Goal: LangChain's packages for OpenAI and for NIM find in `kedge serve` what they expect.

Method: the real `langchain-openai` and `langchain-nvidia-ai-endpoints` against the binary with the demo model and tiny
encoders; greedy answers, so that whole and streamed ones can be compared.
"""

import json
import unittest
import warnings

import langchain_nvidia_ai_endpoints as nvidia
import langchain_openai
import openai
from clients_case import KEY, PASSAGES, PERSON, WEATHER, ClientCase, FullServer
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage

ASKED = [SystemMessage("Be brief."), HumanMessage("Tell me a story about a boat.")]


class OpenAI(ClientCase):
    def chat(self, **options):
        return langchain_openai.ChatOpenAI(model="demo", base_url=self.url, **{
            "api_key": KEY, "temperature": 0, "max_retries": 0, "max_tokens": 30, **options})

    def test_whole_and_streamed_answers_are_the_same(self):
        whole = self.chat().invoke(ASKED)
        self.assertGreater(len(whole.content), 20)
        self.assertGreater(whole.usage_metadata["input_tokens"], 5)
        pieces = list(self.chat(stream_usage=True).stream(ASKED))
        self.assertGreater(len(pieces), 5)
        total = pieces[0]
        for piece in pieces[1:]:
            total += piece
        self.assertEqual(total.content, whole.content)
        self.assertEqual(total.usage_metadata["output_tokens"], whole.usage_metadata["output_tokens"])
        self.assertEqual(total.response_metadata["finish_reason"], whole.response_metadata["finish_reason"])

    def test_batch(self):
        answers = self.chat().batch(["Tell me of a cat.", "Tell me of a boat.", "Tell me of a cat."])
        self.assertEqual(answers[0].content, answers[2].content)
        self.assertNotEqual(answers[0].content, answers[1].content)

    def test_structured_output(self):
        for method in ("json_schema", "function_calling"):
            with self.subTest(method):
                chat = self.chat(max_tokens=300).with_structured_output(PERSON, method=method)
                self.check_person(chat.invoke(ASKED))

    def test_a_call_and_its_result(self):
        chat = self.chat(max_tokens=200).bind_tools([WEATHER], tool_choice="weather")
        called = chat.invoke(ASKED)
        (call,) = called.tool_calls
        self.assertEqual(call["name"], "weather")
        self.assertIn(call["args"]["city"], ("Paris", "Rome"))
        total = None
        for piece in chat.stream(ASKED):
            total = piece if total is None else total + piece
        self.assertEqual(total.tool_calls[0]["args"], call["args"])
        answer = self.chat().invoke([*ASKED, called, ToolMessage("Sunny.", tool_call_id=call["id"])])
        self.assertGreater(len(answer.content), 0)

    def test_embeddings(self):
        # The client itself would cut texts into OpenAI's tokens; told not to, it sends them as they are.
        embeddings = langchain_openai.OpenAIEmbeddings(model="embedder", base_url=self.url, api_key=KEY,
                                                       check_embedding_ctx_length=False)
        vectors = embeddings.embed_documents(["a boat", "a dog"])
        self.assertEqual({len(vector) for vector in vectors}, {32})
        query = embeddings.embed_query("a boat")
        for mine, other in zip(query, vectors[0]):
            self.assertAlmostEqual(mine, other, places=5)

    def test_completions(self):
        model = langchain_openai.OpenAI(model="demo", base_url=self.url, api_key=KEY, temperature=0, max_tokens=10)
        whole = model.invoke("Once upon a time")
        self.assertGreater(len(whole), 10)
        self.assertEqual("".join(model.stream("Once upon a time")), whole)

    def test_errors_are_the_clients_own(self):
        with self.assertRaises(openai.AuthenticationError):
            self.chat(api_key="wrong").invoke(ASKED)
        with self.assertRaises(openai.NotFoundError):
            self.chat().bind(model="gpt-4").invoke(ASKED)
        with self.assertRaisesRegex(openai.BadRequestError, "'top_p'"):
            self.chat(top_p=7).invoke(ASKED)
        with FullServer() as url, self.assertRaises(openai.RateLimitError):
            langchain_openai.ChatOpenAI(model="demo", base_url=url, api_key="none", max_retries=0).invoke(ASKED)


class Nvidia(ClientCase):
    def setUp(self):
        warnings.simplefilter("ignore")  # models that NVIDIA's catalogue does not have

    def chat(self, **options):
        return nvidia.ChatNVIDIA(model="demo", base_url=self.url, **{
            "api_key": KEY, "temperature": 0, "max_completion_tokens": 30, **options})

    def test_models(self):
        names = [model.id for model in nvidia.ChatNVIDIA.get_available_models(base_url=self.url, api_key=KEY)]
        self.assertIn("demo", names)

    def test_whole_and_streamed_answers_are_the_same(self):
        whole = self.chat().invoke(ASKED)
        self.assertGreater(len(whole.content), 20)
        pieces = list(self.chat().stream(ASKED))
        self.assertEqual("".join(piece.content for piece in pieces), whole.content)
        usage = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
        self.assertEqual(usage[-1]["output_tokens"], whole.usage_metadata["output_tokens"])

    def test_structured_output(self):
        self.check_person(self.chat(max_completion_tokens=300).with_structured_output(PERSON).invoke(ASKED))
        choice = self.chat().with_structured_output({"title": "Kind", "enum": ["boat", "ship"]}).invoke(ASKED)
        self.assertIn(choice, ("boat", "ship"))

    def test_nvext(self):
        answer = self.chat().bind(nvext={"guided_json": PERSON}, max_tokens=300).invoke(ASKED)
        self.check_person(json.loads(answer.content))

    def test_tools(self):
        called = self.chat(max_completion_tokens=200).bind_tools([WEATHER], tool_choice="weather").invoke(ASKED)
        (call,) = called.tool_calls
        self.assertIn(call["args"]["city"], ("Paris", "Rome"))

    def test_embeddings_of_queries_and_passages(self):
        embeddings = nvidia.NVIDIAEmbeddings(model="embedder", base_url=self.url, api_key=KEY, truncate="END")
        vectors = embeddings.embed_documents(["a boat", "a dog " * 200])
        self.assertEqual([len(vector) for vector in vectors], [32, 32])
        self.assertEqual(len(embeddings.embed_query("a boat")), 32)
        strict = nvidia.NVIDIAEmbeddings(model="embedder", base_url=self.url, api_key=KEY, truncate="NONE")
        with self.assertRaisesRegex(Exception, "400"):
            strict.embed_query("a dog " * 200)

    def test_ranking(self):
        ranker = nvidia.NVIDIARerank(model="ranker", base_url=self.url, api_key=KEY, top_n=3)
        found = ranker.compress_documents([Document(text) for text in PASSAGES], "a boat")
        self.check_ranking([PASSAGES.index(document.page_content) for document in found],
                           [document.metadata["relevance_score"] for document in found])

    def test_errors_carry_the_status(self):
        with self.assertRaisesRegex(Exception, "401"):
            self.chat(api_key="wrong").invoke(ASKED)
        with self.assertRaisesRegex(Exception, r"400[\s\S]*'top_p'"):
            self.chat().bind(top_p=7).invoke(ASKED)


if __name__ == "__main__":
    unittest.main()
