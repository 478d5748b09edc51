// Any bytes as an ARPA file, a binary of KenLM's, or a list of words and counts: refused with a reason, or used without
// harm.
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "curate/perplexity/ngram_model.h"
#include "curate/perplexity/unigrams.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto unigrams = kedge::curate::Unigrams::parse(bytes, "list");
  if (unigrams.ok()) static_cast<void>(unigrams.value()->mean_log_probability(U"some words of a text."));
  const auto model = kedge::curate::NgramModel::parse(bytes, "model");
  if (!model.ok()) {
    KEDGE_CHECK(!model.error().message.empty());
    return 0;
  }
  for (const char* text : {"", "a", "some words\nof a text", "\xC3\xA9"}) {
    static_cast<void>(kedge::curate::perplexity_of(*model.value(), text, true));
  }
  return 0;
}
