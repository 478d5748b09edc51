// Goal: a run that was interrupted and gone on with gives the bytes of one that was not, whatever the number of
// threads; options and models that cannot be are refused with a message that names them. Method: a small random Llama,
// quantized in one go and in pieces, the folders compared file by file; one thing wrong at a time.

#include "quantize/folder_quantizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>

#include "core/file.h"
#include "models/tiny_model_test_support.h"
#include "quantize/quantizer.h"

namespace kedge::quantize {
namespace {

namespace fs = std::filesystem;
using models::TemporaryFolder;
using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

/// The tiny Llama with rows of whole groups.
Shapes shapes_of(int64_t inner = 64) {
  Shapes shapes = models::tiny_llama_shapes();
  for (auto& [name, shape] : shapes) {
    for (int64_t& size : shape) size = size == 48 ? inner : size;
  }
  return shapes;
}

bool write_model(const fs::path& folder, int64_t inner = 64) {
  fs::create_directories(folder);
  Json config = models::tiny_llama_config();
  config["intermediate_size"] = inner;
  return models::write_checkpoint(folder, config, shapes_of(inner));
}

Options options_of(const fs::path& model, const fs::path& out) {
  Options options;
  options.model = model;
  options.out = out;
  options.target = "int4-g32";
  options.method = "gptq";
  options.sequences = 4;
  options.held_sequences = 2;
  options.length = 24;
  options.threads = 1;
  return options;
}

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name == "quantization_report.json") continue;  // names the folder
    files[name] = read_file(entry.path(), size_t{1} << 30).value();
  }
  return files;
}

std::string error_of(const Options& options) {
  const Result<Json> report = quantize(options, {}, {});
  return report.ok() ? "" : report.error().message;
}

TEST(FolderQuantizer, every_method_gives_a_model_with_a_report) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model"));
  const std::pair<const char*, const char*> runs[] = {{"int4-g32", "rtn"}, {"int4-g32", "awq"}, {"int4-g32", "gptq"},
                                                      {"int8-g32", "rtn"}, {"w8a8", "smooth"},  {"w8a8", "gptq"},
                                                      {"w8a8", "rtn"},     {"mixed", "gptq"},   {"mixed", "awq"}};
  std::map<std::string, double> divergence;
  for (const auto& [target, method] : runs) {
    const std::string name = std::string(target) + "-" + method;
    Options options = options_of(folder.path() / "model", folder.path() / name);
    options.target = target;
    options.method = method;
    options.bits = 6;
    const Result<Json> report = quantize(options, {}, {});
    ASSERT_TRUE(report.ok()) << name << ": " << report.error().message;
    divergence[name] = report.value()["held"]["kl_divergence"];
    EXPECT_TRUE(std::isfinite(divergence[name]) && divergence[name] > 0) << name;
    EXPECT_EQ(report.value()["layers"].size(), 2U) << name;
    EXPECT_FALSE(fs::exists(options.out / "quantize.state.json")) << name;
    EXPECT_TRUE(fs::exists(options.out / "quantization_report.json")) << name;
    EXPECT_FALSE(report_table(report.value()).empty());
    if (std::string_view(target) == "mixed") {
      EXPECT_LE(report.value()["bits_per_weight"].get<double>(), 6.0);
      EXPECT_GT(report.value()["bits_per_weight"].get<double>(), 4.5);
    }
  }
  EXPECT_LT(divergence["int8-g32-rtn"], divergence["int4-g32-rtn"]);
  EXPECT_LT(divergence["mixed-gptq"], divergence["int4-g32-gptq"]);
}

TEST(FolderQuantizer, an_interrupted_run_ends_in_the_same_bytes) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model"));
  for (const char* method : {"gptq", "awq"}) {
    const std::string whole_name = std::string("whole-") + method, pieces_name = std::string("pieces-") + method;
    Options whole = options_of(folder.path() / "model", folder.path() / whole_name);
    whole.method = method;
    whole.threads = 3;
    ASSERT_TRUE(quantize(whole, {}, {}).ok());
    Options pieces = options_of(folder.path() / "model", folder.path() / pieces_name);
    pieces.method = method;
    int runs = 0;
    for (bool done = false; !done && runs < 50; ++runs) {
      // Each run is stopped some progress calls later than the run before.
      std::stop_source stop;
      int calls = 0;
      const Events events{.on_progress =
                              [&](const Progress&) {
                                if (calls++ == 9 * runs) stop.request_stop();
                              },
                          .on_notice = {}};
      const Result<Json> report = quantize(pieces, events, stop.get_token());
      done = report.ok();
      if (!done) {
        ASSERT_EQ(report.error().kind, ErrorKind::cancelled) << report.error().message;
      }
    }
    EXPECT_GT(runs, 3);
    EXPECT_EQ(files_of(whole.out), files_of(pieces.out)) << method;
  }
}

