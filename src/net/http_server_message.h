#pragma once
// What a handler of the HTTP server gets and gives: requests, responses, and the parts of a request's target.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kedge/result.h"

namespace kedge::net {

struct ServerHeader {
  std::string name;
  std::string value;
};
using ServerHeaders = std::vector<ServerHeader>;
using NamedValues = std::vector<std::pair<std::string, std::string>>;

/// The first header of that name, in any case; null when there is none.
const std::string* find_header(const ServerHeaders& headers, std::string_view name);
/// The first value of that exact name; null when there is none.
const std::string* find_value(const NamedValues& values, std::string_view name);

/// What the server's user keeps of one request, from its header to the last byte of its answer.
class ExchangeContext {
 public:
  ExchangeContext() = default;
  ExchangeContext(const ExchangeContext&) = delete;
  ExchangeContext& operator=(const ExchangeContext&) = delete;
  virtual ~ExchangeContext() = default;

  /// Headers of the response, asked for when its head is written, on an I/O thread. Must not block.
  [[nodiscard]] virtual ServerHeaders headers() const { return {}; }
};

struct ServerRequest {
  std::string method;
  std::string target;             // as it came
  std::vector<std::string> path;  // decoded segments: "/v1/a%20b" is {"v1", "a b"}; "/" has none
  NamedValues query;              // decoded, in order
  NamedValues parameters;         // what the route's {names} matched
  std::string route;              // the route's pattern
  ServerHeaders headers;
  std::string body;
  std::shared_ptr<ExchangeContext> context;  // of the hook on_begin; null without one
};

struct ServerResponse {
  int status = 200;
  ServerHeaders headers;
  std::string body;
};

struct RequestTarget {
  std::vector<std::string> path;
  NamedValues query;
};

inline constexpr size_t kPathSegmentsMax = 64;
inline constexpr size_t kQueryValuesMax = 256;

/// Origin form ("/path?query"), absolute form ("http://host/path?query") or "*" (no segments).
/// Fails with invalid_input: another form, a broken %-escape, a control character, too many parts.
Result<RequestTarget> parse_request_target(std::string_view target);

/// Replaces %XX (and + by a space, when `plus_is_space`). Fails with invalid_input.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace kedge::net
