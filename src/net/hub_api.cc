#include "net/hub_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/printable.h"

namespace kedge::net {
namespace {

constexpr std::chrono::seconds kDelayMax{60};

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view header_or_empty(const ClientResponse& response, std::string_view name) {
  const std::string* value = response.header(name);
  return value == nullptr ? std::string_view() : std::string_view(*value);
}

bool is_temporary(int status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

}  // namespace

Result<HubApi> HubApi::create(std::string_view endpoint, std::string token) {
  KEDGE_ASSIGN(Url url, parse_url(endpoint));
  while (url.target.ends_with('/')) url.target.pop_back();
  if (url.target.find('?') != std::string::npos) {
    return Error{ErrorKind::invalid_input, fmt::format("{} is no hub's address: it has a query", printable(endpoint))};
  }
  return HubApi(std::move(url), std::move(token));
}

ClientRequest HubApi::request(const std::string& target) const {
  ClientRequest request{.url = endpoint_};
  request.url.target += target;
  if (!token_.empty()) request.headers.push_back({"Authorization", "Bearer " + token_});
  return request;
}

ClientRequest HubApi::listing_request(const HubRepository& repository) const {
  return request(fmt::format("/api/models/{}/revision/{}?blobs=true", percent_encode(repository.name, "/"),
                             percent_encode(repository.revision)));
}

ClientRequest HubApi::file_request(const std::string& name, const std::string& commit, const std::string& path) const {
  return request(
      fmt::format("/{}/resolve/{}/{}", percent_encode(name, "/"), percent_encode(commit), percent_encode(path, "/")));
}

HubRefusal HubApi::refusal(const ClientResponse& response, const HubRepository& repository,
                           std::string_view path) const {
  const std::string_view code = header_or_empty(response, "x-error-code");
  const std::string page = fmt::format("{}/{}", url_text(endpoint_), repository.name);
  const std::string thing =
      path.empty() ? repository.name : fmt::format("{}: file {}", repository.name, printable(path));
  const int status = response.status;
  if (code == "GatedRepo") {
    return {{ErrorKind::invalid_input,
             fmt::format("{} is gated (HTTP {}): accept its terms at {}, then {}", repository.name, status, page,
                         token_.empty() ? "set HF_TOKEN to a token of your account"
                                        : "check that HF_TOKEN belongs to the account that accepted them")}};
  }
  if (status == 401 && !token_.empty()) {
    return {
        {ErrorKind::invalid_input,
         fmt::format("{}: the hub refused the token (HTTP 401): there is no such model for it, or HF_TOKEN is wrong "
                     "or expired",
                     thing)}};
  }
  if (status == 401) {
    return {{ErrorKind::not_found, fmt::format("{}: there is no such model, or it is private (HTTP 401); a private or "
                                               "gated model needs HF_TOKEN",
                                               thing)}};
  }
  if (status == 403) {
    return {{ErrorKind::invalid_input,
             fmt::format("{}: HTTP 403, {}", thing,
                         token_.empty() ? "it may need HF_TOKEN" : "the account of HF_TOKEN may not read it")}};
  }
  if (status == 404) {
    const std::string why = code == "RevisionNotFound"
                                ? fmt::format("has no revision {}", printable(repository.revision))
                            : path.empty() ? fmt::format("there is no such model at {}", url_text(endpoint_))
                                           : std::string("there is no such file");
    return {{ErrorKind::not_found, fmt::format("{}: {} (HTTP 404)", thing, why)}};
  }
  HubRefusal refusal{
      {ErrorKind::unavailable, fmt::format("{}: {} answered HTTP {}", thing, host_and_port(response.url), status)}};
  refusal.temporary = is_temporary(status);
  if (const auto seconds = parse_number(header_or_empty(response, "retry-after"))) {
    refusal.delay = std::chrono::seconds(std::min<uint64_t>(*seconds, kDelayMax.count()));
  }
  return refusal;
}

Result<HubFile> describe_file(const ClientResponse& head, const std::string& path) {
  HubFile file{.path = path};
  const std::string* etag = head.header("x-linked-etag");
  if (etag == nullptr) etag = head.header("etag");
  std::optional<std::string> name = etag == nullptr ? std::nullopt : parse_etag(*etag);
  if (!name.has_value()) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: {} gives no usable ETag for it", path, host_and_port(head.url))};
  }
  std::optional<uint64_t> size = head.content_length;
  if (const std::string* linked = head.header("x-linked-size")) size = parse_number(*linked);
  if (!size.has_value() || *size > kHubFileBytesMax) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: {} gives no usable size for it", path, host_and_port(head.url))};
  }
  file.etag = std::move(*name);
  file.size = *size;
  return file;
}

std::optional<ContentRange> parse_content_range(std::string_view header) {
  constexpr std::string_view kUnit = "bytes ";
  const size_t dash = header.find('-');
  const size_t slash = header.find('/');
  if (!header.starts_with(kUnit) || dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) {
    return std::nullopt;
  }
  const auto first = parse_number(header.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = parse_number(header.substr(dash + 1, slash - dash - 1));
  const auto size = parse_number(header.substr(slash + 1));
  if (!first.has_value() || !last.has_value() || !size.has_value() || *first > *last || *last >= *size) {
    return std::nullopt;
  }
  return ContentRange{*first, *last, *size};
}

}  // namespace kedge::net
