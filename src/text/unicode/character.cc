#include "text/unicode/character.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <memory>

namespace kedge::text {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

struct Addition {
  char32_t first;
  char32_t last;
  uint16_t flags;
};

// What Unicode 16 added to the classes above. utf8proc of Debian 12 knows Unicode 15.0, the tokenizers whose ids we
// reproduce know 16; a range counts only where utf8proc still says "unassigned".
constexpr Addition kAdditions[] = {
    {0x897, 0x897, kMark},
    {0x1B4E, 0x1B4F, kPunctuation},
    {0x1B7F, 0x1B7F, kPunctuation},
    {0x1C89, 0x1C89, kUpper},
    {0x1C8A, 0x1C8A, kLower},
    {0xA7CB, 0xA7CC, kUpper},
    {0xA7CD, 0xA7CD, kLower},
    {0xA7DA, 0xA7DA, kUpper},
    {0xA7DB, 0xA7DB, kLower},
    {0xA7DC, 0xA7DC, kUpper},
    {0x105C0, 0x105F3, kOtherLetter},
    {0x10D40, 0x10D49, kDecimal},
    {0x10D4A, 0x10D4F, kOtherLetter},
    {0x10D50, 0x10D65, kUpper},
    {0x10D69, 0x10D6D, kMark},
    {0x10D6E, 0x10D6E, kPunctuation},
    {0x10D6F, 0x10D6F, kOtherLetter},
    {0x10D70, 0x10D85, kLower},
    {0x10EC2, 0x10EC4, kOtherLetter},
    {0x10EFC, 0x10EFC, kMark},
    {0x11380, 0x11389, kOtherLetter},
    {0x1138B, 0x1138B, kOtherLetter},
    {0x1138E, 0x1138E, kOtherLetter},
    {0x11390, 0x113B5, kOtherLetter},
    {0x113B7, 0x113B7, kOtherLetter},
    {0x113B8, 0x113C0, kMark},
    {0x113C2, 0x113C2, kMark},
    {0x113C5, 0x113C5, kMark},
    {0x113C7, 0x113CA, kMark},
    {0x113CC, 0x113D0, kMark},
    {0x113D1, 0x113D1, kOtherLetter},
    {0x113D2, 0x113D2, kMark},
    {0x113D3, 0x113D3, kOtherLetter},
    {0x113D4, 0x113D5, kPunctuation},
    {0x113D7, 0x113D8, kPunctuation},
    {0x113E1, 0x113E2, kMark},
    {0x116D0, 0x116E3, kDecimal},
    {0x11BC0, 0x11BE0, kOtherLetter},
    {0x11BE1, 0x11BE1, kPunctuation},
    {0x11BF0, 0x11BF9, kDecimal},
    {0x11F5A, 0x11F5A, kMark},
    {0x13460, 0x143FA, kOtherLetter},
    {0x16100, 0x1611D, kOtherLetter},
    {0x1611E, 0x1612F, kMark},
    {0x16130, 0x16139, kDecimal},
    {0x16D40, 0x16D6C, kOtherLetter},
    {0x16D6D, 0x16D6F, kPunctuation},
    {0x16D70, 0x16D79, kDecimal},
    {0x18CFF, 0x18CFF, kOtherLetter},
    {0x1CCF0, 0x1CCF9, kDecimal},
    {0x1E5D0, 0x1E5ED, kOtherLetter},
    {0x1E5EE, 0x1E5EF, kMark},
    {0x1E5F0, 0x1E5F0, kOtherLetter},
    {0x1E5F1, 0x1E5FA, kDecimal},
    {0x1E5FF, 0x1E5FF, kPunctuation},
    {0x2EBF0, 0x2EE5D, kOtherLetter},
};

// Nonspacing marks and punctuation that Unicode 7 did not have. The ranges run over other code points where no older
// mark or punctuation lies between, which keeps the table short.
constexpr Range kAfterUnicode7[] = {
    {0x61D, 0x61D},     {0x7FD, 0x7FD},     {0x898, 0x8E1},     {0x9FD, 0x9FE},     {0xA76, 0xA76},
    {0xAFA, 0xAFF},     {0xB55, 0xB55},     {0xC04, 0xC3C},     {0xC77, 0xC77},     {0xC84, 0xC84},
    {0xD00, 0xD00},     {0xD3B, 0xD3C},     {0xD81, 0xD81},     {0xEBA, 0xEBA},     {0xECE, 0xECE},
    {0x180F, 0x1886},   {0x1ABF, 0x1ACE},   {0x1B7D, 0x1B7E},   {0x1DF6, 0x1DFB},   {0x2E43, 0x2E5D},
    {0xA82C, 0xA82C},   {0xA8C5, 0xA8C5},   {0xA8FF, 0xA8FF},   {0xA9BD, 0xA9BD},   {0x10D24, 0x10F89},
    {0x11070, 0x11074}, {0x110C2, 0x110C2}, {0x111C9, 0x111C9}, {0x111CF, 0x111CF}, {0x1123E, 0x11241},
    {0x1133B, 0x1133B}, {0x11438, 0x1145E}, {0x11660, 0x1166C}, {0x116B9, 0x116B9}, {0x1182F, 0x11FFF},
    {0x12FF1, 0x13455}, {0x16E97, 0x16F4F}, {0x16FE2, 0x16FE4}, {0x1CF00, 0x1CF46}, {0x1E000, 0x1E4EF},
    {0x1E944, 0x1E95F},
};

// The same for marks and decompositions after Unicode 9.
constexpr Range kAfterUnicode9[] = {
    {0x7FD, 0x7FD},     {0x898, 0x8D3},     {0x9FE, 0x9FE},     {0xAFA, 0xAFF},     {0xB55, 0xB55},
    {0xC04, 0xC3C},     {0xCF3, 0xD00},     {0xD3B, 0xD3C},     {0xD81, 0xD81},     {0xEBA, 0xEBA},
    {0xECE, 0xECE},     {0x1715, 0x1715},   {0x180F, 0x180F},   {0x1ABF, 0x1ACE},   {0x1CF7, 0x1CF7},
    {0x1DF6, 0x1DFA},   {0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},   {0xA82C, 0xA82C},   {0xA8FF, 0xA8FF},
    {0xAB69, 0xAB69},   {0x10781, 0x107BA}, {0x10D24, 0x10F85}, {0x11070, 0x11074}, {0x110C2, 0x110C2},
    {0x11145, 0x11146}, {0x111C9, 0x111C9}, {0x111CE, 0x111CF}, {0x11241, 0x11241}, {0x1133B, 0x1133B},
    {0x1145E, 0x1145E}, {0x1182C, 0x11A99}, {0x11D31, 0x13455}, {0x16F4F, 0x16F4F}, {0x16F7F, 0x16F87},
    {0x16FE4, 0x16FF1}, {0x1CF00, 0x1CF46}, {0x1E030, 0x1E4EF}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9}};

