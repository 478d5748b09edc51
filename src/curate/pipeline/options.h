#pragma once
// What stands in an object of settings, taken out name by name; the first thing that is wrong is remembered, and so is
// every name that nobody took.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "kedge/result.h"

namespace kedge::curate {

class OptionReader {
 public:
  /// `where` names the object in messages: "steps[2].filter". Null counts as empty.
  OptionReader(const Json& object, std::string where);

  std::string text(std::string_view name, std::string fallback);
  /// One of `choices`.
  std::string choice(std::string_view name, std::string fallback, const std::vector<std::string>& choices);
  bool flag(std::string_view name, bool fallback);
  double number(std::string_view name, double fallback, double least, double most);
  int64_t whole(std::string_view name, int64_t fallback, int64_t least, int64_t most);
  /// A text or a list of texts.
  std::vector<std::string> texts(std::string_view name);
  /// The value as it is; null where it is missing.
  const Json* value(std::string_view name);

  void fail(std::string_view name, const Json& found, std::string_view expected);
  /// The first failure, or a name that was not asked for.
  [[nodiscard]] Status finish() const;
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  const Json* take(std::string_view name);

  Json object_;
  std::string where_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

}  // namespace kedge::curate
