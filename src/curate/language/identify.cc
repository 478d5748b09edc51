#include "curate/language/identify.h"

#include "curate/filters/score.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

class LanguageIdentifier final : public Operator {
 public:
  explicit LanguageIdentifier(std::unique_ptr<LanguageModel> model) : model_(std::move(model)) {}

  void annotate(const data::Document& document, std::string& line) const override {
    const Language language = model_->identify(document.text);
    open_line(line, document.id_json);
    append_key(line, "lang");
    data::append_json_string(line, language.code);
    append_key(line, "score");
    data::append_json_number(line, language.score);
    line += '}';
  }

 private:
  std::unique_ptr<LanguageModel> model_;
};

}  // namespace

std::unique_ptr<Operator> make_language_identifier(std::unique_ptr<LanguageModel> model) {
  return std::make_unique<LanguageIdentifier>(std::move(model));
}

}  // namespace kedge::curate
