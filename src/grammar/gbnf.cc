#include "grammar/gbnf.h"

#include <fmt/format.h>

#include <unordered_map>

#include "grammar/scanner.h"

namespace kedge::grammar {
namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class GbnfParser {
 public:
  GbnfParser(Builder& builder, std::string_view source) : builder_(builder), in_(source) {}

  Result<RuleId> run() {
    skip_space(true);
    if (in_.at_end()) return fail("no rules");
    while (!in_.at_end()) {
      KEDGE_TRY(parse_rule());
      skip_space(true);
    }
    for (const auto& [name, rule] : rules_) {
      if (!builder_.is_defined(rule)) {
        return Error{ErrorKind::invalid_input, fmt::format("grammar: the rule '{}' is used but not defined", name)};
      }
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) return Error{ErrorKind::invalid_input, "grammar: there is no rule 'root'"};
    return root->second;
  }

 private:
  [[nodiscard]] Error fail(std::string_view found) const {
    return {ErrorKind::invalid_input, fmt::format("grammar, line {}: {}", in_.line(), found)};
  }

  /// Blanks and comments; line ends too where an expression can't end there.
  void skip_space(bool line_ends) {
    while (!in_.at_end()) {
      const char c = in_.peek();
      if (c == '#') {
        while (!in_.at_end() && in_.peek() != '\n' && in_.peek() != '\r') in_.skip();
      } else if (c == ' ' || c == '\t' || (line_ends && (c == '\n' || c == '\r'))) {
        in_.skip();
      } else {
        return;
      }
    }
  }

  Result<std::string> parse_name() {
    const size_t begin = in_.offset();
    while (!in_.at_end() && is_name_character(in_.peek())) in_.skip();
    if (in_.offset() == begin) {
      return fail(in_.at_end() ? "the end, expected a name" : fmt::format("'{}', expected a name", in_.peek()));
    }
    return std::string(in_.from(begin));
  }

  RuleId rule_named(const std::string& name) {
    const auto [it, added] = rules_.try_emplace(name, 0);
    if (added) it->second = builder_.add_rule(name);
    return it->second;
  }

  Status parse_rule() {
    KEDGE_ASSIGN(const std::string name, parse_name());
    skip_space(true);
    if (!in_.take("::=")) {
      const bool lark = in_.peek() == ':';
      return fail(fmt::format("the rule '{}' has no '::='{}", name,
                              lark ? "; Lark grammars are not supported: write it in GBNF" : ""));
    }
    const RuleId rule = rule_named(name);
    if (builder_.is_defined(rule)) return fail(fmt::format("the rule '{}' is defined twice", name));
    if (rules_.size() > builder_.limits().rules_max) {
      return fail(fmt::format("more than {} rules, the limit", builder_.limits().rules_max));
    }
    KEDGE_ASSIGN(const ExpressionId body, parse_alternatives(0));
    builder_.define(rule, body);
    if (!in_.at_end() && in_.peek() != '\n' && in_.peek() != '\r') {
      return fail(fmt::format("'{}' within the rule '{}', expected the end of the line", in_.peek(), name));
    }
    return Done{};
  }

  /// A '|' may also begin the next line.
  bool take_bar(size_t depth) {
    skip_space(depth > 0);
    const size_t here = in_.offset();
    skip_space(true);
    if (in_.take('|')) return true;
    in_.go_to(here);
    return false;
  }

  Result<ExpressionId> parse_alternatives(size_t depth) {
    if (depth > builder_.limits().depth_max) {
      return fail(fmt::format("groups nested deeper than {}", builder_.limits().depth_max));
    }
    std::vector<ExpressionId> alternatives;
    do {
      skip_space(true);
      KEDGE_ASSIGN(const ExpressionId sequence, parse_sequence(depth));
      alternatives.push_back(sequence);
    } while (take_bar(depth));
    return builder_.choice(std::move(alternatives));
  }

  [[nodiscard]] bool starts_rule() const {
    // A name that "::=" follows belongs to the next rule.
    Scanner ahead = in_;
    while (!ahead.at_end() && is_name_character(ahead.peek())) ahead.skip();
    while (ahead.peek() == ' ' || ahead.peek() == '\t') ahead.skip();
    return ahead.rest().starts_with("::=");
  }

  Result<ExpressionId> parse_sequence(size_t depth) {
    std::vector<ExpressionId> parts;
    while (true) {
      skip_space(depth > 0);
      const char c = in_.peek();
      if (in_.at_end() || c == '|' || c == ')' || c == '\n' || c == '\r') break;
      if (is_name_character(c) && starts_rule()) break;
      KEDGE_ASSIGN(ExpressionId item, parse_item(depth));
      skip_space(depth > 0);
      KEDGE_ASSIGN(item, parse_repetition(item));
      parts.push_back(item);
    }
    return builder_.sequence(std::move(parts));
  }

  Result<ExpressionId> parse_item(size_t depth) {
    if (in_.take('"')) return parse_literal();
    if (in_.take('[')) return parse_class();
    if (in_.take('.')) return builder_.characters(CodePointSet::all());
    if (in_.take('(')) {
      KEDGE_ASSIGN(const ExpressionId group, parse_alternatives(depth + 1));
      skip_space(true);
      if (!in_.take(')')) return fail("a group without its ')'");
      return group;
    }
    if (is_name_character(in_.peek())) {
      KEDGE_ASSIGN(const std::string name, parse_name());
      return builder_.rule(rule_named(name));
    }
    return fail(fmt::format("'{}', expected a literal, a class, a group or a rule's name", in_.peek()));
  }

  Result<CodePoint> parse_character() {
    if (!in_.take('\\')) {
      const std::optional<CodePoint> c = in_.take_character();
      if (!c) return fail("bytes that are not UTF-8");
      return *c;
    }
    const char c = in_.peek();
    in_.skip();
    static constexpr std::string_view kLetters = "nrt\\\"[]-^/";
    static constexpr std::string_view kMeanings = "\n\r\t\\\"[]-^/";
    if (const size_t i = kLetters.find(c); i != std::string_view::npos) return static_cast<CodePoint>(kMeanings[i]);
    const int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) return fail(fmt::format("the escape '\\{}', which GBNF does not have", c));
    const std::optional<uint32_t> code = in_.take_hex(digits, digits);
    const bool named = code && *code <= kCodePointMax && !(*code >= kSurrogateFirst && *code <= kSurrogateLast);
    if (!named) return fail("an escape by number that names no character");
    return *code;
  }

