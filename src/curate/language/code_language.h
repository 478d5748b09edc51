#pragma once
// Source code within documents: how much of a text it is, and in which language.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "curate/operator.h"

namespace kedge::curate {

struct CodeShare {
  double share = 0;           // of the lines that are not blank
  std::string_view language;  // "python"; empty where there is none. Lives as long as the program
};

/// Lines are told by their shape and by the rules of code_rules.txt; comments and the like go with the lines around
/// them. Markup, styles and data (html, css, json, yaml, ...) count as code, Markdown as prose but for its code. Linear
/// time.
CodeShare code_of(std::string_view text);

/// All that `code_of` may name.
const std::vector<std::string>& code_languages();

/// `{"id","code","share"}`, with `null` for no language.
std::unique_ptr<Operator> make_code_identifier();

}  // namespace kedge::curate
