#pragma once
// Which handler answers a method and a path.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_server_message.h"

namespace kedge::net {

class Responder;

/// Answers one request, at once or later from any thread. Runs on a worker thread of the server, never on an I/O
/// thread.
using ServerHandler = std::function<void(ServerRequest request, std::shared_ptr<Responder> responder)>;

/// A table of routes. Filled before the server starts, then only read.
class Router {
 public:
  /// `pattern`: "/v1/models/{model+}". {name} matches one segment, {name+} one or more (joined by '/'; at most one such
  /// in a pattern). A literal segment wins over a parameter, whatever the order of the calls and the methods.
  /// REQUIRES: the pattern starts with '/' and this method was not added to it before.
  void add(std::string_view method, std::string_view pattern, ServerHandler handler);

  struct Match {
    const ServerHandler* handler = nullptr;  // null: no such path, or not this method
    std::string pattern;
    NamedValues parameters;
    std::vector<std::string> methods;  // that the path has; empty: no such path
  };
  /// HEAD is answered by GET's handler.
  [[nodiscard]] Match match(std::string_view method, const std::vector<std::string>& path) const;

 private:
  enum class SegmentKind : uint8_t { literal, one, many };
  struct Segment {
    SegmentKind kind = SegmentKind::literal;
    std::string text;  // the literal or the parameter's name
  };
  struct Route {
    std::string pattern;
    std::vector<Segment> segments;
    std::vector<std::pair<std::string, ServerHandler>> handlers;  // by method
  };

  static std::vector<Segment> parse_pattern(std::string_view pattern);
  static bool matches(const Route& route, const std::vector<std::string>& path, NamedValues& parameters);

  std::vector<Route> routes_;  // the more literal first
};

}  // namespace kedge::net
