// Any bytes as an ARPA file: refused with a reason, or used without harm.
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "curate/perplexity/ngram_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto model = kedge::curate::NgramModel::parse({reinterpret_cast<const char*>(data), size}, "model");
  if (!model.ok()) {
    KEDGE_CHECK(!model.error().message.empty());
    return 0;
  }
  for (const char* text : {"", "a", "some words\nof a text", "\xC3\xA9"}) {
    static_cast<void>(kedge::curate::perplexity_of(*model.value(), text, true));
  }
  return 0;
}
