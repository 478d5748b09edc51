#include "curate/dedup/units.h"

#include <openssl/evp.h>

#include <array>
#include <cstring>

#include "curate/english/english_tokenizer.h"
#include "curate/english/marks.h"

namespace kedge::curate {
namespace {

size_t utf8_size(char32_t code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

bool all_punctuation(CodeView token) {
  for (const char32_t c : token) {
    if (!is(c, kPunctuation)) return false;
  }
  return true;
}

/// Where sentences begin, in code points, the first at 0.
std::vector<size_t> sentence_begins(CodeView text) {
  std::vector<size_t> begins = {0};
  bool closed = false;
  for (const CodeView token : EnglishTokenizer::instance().tokenize(text)) {
    const bool mark = token.size() == 1 && is_sentence_mark(token.front());
    if (closed && !mark && !all_punctuation(token)) {
      begins.push_back(static_cast<size_t>(token.data() - text.data()));
      closed = false;
    } else if (mark) {
      closed = true;
    }
  }
  begins.push_back(text.size());
  return begins;
}

}  // namespace

std::vector<Unit> sentences_of(std::string_view text) {
  const std::u32string codes = to_codes(text);
  const std::vector<size_t> begins = sentence_begins(codes);
  std::vector<Unit> units;
  uint32_t at = 0, last_end = 0, tail = 0;
  for (size_t i = 0; i + 1 < begins.size(); ++i) {
    const CodeView whole = CodeView(codes).substr(begins[i], begins[i + 1] - begins[i]);
    const CodeView trimmed = strip_right(whole);
    uint32_t end = at;
    for (const char32_t c : trimmed) end += static_cast<uint32_t>(utf8_size(c));
    uint32_t next = end;
    for (const char32_t c : whole.substr(trimmed.size())) next += static_cast<uint32_t>(utf8_size(c));
    if (!is_blank(trimmed)) {
      units.push_back({{last_end, end}, std::u32string(strip(trimmed))});
      last_end = end;
    }
    tail = is_blank(trimmed) ? last_end : next;
    at = next;
  }
  // With the white space behind the last one, but for what is a sentence of its own: spaCy's sentencizer begins one
  // behind a full stop.
  if (!units.empty()) units.back().bytes.end = tail;
  return units;
}

std::vector<Unit> paragraphs_of(std::string_view text) {
  std::vector<Unit> units;
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = text.find('\n', begin);
    const size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    std::u32string line = to_codes(text.substr(begin, end - begin));
    const CodeView trimmed = strip(line);
    if (!trimmed.empty()) {
      units.push_back({{static_cast<uint32_t>(begin), static_cast<uint32_t>(end)}, std::u32string(trimmed)});
    }
    begin = end;
  }
  return units;
}

std::u32string ccnet_normal_form(CodeView line) {
  constexpr CodeView kMarks = U"，。、„”“«»１」「《》´∶：？！（）；–—．～’…━〈〉【】％►";
  std::u32string out;
  for (const char32_t c : to_lower(strip(line))) {
    if (c < 0x20 || (c >= 0x7F && c < 0xA0)) continue;
    if (is(c, kDigit)) {
      out += U'0';
    } else if (kMarks.find(c) == CodeView::npos) {
      out += c;
    }
  }
  return out;
}

uint64_t ccnet_hash(CodeView line) {
  const std::string bytes = to_utf8(ccnet_normal_form(line));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr);
  uint64_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

size_t word_count(std::string_view text) {
  size_t count = 0;
  const std::u32string codes = to_codes(text);
  for (const CodeView token : EnglishTokenizer::instance().tokenize(codes)) count += is_blank(token) ? 0 : 1;
  return count;
}

}  // namespace kedge::curate
