#include "text/jinja/parser.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "text/jinja/binder.h"
#include "text/jinja/expression_parser.h"
#include "text/jinja/lexer.h"
#include "text/jinja/token_stream.h"

namespace kedge::text::jinja {
namespace {

constexpr size_t kParametersMax = 1000;

using EndNames = std::initializer_list<std::string_view>;

class Parser {
 public:
  Parser(std::string_view source, size_t depth_max) : tokens_(tokenize(source), depth_max), expressions_(tokens_) {}

  Body parse() { return body({}); }

 private:
  /// Statements up to a tag of one of these names, which is then the current token (its "{%" is behind).
  Body body(EndNames ends) {
    const TokenStream::Nesting nesting(tokens_);
    Body result;
    while (tokens_.current().kind != TokenKind::end) {
      const Token& token = tokens_.next();
      if (token.kind == TokenKind::data) {
        result.push_back(std::make_unique<TextStatement>(token.text, token.line));
      } else if (token.kind == TokenKind::variable_begin) {
        auto output = std::make_unique<OutputStatement>(token.line);
        output->values.push_back(expressions_.tuple());
        tokens_.expect(TokenKind::variable_end, "'}}'");
        result.push_back(std::move(output));
      } else {
        const Token& tag = tokens_.current();
        if (tag.kind == TokenKind::name && std::find(ends.begin(), ends.end(), tag.text) != ends.end()) return result;
        result.push_back(statement(ends));
        tokens_.expect(TokenKind::block_end, "'%}'");
      }
    }
    if (ends.size() > 0) tokens_.fail(fmt::format("the template ends where '{}' is expected", *(ends.end() - 1)));
    return result;
  }

  /// The body of a tag: from its "%}" up to one of the end names.
  Body block(EndNames ends) {
    tokens_.skip_op(":");
    tokens_.expect(TokenKind::block_end, "'%}'");
    return body(ends);
  }

  /// The same with one end name, which is consumed.
  Body whole_block(std::string_view end) {
    Body result = block({end});
    tokens_.next();
    return result;
  }

  StatementPtr statement(EndNames ends) {
    const Token& tag = tokens_.expect(TokenKind::name, "the name of a tag");
    const std::string& name = tag.text;
    const int line = tag.line;
    if (name == "if") return if_block(line);
    if (name == "for") return for_loop(line);
    if (name == "set") return set(line);
    if (name == "macro") return macro(line);
    if (name == "call") return call_block(line);
    if (name == "filter") return filter_block(line);
    if (name == "with") return with_block(line);
    if (name == "print") return print(line);
    if (name == "block") return named_block(line);
    if (name == "generation") return generation(line);
    if (name == "autoescape") return autoescape(line);
    if (name == "break" || name == "continue") return loop_control(name, line);
    if (name == "include" || name == "import" || name == "from" || name == "extends") return refuse(name, line);
    if (ends.size() > 0)
      TokenStream::fail_at(line, fmt::format("unknown tag '{}' (looking for '{}')", name, *(ends.end() - 1)));
    TokenStream::fail_at(line, fmt::format("unknown tag '{}'", name));
  }

  StatementPtr if_block(int line) {
    auto node = std::make_unique<IfStatement>(line);
    while (true) {
      ExpressionPtr condition = expressions_.tuple(false);
      Body branch = block({"elif", "else", "endif"});
      node->branches.emplace_back(std::move(condition), std::move(branch));
      const std::string& end = tokens_.next().text;
      if (end == "elif") continue;
      if (end == "else") node->otherwise = whole_block("endif");
      return node;
    }
  }

  StatementPtr for_loop(int line) {
    auto node = std::make_unique<ForStatement>(line);
    node->target = expressions_.target("in");
    node->test_target = node->target;
    tokens_.expect_name("in");
    node->items = expressions_.tuple(false, "recursive");
    if (tokens_.skip_name("if")) node->test = expressions_.expression();
    node->is_recursive = tokens_.skip_name("recursive");
    ++loop_depth_;
    node->body = block({"else", "endfor"});
    --loop_depth_;
    if (tokens_.next().text == "else") node->otherwise = whole_block("endfor");
    return node;
  }

  StatementPtr set(int line) {
    Target target = expressions_.target({}, true);
    if (tokens_.skip_op("=")) {
      auto node = std::make_unique<SetStatement>(line);
      node->target = std::move(target);
      node->value = expressions_.tuple();
      return node;
    }
    auto node = std::make_unique<SetBlockStatement>(line);
    node->target = std::move(target);
    node->filter = expressions_.filters(nullptr);
    node->body = whole_block("endset");
    return node;
  }

