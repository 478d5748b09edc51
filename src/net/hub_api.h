#pragma once
// The hub's HTTP interface: what to ask, and what its answers mean.

#include <string>
#include <string_view>

#include "kedge/result.h"
#include "net/http_client.h"
#include "net/hub_listing.h"
#include "net/hub_names.h"

namespace kedge::net {

/// An answer that is no success, judged.
struct HubRefusal {
  Error error;
  bool temporary = false;              // worth another try
  std::chrono::milliseconds delay{0};  // that the server asks for before it
};

/// One hub and the credential for it. Immutable.
class HubApi {
 public:
  /// `endpoint`: "https://huggingface.co", or a mirror, perhaps below a path. `token` may be empty.
  /// Fails with invalid_input.
  static Result<HubApi> create(std::string_view endpoint, std::string token);

  [[nodiscard]] ClientRequest listing_request(const HubRepository& repository) const;
  [[nodiscard]] ClientRequest file_request(const std::string& name, const std::string& commit,
                                           const std::string& path) const;

  /// Judges an answer to a request about `repository` (and `path`, unless empty).
  [[nodiscard]] HubRefusal refusal(const ClientResponse& response, const HubRepository& repository,
                                   std::string_view path) const;

 private:
  HubApi(Url endpoint, std::string token) : endpoint_(std::move(endpoint)), token_(std::move(token)) {}
  [[nodiscard]] ClientRequest request(const std::string& target) const;

  Url endpoint_;  // its target without the final '/'
  std::string token_;
};

/// Size and checksum from the head of an answer about a file (X-Linked-Size, X-Linked-Etag, else Content-Length, ETag).
/// Fails with corrupt_data.
Result<HubFile> describe_file(const ClientResponse& head, const std::string& path);

/// First and last byte and the whole size of "bytes 0-99/1000".
struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t size = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view header);

}  // namespace kedge::net
