#include "net/http_server_message.h"

#include <fmt/format.h>

#include <algorithm>

namespace kedge::net {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

Result<std::vector<std::string>> parse_path(std::string_view path) {
  std::vector<std::string> segments;
  if (path == "/") return segments;
  path.remove_prefix(1);
  while (true) {
    if (segments.size() == kPathSegmentsMax) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("the path of the request has more than {} segments", kPathSegmentsMax)};
    }
    const size_t slash = path.find('/');
    KEDGE_ASSIGN(std::string segment, percent_decode(path.substr(0, slash), false));
    segments.push_back(std::move(segment));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

Result<NamedValues> parse_query(std::string_view query) {
  NamedValues values;
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    if (values.size() == kQueryValuesMax) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("the query of the request has more than {} values", kQueryValuesMax)};
    }
    const size_t equals = pair.find('=');
    KEDGE_ASSIGN(std::string name, percent_decode(pair.substr(0, equals), true));
    const std::string_view raw = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    KEDGE_ASSIGN(std::string value, percent_decode(raw, true));
    values.emplace_back(std::move(name), std::move(value));
  }
  return values;
}

// "http://host/path" -> "/path"; what is not in absolute form stays as it is.
std::string_view without_origin(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() <= scheme.size() || !equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    const size_t path = target.find_first_of("/?", scheme.size());
    return path == std::string_view::npos ? "/" : target.substr(path);
  }
  return target;
}

}  // namespace

const std::string* find_header(const ServerHeaders& headers, std::string_view name) {
  for (const ServerHeader& header : headers) {
    if (equal_ignoring_case(header.name, name)) return &header.value;
  }
  return nullptr;
}

const std::string* find_value(const NamedValues& values, std::string_view name) {
  for (const auto& [key, value] : values) {
    if (key == name) return &value;
  }
  return nullptr;
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Error{ErrorKind::invalid_input,
                     "the request's target has a '%' that two hexadecimal digits don't follow"};
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (is_control(c)) {
      return Error{ErrorKind::invalid_input, "the request's target holds a control character"};
    }
    out += c;
  }
  return out;
}

Result<RequestTarget> parse_request_target(std::string_view target) {
  if (target == "*") return RequestTarget{};
  target = without_origin(target);
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  std::string_view path = target.substr(0, question);
  const std::string_view query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  if (path.empty() && question != std::string_view::npos) path = "/";
  if (path.empty() || path.front() != '/') {
    return Error{ErrorKind::invalid_input, "the request's target must be a path that starts with '/'"};
  }
  RequestTarget parsed;
  KEDGE_ASSIGN(parsed.path, parse_path(path));
  KEDGE_ASSIGN(parsed.query, parse_query(query));
  return parsed;
}

}  // namespace kedge::net
