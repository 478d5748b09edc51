#pragma once
// What an operator said of one document, read back.

#include <simdjson.h>

#include <string>

#include "curate/operator.h"

namespace kedge::curate {

/// The JSON object of one document. One thread; valid until the thread annotates the next one.
class Annotation {
 public:
  Annotation(const Operator& op, const data::Document& document);

  [[nodiscard]] simdjson::dom::element root() const { return root_; }
  [[nodiscard]] std::string_view text(const char* name) const;  // "" where it is missing or null
  [[nodiscard]] bool flag(const char* name) const;
  [[nodiscard]] double number(const char* name) const;
  /// The whole object as it was written.
  [[nodiscard]] const std::string& json() const;

 private:
  simdjson::dom::element root_;
};

}  // namespace kedge::curate
