#include "curate/pii/redact.h"

#include "curate/filters/score.h"
#include "curate/pii/surrogate.h"
#include "data/json_text.h"
#include "text/unicode/utf8.h"

namespace kedge::curate {
namespace {

class PiiOperator final : public Operator {
 public:
  explicit PiiOperator(const PiiOptions& options) : options_(options) {
    if (options_.finder == nullptr) options_.finder = PiiFinder::make({}, {}).value();
  }

  void annotate(const data::Document& document, std::string& line) const override {
    std::vector<PiiSpan> spans = options_.finder->find(document.text);
    if (options_.ip == IpChoice::public_only) {
      std::erase_if(spans, [](const PiiSpan& span) { return span.type == PiiType::ipv4_private; });
    }
    open_line(line, document.id_json);
    append_key(line, "spans");
    line += '[';
    size_t at = 0, characters = 0;
    for (const PiiSpan& span : spans) {
      const std::string_view text = document.text;
      characters += text::count_characters(text.substr(at, span.begin - at));
      const size_t length = text::count_characters(text.substr(span.begin, span.end - span.begin));
      append_span(line, options_.finder->name_of(span), characters, characters + length);
      characters += length;
      at = span.end;
    }
    line += ']';
    if (options_.action != PiiAction::detect) append_text(line, document.text, spans);
    line += '}';
  }

 private:
  static void append_span(std::string& line, std::string_view type, size_t start, size_t end) {
    if (line.back() != '[') line += ',';
    line += '{';
    append_key(line, "type");
    data::append_json_string(line, type);
    append_key(line, "start");
    data::append_json_number(line, static_cast<int64_t>(start));
    append_key(line, "end");
    data::append_json_number(line, static_cast<int64_t>(end));
    line += '}';
  }

  void append_text(std::string& line, std::string_view text, const std::vector<PiiSpan>& spans) const {
    std::string masked;
    size_t at = 0;
    for (const PiiSpan& span : spans) {
      masked += text.substr(at, span.begin - at);
      masked += replacement(span, text.substr(span.begin, span.end - span.begin));
      at = span.end;
    }
    masked += text.substr(at);
    append_key(line, "text");
    data::append_json_string(line, masked);
  }

  [[nodiscard]] std::string replacement(const PiiSpan& span, std::string_view value) const {
    const std::string_view type = options_.finder->name_of(span);
    if (options_.action == PiiAction::hash) return hash_of(type, value, options_.key);
    if (options_.action == PiiAction::surrogate) return surrogate_of(*options_.finder, span, value, options_.key);
    return "[" + std::string(type) + "]";
  }

  PiiOptions options_;
};

}  // namespace

std::unique_ptr<Operator> make_pii_operator(const PiiOptions& options) {
  return std::make_unique<PiiOperator>(options);
}

}  // namespace kedge::curate
