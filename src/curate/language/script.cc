#include "curate/language/script.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <array>

namespace kedge::curate {

ScriptShare main_script(CodeView text) {
  std::array<size_t, USCRIPT_CODE_LIMIT> counts{};
  std::array<size_t, USCRIPT_CODE_LIMIT> first{};
  size_t letters = 0;
  int best = USCRIPT_UNKNOWN;
  for (const char32_t c : text) {
    if (c < 0x80 ? (c | 0x20) - U'a' >= 26 : u_isUAlphabetic(static_cast<UChar32>(c)) == 0) continue;
    UErrorCode error = U_ZERO_ERROR;
    const int script = c < 0x80 ? USCRIPT_LATIN : uscript_getScript(static_cast<UChar32>(c), &error);
    if (script <= USCRIPT_INHERITED || script >= USCRIPT_CODE_LIMIT) continue;  // Common is 0
    const auto at = static_cast<size_t>(script);
    if (counts[at]++ == 0) first[at] = letters;
    ++letters;
  }
  if (letters == 0) return {"Zzzz", 0};
  for (size_t at = 0; at < counts.size(); ++at) {
    const auto held = static_cast<size_t>(best);
    const bool more = counts[at] > counts[held] || (counts[at] == counts[held] && first[at] < first[held]);
    if (counts[at] > 0 && (best == USCRIPT_UNKNOWN || more)) best = static_cast<int>(at);
  }
  return {uscript_getShortName(static_cast<UScriptCode>(best)),
          static_cast<double>(counts[static_cast<size_t>(best)]) / static_cast<double>(letters)};
}

}  // namespace kedge::curate
