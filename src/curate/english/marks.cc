#include "curate/english/marks.h"

#include <array>

namespace kedge::curate {
namespace {

constexpr CodeView kTerminal =
    U"!.?\u0589\u061D\u061E\u061F\u06D4\u0700\u0701\u0702\u07F9\u0837\u0839\u083D\u083E\u0964\u0965\u104A"
    U"\u104B\u1362\u1367\u1368\u166E\u1735\u1736\u17D4\u17D5\u17D6\u17D9\u17DA\u1803\u1809\u1944\u1945"
    U"\u1AA8\u1AA9\u1AAA\u1AAB\u1B5A\u1B5B\u1B5E\u1B5F\u1B7D\u1B7E\u1C3B\u1C3C\u1C7E\u1C7F\u203C\u203D"
    U"\u2047\u2048\u2049\u2E2E\u2E3C\u2E53\u2E54\u3002\uA4FF\uA60E\uA60F\uA6F3\uA6F7\uA876\uA877\uA8CE"
    U"\uA8CF\uA92F\uA9C8\uA9C9\uAA5D\uAA5E\uAA5F\uAAF0\uAAF1\uABEB\uFE52\uFE56\uFE57\uFF01\uFF0E\uFF1F"
    U"\uFF61\U00010A56\U00010A57\U00010F55\U00010F56\U00010F57\U00010F58\U00010F59\U00010F86\U00010F87"
    U"\U00010F88\U00010F89\U00011047\U00011048\U000110BE\U000110BF\U000110C0\U000110C1\U00011141\U00011142"
    U"\U00011143\U000111C5\U000111C6\U000111CD\U000111DE\U000111DF\U00011238\U00011239\U0001123B\U0001123C"
    U"\U000112A9\U0001144B\U0001144C\U000115C2\U000115C3\U000115C9\U000115CA\U000115CB\U000115CC\U000115CD"
    U"\U000115CE\U000115CF\U000115D0\U000115D1\U000115D2\U000115D3\U000115D4\U000115D5\U000115D6\U000115D7"
    U"\U00011641\U00011642\U0001173C\U0001173D\U0001173E\U00011944\U00011946\U00011A42\U00011A43\U00011A9B"
    U"\U00011A9C\U00011C41\U00011C42\U00011EF7\U00011EF8\U00011F43\U00011F44\U00016A6E\U00016A6F\U00016AF5"
    U"\U00016B37\U00016B38\U00016B44\U00016E98\U0001BC9F\U0001DA88";
// Terminal marks that spaCy does not know.
constexpr CodeView kNotSentence =
    U"\u061D\u061E\u0837\u0839\u083D\u083E\u17D4\u17D5\u17D6\u17D9\u17DA\u1B7D\u1B7E\u2E53\u2E54\U00010F55"
    U"\U00010F56\U00010F57\U00010F58\U00010F59\U00010F86\U00010F87\U00010F88\U00010F89\U00011944\U00011946"
    U"\U00011EF7\U00011EF8\U00011F43\U00011F44\U00016E98";
constexpr CodeView kMarks =
    U"!/\u2014\u201D:\uFF05\uFF11\u3008&(\u3001\u2501\\\u3010#%\u300C\u300D\uFF0C\u3011\uFF1B+^]~\u201C"
    U"\u300A\u201E';\u2019{|\u2236\u00B4[=-`*\uFF0E\uFF08\u2013\uFF1F\uFF01\uFF1A$\uFF5E\u00AB\u3009,><"
    U"\u300B)?\uFF09\u3002\u2026@_.\"}\u25BA\u00BB";

enum Mark : uint8_t { kIsTerminal = 1, kIsSentence = 2, kIsPunctuation = 4 };

using Table = std::array<uint8_t, detail::kTableSize>;

Table* make_table() {
  auto* table = new Table();  // lives as long as the program
  for (const char32_t code : kTerminal) (*table)[code] |= kIsTerminal | kIsSentence;
  for (const char32_t code : kNotSentence) (*table)[code] &= ~kIsSentence;
  for (const char32_t code : kMarks) (*table)[code] |= kIsPunctuation;
  for (char32_t code = 0; code < 160; ++code) {
    if ((code < 32 && code != U'\t' && code != U'\n') || code >= 127) (*table)[code] |= kIsPunctuation;
  }
  return table;
}

uint8_t marks_of(char32_t code) {
  static const Table& table = *make_table();
  return code < detail::kTableSize ? table[code] : 0;
}

}  // namespace

bool is_terminal_mark(char32_t code) {
  return (marks_of(code) & kIsTerminal) != 0;
}

bool is_sentence_mark(char32_t code) {
  return (marks_of(code) & kIsSentence) != 0;
}

bool is_datatrove_punctuation(char32_t code) {
  return (marks_of(code) & kIsPunctuation) != 0;
}

bool is_datatrove_symbol(char32_t code) {
  return (marks_of(code) & (kIsPunctuation | kIsTerminal)) != 0;
}

}  // namespace kedge::curate
