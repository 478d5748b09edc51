#include "engine/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace kedge::engine {

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include) : stops_(std::move(stops)), include_(include) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string StopMatcher::push(std::string_view text) {
  if (stopped_) return "";
  if (stops_.empty()) return std::string(text);
  held_ += text;
  size_t first = std::string::npos;
  size_t length = 0;
  for (const std::string& stop : stops_) {
    const size_t found = held_.find(stop);
    if (found < first) {
      first = found;
      length = stop.size();
    }
  }
  if (first != std::string::npos) {
    stopped_ = true;
    held_.resize(first + (include_ ? length : 0));
    return std::exchange(held_, "");
  }
  // Keep the longest tail that some stop string begins with.
  size_t kept = 0;
  for (const std::string& stop : stops_) {
    for (size_t size = std::min(stop.size() - 1, held_.size()); size > kept; --size) {
      if (std::string_view(held_).substr(held_.size() - size) == std::string_view(stop).substr(0, size)) kept = size;
    }
  }
  std::string released = held_.substr(0, held_.size() - kept);
  held_.erase(0, released.size());
  return released;
}

std::string StopMatcher::flush() {
  return std::exchange(held_, "");
}

}  // namespace kedge::engine
