#include "grammar/text_form.h"

#include <fmt/format.h>

#include "core/json.h"

namespace kedge::grammar {
namespace {

const CodePointSet& escaped_characters() {
  static const CodePointSet kSet = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
  return kSet;
}

}  // namespace

std::string json_escaped(std::string_view text) {
  const std::string quoted = to_text(Json(text));
  return quoted.substr(1, quoted.size() - 2);
}

ExpressionId character(Builder& builder, const CodePointSet& set, TextForm form) {
  if (form == TextForm::plain) return builder.characters(set);
  std::vector<ExpressionId> alternatives = {builder.characters(set.without(escaped_characters()))};
  const CodePointSet escaped = set.common(escaped_characters());
  for (const CodePointRange& range : escaped.ranges()) {
    for (CodePoint c = range.first; c <= range.last; ++c) {
      alternatives.push_back(builder.literal(json_escaped(std::string(1, static_cast<char>(c)))));
    }
  }
  return builder.choice(std::move(alternatives));
}

ExpressionId any_text(Builder& builder, TextForm form) {
  return builder.repeat(character(builder, CodePointSet::all(), form), 0, kUnbounded);
}

}  // namespace kedge::grammar