  Result<ExpressionId> parse_literal() {
    std::string text;
    while (!in_.take('"')) {
      if (in_.at_end() || in_.peek() == '\n') return fail("a literal without its closing '\"'");
      KEDGE_ASSIGN(const CodePoint c, parse_character());
      append_utf8(text, c);
    }
    return builder_.literal(text);
  }

  Result<ExpressionId> parse_class() {
    const bool negated = in_.take('^');
    CodePointSet set;
    while (!in_.take(']')) {
      if (in_.at_end()) return fail("a character class without its ']'");
      KEDGE_ASSIGN(const CodePoint first, parse_character());
      CodePoint last = first;
      if (in_.peek() == '-' && in_.peek(1) != ']') {
        in_.skip();
        KEDGE_ASSIGN(last, parse_character());
        if (last < first) return fail("a range in a class that ends before it begins");
      }
      set.add({first, last});
    }
    return builder_.characters(negated ? set.negated() : set);
  }

  Result<ExpressionId> parse_repetition(ExpressionId item) {
    uint32_t min = 0, max = kUnbounded;
    if (in_.take('*')) {
    } else if (in_.take('+')) {
      min = 1;
    } else if (in_.take('?')) {
      max = 1;
    } else if (in_.take('{')) {
      skip_space(false);
      const std::optional<uint32_t> first = in_.take_number();
      skip_space(false);
      min = max = first.value_or(0);
      if (in_.take(',')) {
        skip_space(false);
        const std::optional<uint32_t> second = in_.take_number();
        max = second.value_or(kUnbounded);
      } else if (!first) {
        return fail("'{' without a number");
      }
      skip_space(false);
      if (!in_.take('}')) return fail("a repetition without its '}'");
    } else {
      return item;
    }
    const size_t limit = builder_.limits().repeats_max;
    if (max < min) return fail(fmt::format("a repetition of at least {} and at most {}", min, max));
    if (min > limit || (max != kUnbounded && max > limit)) {
      return fail(fmt::format("more than {} repetitions, the limit", limit));
    }
    return builder_.repeat(item, min, max);
  }

  Builder& builder_;
  Scanner in_;
  std::unordered_map<std::string, RuleId> rules_;
};

}  // namespace

Result<RuleId> parse_gbnf(Builder& builder, std::string_view source) {
  if (source.size() > builder.limits().source_bytes_max) {
    return Error{ErrorKind::invalid_input, fmt::format("grammar: {} bytes long, the limit is {}", source.size(),
                                                       builder.limits().source_bytes_max)};
  }
  return GbnfParser(builder, source).run();
}

}  // namespace kedge::grammar
