#include "curate/normal_forms.h"

#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include "core/check.h"
#include "curate/english/marks.h"

namespace kedge::curate {
namespace {

icu::UnicodeString to_icu(CodeView text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()),
                                       static_cast<int32_t>(text.size()));
}

std::u32string from_icu(const icu::UnicodeString& text) {
  std::u32string out(static_cast<size_t>(text.countChar32()), 0);
  UErrorCode code = U_ZERO_ERROR;
  text.toUTF32(reinterpret_cast<UChar32*>(out.data()), static_cast<int32_t>(out.size()), code);
  return out;
}

std::u32string normalize_with(const icu::Normalizer2* form, CodeView text) {
  UErrorCode code = U_ZERO_ERROR;
  const icu::UnicodeString source = to_icu(text);
  if (form->isNormalized(source, code) != 0 && U_SUCCESS(code)) return std::u32string(text);
  code = U_ZERO_ERROR;
  const icu::UnicodeString out = form->normalize(source, code);
  KEDGE_CHECK(U_SUCCESS(code));
  return from_icu(out);
}

const icu::Normalizer2* normalizer_of(NormalForm wanted) {
  UErrorCode code = U_ZERO_ERROR;
  const icu::Normalizer2* form = nullptr;
  switch (wanted) {
    case NormalForm::nfc:
      form = icu::Normalizer2::getNFCInstance(code);
      break;
    case NormalForm::nfd:
      form = icu::Normalizer2::getNFDInstance(code);
      break;
    case NormalForm::nfkc:
      form = icu::Normalizer2::getNFKCInstance(code);
      break;
    case NormalForm::nfkd:
      form = icu::Normalizer2::getNFKDInstance(code);
      break;
  }
  KEDGE_CHECK(U_SUCCESS(code));
  return form;
}

bool is_ascii(CodeView text) {
  for (const char32_t c : text) {
    if (c >= 0x80) return false;
  }
  return true;
}

std::u32string collapse_space(CodeView text) {
  std::u32string out;
  out.reserve(text.size());
  for (const CodeView word : split_words(text)) {
    if (!out.empty()) out += U' ';
    out += word;
  }
  return out;
}

/// Each number, with a decimal part if it has one, as "0".
std::u32string flatten_numbers(CodeView text) {
  constexpr CodeView kPoints = U".,\u060C\u066B\u2396\u2397\u2398";
  std::u32string out;
  out.reserve(text.size());
  const auto digits_end = [&](size_t i) {
    while (i < text.size() && is(text[i], kDigit)) ++i;
    return i;
  };
  for (size_t i = 0; i < text.size();) {
    if (!is(text[i], kDigit)) {
      out += text[i++];
      continue;
    }
    i = digits_end(i);
    if (i + 1 < text.size() && kPoints.find(text[i]) != CodeView::npos && is(text[i + 1], kDigit))
      i = digits_end(i + 1);
    out += U'0';
  }
  return out;
}

}  // namespace

std::u32string to_normal_form(CodeView text, NormalForm form) {
  return is_ascii(text) ? std::u32string(text) : normalize_with(normalizer_of(form), text);
}

std::u32string to_nfc(CodeView text) {
  return to_normal_form(text, NormalForm::nfc);
}

std::u32string to_nfd(CodeView text) {
  return to_normal_form(text, NormalForm::nfd);
}

std::u32string fold_case(CodeView text) {
  if (is_ascii(text)) return to_lower(text);
  return from_icu(to_icu(text).foldCase(U_FOLD_CASE_DEFAULT));
}

std::string comparable_text(std::string_view utf8) {
  const std::u32string codes = to_codes(utf8);
  return to_utf8(collapse_space(to_nfc(fold_case(to_nfc(codes)))));
}

std::u32string simplify_text(CodeView text) {
  std::u32string out = flatten_numbers(to_lower(text));
  for (char32_t& c : out) {
    if (is_datatrove_punctuation(c)) c = U' ';
  }
  out = to_nfd(collapse_space(out));
  std::erase_if(out, [](char32_t c) { return is(c, kNonspacing); });
  return std::u32string(strip(out));
}

}  // namespace kedge::curate
