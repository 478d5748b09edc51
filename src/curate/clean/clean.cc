#include "curate/clean/clean.h"

#include <fmt/format.h>

#include "curate/clean/mojibake.h"
#include "curate/filters/score.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

class MojibakeCleaner final : public Operator {
 public:
  void annotate(const data::Document& document, std::string& line) const override {
    const std::u32string codes = to_codes(document.text);
    const std::u32string repaired = repair_mojibake(codes);
    open_line(line, document.id_json);
    append_key(line, "text");
    data::append_json_string(line, to_utf8(repaired));
    append_key(line, "changed");
    append_bool(line, repaired != codes);
    line += '}';
  }
};

}  // namespace

Result<std::unique_ptr<Operator>> make_cleaner(std::string_view ops) {
  if (ops == "mojibake") return std::unique_ptr<Operator>(std::make_unique<MojibakeCleaner>());
  return Error{ErrorKind::invalid_input, fmt::format("--ops: found '{}', expected mojibake", ops)};
}

}  // namespace kedge::curate
