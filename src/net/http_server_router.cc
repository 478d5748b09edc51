#include "net/http_server_router.h"

#include <algorithm>

#include "core/check.h"

namespace kedge::net {

std::vector<Router::Segment> Router::parse_pattern(std::string_view pattern) {
  KEDGE_CHECK(!pattern.empty() && pattern.front() == '/');
  std::vector<Segment> segments;
  bool has_many = false;
  while (pattern.size() > 1) {
    pattern.remove_prefix(1);
    std::string_view text = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(text.size());
    KEDGE_CHECK(!text.empty());
    if (text.front() != '{') {
      segments.push_back({SegmentKind::literal, std::string(text)});
      continue;
    }
    KEDGE_CHECK(text.size() > 2 && text.back() == '}');
    text = text.substr(1, text.size() - 2);
    const bool many = text.back() == '+';
    KEDGE_CHECK(!(many && has_many));
    has_many = has_many || many;
    if (many) text.remove_suffix(1);
    segments.push_back({many ? SegmentKind::many : SegmentKind::one, std::string(text)});
  }
  return segments;
}

void Router::add(std::string_view method, std::string_view pattern, ServerHandler handler) {
  auto route = std::find_if(routes_.begin(), routes_.end(), [&](const Route& r) { return r.pattern == pattern; });
  if (route == routes_.end()) {
    Route added{std::string(pattern), parse_pattern(pattern), {}};
    // Kinds are ordered literal < one < many, so comparing the kinds of the segments puts the more literal first.
    const auto more_literal = [](const Route& a, const Route& b) {
      return std::lexicographical_compare(a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
                                          [](const Segment& x, const Segment& y) { return x.kind < y.kind; });
    };
    route = routes_.insert(std::upper_bound(routes_.begin(), routes_.end(), added, more_literal), std::move(added));
  }
  for (const auto& [existing, unused] : route->handlers) KEDGE_CHECK(existing != method);
  route->handlers.emplace_back(std::string(method), std::move(handler));
}

bool Router::matches(const Route& route, const std::vector<std::string>& path, NamedValues& parameters) {
  parameters.clear();
  const bool has_many = std::any_of(route.segments.begin(), route.segments.end(),
                                    [](const Segment& s) { return s.kind == SegmentKind::many; });
  if (has_many ? path.size() < route.segments.size() : path.size() != route.segments.size()) return false;
  const size_t extra = path.size() - route.segments.size();  // further segments that {name+} takes
  size_t index = 0;
  for (const Segment& segment : route.segments) {
    if (segment.kind == SegmentKind::literal) {
      if (path[index] != segment.text) return false;
      ++index;
      continue;
    }
    const size_t end = index + 1 + (segment.kind == SegmentKind::many ? extra : 0);
    std::string value;
    for (; index < end; ++index) {
      if (path[index].empty()) return false;
      value += (value.empty() ? "" : "/") + path[index];
    }
    parameters.emplace_back(segment.text, std::move(value));
  }
  return true;
}

Router::Match Router::match(std::string_view method, const std::vector<std::string>& path) const {
  Match match;
  NamedValues parameters;
  for (const Route& route : routes_) {
    if (!matches(route, path, parameters)) continue;
    for (const auto& [name, handler] : route.handlers) {
      const bool answers = name == method || (method == "HEAD" && name == "GET");
      if (answers && match.handler == nullptr) {
        match.handler = &handler;
        match.pattern = route.pattern;
        match.parameters = parameters;
      }
      match.methods.push_back(name);
      if (name == "GET") match.methods.emplace_back("HEAD");
    }
    return match;
  }
  return match;
}

}  // namespace kedge::net