// The blocks that BERT treats as words of one character each (the gap after 0x2B81F is BERT's own).
constexpr Range kBertIdeographs[] = {
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
    {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F},
};

template <size_t count>
bool contains(const Range (&ranges)[count], char32_t code) {
  const auto* range = std::lower_bound(std::begin(ranges), std::end(ranges), code,
                                       [](const Range& item, char32_t value) { return item.last < value; });
  return range != std::end(ranges) && range->first <= code;
}

uint16_t category_flags(utf8proc_propval_t category) {
  switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      return kUpper;
    case UTF8PROC_CATEGORY_LL:
      return kLower;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return kOtherLetter;
    case UTF8PROC_CATEGORY_MN:
      return kMark | kNonspacing;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return kMark;
    case UTF8PROC_CATEGORY_ND:
      return kDecimal;
    case UTF8PROC_CATEGORY_NL:
      return kOtherNumber | kLetterNumber;
    case UTF8PROC_CATEGORY_NO:
      return kOtherNumber;
    case UTF8PROC_CATEGORY_PC:
      return kPunctuation | kConnector;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return kPunctuation;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return kSpace;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
      return kControl;
    default:
      return 0;
  }
}

uint16_t added_flags(char32_t code) {
  for (const Addition& addition : kAdditions) {
    if (code >= addition.first && code <= addition.last) return addition.flags;
  }
  return 0;
}

