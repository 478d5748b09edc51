// Goal: NIM's routes about the server tell the truth.
// Method: against the fake engines' facts, and the license file itself.
#include <fstream>
#include <sstream>
#include <thread>

#include "serve/server_for_tests.h"
#include "serve/version.h"

namespace kedge::serve {
namespace {

using testing::HasSubstr;

class AboutRoutesTest : public ServerTest {};

TEST_F(AboutRoutesTest, metadata) {
  start({{"one", ModelKind::decoder}, {"two", ModelKind::reranker}});
  const ApiAnswer answer = get("/v1/metadata");
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.json["version"], kVersion);
  ASSERT_EQ(answer.json["modelInfo"].size(), 2U);
  EXPECT_EQ(answer.json["modelInfo"][1]["shortName"], "two");
  EXPECT_EQ(answer.json["assetInfo"].size(), 2U);
  EXPECT_THAT(answer.json["selectedModelProfileId"].get<std::string>(), HasSubstr("FakeForCausalLM"));
  EXPECT_EQ(answer.json["licenseInfo"], get("/v1/license").json);
}

TEST_F(AboutRoutesTest, license) {
  start();
  const Json json = get("/v1/license").json;
  std::stringstream file;
  file << std::ifstream(KEDGE_SOURCE_DIR "/LICENSE", std::ios::binary).rdbuf();
  EXPECT_EQ(json["content"], file.str());
  EXPECT_EQ(json["size"], file.str().size());
  EXPECT_EQ(json["sha"], "2b8b815229aa8a61e483fb4ba0588b8b6c491890");
  EXPECT_EQ(json["name"], "Apache-2.0");
}

TEST_F(AboutRoutesTest, manifest) {
  start();
  const std::string text = get("/v1/manifest").json["manifest_file"].get<std::string>();
  EXPECT_THAT(text, HasSubstr("    model: \"fake\"\n    architecture: \"FakeForCausalLM\"\n"));
  EXPECT_THAT(text, HasSubstr("    context_tokens: 1000\n"));
}

TEST_F(AboutRoutesTest, metrics_have_nims_path_too) {
  start();
  while (engine().pending_count() > 0) std::this_thread::yield();  // the start's request, which is answered, goes
  const ApiAnswer answer = get("/v1/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.text, HasSubstr("\nnum_requests_running{model_name=\"fake\"} 0\n"));
}

TEST_F(AboutRoutesTest, they_ask_for_the_key) {
  ServerOptions options;
  options.api_key = "secret";
  start(ModelKind::decoder, options);
  for (const char* path : {"/v1/metadata", "/v1/license", "/v1/manifest", "/v1/metrics"}) {
    EXPECT_EQ(get(path).status, 401) << path;
  }
}

}  // namespace
}  // namespace kedge::serve
