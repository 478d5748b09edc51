#pragma once
// What every operator that annotates documents looks like to the pipeline.

#include <string>

#include "data/record.h"
#include "kedge/result.h"

namespace kedge::curate {

/// Says something about one document at a time. Immutable: used by several threads at once.
class Operator {
 public:
  Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;
  virtual ~Operator() = default;

  /// Appends one JSON object, without a newline. Never fails: empty and extreme documents get their line too.
  virtual void annotate(const data::Document& document, std::string& line) const = 0;

  /// Whether pages are taken as they lie in web archives and files; `read_page` turns them into documents.
  [[nodiscard]] virtual bool reads_pages() const { return false; }
  [[nodiscard]] virtual Result<data::Document> read_page(const data::Record& /*record*/) const {
    return Error{ErrorKind::internal, "this operator reads no pages"};
  }
};

}  // namespace kedge::curate
