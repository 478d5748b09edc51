// Any bytes as a tokenizer.json: no crash, and what opened encodes, decodes and streams consistently.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "text/tokenizer/properties_for_fuzzers.h"
#include "text/tokenizer/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = kedge::text::load_tokenizer_json(bytes, "fuzz", {});
  if (tokenizer.ok()) {
    kedge::text::check_tokenizer(*tokenizer.value(), bytes);
  } else {
    KEDGE_CHECK(tokenizer.error().message.starts_with("fuzz"));
  }
  return 0;
}
