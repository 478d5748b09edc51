#include "curate/pipeline/annotation.h"

#include "core/check.h"

namespace kedge::curate {
namespace {

struct Work {
  std::string line;
  simdjson::dom::parser parser;
};

Work& work() {
  thread_local Work work;
  return work;
}

}  // namespace

Annotation::Annotation(const Operator& op, const data::Document& document) {
  Work& w = work();
  w.line.clear();
  op.annotate(document, w.line);
  w.line.reserve(w.line.size() + simdjson::SIMDJSON_PADDING);
  KEDGE_CHECK(w.parser.parse(w.line.data(), w.line.size(), false).get(root_) == simdjson::SUCCESS);
}

std::string_view Annotation::text(const char* name) const {
  std::string_view value;
  if (root_[name].get(value) != simdjson::SUCCESS) return {};
  return value;
}

bool Annotation::flag(const char* name) const {
  bool value = false;
  return root_[name].get(value) == simdjson::SUCCESS && value;
}

double Annotation::number(const char* name) const {
  double value = 0;
  return root_[name].get(value) == simdjson::SUCCESS ? value : 0;
}

const std::string& Annotation::json() const {
  return work().line;
}

}  // namespace kedge::curate
