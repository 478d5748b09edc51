// Any bytes as an address, a redirect, the hub's listing, and the headers of its answers: no crash, and what was
// accepted is safe to build requests and paths from. The first line is the reference, the rest a listing.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "net/hub_api.h"
#include "net/hub_listing.h"
#include "net/hub_names.h"
#include "net/url.h"

namespace {

bool is_printable(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x21 || static_cast<unsigned char>(c) > 0x7E) return false;
  }
  return true;
}

void check_url(const kedge::net::Url& url) {
  KEDGE_CHECK(url.target.starts_with('/'));
  KEDGE_CHECK(is_printable(url.target) && is_printable(url.host));
  KEDGE_CHECK(!url.host.empty() && url.port != 0);
  const auto again = kedge::net::parse_url(url_text(url));
  if (url.target.size() < kedge::net::kUrlBytesMax / 2) {
    KEDGE_CHECK(again.ok() && same_origin(again.value(), url) && again.value().target == url.target);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge::net;  // NOLINT(google-build-using-namespace): a fuzzer's only function
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view line = text.substr(0, text.find('\n'));
  const auto url = parse_url(line);
  if (url.ok()) check_url(url.value());
  const auto target = resolve_reference(parse_url("https://host:8443/a/b/c?d").value(), line);
  if (target.ok()) check_url(target.value());

  const auto repository = parse_hub_repository(line);
  if (repository.ok()) {
    KEDGE_CHECK(is_printable(repository.value().name) && is_safe_path(repository.value().revision));
    check_url(HubApi::create("https://h/", "").value().listing_request(repository.value()).url);
  }
  const auto etag = parse_etag(line);
  if (etag.has_value()) KEDGE_CHECK(is_safe_path(*etag) && etag->find('/') == std::string::npos);
  const auto range = parse_content_range(line);
  if (range.has_value()) KEDGE_CHECK(range->first <= range->last && range->last < range->size);

  const auto listing = parse_hub_listing(text.substr(line.size()), "fuzz");
  if (listing.ok()) {
    KEDGE_CHECK(is_commit(listing.value().commit));
    for (const HubFile& file : listing.value().files) {
      KEDGE_CHECK(is_safe_path(file.path) && file.size <= kHubFileBytesMax);
      KEDGE_CHECK(file.etag.empty() || digest_kind_of(file.etag).has_value());
    }
  }
  return 0;
}
