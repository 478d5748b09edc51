// Any bytes as a table of limits by language and extension: refused with a reason, or used without harm.
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "curate/filters/per_extension.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto limits = kedge::curate::parse_extension_limits(bytes, "table", "python", "py");
  if (!limits.ok()) {
    KEDGE_CHECK(!limits.error().message.empty());
    return 0;
  }
  for (const char32_t* source : {U"", U"x = 1\n", U"\u00E9\n\n"}) {
    static_cast<void>(kedge::curate::score_extension(source, limits.value()));
  }
  return 0;
}
