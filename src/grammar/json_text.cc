#include "grammar/json_text.h"

namespace kedge::grammar {
namespace {

constexpr uint32_t kIndentMax = 20;   // as llama.cpp's JSON grammars have it
constexpr uint32_t kDigitsMax = 16;   // of a number's parts: more than a double tells apart
constexpr uint32_t kExponentMax = 2;  // digits: no number overflows

ExpressionId digits(Builder& builder, uint32_t min, uint32_t max) {
  return builder.repeat(builder.bytes('0', '9'), min, max);
}

/// -?(0|[1-9][0-9]*)
ExpressionId integer_digits(Builder& builder) {
  const ExpressionId positive = builder.sequence({builder.bytes('1', '9'), digits(builder, 0, kDigitsMax - 1)});
  return builder.choice({builder.literal("0"), positive});
}

}  // namespace

/// A rule of its own, that it may call itself and that callers share its automaton.
template <typename Make>
ExpressionId JsonText::once(RuleId& rule, const char* name, Make&& make) {
  if (rule == kNone) {
    rule = builder_.add_rule(name);
    builder_.define(rule, make());
  }
  return builder_.rule(rule);
}

ExpressionId JsonText::space() {
  return once(space_, "space", [&] {
    const ExpressionId blank = builder_.choice({builder_.literal(" "), builder_.literal("\t")});
    const ExpressionId line = builder_.sequence({builder_.literal("\n"), builder_.repeat(blank, 0, kIndentMax)});
    return builder_.choice({builder_.empty(), builder_.literal(" "), line});
  });
}

ExpressionId JsonText::comma() {
  return builder_.sequence({space(), builder_.literal(","), space()});
}

ExpressionId JsonText::colon() {
  return builder_.sequence({builder_.literal(":"), space()});
}

ExpressionId JsonText::object(ExpressionId members) {
  return builder_.sequence({builder_.literal("{"), space(), members, space(), builder_.literal("}")});
}

ExpressionId JsonText::array(ExpressionId items) {
  return builder_.sequence({builder_.literal("["), space(), items, space(), builder_.literal("]")});
}

ExpressionId JsonText::any_value() {
  return once(value_, "value", [&] {
    return builder_.choice(
        {any_object(), any_array(), any_string(), any_number(), boolean(), builder_.literal("null")});
  });
}

ExpressionId JsonText::any_object() {
  return once(object_, "object", [&] {
    const ExpressionId member = builder_.sequence({any_string(), colon(), any_value()});
    const ExpressionId more = builder_.repeat(builder_.sequence({comma(), member}), 0, kUnbounded);
    return builder_.choice({object(builder_.sequence({member, more})),
                            builder_.sequence({builder_.literal("{"), space(), builder_.literal("}")})});
  });
}

ExpressionId JsonText::any_array() {
  return once(array_, "array", [&] {
    const ExpressionId more = builder_.repeat(builder_.sequence({comma(), any_value()}), 0, kUnbounded);
    return builder_.choice({array(builder_.sequence({any_value(), more})),
                            builder_.sequence({builder_.literal("["), space(), builder_.literal("]")})});
  });
}

ExpressionId JsonText::string_character() {
  Builder& b = builder_;
  const auto any_of = [&](std::string_view letters) {
    std::vector<ExpressionId> all;
    for (const char c : letters) all.push_back(b.bytes(static_cast<uint8_t>(c), static_cast<uint8_t>(c)));
    return b.choice(std::move(all));
  };
  const ExpressionId hex = b.choice({b.bytes('0', '9'), b.bytes('a', 'f'), b.bytes('A', 'F')});
  const ExpressionId not_d = b.choice({b.bytes('0', '9'), any_of("abcefABCEF")});
  // \u of all but surrogates, or a pair of them.
  const ExpressionId single =
      b.choice({b.sequence({not_d, hex, hex, hex}), b.sequence({any_of("dD"), b.bytes('0', '7'), hex, hex})});
  const ExpressionId pair = b.sequence(
      {any_of("dD"), any_of("89abAB"), hex, hex, b.literal("\\u"), any_of("dD"), any_of("cdefCDEF"), hex, hex});
  const ExpressionId number = b.sequence({b.literal("u"), b.choice({single, pair})});
  const ExpressionId escape = b.sequence({b.literal("\\"), b.choice({any_of("\"\\/bfnrt"), number})});
  const CodePointSet plain = CodePointSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}.negated();
  return b.choice({b.characters(plain), escape});
}

ExpressionId JsonText::any_string() {
  return once(string_, "string", [&] {
    return builder_.sequence(
        {builder_.literal("\""), builder_.repeat(string_character(), 0, kUnbounded), builder_.literal("\"")});
  });
}

ExpressionId JsonText::any_integer() {
  return once(integer_, "integer",
              [&] { return builder_.sequence({builder_.optional(builder_.literal("-")), integer_digits(builder_)}); });
}

ExpressionId JsonText::any_number() {
  return once(number_, "number", [&] {
    Builder& b = builder_;
    const ExpressionId fraction = b.sequence({b.literal("."), digits(b, 1, kDigitsMax)});
    const ExpressionId sign = b.optional(b.choice({b.literal("+"), b.literal("-")}));
    const ExpressionId exponent =
        b.sequence({b.choice({b.literal("e"), b.literal("E")}), sign, digits(b, 1, kExponentMax)});
    return b.sequence({b.optional(b.literal("-")), integer_digits(b), b.optional(fraction), b.optional(exponent)});
  });
}

ExpressionId JsonText::boolean() {
  return builder_.choice({builder_.literal("true"), builder_.literal("false")});
}

ExpressionId JsonText::value(const Json& value) {
  return builder_.literal(to_text(value));
}

}  // namespace kedge::grammar
