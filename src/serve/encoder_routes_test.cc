// Goal: /v1/embeddings and /v1/ranking answer as OpenAI's and NIM's do.
// Method: a fake encoder whose vectors tell which tokens it was given; exact answers, and a table of wrong fields.
#include <cstring>

#include "serve/encoder_input.h"
#include "serve/server_for_tests.h"

namespace kedge::serve {
namespace {

using testing::ElementsAre;

class EncoderRoutesTest : public ServerTest {};

TEST_F(EncoderRoutesTest, every_form_of_input) {
  start(ModelKind::embedder);
  const ApiAnswer one = post("/v1/embeddings", {{"input", "ab"}, {"input_type", "query"}});
  ASSERT_EQ(one.status, 200) << one.text;
  EXPECT_EQ(one.json["object"], "list");
  EXPECT_EQ(one.json["model"], "fake");
  EXPECT_EQ(one.json["data"][0], (Json{{"object", "embedding"}, {"index", 0}, {"embedding", {3, 256, 98}}}));
  EXPECT_EQ(one.json["usage"], (Json{{"prompt_tokens", 3}, {"total_tokens", 3}}));
  EXPECT_EQ(post("/v1/embeddings", {{"input", {1, 2}}}).json["data"][0]["embedding"], (Json{2, 1, 2}));
  EXPECT_EQ(post("/v1/embeddings", {{"input", Json::array({"a", "bc"})}}).json["data"][1]["embedding"],
            (Json{3, 256, 99}));
  Json many = Json::array();
  for (int i = 0; i < 50; ++i) many.push_back({i, i});
  const Json data = post("/v1/embeddings", {{"input", many}}).json["data"];
  ASSERT_EQ(data.size(), 50U);
  EXPECT_EQ(data[49]["embedding"], (Json{2, 49, 49}));
  EXPECT_EQ(data[49]["index"], 49);
}

TEST_F(EncoderRoutesTest, base64_is_little_endian_float32) {
  start(ModelKind::embedder);
  const Json answer = post("/v1/embeddings", {{"input", "a"}, {"encoding_format", "base64"}, {"dimensions", 3}}).json;
  // 2.0, 256.0, 97.0
  EXPECT_EQ(answer["data"][0]["embedding"], "AAAAQAAAgEMAAMJC");
}

TEST_F(EncoderRoutesTest, texts_that_are_too_long) {
  start(ModelKind::embedder);
  Json body = {{"input", "0123456789"}};
  const ApiAnswer refused = post("/v1/embeddings", body);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.error_param(), "input");
  body["truncate"] = "END";
  EXPECT_EQ(post("/v1/embeddings", body).json["data"][0]["embedding"], (Json{8, 256, '6'}));
  body["truncate"] = "START";
  EXPECT_EQ(post("/v1/embeddings", body).json["data"][0]["embedding"], (Json{8, 256, '9'}));
}

TEST_F(EncoderRoutesTest, dropping_the_start_keeps_special_tokens) {
  const FakeTokenizer tokenizer;
  EXPECT_THAT(drop_start({256, 1, 2, 3, 4, 257}, 4, tokenizer), ElementsAre(256, 3, 4, 257));
  EXPECT_THAT(drop_start({256, 1, 257}, 4, tokenizer), ElementsAre(256, 1, 257));
}

TEST_F(EncoderRoutesTest, wrong_fields_are_named) {
  start(ModelKind::embedder);
  const std::pair<Json, std::string> cases[] = {
      {{{"input", nullptr}}, "input"},        {{{"input", 5}}, "input"},
      {{{"input", Json::array()}}, "input"},  {{{"input", {300}}}, "input"},
      {{{"dimensions", 2}}, "dimensions"},    {{{"encoding_format", "hex"}}, "encoding_format"},
      {{{"truncate", "MIDDLE"}}, "truncate"}, {{{"input_type", "title"}}, "input_type"},
  };
  for (const auto& [change, param] : cases) {
    Json body = {{"input", "a"}};
    body.update(change);
    const ApiAnswer answer = post("/v1/embeddings", body);
    EXPECT_EQ(answer.status, 400) << to_text(change);
    EXPECT_EQ(answer.error_param(), param) << answer.text;
  }
  EXPECT_EQ(post(kChat, hello()).error_param(), "model") << "an embedder does not chat";
}

TEST_F(EncoderRoutesTest, ranks_by_score) {
  start(ModelKind::reranker);
  const Json body = {{"query", {{"text", "q"}}},
                     {"passages", {{{"text", "aa"}}, {{"text", "aaaa"}}, {{"text", "aaa"}}}},
                     {"truncate", "END"}};
  const ApiAnswer answer = post("/v1/ranking", body);
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.json["rankings"],
            (Json{{{"index", 1}, {"logit", 5}}, {{"index", 2}, {"logit", 4}}, {{"index", 0}, {"logit", 3}}}));
  EXPECT_EQ(answer.json["usage"]["total_tokens"], 12);
  EXPECT_EQ(post("/v1/retrieval/fake/reranking", body).json["rankings"], answer.json["rankings"]);
  EXPECT_EQ(post("/v1/retrieval/org/other/reranking", body).status, 404);
}

TEST_F(EncoderRoutesTest, wrong_rankings_are_named) {
  start(ModelKind::reranker);
  const Json good = {{"query", {{"text", "q"}}}, {"passages", {{{"text", "a"}}}}};
  const std::pair<Json, std::string> cases[] = {
      {{{"query", nullptr}}, "query"},
      {{{"query", "q"}}, "query"},
      {{{"query", Json::object()}}, "query.text"},
      {{{"passages", Json::array()}}, "passages"},
      {{{"passages", Json::array({{{"text", 5}}})}}, "passages[0].text"},
      {{{"truncate", "START"}}, "truncate"},
  };
  for (const auto& [change, param] : cases) {
    Json body = good;
    body.update(change);
    EXPECT_EQ(post("/v1/ranking", body).error_param(), param) << to_text(change);
  }
  EXPECT_EQ(post("/v1/embeddings", {{"input", "a"}}).error_param(), "model");
}

}  // namespace
}  // namespace kedge::serve
