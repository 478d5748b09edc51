#pragma once
// The grammar of JSON itself.

#include "core/json.h"
#include "grammar/text_form.h"

namespace kedge::grammar {

/// Rules of JSON values in one builder, made when they are first asked for. Between tokens at most one space, or a line
/// break and an indentation: what has no end a model may never end.
class JsonText {
 public:
  explicit JsonText(Builder& builder) : builder_(builder) {}

  ExpressionId space();
  ExpressionId any_value();
  ExpressionId any_object();
  ExpressionId any_array();
  ExpressionId any_string();
  ExpressionId any_number();
  ExpressionId any_integer();
  ExpressionId boolean();
  /// One character within a string, in any spelling.
  ExpressionId string_character();
  /// The value as JSON writes it, without spaces.
  ExpressionId value(const Json& value);

  // Punctuation with the spaces around it.
  ExpressionId comma();
  ExpressionId colon();
  ExpressionId object(ExpressionId members);
  ExpressionId array(ExpressionId items);

 private:
  template <typename Make>
  ExpressionId once(RuleId& rule, const char* name, Make&& make);

  Builder& builder_;
  RuleId space_ = kNone, value_ = kNone, object_ = kNone, array_ = kNone, string_ = kNone, number_ = kNone,
         integer_ = kNone;
};

}  // namespace kedge::grammar