TEST(FolderQuantizer, other_options_do_not_go_on_with_a_run) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model"));
  const Options options = options_of(folder.path() / "model", folder.path() / "out");
  std::stop_source stop;
  stop.request_stop();
  ASSERT_FALSE(quantize(options, {}, stop.get_token()).ok());
  Options other = options;
  other.method = "rtn";
  const std::string message = error_of(other);
  for (const char* part : {"out", "--method", "gptq", "rtn"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(error_of(options), "");
  EXPECT_NE(error_of(options).find("not empty"), std::string::npos);
}

TEST(FolderQuantizer, matrices_without_whole_groups_stay_as_stored) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model", 48));
  const Options options = options_of(folder.path() / "model", folder.path() / "out");
  const Result<Json> report = quantize(options, {}, {});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report.value()["as_stored"], Json::array({"model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"}));
}

TEST(FolderQuantizer, options_that_cannot_be_are_named) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model"));
  const auto expect = [&](const std::function<void(Options&)>& change, std::initializer_list<const char*> parts) {
    Options options = options_of(folder.path() / "model", folder.path() / "out");
    change(options);
    const std::string message = error_of(options);
    for (const char* part : parts) EXPECT_NE(message.find(part), std::string::npos) << message << " lacks " << part;
  };
  expect([](Options& o) { o.target = "int3"; }, {"--to int3", "int4", "q4_k"});
  expect([](Options& o) { o.target = ""; }, {"--to"});
  expect([](Options& o) { o.method = "best"; }, {"--method best", "gptq"});
  expect([](Options& o) { o.method = "smooth"; }, {"--method smooth", "rtn"});
  expect([](Options& o) { o.target = "w8a8", o.method = "awq"; }, {"--method awq", "smooth"});
  expect([](Options& o) { o.target = "q8_0"; }, {"--method gptq", "rtn"});
  expect([](Options& o) { o.target = "mixed", o.bits = 3; }, {"--bits 3"});
  expect([](Options& o) { o.target = "mixed", o.bits = std::nan(""); }, {"--bits"});
  expect([](Options& o) { o.target = "w8a8", o.method = "rtn", o.symmetric = true; }, {"--symmetric", "w8a8"});
  expect([](Options& o) { o.keep_embeddings = true; }, {"--keep-embeddings", "GGUF"});
  expect([](Options& o) { o.sequences = 0; }, {"--sequences 0"});
  expect([](Options& o) { o.length = 1; }, {"--length 1"});
  expect([](Options& o) { o.held_sequences = -3; }, {"--held-sequences -3"});
  expect([](Options& o) { o.out = o.model; }, {"--out", "itself"});
  expect([](Options& o) { o.calibration_file = "/no/such/text"; }, {"/no/such/text"});
  expect([](Options& o) { o.model = "/no/such/model"; }, {"/no/such/model"});
}

TEST(FolderQuantizer, a_budget_below_the_narrowest_format_is_refused) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model"));
  Options options = options_of(folder.path() / "model", folder.path() / "out");
  options.target = "mixed";
  options.bits = 4.1;
  EXPECT_NE(error_of(options).find("--bits 4.1"), std::string::npos);
}

TEST(FolderQuantizer, models_that_cannot_be_are_named) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model"));
  Options options = options_of(folder.path() / "model", folder.path() / "int4");
  ASSERT_EQ(error_of(options), "");
  options = options_of(folder.path() / "int4", folder.path() / "again");
  EXPECT_NE(error_of(options).find("quantized already (compressed-tensors)"), std::string::npos);

  ASSERT_TRUE(write_model(folder.path() / "infinite"));
  std::fstream file(folder.path() / "infinite" / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  const float infinite = std::numeric_limits<float>::infinity();
  file.seekp(-static_cast<std::streamoff>(sizeof(infinite)), std::ios::end);
  file.write(reinterpret_cast<const char*>(&infinite), sizeof(infinite));
  file.close();
  EXPECT_NE(error_of(options_of(folder.path() / "infinite", folder.path() / "out")).find("not finite"),
            std::string::npos);
}

}  // namespace
}  // namespace kedge::quantize
