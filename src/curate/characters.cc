#include "curate/characters.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <memory>

namespace kedge::curate {
namespace {

bool is_space(char32_t code) {
  return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
         code == 0x205F || code == 0x3000;
}

bool is_line_break(char32_t code) {
  return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 || code == 0x2028 ||
         code == 0x2029;
}

std::unique_ptr<const detail::Table> make_table() {
  auto table = std::make_unique<detail::Table>();
  for (char32_t code = 0; code < detail::kTableSize; ++code) (*table)[code] = detail::compute_classes(code);
  return table;
}

}  // namespace

namespace detail {

const Table& class_table() {
  static const std::unique_ptr<const Table> table = make_table();
  return *table;
}

uint16_t compute_classes(char32_t code) {
  const auto c = static_cast<UChar32>(code);
  const uint32_t category = U_GET_GC_MASK(c);
  const bool numeric = u_getIntPropertyValue(c, UCHAR_NUMERIC_TYPE) != U_NT_NONE;
  unsigned flags = 0;
  if (is_space(code)) flags |= kSpace;
  if (is_line_break(code)) flags |= kLineBreak;
  if ((category & U_GC_L_MASK) != 0) flags |= kAlpha;
  if (u_isUAlphabetic(c) != 0) flags |= kAlphabetic;
  if ((category & U_GC_L_MASK) != 0 || numeric || code == U'_') flags |= kWord;
  if ((category & U_GC_ND_MASK) != 0) flags |= kDigit;
  if ((category & (U_GC_LU_MASK | U_GC_LT_MASK)) != 0) flags |= kUpper;
  if ((category & U_GC_LL_MASK) != 0) flags |= kLower;
  if ((category & U_GC_MN_MASK) != 0) flags |= kNonspacing;
  if ((category & U_GC_P_MASK) != 0) flags |= kPunctuation;
  if ((category & U_GC_M_MASK) != 0) flags |= kMark;
  if ((category & U_GC_S_MASK) != 0) flags |= kSymbol;
  if (u_hasBinaryProperty(c, UCHAR_CASED) != 0) flags |= kCased;
  if (u_hasBinaryProperty(c, UCHAR_CASE_IGNORABLE) != 0) flags |= kIgnorable;
  return static_cast<uint16_t>(flags);
}

}  // namespace detail

int script_of(char32_t code) {
  UErrorCode error = U_ZERO_ERROR;
  return uscript_getScript(static_cast<UChar32>(code), &error);
}

}  // namespace kedge::curate