/// Whether NFC keeps the starter `code` whatever stands before it.
bool is_nfc_stable(char32_t code, const utf8proc_property_t& property) {
  if (contains(kAfterUnicode9, code)) return true;
  if (property.combining_class != 0) return false;
  const bool jamo_that_composes = (code >= 0x1161 && code <= 0x1175) || (code >= 0x11A8 && code <= 0x11C2);
  if (jamo_that_composes) return false;
  // The second halves of compositions: utf8proc marks them in comb_index, together with first halves. Among starters
  // first halves are common letters, so only those with a further sign of being a second half are excluded: vowel
  // signs, which are marks.
  const bool may_compose_backwards =
      property.comb_index != UINT16_MAX && (category_flags(property.category) & kMark) != 0;
  if (may_compose_backwards) return false;
  if (property.decomp_seqindex == UINT16_MAX || property.decomp_type != 0) return true;
  utf8proc_int32_t buffer[8];
  const utf8proc_ssize_t length =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), buffer, 8, UTF8PROC_DECOMPOSE, nullptr);
  if (length <= 0 || length > 8) return false;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  return utf8proc_normalize_utf32(buffer, length, options) == 1 && buffer[0] == static_cast<utf8proc_int32_t>(code);
}

uint16_t compute_flags(char32_t code) {
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code));
  uint16_t flags = property->category == UTF8PROC_CATEGORY_CN ? added_flags(code) : category_flags(property->category);
  if ((code >= 0x9 && code <= 0xD) || code == 0x85) flags |= kSpace;
  if (is_nfc_stable(code, *property)) flags |= kNfcStable;
  return flags;
}

constexpr size_t kBlockSize = 256;
using Block = std::array<uint16_t, kBlockSize>;

// One pointer per block, filled when a text first needs the block: a process that reads English pays for one.
std::atomic<const Block*> blocks[0x110000 / kBlockSize];

const Block* fill_block(size_t index) {
  auto block = std::make_unique<Block>();
  for (size_t i = 0; i < kBlockSize; ++i) (*block)[i] = compute_flags(static_cast<char32_t>(index * kBlockSize + i));
  const Block* expected = nullptr;
  // Blocks live as long as the process; a thread that lost the race drops its equal copy.
  if (blocks[index].compare_exchange_strong(expected, block.get(), std::memory_order_acq_rel)) return block.release();
  return expected;
}

}  // namespace

uint16_t character_flags(char32_t code) {
  if (code >= 0x110000) return 0;
  const size_t index = code / kBlockSize;
  const Block* block = blocks[index].load(std::memory_order_acquire);
  if (block == nullptr) block = fill_block(index);
  return (*block)[code % kBlockSize];
}

bool is_word_character(char32_t code) {
  if ((character_flags(code) & (kLetter | kMark | kDecimal | kLetterNumber | kConnector)) != 0) return true;
  // Other_Alphabetic symbols (circled and squared letters) and the two joiners.
  return (code >= 0x24B6 && code <= 0x24E9) || (code >= 0x1F130 && code <= 0x1F149) ||
         (code >= 0x1F150 && code <= 0x1F169) || (code >= 0x1F170 && code <= 0x1F189) || code == 0x200C ||
         code == 0x200D;
}

bool is_bert_nonspacing_mark(char32_t code) {
  if (code == 0x1734) return true;  // reclassified as spacing since
  return (character_flags(code) & kNonspacing) != 0 && !contains(kAfterUnicode7, code);
}

bool is_bert_punctuation(char32_t code) {
  if (code < 0x80) {
    return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) ||
           (code >= 123 && code <= 126);
  }
  if (code == 0x166D || code == 0x111C9) return true;  // reclassified since
  return (character_flags(code) & kPunctuation) != 0 && !contains(kAfterUnicode7, code) && added_flags(code) == 0;
}

bool is_bert_ideograph(char32_t code) {
  return code >= 0x3400 && contains(kBertIdeographs, code);
}

bool is_after_unicode9(char32_t code) {
  return code >= 0x7FD && contains(kAfterUnicode9, code);
}

uint8_t combining_class(char32_t code) {
  if (code < 0x300 || code >= 0x110000 || is_after_unicode9(code)) return 0;
  return static_cast<uint8_t>(utf8proc_get_property(static_cast<utf8proc_int32_t>(code))->combining_class);
}

bool is_strippable_mark(char32_t code) {
  if (code == 0x1CF2 || code == 0x1CF3) return true;  // reclassified as letters since
  return (character_flags(code) & kMark) != 0 && !is_after_unicode9(code);
}

}  // namespace kedge::text
