#include "curate/clean/mojibake.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "curate/clean/characters.h"
#include "curate/clean/encodings.h"
#include "curate/clean/pair_filter.h"
#include "curate/entities.h"
#include "curate/pattern.h"

namespace kedge::curate {

extern const std::string_view kMojibakeCharacters;  // src/curate/data/mojibake_characters.txt
extern const std::string_view kMojibakeSigns;       // src/curate/data/mojibake_signs.txt

namespace {

constexpr size_t kSegmentCharacters = 1'000'000;  // a longer line is repaired in parts
constexpr int kRoundsMax = 32;                    // each undoes one wrong decoding; more were never needed

std::vector<std::string> lines_of(std::string_view list) {
  std::vector<std::string> lines;
  while (!list.empty()) {
    const size_t end = std::min(list.find('\n'), list.size());
    if (end > 0 && list[0] != '#') lines.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return lines;
}

using Classes = std::map<std::string, std::string>;

Classes read_classes() {
  Classes classes;
  for (const std::string& line : lines_of(kMojibakeCharacters)) {
    const size_t space = line.find(' ');
    classes[line.substr(0, space)] = line.substr(space + 1);
  }
  return classes;
}

/// {name} becomes the class's characters.
std::string filled(std::string text, const Classes& classes) {
  for (const auto& [name, characters] : classes) {
    const std::string place = "{" + name + "}";
    for (size_t at = text.find(place); at != std::string::npos; at = text.find(place, at + characters.size())) {
      text.replace(at, place.size(), characters);
    }
  }
  return text;
}

std::vector<std::string> read_signs(const Classes& classes) {
  std::vector<std::string> signs;
  for (const std::string& line : lines_of(kMojibakeSigns)) signs.push_back(filled(line, classes));
  return signs;
}

struct Patterns {
  Classes classes = read_classes();
  std::vector<std::string> sign_list = read_signs(classes);
  PairFilter sign_pairs{sign_list};
  Pattern signs{fmt::format("{}", fmt::join(sign_list, "|")), Pattern::Unit::characters};
  // Runs that would be UTF-8 if they were bytes, in text that is otherwise right.
  Pattern embedded{filled("(?<![{utf8_continuation_strict}])(?:[{utf8_first_of_2}][{utf8_continuation}]|"
                          "[{utf8_first_of_3}][{utf8_continuation}]{2}|[{utf8_first_of_4}][{utf8_continuation}]{3})++",
                          classes),
                   Pattern::Unit::characters};
  // Sequences with a space where byte A0 was.
  Pattern lost_a0{R"([\xC2\xC3\xC5\xCE\xD0\xD9][ ]|[\xE2\xE3][ ][\x80-\x84\x86-\x9F\xA1-\xBF]|)"
                  R"([\xE0-\xE3][\x80-\x84\x86-\x9F\xA1-\xBF][ ]|\xF0[ ][\x80-\xBF][\x80-\xBF]|)"
                  R"(\xF0[\x80-\xBF][ ][\x80-\xBF]|\xF0[\x80-\xBF][\x80-\xBF][ ])",
                  Pattern::Unit::bytes};
  // The word "à" on its own keeps its space.
  Pattern a_grave{R"(\xC3 (?! |quele|quela|quilo|s ))", Pattern::Unit::bytes};
  // Sequences of which bytes were lost: 1A, or a question mark.
  Pattern lossy{
      R"([\xC2-\xDF]\x1A|[\xC2-\xC3]\?|\xED[\xA0-\xAF][\x1A?]\xED[\xB0-\xBF][\x1A?\x80-\xBF]|)"
      R"(\xED[\xA0-\xAF][\x1A?\x80-\xBF]\xED[\xB0-\xBF][\x1A?]|[\xE0-\xEF][\x1A?][\x1A\x80-\xBF]|)"
      R"([\xE0-\xEF][\x1A\x80-\xBF][\x1A?]|[\xF0-\xF4][\x1A?][\x1A\x80-\xBF][\x1A\x80-\xBF]|)"
      R"([\xF0-\xF4][\x1A\x80-\xBF][\x1A?][\x1A\x80-\xBF]|[\xF0-\xF4][\x1A\x80-\xBF][\x1A\x80-\xBF][\x1A?]|\x1A)",
      Pattern::Unit::bytes};
};

const Patterns& patterns() {
  static const auto* all = new Patterns();  // lives as long as the program
  return *all;
}

/// What stands behind a search that gave up stays.
template <typename Replace>
std::string replace_all(const Pattern& pattern, std::string_view text, const Replace& replace) {
  std::string out;
  size_t at = 0;
  while (const auto match = pattern.find(text, at).match) {
    out += text.substr(at, match->begin - at);
    out += replace(text.substr(match->begin, match->end - match->begin));
    at = match->end;
  }
  out += text.substr(at);
  return out;
}

/// Where the search gives up, it may be: a decoding that fits the whole text decides.
bool is_bad(CodeView text) {
  if (!patterns().sign_pairs.may_match(text)) return false;
  const Pattern::Search search = patterns().signs.find(to_utf8(text));
  return search.match.has_value() || search.gave_up;
}

std::string restore_a0(std::string_view bytes) {
  const std::string words = replace_all(patterns().a_grave, bytes, [](std::string_view) { return "\xC3\xA0 "; });
  return replace_all(patterns().lost_a0, words, [](std::string_view match) {
    std::string fixed(match);
    std::replace(fixed.begin(), fixed.end(), ' ', '\xA0');
    return fixed;
  });
}

/// The text's bytes in one encoding, read as UTF-8.
std::optional<std::u32string> decode_again(const ByteEncoding& encoding, std::string bytes, const Repairs& repairs) {
  if (repairs.lost_a0 && encoding.name != "macroman" && patterns().lost_a0.find(bytes).match) bytes = restore_a0(bytes);
  if (repairs.lossy && encoding.sloppy)
    bytes = replace_all(patterns().lossy, bytes, [](std::string_view) { return "\xEF\xBF\xBD"; });
  return decode_utf8(bytes);
}

std::u32string repair_encoding(CodeView text, int rounds, const Repairs& repairs);

/// Repairs runs within text that is otherwise right.
std::u32string repair_embedded(CodeView text, std::string_view utf8, int rounds) {
  const std::string fixed = replace_all(patterns().embedded, utf8, [&](std::string_view match) {
    const std::u32string codes = to_codes(match);
    if (codes.size() >= text.size() || !is_bad(codes)) return std::string(match);
    return to_utf8(repair_encoding(codes, rounds - 1, {}));
  });
  return to_codes(fixed);
}

std::optional<std::u32string> latin1_as_windows(CodeView text) {
  const ByteEncoding& windows = byte_encodings()[1];
  std::u32string out;
  for (const char32_t c : text) {
    if (c > 0xFF) return std::nullopt;
    const char32_t mapped = c < 0x80 ? c : windows.upper[c - 0x80];
    if (c >= 0x80 && c < 0xA0 && mapped == c) return std::nullopt;  // Windows-1252 leaves five bytes unassigned
    out += mapped;
  }
  return out;
}

std::u32string windows_controls(CodeView text) {
  std::u32string out(text);
  for (char32_t& c : out) {
    if (c >= 0x80 && c < 0xA0) c = byte_encodings()[1].upper[c - 0x80];
  }
  return out;
}

std::u32string repair_encoding_once(CodeView text, int rounds, const Repairs& repairs) {
  if (!is_bad(text)) return std::u32string(text);
  const std::string utf8 = to_utf8(text);
  bool latin1 = false;
  for (const ByteEncoding& encoding : byte_encodings()) {
    auto bytes = encoding.encode(text);
    if (!bytes) continue;
    latin1 = latin1 || encoding.name == "latin-1";
    if (auto fixed = decode_again(encoding, *std::move(bytes), repairs)) return *std::move(fixed);
  }
  if (rounds > 0 && repairs.embedded && patterns().embedded.find(utf8).match) {
    std::u32string fixed = repair_embedded(text, utf8, rounds);
    if (fixed != text) return fixed;
  }
  if (latin1) {
    const auto fixed = latin1_as_windows(text);
    if (fixed && *fixed != text) return *fixed;
  }
  return repairs.c1_controls ? windows_controls(text) : std::u32string(text);
}

std::u32string repair_encoding(CodeView text, int rounds, const Repairs& repairs) {
  std::u32string current(text);
  for (int i = 0; i < kRoundsMax; ++i) {
    std::u32string next = repair_encoding_once(current, rounds, repairs);
    if (next == current) break;
    current = std::move(next);
  }
  return current;
}

/// The character that a reference written in capitals stands for ("&EACUTE;"), if its name in small letters has one.
std::optional<std::u32string> capital_reference(CodeView name) {
  if (find_entity(name) != nullptr) return std::nullopt;
  const std::u32string lower = to_lower(name);
  if (lower == name) return std::nullopt;
  const bool all_capitals = std::none_of(name.begin(), name.end(), [](char32_t c) { return is(c, kLower); });
  const std::u32string* found = all_capitals ? find_entity(lower) : nullptr;
  if (found == nullptr) return std::nullopt;
  return to_upper(*found);
}

std::u32string unescape(CodeView text) {
  constexpr size_t kNameMax = 24;
  std::u32string out;
  while (!text.empty()) {
    const size_t mark = std::min(text.find(U'&'), text.size());
    out += text.substr(0, mark);
    text.remove_prefix(mark);
    if (text.empty()) break;
    const size_t end = text.substr(0, kNameMax + 3).find(U';');
    std::optional<std::u32string> value;
    if (end != CodeView::npos) {
      const auto reference = read_reference(text, true);
      if (reference && reference->length == end + 1) value = reference->text;
      if (!value && text[1] != U'#') value = capital_reference(text.substr(1, end));
    }
    out += value ? *value : std::u32string(1, U'&');
    text.remove_prefix(value ? end + 1 : 1);
  }
  return out;
}

std::u32string repair_segment(CodeView segment, bool references, const Repairs& repairs) {
  std::u32string current(segment);
  for (int i = 0; i < kRoundsMax; ++i) {
    std::u32string next = references ? unescape(current) : current;
    if (repairs.encoding) next = repair_encoding(next, 1, repairs);
    if (repairs.c1_controls) next = windows_controls(next);
    if (repairs.ligatures) next = without_ligatures(next);
    if (repairs.widths) next = in_usual_widths(next);
    if (repairs.quotes) next = with_straight_quotes(next);
    if (repairs.line_breaks) next = with_unix_lines(next);
    if (repairs.terminal_codes) next = without_terminal_codes(next);
    if (repairs.controls) next = without_controls(next);
    if (repairs.form) next = to_normal_form(next, *repairs.form);
    if (next == current) break;
    current = std::move(next);
  }
  return current;
}

/// Whether no repair would change it; false where that takes more than a look at each character.
bool is_right(CodeView segment, bool references, const Repairs& repairs) {
  const bool ascii_only = repairs.ligatures || repairs.widths || repairs.quotes || repairs.line_breaks || repairs.form;
  for (const char32_t c : segment) {
    if (c < 0x7F) {
      if (c < 0x20 && c != U'\t' && c != U'\n' && c != 0x0C && (c != U'\r' || repairs.line_breaks)) return false;
      if (c == U'&' && references) return false;
    } else if (ascii_only || c < 0xA0 || is_unwanted_control(c)) {
      return false;
    }
  }
  return !repairs.encoding || !patterns().sign_pairs.may_match(segment);
}

/// Bytes that are no character, or one that a repair may change on its own.
constexpr auto kNotPlain = [] {
  std::array<uint8_t, 256> odd{};
  for (size_t c = 0; c < odd.size(); ++c) {
    odd[c] = c >= 0x7F || c == '&' || (c < 0x20 && c != '\t' && c != '\n') ? 1 : 0;
  }
  return odd;
}();

bool is_plain_ascii(std::string_view bytes) {
  uint8_t odd = 0;
  for (const char byte : bytes) odd |= kNotPlain[static_cast<unsigned char>(byte)];
  return odd == 0;
}

}  // namespace

bool needs_no_repair(std::string_view utf8) {
  bool references = true;
  while (!utf8.empty()) {
    const size_t newline = utf8.find('\n');
    const size_t size = newline == std::string_view::npos ? utf8.size() : newline + 1;
    if (size > kSegmentCharacters) return false;
    const std::string_view line = utf8.substr(0, size);
    references = references && line.find('<') == std::string_view::npos;
    if (!is_plain_ascii(line) && !is_right(to_codes(line), references, {})) return false;
    utf8.remove_prefix(size);
  }
  return true;
}

std::u32string repair_text(CodeView text, const Repairs& repairs) {
  std::u32string out;
  out.reserve(text.size());
  bool references = repairs.references != Repairs::References::never;
  while (!text.empty()) {
    const size_t newline = text.find(U'\n');
    const size_t size = std::min(newline == CodeView::npos ? text.size() : newline + 1, kSegmentCharacters);
    const CodeView segment = text.substr(0, size);
    text.remove_prefix(size);
    if (repairs.references == Repairs::References::automatic) {
      references = references && segment.find(U'<') == CodeView::npos;
    }
    if (is_right(segment, references, repairs)) {
      out += segment;
    } else {
      out += repair_segment(segment, references, repairs);
    }
  }
  return out;
}

std::u32string repair_mojibake(CodeView text) {
  return repair_text(text, {});
}

}  // namespace kedge::curate
