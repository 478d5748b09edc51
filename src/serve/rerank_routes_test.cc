// Goal: /v1/rerank and /v2/rerank answer as Cohere's and Jina's do.
// Method: a fake encoder that scores by length; exact answers, and a table of wrong fields.
#include <cmath>

#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

class RerankRoutesTest : public ServerTest {};

TEST_F(RerankRoutesTest, orders_by_relevance) {
  start(ModelKind::reranker);
  const Json body = {{"model", "fake"}, {"query", "q"}, {"documents", {"aa", {{"text", "aaaa"}}, "aaa"}}};
  for (const char* path : {"/v1/rerank", "/v2/rerank", "/rerank"}) {
    const ApiAnswer answer = post(path, body);
    ASSERT_EQ(answer.status, 200) << answer.text;
    const Json& results = answer.json["results"];
    ASSERT_EQ(results.size(), 3U);
    EXPECT_EQ(results[0]["index"], 1);
    EXPECT_EQ(results[1]["index"], 2);
    EXPECT_EQ(results[2]["index"], 0);
    EXPECT_DOUBLE_EQ(results[0]["relevance_score"].get<double>(), 1 / (1 + std::exp(-5.0)));
    EXPECT_FALSE(results[0].contains("document"));
    EXPECT_EQ(answer.json["usage"]["total_tokens"], 12);
    EXPECT_EQ(answer.json["model"], "fake");
  }
}

TEST_F(RerankRoutesTest, gives_only_the_best_with_their_texts) {
  start(ModelKind::reranker);
  Json body = {{"query", "q"}, {"documents", {"a", "aaa", "aa"}}, {"top_n", 2}, {"return_documents", true}};
  Json results = post("/v2/rerank", body).json["results"];
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0]["document"]["text"], "aaa");
  EXPECT_EQ(results[1]["document"]["text"], "aa");
  body["top_n"] = 9;
  EXPECT_EQ(post("/v2/rerank", body).json["results"].size(), 3U);
}

TEST_F(RerankRoutesTest, wrong_fields_are_named) {
  start(ModelKind::reranker);
  const std::pair<Json, std::string> cases[] = {
      {{{"query", nullptr}}, "query"},
      {{{"query", 5}}, "query"},
      {{{"documents", nullptr}}, "documents"},
      {{{"documents", Json::array()}}, "documents"},
      {{{"documents", {"a", 5}}}, "documents[1]"},
      {{{"documents", {{{"title", "a"}}}}}, "documents[0].text"},
      {{{"documents", {{{"text", 1}}}}}, "documents[0].text"},
      {{{"top_n", 0}}, "top_n"},
      {{{"return_documents", 1}}, "return_documents"},
  };
  for (const auto& [change, param] : cases) {
    Json body = {{"query", "q"}, {"documents", {"a"}}};
    body.update(change);
    const ApiAnswer answer = post("/v1/rerank", body);
    EXPECT_EQ(answer.status, 400) << to_text(change);
    EXPECT_EQ(answer.error_param(), param) << answer.text;
  }
}

TEST_F(RerankRoutesTest, other_models_do_not_rank) {
  start();
  const ApiAnswer answer = post("/v1/rerank", {{"query", "q"}, {"documents", {"a"}}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.error_param(), "model");
}

}  // namespace
}  // namespace kedge::serve
