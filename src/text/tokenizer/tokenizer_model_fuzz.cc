// Any bytes as a vocabulary of the other formats. The first byte picks the format, the second what the files beside it
// say; what opened encodes, decodes and streams consistently.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/check.h"
#include "text/tokenizer/bert_vocabulary.h"
#include "text/tokenizer/byte_ranks.h"
#include "text/tokenizer/gguf_vocabulary.h"
#include "text/tokenizer/properties_for_fuzzers.h"
#include "text/tokenizer/sentencepiece_model.h"

namespace {

using Opened = kedge::Result<std::shared_ptr<const kedge::Tokenizer>>;

kedge::text::TokenizerConfig config_of(uint8_t choice) {
  kedge::text::TokenizerConfig config;
  if ((choice & 1) != 0) config.add_bos_token = (choice & 2) != 0;
  if ((choice & 4) != 0) config.add_eos_token = (choice & 8) != 0;
  if ((choice & 16) != 0) config.lower_case = (choice & 32) != 0;
  config.legacy = (choice & 64) == 0;
  if ((choice & 128) != 0) {
    config.bos_token = "<s>";
    config.added.push_back({.id = 3, .content = "<s>", .special = true, .left_strip = true, .right_strip = true});
    config.added.push_back({.id = 300, .content = "llo", .single_word = true, .normalized = true});
  }
  if ((choice & 15) == 15) {  // as beside DeBERTa's spm.model
    config.bos_token = "[CLS]";
    config.eos_token = "[SEP]";
    config.pair_begins_once = true;
  }
  return config;
}

Opened open(uint8_t format, std::string_view bytes, const kedge::text::TokenizerConfig& config) {
  using namespace kedge::text;  // NOLINT(google-build-using-namespace): a fuzzer's only function
  switch (format % 5) {
    case 0:
      return load_sentencepiece_model(bytes, "fuzz", config);
    case 1:
      return load_tekken_json(bytes, "fuzz", config);
    case 2:
      return load_bert_vocabulary(bytes, "fuzz", config);
    case 3:
      return load_tiktoken_file(bytes, "fuzz", config);
    default:
      break;
  }
  const auto file = kedge::formats::GgufFile::parse(std::as_bytes(std::span(bytes)), "fuzz");
  if (!file.ok()) return file.error();
  return load_gguf_vocabulary(*file.value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Opened tokenizer = open(data[0], bytes, config_of(data[1]));
  if (tokenizer.ok()) {
    kedge::text::check_tokenizer(*tokenizer.value(), bytes);
  } else {
    KEDGE_CHECK(tokenizer.error().message.starts_with("fuzz"));
  }
  return 0;
}