  std::vector<MacroDefinition::Parameter> signature() {
    std::vector<MacroDefinition::Parameter> parameters;
    tokens_.expect_op("(");
    while (!tokens_.current().is_op(")")) {
      if (!parameters.empty()) tokens_.expect_op(",");
      if (parameters.size() == kParametersMax) tokens_.fail(fmt::format("more than {} parameters", kParametersMax));
      MacroDefinition::Parameter parameter;
      parameter.name = expressions_.name_target().name;
      for (const auto& other : parameters) {
        if (other.name == parameter.name) tokens_.fail(fmt::format("the parameter '{}' is declared twice", other.name));
      }
      if (tokens_.skip_op("=")) {
        parameter.fallback = expressions_.expression();
      } else if (!parameters.empty() && parameters.back().fallback != nullptr) {
        tokens_.fail(fmt::format("the parameter '{}' has no default, but one before it has", parameter.name));
      }
      parameters.push_back(std::move(parameter));
    }
    tokens_.expect_op(")");
    return parameters;
  }

  /// A body that runs as a function of its own: no loop around it can be left from inside.
  Body function_body(std::string_view end) {
    const int outer_loops = std::exchange(loop_depth_, 0);
    Body result = whole_block(end);
    loop_depth_ = outer_loops;
    return result;
  }

  StatementPtr macro(int line) {
    auto node = std::make_unique<MacroStatement>(line);
    node->definition.name = expressions_.name_target().name;
    node->definition.parameters = signature();
    node->definition.body = function_body("endmacro");
    return node;
  }

  StatementPtr call_block(int line) {
    auto node = std::make_unique<CallBlockStatement>(line);
    node->definition.name = "caller";
    if (tokens_.current().is_op("(")) node->definition.parameters = signature();
    node->call = expressions_.expression();
    if (node->call->kind != ExpressionKind::call) TokenStream::fail_at(line, "expected a call after 'call'");
    node->definition.body = function_body("endcall");
    return node;
  }

  StatementPtr generation(int line) {
    auto node = std::make_unique<CallBlockStatement>(line);
    node->definition.name = "caller";
    node->definition.body = function_body("endgeneration");
    return node;
  }

  StatementPtr filter_block(int line) {
    auto node = std::make_unique<FilterBlockStatement>(line);
    node->filter = expressions_.filters(nullptr, true);
    node->body = whole_block("endfilter");
    return node;
  }

  StatementPtr with_block(int line) {
    auto node = std::make_unique<WithStatement>(line);
    while (tokens_.current().kind != TokenKind::block_end && !tokens_.current().is_op(":")) {
      if (!node->assignments.empty()) tokens_.expect_op(",");
      Target target = expressions_.target();
      tokens_.expect_op("=");
      node->assignments.emplace_back(std::move(target), expressions_.expression());
    }
    node->body = whole_block("endwith");
    return node;
  }

  StatementPtr print(int line) {
    auto node = std::make_unique<OutputStatement>(line);
    while (tokens_.current().kind != TokenKind::block_end) {
      if (!node->values.empty()) tokens_.expect_op(",");
      node->values.push_back(expressions_.expression());
    }
    return node;
  }

  StatementPtr named_block(int line) {
    auto node = std::make_unique<NamedBlockStatement>(line);
    node->name = tokens_.expect(TokenKind::name, "the name of a block").text;
    if (!block_names_.insert(node->name).second) {
      TokenStream::fail_at(line, fmt::format("the block '{}' is defined twice", node->name));
    }
    node->is_scoped = tokens_.skip_name("scoped");
    tokens_.skip_name("required");
    node->body = function_body("endblock");
    tokens_.skip_name(node->name);
    return node;
  }

  /// Templates of models are never escaped for HTML, so only "autoescape false" has a meaning: none.
  StatementPtr autoescape(int line) {
    if (!tokens_.skip_name("false") && !tokens_.skip_name("False")) {
      TokenStream::fail_at(line, "'autoescape' is supported with 'false' only");
    }
    auto node = std::make_unique<WithStatement>(line);
    node->body = whole_block("endautoescape");
    return node;
  }

  StatementPtr loop_control(const std::string& name, int line) const {
    if (loop_depth_ == 0) TokenStream::fail_at(line, fmt::format("'{}' outside of a loop", name));
    if (name == "break") return std::make_unique<BreakStatement>(line);
    return std::make_unique<ContinueStatement>(line);
  }

  StatementPtr refuse(const std::string& name, int line) {
    std::string message = fmt::format("'{}' needs a second template, and a chat template stands alone", name);
    while (tokens_.current().kind != TokenKind::block_end && tokens_.current().kind != TokenKind::end) tokens_.next();
    return std::make_unique<RefuseStatement>(std::move(message), line);
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int loop_depth_ = 0;
  std::set<std::string> block_names_;
};

}  // namespace

TemplateTree parse_template(std::string_view source, size_t depth_max) {
  TemplateTree tree;
  tree.body = Parser(source, depth_max).parse();
  bind_names(tree);
  return tree;
}

}  // namespace kedge::text::jinja
