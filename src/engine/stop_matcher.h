#pragma once
// Stop strings in a stream of text: text is released as soon as it can no longer begin a stop string.

#include <string>
#include <string_view>
#include <vector>

namespace kedge::engine {

class StopMatcher {
 public:
  /// Empty strings are ignored. `include`: the stop string itself is released too.
  StopMatcher(std::vector<std::string> stops, bool include);

  /// Adds text; returns what can be released. After a match nothing more is ever released.
  std::string push(std::string_view text);

  /// What was held back, at the end of the stream.
  std::string flush();

  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  bool include_ = false;
  bool stopped_ = false;
  std::string held_;
};

}  // namespace kedge::engine
