#pragma once
// The vocabulary inside a GGUF file: the keys tokenizer.ggml.*.

#include <memory>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "kedge/result.h"
#include "text/tokenizer/pipeline.h"

namespace kedge::text {

/// Fails with not_found (the file has no vocabulary), corrupt_data or unsupported (model or split pattern).
Result<std::shared_ptr<const Tokenizer>> load_gguf_vocabulary(const formats::GgufFile& file);

/// How a byte-level vocabulary of a GGUF file splits text, by its tokenizer.ggml.pre.
struct GgufSplit {
  std::string_view name;
  std::vector<std::string_view> patterns;  // one after the other
  bool whole_words_first = false;
  bool nfc = false;
  bool add_bos = false;  // unless the file says otherwise
};

/// Fails with unsupported, listing the known names.
Result<GgufSplit> find_gguf_split(std::string_view name);

}  // namespace kedge::text
