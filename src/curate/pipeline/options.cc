#include "curate/pipeline/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/printable.h"

namespace kedge::curate {

OptionReader::OptionReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (object_.is_null()) object_ = Json::object();
  if (object_.is_object()) return;
  error_ = Error{ErrorKind::invalid_input,
                 fmt::format("{}: found {}, expected settings by name", where_, one_line(to_text(object_)))};
  object_ = Json::object();
}

const Json* OptionReader::take(std::string_view name) {
  known_.emplace_back(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void OptionReader::fail(std::string_view name, const Json& found, std::string_view expected) {
  if (error_) return;
  error_ = Error{ErrorKind::invalid_input,
                 fmt::format("{}.{}: found {}, expected {}", where_, name, one_line(to_text(found)), expected)};
}

std::string OptionReader::text(std::string_view name, std::string fallback) {
  const Json* const found = take(name);
  if (found == nullptr) return fallback;
  if (found->is_string()) return found->get<std::string>();
  fail(name, *found, "text");
  return fallback;
}

std::string OptionReader::choice(std::string_view name, std::string fallback, const std::vector<std::string>& choices) {
  std::string found = text(name, std::move(fallback));
  if (std::find(choices.begin(), choices.end(), found) == choices.end()) {
    fail(name, found, fmt::format("{}", fmt::join(choices, ", ")));
  }
  return found;
}

bool OptionReader::flag(std::string_view name, bool fallback) {
  const Json* const found = take(name);
  if (found == nullptr) return fallback;
  if (found->is_boolean()) return found->get<bool>();
  fail(name, *found, "true or false");
  return fallback;
}

double OptionReader::number(std::string_view name, double fallback, double least, double most) {
  const Json* const found = take(name);
  if (found == nullptr) return fallback;
  if (found->is_number()) {
    const auto value = found->get<double>();
    if (least <= value && value <= most) return value;
  }
  fail(name, *found, fmt::format("a number from {} to {}", least, most));
  return fallback;
}

int64_t OptionReader::whole(std::string_view name, int64_t fallback, int64_t least, int64_t most) {
  const Json* const found = take(name);
  if (found == nullptr) return fallback;
  if (found->is_number_integer()) {
    const auto value = found->get<int64_t>();
    if (least <= value && value <= most) return value;
  }
  fail(name, *found, fmt::format("a whole number from {} to {}", least, most));
  return fallback;
}

std::vector<std::string> OptionReader::texts(std::string_view name) {
  const Json* const found = take(name);
  if (found == nullptr) return {};
  if (found->is_string()) return {found->get<std::string>()};
  std::vector<std::string> list;
  if (found->is_array()) {
    for (const Json& item : *found) {
      if (item.is_string()) list.push_back(item.get<std::string>());
    }
    if (list.size() == found->size()) return list;
  }
  fail(name, *found, "text, or a list of texts");
  return {};
}

const Json* OptionReader::value(std::string_view name) {
  return take(name);
}

Status OptionReader::finish() const {
  if (error_) return *error_;
  for (const auto& [name, value] : object_.items()) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}.{}: no such setting; there are {}", where_, name, fmt::join(known_, ", "))};
  }
  return Done{};
}

}  // namespace kedge::curate
