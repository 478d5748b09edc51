#include "cli/hub_environment.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/file.h"

namespace kedge::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kTokenBytesMax = 4096;

std::string text_of(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

/// As huggingface_hub reads its switches.
bool is_on(const Environment& environment, const char* name) {
  std::string value = text_of(environment, name);
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

fs::path home_folder(const Environment& environment) {
  const std::string home = text_of(environment, "HOME");
  return home.empty() ? fs::path(".") : fs::path(home);
}

fs::path expanded(const Environment& environment, const std::string& path) {
  if (path == "~") return home_folder(environment);
  if (path.starts_with("~/")) return home_folder(environment) / path.substr(2);
  return path;
}

fs::path user_cache(const Environment& environment) {
  const std::string cache = text_of(environment, "XDG_CACHE_HOME");
  return cache.empty() ? home_folder(environment) / ".cache" : expanded(environment, cache);
}

fs::path hub_home(const Environment& environment) {
  if (const std::string home = text_of(environment, "HF_HOME"); !home.empty()) return expanded(environment, home);
  return user_cache(environment) / "huggingface";
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1));
}

std::string token_of(const Environment& environment) {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (std::string token = trimmed(text_of(environment, name)); !token.empty()) return token;
  }
  const std::string path = text_of(environment, "HF_TOKEN_PATH");
  const fs::path file = path.empty() ? hub_home(environment) / "token" : expanded(environment, path);
  const Result<std::string> text = read_file(file, kTokenBytesMax);
  return text.ok() ? trimmed(text.value()) : "";
}

}  // namespace

fs::path hub_cache_root(const Environment& environment) {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string cache = text_of(environment, name); !cache.empty()) return expanded(environment, cache);
  }
  return hub_home(environment) / "hub";
}

fs::path packed_cache_root(const Environment& environment) {
  const std::string cache = text_of(environment, "KEDGE_CACHE");
  return (cache.empty() ? user_cache(environment) / "kedge" : expanded(environment, cache)) / "packed";
}

net::HubOptions hub_options(const Environment& environment) {
  net::HubOptions options;
  if (const std::string endpoint = text_of(environment, "HF_ENDPOINT"); !endpoint.empty()) options.endpoint = endpoint;
  if (!is_on(environment, "HF_HUB_DISABLE_IMPLICIT_TOKEN")) options.token = token_of(environment);
  options.cache_root = hub_cache_root(environment);
  options.offline = is_on(environment, "HF_HUB_OFFLINE") || is_on(environment, "TRANSFORMERS_OFFLINE");
  const std::string timeout = text_of(environment, "HF_HUB_DOWNLOAD_TIMEOUT");
  unsigned seconds = 0;
  std::from_chars(timeout.data(), timeout.data() + timeout.size(), seconds);
  if (seconds > 0) options.http.idle_timeout = std::chrono::seconds(seconds);
  return options;
}

fs::path hub_cache_root() {
  return hub_cache_root(std::getenv);
}
fs::path packed_cache_root() {
  return packed_cache_root(std::getenv);
}
net::HubOptions hub_options() {
  return hub_options(std::getenv);
}

}  // namespace kedge::cli
