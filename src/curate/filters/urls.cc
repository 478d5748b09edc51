#include "curate/filters/urls.h"

namespace kedge::curate {
namespace {

bool is_hex(char32_t c) {
  return (c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'f') || (c >= U'A' && c <= U'F');
}

bool is_url_character(char32_t c) {
  if ((c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z')) return true;
  return c < 0x80 && c != 0 && CodeView(U"$-_@.&+/:=?#~!*(),").find(c) != CodeView::npos;
}

/// Length of the address whose scheme ends at `at`.
size_t body_length(CodeView text) {
  size_t i = 0;
  while (i < text.size()) {
    if (is_url_character(text[i])) {
      ++i;
    } else if (text[i] == U'%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2])) {
      i += 3;
    } else {
      break;
    }
  }
  return i;
}

}  // namespace

std::vector<CodeView> find_urls(CodeView text) {
  std::vector<CodeView> urls;
  for (size_t at = text.find(U"http"); at != CodeView::npos; at = text.find(U"http", at)) {
    const CodeView rest = text.substr(at);
    const size_t scheme = rest.starts_with(U"http://") ? 7 : rest.starts_with(U"https://") ? 8 : 0;
    const size_t body = scheme == 0 ? 0 : body_length(rest.substr(scheme));
    if (body > 0) urls.push_back(rest.substr(0, scheme + body));
    at += body > 0 ? scheme + body : 1;
  }
  return urls;
}

}  // namespace kedge::curate
