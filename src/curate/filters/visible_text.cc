#include "curate/filters/visible_text.h"

#include <algorithm>
#include <vector>

#include "curate/entities.h"

namespace kedge::curate {
namespace {

bool is_ascii_letter(char32_t c) {
  return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}

/// Finds the ends of markup in a text, in time linear in it however much of it is never closed: what is not found once
/// is not looked for again.
class MarkupEnds {
 public:
  explicit MarkupEnds(CodeView text) : text_(text) {}

  /// Past the '>' of the tag at `at`, quotation marks of attribute values respected; npos when it is never closed.
  size_t of_tag(size_t at) {
    if (at >= open_from_) return ends_[at + 1 - open_from_];
    const size_t end = scan_tag(at);
    if (end == CodeView::npos) keep_ends(at + 1);
    return end;
  }
  /// Past the next '>' or "-->"; npos.
  size_t of_declaration(size_t at) { return past(at, U">", no_mark_from_); }
  size_t of_comment(size_t at) { return past(at, U"-->", no_comment_from_); }

 private:
  static bool opens_value(CodeView text, size_t at) {
    return (text[at] == U'"' || text[at] == U'\'') && text[at - 1] == U'=';
  }

  [[nodiscard]] size_t scan_tag(size_t at) const {
    char32_t quote = 0;
    for (size_t i = at + 1; i < text_.size(); ++i) {
      const char32_t c = text_[i];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (opens_value(text_, i)) {
        quote = c;
      } else if (c == U'>') {
        return i + 1;
      }
    }
    return CodeView::npos;
  }

  /// For each character from `from` on: where a tag ends in which it stands, outside of a value. Told from behind, for
  /// what follows a value depends on where the value ends.
  void keep_ends(size_t from) {
    open_from_ = from;
    ends_.assign(text_.size() - from + 2, CodeView::npos);
    size_t in_double = CodeView::npos, in_single = CodeView::npos;  // the same within values
    for (size_t i = text_.size(); i-- > from;) {
      const char32_t c = text_[i];
      const size_t outside = ends_[i + 1 - from];
      ends_[i - from] = c == U'>' ? i + 1 : !opens_value(text_, i) ? outside : c == U'"' ? in_double : in_single;
      if (c == U'"') in_double = outside;
      if (c == U'\'') in_single = outside;
    }
  }

  size_t past(size_t at, CodeView closing, size_t& none_from) const {
    if (at >= none_from) return CodeView::npos;
    const size_t found = text_.find(closing, at);
    if (found == CodeView::npos) none_from = at;
    return found == CodeView::npos ? found : found + closing.size();
  }

  CodeView text_;
  size_t no_mark_from_ = CodeView::npos, no_comment_from_ = CodeView::npos;
  size_t open_from_ = CodeView::npos;
  std::vector<size_t> ends_;  // by character from open_from_ on
};

/// In lower case, with the '/' of an end tag.
std::u32string tag_name(CodeView tag) {
  size_t end = tag.size() > 1 && tag[1] == U'/' ? 2 : 1;
  while (end < tag.size() && !is(tag[end], kSpace) && tag[end] != U'/' && tag[end] != U'>') ++end;
  return to_lower(tag.substr(1, end - 1));
}

/// Where an element whose content is no markup ends: at its end tag. `name`: in lower case.
size_t end_of_raw(CodeView text, CodeView name) {
  const auto same = [](char32_t a, char32_t b) { return (a >= U'A' && a <= U'Z' ? a + 32 : a) == b; };
  for (size_t at = text.find(U"</"); at != CodeView::npos; at = text.find(U"</", at + 1)) {
    const CodeView found = text.substr(at + 2, name.size());
    if (std::equal(found.begin(), found.end(), name.begin(), name.end(), same)) return at;
  }
  return text.size();
}

/// Text between two tags: white space alone counts as one character, unless the element keeps it.
class Run {
 public:
  void add(CodeView text) {
    size_ += text.size();
    blank_ = blank_ && text.find_first_not_of(U" \n\t\f\r") == CodeView::npos;
  }
  /// The characters that count; begins anew.
  size_t end(bool keep_space) {
    const size_t counted = blank_ && !keep_space ? std::min<size_t>(size_, 1) : size_;
    size_ = 0;
    blank_ = true;
    return counted;
  }

 private:
  size_t size_ = 0;
  bool blank_ = true;
};

/// Past the markup at `at`; `at` when it is none after all.
size_t end_of_markup(CodeView text, size_t at, MarkupEnds& ends) {
  const CodeView source = text.substr(at);
  const char32_t next = source.size() > 1 ? source[1] : 0;
  size_t end = CodeView::npos;
  if (source.starts_with(U"<!--")) {
    end = ends.of_comment(at);
  } else if (is_ascii_letter(next) || (next == U'/' && source.size() > 2 && is_ascii_letter(source[2]))) {
    end = ends.of_tag(at);
  } else if (next == U'!' || next == U'?' || next == U'/') {
    end = ends.of_declaration(at);
  }
  return end == CodeView::npos ? at : end;
}

bool continues_name(char32_t c) {
  return is_ascii_letter(c) || (c >= U'0' && c <= U'9') || c == U'-' || c == U'.';
}

/// A named reference at the beginning as Beautiful Soup reads it: the whole name is known, with its semicolon or
/// without, or stays, and loses the semicolon. A name that the text breaks off in is read as any other reference.
std::optional<Reference> read_named(CodeView text) {
  if (text.size() < 2 || !is_ascii_letter(text[1])) return std::nullopt;
  size_t end = 1;
  while (end < text.size() && continues_name(text[end])) ++end;
  if (end == text.size()) return std::nullopt;
  const CodeView name = text.substr(1, end - 1);
  const std::u32string* found = find_entity(std::u32string(name) + U';');
  const size_t length = end + (text[end] == U';' ? 1 : 0);
  return Reference{found != nullptr ? *found : std::u32string(text.substr(0, end)), length};
}

}  // namespace

size_t count_visible(CodeView text) {
  CodeView source = text;
  MarkupEnds ends(text);
  size_t visible = 0;
  size_t kept_spaces = 0;  // how many pre and textarea are open
  Run run;
  while (!source.empty()) {
    const size_t mark = std::min(source.find_first_of(U"<&"), source.size());
    run.add(source.substr(0, mark));
    source.remove_prefix(mark);
    if (source.empty()) break;
    if (source[0] == U'&') {
      const auto named = read_named(source);
      const auto reference = named ? named : read_reference(source, false);
      run.add(reference ? CodeView(reference->text) : source.substr(0, 1));
      source.remove_prefix(reference ? reference->length : 1);
      continue;
    }
    const size_t at = text.size() - source.size();
    const size_t end = end_of_markup(text, at, ends) - at;
    if (end == 0) {
      run.add(source.substr(0, 1));
      source.remove_prefix(1);
      continue;
    }
    visible += run.end(kept_spaces > 0);
    const std::u32string name = tag_name(source.substr(0, end));
    source.remove_prefix(end);
    if (name == U"script" || name == U"style") source.remove_prefix(end_of_raw(source, name));
    if (name == U"pre" || name == U"textarea") ++kept_spaces;
    if ((name == U"/pre" || name == U"/textarea") && kept_spaces > 0) --kept_spaces;
  }
  return visible + run.end(kept_spaces > 0);
}

}  // namespace kedge::curate
