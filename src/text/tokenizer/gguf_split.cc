// The names of split patterns in GGUF files, as llama.cpp gives them out.

#include <fmt/format.h>

#include <algorithm>

#include "text/tokenizer/gguf_vocabulary.h"
#include "text/tokenizer/word_scanner.h"

namespace kedge::text {
namespace {

constexpr std::string_view kEachDigit = "\\p{N}";
constexpr std::string_view kGpt2Numbers =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";

struct Names {
  std::vector<std::string_view> names;
  GgufSplit split;
};

const std::vector<Names>& known_splits() {
  static const std::vector<Names> splits = {
      {{"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de", "jina-v2-code", "roberta-bpe",
        "gigachat", "mpt", "olmo", "jais", "trillion", "granite-docling"},
       {.patterns = {kGpt2Pattern}}},
      {{"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
       {.patterns = {kLlama3Pattern}, .whole_words_first = true, .add_bos = true}},
      {{"dbrx", "smaug-bpe", "chatglm-bpe", "glm4"}, {.patterns = {kLlama3Pattern}}},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"}, {.patterns = {kQwen2Pattern}, .nfc = true}},
      {{"tekken"}, {.patterns = {kTekkenPattern}, .whole_words_first = true}},
      {{"gpt-4o", "llama4"}, {.patterns = {kGpt4oPattern}}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"},
       {.patterns = {kEachDigit, kGpt2Pattern}}},
      {{"falcon"}, {.patterns = {"[\\p{P}\\$\\+<=>\\^~\\|`]+", kGpt2Numbers, "[0-9][0-9][0-9]"}}},
      {{"default"}, {.patterns = {"[\\p{P}\\$\\+<=>\\^~\\|]+", kGpt2Numbers, "\\p{N}+", "[0-9][0-9][0-9]"}}},
  };
  return splits;
}

}  // namespace

Result<GgufSplit> find_gguf_split(std::string_view name) {
  std::string all;
  for (const Names& known : known_splits()) {
    if (std::find(known.names.begin(), known.names.end(), name) != known.names.end()) {
      GgufSplit split = known.split;
      split.name = name;
      return split;
    }
    for (const std::string_view other : known.names) all += fmt::format("{}{}", all.empty() ? "" : ", ", other);
  }
  return Error{ErrorKind::unsupported,
               fmt::format("tokenizer.ggml.pre is '{}', expected one of {}; a tokenizer.json beside the weights works "
                           "with any split pattern",
                           name, all)};
}

}  // namespace kedge::text
