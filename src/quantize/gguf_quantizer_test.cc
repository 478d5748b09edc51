// Goal: a GGUF file is written that kedge reads back as the same model in fewer bits: metadata kept, names and rows in
// GGUF's order, tokenizer alike; files that cannot be are refused.
// Method: a small random Llama as a folder and as a GGUF file made from it; the demo model's tokenizer.

#include "quantize/gguf_quantizer.h"

#include <gtest/gtest.h>

#include <fstream>

#include "formats/gguf.h"
#include "kedge/tokenizer.h"
#include "models/tiny_model_test_support.h"
#include "quantize/gguf_model.h"
#include "quantize/quantizer.h"

namespace kedge::quantize {
namespace {

namespace fs = std::filesystem;
using models::TemporaryFolder;

const fs::path kDemo = fs::path(KEDGE_SOURCE_DIR) / "demo" / "model";

/// A tiny Llama with the demo model's tokenizer, cut to its vocabulary.
bool write_model(const fs::path& folder) {
  Json config = models::tiny_llama_config();
  config["intermediate_size"] = 64;
  auto shapes = models::tiny_llama_shapes();
  for (auto& [name, shape] : shapes) {
    for (int64_t& size : shape) size = size == 48 ? 64 : size;
  }
  fs::create_directories(folder);
  fs::copy_file(kDemo / "tokenizer.json", folder / "tokenizer.json");
  fs::copy_file(kDemo / "tokenizer_config.json", folder / "tokenizer_config.json");
  return models::write_checkpoint(folder, config, shapes);
}

Options options_of(const fs::path& model, const fs::path& out, const char* target) {
  Options options;
  options.model = model;
  options.out = out;
  options.target = target;
  options.held_sequences = 2;
  options.length = 24;
  options.threads = 2;
  return options;
}

TEST(GgufQuantizer, a_folder_becomes_a_file_that_computes_the_same) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model"));
  double previous = 0;
  for (const char* target : {"q8_0", "q6_k", "q4_0"}) {  // 32 columns: q6_k falls back to q8_0
    const fs::path out = folder.path() / (std::string(target) + ".gguf");
    const Result<Json> report = quantize(options_of(folder.path() / "model", out, target), {}, {});
    ASSERT_TRUE(report.ok()) << report.error().message;
    const double divergence = report.value()["held"]["kl_divergence"];
    EXPECT_LT(divergence, std::string_view(target) == "q4_0" ? 1.0 : 1e-2) << target;
    EXPECT_GE(divergence, previous);
    previous = divergence;
    EXPECT_FALSE(fs::exists(out.string() + ".parts"));
    const auto file = formats::GgufFile::open(out);
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(file.value()->integer("llama.block_count"), 2);
    EXPECT_EQ(file.value()->integer("general.quantization_version"), 2);
    EXPECT_EQ(file.value()->find("blk.1.attn_norm.weight")->dtype, DType::f32);
    EXPECT_EQ(file.value()->find("blk.1.ffn_down.weight")->dtype,
              std::string_view(target) == "q4_0" ? DType::q4_0 : DType::q8_0);
  }
}

TEST(GgufQuantizer, a_gguf_file_becomes_a_smaller_one_with_its_metadata) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model"));
  // A file of F32: the model of a folder, written without a change.
  const auto source = models::WeightSource::open(folder.path() / "model");
  ASSERT_TRUE(source.ok());
  const fs::path wide = folder.path() / "wide.gguf";
  std::vector<TensorView> views;
  std::vector<std::vector<float>> values;
  for (const auto& [from, to] :
       {std::pair("model.embed_tokens.weight", "token_embd.weight"), std::pair("lm_head.weight", "output.weight"),
        std::pair("model.norm.weight", "output_norm.weight")}) {
    TensorView view = *source.value()->find(from);
    view.name = to;
    views.push_back(view);
  }
  for (int layer = 0; layer < 2; ++layer) {
    const std::string from = "model.layers." + std::to_string(layer) + ".", to = "blk." + std::to_string(layer) + ".";
    for (const auto& [name, other] :
         {std::pair("input_layernorm", "attn_norm"), std::pair("post_attention_layernorm", "ffn_norm"),
          std::pair("self_attn.q_proj", "attn_q"), std::pair("self_attn.k_proj", "attn_k"),
          std::pair("self_attn.v_proj", "attn_v"), std::pair("self_attn.o_proj", "attn_output"),
          std::pair("mlp.gate_proj", "ffn_gate"), std::pair("mlp.up_proj", "ffn_up"),
          std::pair("mlp.down_proj", "ffn_down")}) {
      TensorView view = *source.value()->find(from + name + ".weight");
      view.name = to + other + ".weight";
      views.push_back(view);
    }
  }
  const std::vector<std::pair<std::string, formats::GgufValue>> metadata = {
      {"general.architecture", gguf_text("llama")},     {"test.note", gguf_text("kept")},
      {"llama.block_count", gguf_integer(2)},           {"llama.context_length", gguf_integer(256)},
      {"llama.embedding_length", gguf_integer(32)},     {"llama.feed_forward_length", gguf_integer(64)},
      {"llama.attention.head_count", gguf_integer(4)},  {"llama.attention.head_count_kv", gguf_integer(2)},
      {"tokenizer.ggml.bos_token_id", gguf_integer(1)}, {"general.file_type", gguf_integer(0)}};
  ASSERT_TRUE(formats::write_gguf(wide, metadata, views).ok());

