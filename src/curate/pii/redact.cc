#include "curate/pii/redact.h"

#include "curate/filters/score.h"
#include "curate/pii/spans.h"
#include "data/json_text.h"
#include "text/unicode/utf8.h"

namespace kedge::curate {
namespace {

class PiiOperator final : public Operator {
 public:
  explicit PiiOperator(const PiiOptions& options) : options_(options) {}

  void annotate(const data::Document& document, std::string& line) const override {
    std::vector<PiiSpan> spans = find_pii(document.text);
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
      append_span(line, span.type, characters, characters + length);
      characters += length;
      at = span.end;
    }
    line += ']';
    if (options_.mask) append_masked(line, document.text, spans);
    line += '}';
  }

 private:
  static void append_span(std::string& line, PiiType type, size_t start, size_t end) {
    if (line.back() != '[') line += ',';
    line += '{';
    append_key(line, "type");
    data::append_json_string(line, name_of(type));
    append_key(line, "start");
    data::append_json_number(line, static_cast<int64_t>(start));
    append_key(line, "end");
    data::append_json_number(line, static_cast<int64_t>(end));
    line += '}';
  }

  static void append_masked(std::string& line, std::string_view text, const std::vector<PiiSpan>& spans) {
    std::string masked;
    size_t at = 0;
    for (const PiiSpan& span : spans) {
      masked += text.substr(at, span.begin - at);
      masked += '[';
      masked += name_of(span.type);
      masked += ']';
      at = span.end;
    }
    masked += text.substr(at);
    append_key(line, "text");
    data::append_json_string(line, masked);
  }

  PiiOptions options_;
};

}  // namespace

std::unique_ptr<Operator> make_pii_operator(const PiiOptions& options) {
  return std::make_unique<PiiOperator>(options);
}

}  // namespace kedge::curate
