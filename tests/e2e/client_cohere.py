"""Goal: Cohere's client ranks by `kedge serve`, in both versions of its API. Method: the real `cohere` package."""

import unittest

import cohere
from clients_case import KEY, PASSAGES, ClientCase
from cohere.errors import BadRequestError, NotFoundError, UnauthorizedError


class Cohere(ClientCase):
    def clients(self, key=KEY):
        return [kind(api_key=key, base_url=self.server.url) for kind in (cohere.ClientV2, cohere.Client)]

    def test_ranking(self):
        for client in self.clients():
            answer = client.rerank(model="ranker", query="a boat", documents=PASSAGES)
            self.check_ranking([result.index for result in answer.results],
                               [result.relevance_score for result in answer.results])
            best = client.rerank(model="ranker", query="a boat", documents=PASSAGES, top_n=1)
            self.assertEqual([result.index for result in best.results], [answer.results[0].index])

    def test_errors_are_the_clients_own(self):
        for right, wrong in zip(self.clients(), self.clients("wrong")):
            with self.assertRaises(UnauthorizedError):
                wrong.rerank(model="ranker", query="a boat", documents=PASSAGES)
            with self.assertRaises(NotFoundError):
                right.rerank(model="other", query="a boat", documents=PASSAGES)
            with self.assertRaises(BadRequestError) as caught:
                right.rerank(model="ranker", query="a boat", documents=PASSAGES, top_n=-1)
            self.assertIn("top_n", str(caught.exception.body))


if __name__ == "__main__":
    unittest.main()
