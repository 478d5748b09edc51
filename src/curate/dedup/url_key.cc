#include "curate/dedup/url_key.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace kedge::curate {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

bool is_unreserved(char c) {
  const char small = lower(c);
  return (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string normal_escapes(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (!escape) {
      out += text[i];
      continue;
    }
    const int code = hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]);
    i += 2;
    if (code < 0x80 && is_unreserved(static_cast<char>(code))) {
      out += static_cast<char>(code);
    } else {
      out += {'%', kDigits[static_cast<size_t>(code / 16)], kDigits[static_cast<size_t>(code % 16)]};
    }
  }
  return out;
}

/// RFC 3986, 5.2.4, without slashes at the end.
std::string normal_path(std::string_view path) {
  std::vector<std::string_view> kept;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    if (segment == ".") continue;
    if (segment != "..") {
      kept.push_back(segment);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  while (!kept.empty() && kept.back().empty()) kept.pop_back();
  std::string out;
  for (const std::string_view segment : kept) (out += '/') += segment;
  return out;
}

std::string normal_authority(std::string_view scheme, std::string_view authority) {
  const size_t at = authority.rfind('@');
  const std::string_view user = at == std::string_view::npos ? std::string_view() : authority.substr(0, at + 1);
  std::string host = lower(authority.substr(user.size()));
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
  const std::string_view port = has_port ? std::string_view(host).substr(colon + 1) : std::string_view();
  const bool own = (scheme == "http" && port == "80") || (scheme == "https" && port == "443") ||
                   (scheme == "ftp" && port == "21") || port.empty();
  if (has_port && own) host.resize(colon);
  return std::string(user) + host;
}

}  // namespace

std::string comparable_url(std::string_view url) {
  url = trimmed(url);
  const size_t colon = url.find("://");
  if (colon == std::string_view::npos || colon == 0) return std::string(url);
  const std::string scheme = lower(url.substr(0, colon));
  url = url.substr(colon + 3);
  url = url.substr(0, url.find('#'));
  const std::string_view authority = url.substr(0, url.find_first_of("/?"));
  url.remove_prefix(authority.size());
  const std::string_view path = url.substr(0, url.find('?'));
  const std::string_view query = url.substr(path.size());
  return scheme + "://" + normal_authority(scheme, authority) + normal_path(normal_escapes(path)) +
         normal_escapes(query);
}

}  // namespace kedge::curate
