"""What the tests of other clients share: `kedge serve` with the demo model, tiny encoders and a key.

These tests run in an environment of their own (tools/clients.txt), because some clients need other versions of what the
rest of the suite uses.
"""

import concurrent.futures
import pathlib
import tempfile
import unittest

import tiny_encoders
from test_serve import Server, wait_until

KEY = "sesame"
PERSON = {"title": "Person", "description": "Someone.", "type": "object", "additionalProperties": False,
          "required": ["name", "age"], "properties": {"name": {"type": "string", "maxLength": 12},
                                                      "age": {"type": "integer", "minimum": 0, "maximum": 150}}}
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather somewhere.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
                   "required": ["city"], "additionalProperties": False}}}
PASSAGES = ["A dog sleeps.", "The boat is at sea.", "Rain."]


class ClientCase(unittest.TestCase):
    """A server with the models demo, embedder and ranker, and with `server_options`."""

    server_options = ()

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        models = [tiny_encoders.write_encoder(pathlib.Path(folder.name, name), ranks=name == "ranker")
                  for name in ("embedder", "ranker")]
        cls.server = Server("demo", *map(str, models), "--served-model-name", "demo", "embedder", "ranker", "--api-key",
                            KEY, *cls.server_options)
        cls.addClassCleanup(cls.server.stop)
        cls.url = cls.server.url + "/v1"

    def check_person(self, person: dict) -> None:
        self.assertEqual(sorted(person), ["age", "name"])
        self.assertLessEqual(len(person["name"]), 12)
        self.assertIn(person["age"], range(151))

    def check_ranking(self, indices: list, scores: list) -> None:
        """Every passage once, best first."""
        self.assertEqual(sorted(indices), list(range(len(PASSAGES))))
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertGreater(len(set(scores)), 1)


class FullServer:
    """A server whose queue is full until the block ends: every request is refused with 429."""

    def __enter__(self) -> str:
        self.server = Server("--queue-max", "1", "--max-num-seqs", "1")
        self.pool = concurrent.futures.ThreadPoolExecutor(2)
        client = self.server.client()
        for _ in range(2):
            self.pool.submit(client.completions.create, model="demo", prompt="a", max_tokens=1000, n=64,
                             extra_body={"ignore_eos": True})
        wait_until(lambda: self.server.metric("num_requests_waiting") == 1)
        return self.server.url + "/v1"

    def __exit__(self, *_) -> None:
        self.server.process.kill()
        self.server.stop()
        self.pool.shutdown()
