#pragma once
// Expressions, arguments and assignment targets.

#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/token_stream.h"

namespace kedge::text::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  /// One expression; without `conditional`, an `if` after it is not part of it.
  ExpressionPtr expression(bool conditional = true);

  /// An expression, or several with commas between them: a tuple. `end_name` (may be empty) also ends it.
  ExpressionPtr tuple(bool conditional = true, std::string_view end_name = {});

  /// a, (b, c) or, where allowed, namespace.attribute. `end_name` as above.
  Target target(std::string_view end_name = {}, bool with_namespace = false);
  Target name_target();

  /// |filter|filter(...) after `input` (null: the input comes when it runs); null where there is none.
  ExpressionPtr filters(ExpressionPtr input, bool first_without_bar = false);

 private:
  ExpressionPtr conditional();
  ExpressionPtr logical_or();
  ExpressionPtr logical_and();
  ExpressionPtr logical_not();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concat();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filters = true);
  ExpressionPtr primary();
  ExpressionPtr literal_string();
  ExpressionPtr literal_number();
  ExpressionPtr parenthesized();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr object);
  ExpressionPtr subscript(ExpressionPtr object);
  ExpressionPtr bracket_subscript(ExpressionPtr object, int line);
  ExpressionPtr call(ExpressionPtr callee);
  ExpressionPtr filters_and_tests(ExpressionPtr input);
  ExpressionPtr test(ExpressionPtr input);
  ArgumentExpressions arguments();
  void argument(ArgumentExpressions& result, int line);
  Target target_item(bool with_namespace);
  [[nodiscard]] bool at_tuple_end(std::string_view end_name) const;
  /// Measures a node whose parts are complete. Throws Failure where the tree grows too high.
  [[nodiscard]] ExpressionPtr finish(ExpressionPtr node) const;

  TokenStream& tokens_;
};

}  // namespace kedge::text::jinja
