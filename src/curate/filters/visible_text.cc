#include "curate/filters/visible_text.h"

#include <algorithm>

#include "curate/entities.h"

namespace kedge::curate {
namespace {

bool is_ascii_letter(char32_t c) {
  return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}

/// Past a tag's '>', quotation marks of attribute values respected; npos when it is never closed.
size_t end_of_tag(CodeView text) {
  char32_t quote = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if ((c == U'"' || c == U'\'') && text[i - 1] == U'=') {
      quote = c;
    } else if (c == U'>') {
      return i + 1;
    }
  }
  return CodeView::npos;
}

/// In lower case, with the '/' of an end tag.
std::u32string tag_name(CodeView tag) {
  size_t end = tag.size() > 1 && tag[1] == U'/' ? 2 : 1;
  while (end < tag.size() && !is(tag[end], kSpace) && tag[end] != U'/' && tag[end] != U'>') ++end;
  return to_lower(tag.substr(1, end - 1));
}

/// Past what `closing` ends, or npos.
size_t past(CodeView text, CodeView closing) {
  const size_t found = text.find(closing);
  return found == CodeView::npos ? found : found + closing.size();
}

/// Where an element whose content is no markup ends: at its end tag.
size_t end_of_raw(CodeView text, CodeView name) {
  const std::u32string closing = U"</" + std::u32string(name);
  const std::u32string lower = to_lower(text);
  return std::min(lower.find(closing), text.size());
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

/// Characters of the markup at the front of `source`; 0 when it is none after all.
size_t markup_size(CodeView source) {
  const char32_t next = source.size() > 1 ? source[1] : 0;
  size_t end = 0;
  if (source.starts_with(U"<!--")) {
    end = past(source, U"-->");
  } else if (is_ascii_letter(next) || (next == U'/' && source.size() > 2 && is_ascii_letter(source[2]))) {
    end = end_of_tag(source);
  } else if (next == U'!' || next == U'?' || next == U'/') {
    end = past(source, U">");
  }
  return end == CodeView::npos ? 0 : end;
}

}  // namespace

size_t count_visible(CodeView source) {
  size_t visible = 0;
  size_t kept_spaces = 0;  // how many pre and textarea are open
  Run run;
  while (!source.empty()) {
    const size_t mark = std::min(source.find_first_of(U"<&"), source.size());
    run.add(source.substr(0, mark));
    source.remove_prefix(mark);
    if (source.empty()) break;
    if (source[0] == U'&') {
      const auto reference = read_reference(source, false);
      run.add(reference ? CodeView(reference->text) : source.substr(0, 1));
      source.remove_prefix(reference ? reference->length : 1);
      continue;
    }
    const size_t end = markup_size(source);
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
