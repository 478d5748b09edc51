#include "curate/clean/characters.h"

#include <algorithm>

#include "curate/normal_forms.h"

namespace kedge::curate {
namespace {

/// Null for what is none.
const char32_t* letters_of_ligature(char32_t c) {
  switch (c) {
    case 0x0132:
      return U"IJ";
    case 0x0133:
      return U"ij";
    case 0x0149:
      return U"\u02BCn";
    case 0x01C4:
      return U"D\u017D";
    case 0x01C5:
      return U"D\u017E";
    case 0x01C6:
      return U"d\u017E";
    case 0x01C7:
      return U"LJ";
    case 0x01C8:
      return U"Lj";
    case 0x01C9:
      return U"lj";
    case 0x01CA:
      return U"NJ";
    case 0x01CB:
      return U"Nj";
    case 0x01CC:
      return U"nj";
    case 0x01F1:
      return U"DZ";
    case 0x01F2:
      return U"Dz";
    case 0x01F3:
      return U"dz";
    case 0xFB00:
      return U"ff";
    case 0xFB01:
      return U"fi";
    case 0xFB02:
      return U"fl";
    case 0xFB03:
      return U"ffi";
    case 0xFB04:
      return U"ffl";
    case 0xFB05:
      return U"\u017Ft";
    case 0xFB06:
      return U"st";
    default:
      return nullptr;
  }
}

}  // namespace

std::u32string with_straight_quotes(CodeView text) {
  std::u32string out(text);
  for (char32_t& c : out) {
    if (c == 0x02BC || (c >= 0x2018 && c <= 0x201B)) c = U'\'';
    if (c >= 0x201C && c <= 0x201F) c = U'"';
  }
  return out;
}

std::u32string without_ligatures(CodeView text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (const char32_t* letters = letters_of_ligature(c)) {
      out += letters;
    } else {
      out += c;
    }
  }
  return out;
}

std::u32string in_usual_widths(CodeView text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (c == 0x3000) {
      out += U' ';
    } else if (c > 0xFF00 && c < 0xFFF0) {
      out += to_normal_form(CodeView(&c, 1), NormalForm::nfkc);
    } else {
      out += c;
    }
  }
  return out;
}

std::u32string with_unix_lines(CodeView text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == U'\r' && i + 1 < text.size() && text[i + 1] == U'\n') continue;
    out += c == U'\r' || c == 0x2028 || c == 0x2029 || c == 0x85 ? U'\n' : c;
  }
  return out;
}

bool is_unwanted_control(char32_t c) {
  return c < 0x09 || c == 0x0B || (c >= 0x0E && c < 0x20) || c == 0x7F || (c >= 0x206A && c < 0x2070) || c == 0xFEFF ||
         (c >= 0xFFF9 && c < 0xFFFD);
}

std::u32string without_controls(CodeView text) {
  std::u32string out(text);
  std::erase_if(out, is_unwanted_control);
  return out;
}

std::u32string without_terminal_codes(CodeView text) {
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == 0x1B && i + 1 < text.size() && text[i + 1] == U'[') {
      size_t end = i + 2;
      while (end < text.size() && (is(text[end], kDigit) || text[end] == U';')) ++end;
      if (end < text.size() && text[end] < 0x80 && is(text[end], kAlpha)) {
        i = end + 1;
        continue;
      }
    }
    out += text[i++];
  }
  return out;
}

}  // namespace kedge::curate