  const fs::path narrow = folder.path() / "narrow.gguf";
  const Result<Json> report = quantize(options_of(wide, narrow, "q8_0"), {}, {});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_LT(report.value()["held"]["kl_divergence"].get<double>(), 1e-2);
  const auto file = formats::GgufFile::open(narrow);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(*file.value()->string("test.note"), "kept");
  EXPECT_EQ(file.value()->integer("general.file_type"), 7);
  const auto again = quantize(options_of(narrow, folder.path() / "again.gguf", "q4_0"), {}, {});
  ASSERT_FALSE(again.ok());
  EXPECT_NE(again.error().message.find("Q8_0 already"), std::string::npos) << again.error().message;
  const auto there = quantize(options_of(wide, narrow, "q8_0"), {}, {});
  ASSERT_FALSE(there.ok());
  EXPECT_NE(there.error().message.find("there already"), std::string::npos);
}

/// The tokenizer of `folder`, of `size` tokens, in a GGUF file and back, encodes as before.
void expect_same_tokenizer(const fs::path& folder, int64_t size, std::initializer_list<const char*> texts) {
  const TemporaryFolder temporary;
  const auto pairs = gguf_tokenizer(folder, size);
  ASSERT_TRUE(pairs.ok()) << pairs.error().message;
  const fs::path path = temporary.path() / "tokenizer.gguf";
  const std::vector<float> nothing(1, 0.0F);
  const TensorView view{"nothing", DType::f32, {1}, std::as_bytes(std::span(nothing))};
  ASSERT_TRUE(formats::write_gguf(path, pairs.value(), {&view, 1}).ok());
  const auto before = Tokenizer::open(folder), after = Tokenizer::open(path);
  ASSERT_TRUE(before.ok() && after.ok()) << after.error().message;
  EXPECT_EQ(before.value()->bos(), after.value()->bos());
  EXPECT_EQ(before.value()->eos(), after.value()->eos());
  for (const char* text : texts) {
    for (const bool special : {true, false}) {
      EXPECT_EQ(before.value()->encode(text, {.add_special = special}).value(),
                after.value()->encode(text, {.add_special = special}).value())
          << text;
    }
  }
}

TEST(GgufQuantizer, the_demo_tokenizer_is_the_same_in_the_file) {
  expect_same_tokenizer(
      kDemo, 2048,
      {"What is kedge?", "Tell me a story about a fox, 123 times.\n\n  Don't \xC3\xA4\xF0\x9F\x98\x80!",
       "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", ""});
}

// Gemma's tokenizer.json lists them as added tokens, which text never holds: only merges make them.
TEST(GgufQuantizer, runs_of_spaces_are_merged_as_in_the_folder) {
  const TemporaryFolder folder;
  const std::string sign = "\xE2\x96\x81", two = sign + sign, three = two + sign;
  const auto added = [](int id, const std::string& content, bool special) {
    return Json{{"id", id}, {"content", content}, {"special", special}, {"normalized", false}};
  };
  const Json json = {{"normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", sign}}},
                     {"pre_tokenizer", nullptr},
                     {"added_tokens", {added(0, "<unk>", true), added(3, two, false), added(4, three, false)}},
                     {"model",
                      {{"type", "BPE"},
                       {"unk_token", "<unk>"},
                       {"byte_fallback", true},
                       {"vocab", {{"<unk>", 0}, {"a", 1}, {sign, 2}, {two, 3}, {three, 4}}},
                       {"merges", Json::array({Json::array({sign, sign}), Json::array({two, sign})})}}}};
  std::ofstream(folder.path() / "tokenizer.json") << to_text(json);
  expect_same_tokenizer(folder.path(), 8, {"a a", "a   a", "a      a", "a       a", "      "});
}

TEST(GgufQuantizer, files_of_another_kind_are_refused) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_model(folder.path() / "model"));
  const auto into_folder = quantize(options_of(folder.path() / "model", folder.path(), "q8_0"), {}, {});
  ASSERT_FALSE(into_folder.ok());
  EXPECT_NE(into_folder.error().message.find("is a folder"), std::string::npos);
  std::ofstream(folder.path() / "broken.gguf") << "GGUF";
  EXPECT_FALSE(quantize(options_of(folder.path() / "broken.gguf", folder.path() / "out.gguf", "q8_0"), {}, {}).ok());
}

}  // namespace
}  // namespace kedge::quantize
