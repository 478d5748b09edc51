#include "curate/extract/extract.h"

#include <fmt/format.h>

#include "curate/extract/http_page.h"
#include "curate/extract/justext.h"
#include "curate/extract/main_text.h"
#include "curate/filters/score.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

class Extractor : public Operator {
 public:
  void annotate(const data::Document& document, std::string& line) const override {
    open_line(line, document.id_json);
    append_key(line, "url");
    data::append_json_string(line, document.url);
    append_key(line, "text");
    data::append_json_string(line, text_of(document.text));
    line += '}';
  }

  [[nodiscard]] bool reads_pages() const override { return true; }
  [[nodiscard]] Result<data::Document> read_page(const data::Record& record) const override {
    data::Document document = record.document;
    if (record.kind == data::RecordKind::html_file) {
      document.text = decode_page(record.bytes, "");
    } else {
      KEDGE_ASSIGN(document.text, read_http_page(record.bytes));
    }
    return document;
  }

 private:
  [[nodiscard]] virtual std::string text_of(std::string_view html) const = 0;
};

class MainText final : public Extractor {
 public:
  MainText(ExtractionMode mode, bool markdown) : mode_(mode), markdown_(markdown) {}

 private:
  [[nodiscard]] std::string text_of(std::string_view html) const override {
    return extract_main_text(html, mode_, markdown_);
  }
  ExtractionMode mode_;
  bool markdown_;
};

class Justext final : public Extractor {
 public:
  explicit Justext(std::shared_ptr<const StopWords> stop_words) : stop_words_(std::move(stop_words)) {}

 private:
  [[nodiscard]] std::string text_of(std::string_view html) const override {
    return extract_justext(html, stop_words_.get());
  }
  std::shared_ptr<const StopWords> stop_words_;  // null: none are needed
};

}  // namespace

Result<std::unique_ptr<Operator>> make_extractor(const ExtractOptions& options) {
  if (options.mode == "precision" || options.mode == "recall") {
    const auto mode = options.mode == "recall" ? ExtractionMode::recall : ExtractionMode::precision;
    return std::unique_ptr<Operator>(std::make_unique<MainText>(mode, options.markdown));
  }
  if (options.mode != "justext") {
    return Error{ErrorKind::invalid_input,
                 fmt::format("--mode: found '{}', expected precision, recall or justext", options.mode)};
  }
  if (options.markdown) {
    return Error{ErrorKind::invalid_input, "--markdown: only the modes precision and recall keep tables and code"};
  }
  std::shared_ptr<const StopWords> stop_words;
  if (!options.stop_list.empty()) {
    KEDGE_ASSIGN(stop_words, StopWords::read(options.stop_list));
  } else if (!is_without_spaces(options.language)) {
    KEDGE_ASSIGN(stop_words, StopWords::of(options.language));
  }
  return std::unique_ptr<Operator>(std::make_unique<Justext>(std::move(stop_words)));
}

}  // namespace kedge::curate
