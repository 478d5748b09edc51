// NeMo Curator's filters for source code.
#include <algorithm>

#include "curate/code_text.h"
#include "curate/filters/profiles.h"
#include "curate/filters/python_source.h"
#include "curate/filters/score.h"
#include "curate/filters/visible_text.h"

namespace kedge::curate {
namespace {

constexpr size_t kHeaderCharacters = 100;
constexpr size_t kVisibleMin = 100;

Score python_comment(CodeView source) {
  const auto prose = read_python(source);
  if (!prose) return between(0.0, 0.01, 0.85);
  return between(share(static_cast<double>(prose->comments + prose->docstrings), static_cast<double>(source.size())),
                 0.01, 0.85);
}

Score html_boilerplate(CodeView source) {
  const size_t visible = count_visible(source);
  const auto ratio = share(static_cast<double>(visible), static_cast<double>(source.size()));
  return at_least(ratio && visible < kVisibleMin ? 0.0 : ratio, 0.2);
}

class NemoCodeProfile final : public Operator {
 public:
  void annotate(const data::Document& document, std::string& line) const override {
    const std::u32string codes = to_codes(document.text);
    const CodeView source = codes;
    open_line(line, document.id_json);
    append_key(line, "code");
    line += '{';
    append_score(line, "python_comment", python_comment(source));
    append_score(line, "num_lines", between(static_cast<double>(count_of(source, U"\n") + 1), 10, 20000));
    append_score(line, "xml_header",
                 at_most(contains(source.substr(0, kHeaderCharacters), U"<?xml version=") ? 1.0 : 0.0, 0));
    const auto letters = std::count_if(source.begin(), source.end(), [](char32_t c) { return is(c, kAlphabetic); });
    append_score(line, "alpha",
                 at_least(share(static_cast<double>(letters), static_cast<double>(source.size())), 0.25));
    append_score(line, "html_boilerplate", html_boilerplate(source));
    line += "}}";
  }
};

}  // namespace

std::unique_ptr<Operator> make_nemo_code_profile() {
  return std::make_unique<NemoCodeProfile>();
}

}  // namespace kedge::curate
