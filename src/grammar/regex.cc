#include "grammar/regex.h"

#include <fmt/format.h>

#include <algorithm>

#include "grammar/scanner.h"

namespace kedge::grammar {
namespace {

constexpr size_t kBranchesMax = 256;  // of groups that hold anchors

/// One way through an expression, and whether it is tied to the text's start and end.
struct Branch {
  std::vector<ExpressionId> parts;
  bool at_start = false, at_end = false;
};
using Branches = std::vector<Branch>;

bool is_anchored(const Branch& branch) {
  return branch.at_start || branch.at_end;
}

const CodePointSet& digits() {
  static const CodePointSet kSet = {{'0', '9'}};
  return kSet;
}
const CodePointSet& word_characters() {
  static const CodePointSet kSet = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return kSet;
}
const CodePointSet& ascii_spaces() {
  static const CodePointSet kSet = {{'\t', '\r'}, {' ', ' '}};
  return kSet;
}
/// What ECMA-262 or Python calls a space: none of it is \S.
const CodePointSet& all_spaces() {
  static const CodePointSet kSet = {{'\t', '\r'},     {0x1C, ' '},      {0x85, 0x85},     {0xA0, 0xA0},
                                    {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                                    {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return kSet;
}
const CodePointSet& line_ends() {
  static const CodePointSet kSet = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return kSet;
}

class RegexParser {
 public:
  RegexParser(Builder& builder, std::string_view pattern, TextForm form, RegexMatch match)
      : builder_(builder), in_(pattern), form_(form), match_(match) {}

  Result<ExpressionId> run() {
    KEDGE_ASSIGN(Branches branches, parse_alternatives(0));
    if (!in_.at_end()) return fail("an unmatched ')'");
    std::vector<ExpressionId> alternatives;
    for (Branch& branch : branches) {
      if (match_ == RegexMatch::search) {
        if (!branch.at_start) branch.parts.insert(branch.parts.begin(), any_text(builder_, form_));
        if (!branch.at_end) branch.parts.push_back(any_text(builder_, form_));
      }
      alternatives.push_back(builder_.sequence(std::move(branch.parts)));
    }
    return builder_.choice(std::move(alternatives));
  }

 private:
  [[nodiscard]] Error fail(std::string_view found) const {
    return {ErrorKind::invalid_input, fmt::format("regular expression, byte {}: {}", in_.offset(), found)};
  }

  Result<Branches> parse_alternatives(size_t depth) {
    if (depth > builder_.limits().depth_max) {
      return fail(fmt::format("groups nested deeper than {}", builder_.limits().depth_max));
    }
    Branches all;
    do {
      KEDGE_ASSIGN(Branches branches, parse_sequence(depth));
      for (Branch& branch : branches) all.push_back(std::move(branch));
      if (all.size() > builder_.limits().literals_max) return fail("too many alternatives");
    } while (in_.take('|'));
    return all;
  }

  Result<Branches> parse_sequence(size_t depth) {
    Branches partial(1);
    while (!in_.at_end() && in_.peek() != '|' && in_.peek() != ')') {
      if (in_.take('^')) {
        for (Branch& branch : partial) {
          if (!branch.parts.empty()) return fail("'^' behind other characters, where it can never match");
          branch.at_start = true;
        }
        continue;
      }
      if (in_.take('$')) {
        for (Branch& branch : partial) branch.at_end = true;
        continue;
      }
      KEDGE_TRY(parse_item(depth, partial));
    }
    return partial;
  }

  /// An atom with its quantifier, behind each branch so far.
  Status parse_item(size_t depth, Branches& partial) {
    Branches group;
    KEDGE_TRY(parse_atom(depth, group));
    const bool anchored = std::ranges::any_of(group, is_anchored);
    if (!anchored) {
      KEDGE_ASSIGN(const ExpressionId item, parse_quantifier(as_choice(group)));
      for (Branch& branch : partial) {
        if (branch.at_end) return fail("characters behind '$', where they can never match");
        branch.parts.push_back(item);
      }
      return Done{};
    }
    if (is_quantifier()) return fail("a quantifier on a group that holds '^' or '$', which is not supported");
    Branches longer;
    for (const Branch& before : partial) {
      for (const Branch& piece : group) {
        if (before.at_end) return fail("characters behind '$', where they can never match");
        if (piece.at_start && !before.parts.empty()) return fail("'^' behind other characters, where it can't match");
        Branch joined = before;
        joined.parts.insert(joined.parts.end(), piece.parts.begin(), piece.parts.end());
        joined.at_start = before.at_start || piece.at_start;
        joined.at_end = piece.at_end;
        longer.push_back(std::move(joined));
        if (longer.size() > kBranchesMax) return fail("too many alternatives with '^' or '$'");
      }
    }
    partial = std::move(longer);
    return Done{};
  }

  ExpressionId as_choice(Branches& branches) {
    std::vector<ExpressionId> alternatives;
    for (Branch& branch : branches) alternatives.push_back(builder_.sequence(std::move(branch.parts)));
    return builder_.choice(std::move(alternatives));
  }

  Status parse_atom(size_t depth, Branches& out) {
    if (in_.take('(')) return parse_group(depth, out);
    CodePointSet set;
    if (in_.take('[')) {
      KEDGE_ASSIGN(set, parse_class());
    } else if (in_.take('.')) {
      set = line_ends().negated();
    } else if (in_.take('\\')) {
      KEDGE_ASSIGN(set, parse_escape(false));
    } else if (is_quantifier()) {
      return fail(fmt::format("'{}' with nothing to repeat", in_.peek()));
    } else {
      const std::optional<CodePoint> c = in_.take_character();
      if (!c) return fail("bytes that are not UTF-8");
      set.add(*c);
    }
    out.push_back({.parts = {character(builder_, set, form_)}});
    return Done{};
  }

  Status parse_group(size_t depth, Branches& out) {
    if (in_.take('?')) {
      if (in_.take("=") || in_.take("!") || in_.take("<=") || in_.take("<!")) {
        return fail("look-around, which is not supported");
      }
      const bool named = in_.take("P<") || in_.take("<");
      if (named) {
        while (!in_.at_end() && in_.peek() != '>') in_.skip();
        if (!in_.take('>')) return fail("a group's name without its '>'");
      } else if (!in_.take(':')) {
        return fail(fmt::format("'(?{}', expected '(?:' or a named group; flags are not supported", in_.peek()));
      }
    }
    KEDGE_ASSIGN(out, parse_alternatives(depth + 1));
    if (!in_.take(')')) return fail("a group without its ')'");
    return Done{};
  }

  [[nodiscard]] bool is_quantifier() {
    const char c = in_.peek();
    if (in_.at_end() || (c != '*' && c != '+' && c != '?' && c != '{')) return false;
    if (c != '{') return true;
    const size_t here = in_.offset();
    uint32_t min = 0, max = 0;
    const bool counted = take_counts(min, max);
    in_.go_to(here);
    return counted;
  }

  /// {n}, {n,}, {n,m}; {,m} as Python has it. Anything else behind '{' is plain text.
  bool take_counts(uint32_t& min, uint32_t& max) {
    if (!in_.take('{')) return false;
    const std::optional<uint32_t> first = in_.take_number();
    min = first.value_or(0);
    max = min;
    if (in_.take(',')) {
      const std::optional<uint32_t> second = in_.take_number();
      if (!first && !second) return false;
      max = second.value_or(kUnbounded);
    } else if (!first) {
      return false;
    }
    return in_.take('}');
  }

  Result<ExpressionId> parse_quantifier(ExpressionId body) {
    uint32_t min = 1, max = 1;
    if (!is_quantifier()) return body;
    if (in_.take('*')) {
      min = 0;
      max = kUnbounded;
    } else if (in_.take('+')) {
      max = kUnbounded;
    } else if (in_.take('?')) {
      min = 0;
    } else {
      take_counts(min, max);
    }
    if (max < min) return fail(fmt::format("a repetition of at least {} and at most {}", min, max));
    const size_t limit = builder_.limits().repeats_max;
    if (min > limit || (max != kUnbounded && max > limit)) {
      return fail(fmt::format("more than {} repetitions, the limit", limit));
    }
    if (!in_.take('?') && in_.peek() == '+') return fail("a possessive quantifier, which is not supported");
    if (is_quantifier()) return fail("a quantifier behind a quantifier");
    return builder_.repeat(body, min, max);
  }

  Result<CodePointSet> parse_class() {
    CodePointSet set;
    const bool negated = in_.take('^');
    bool first = true;
    while (first || in_.peek() != ']') {
      if (in_.at_end()) return fail("a character class without its ']'");
      if (in_.take("[:")) return fail("a POSIX class, which is not supported");
      KEDGE_ASSIGN(CodePointSet low, parse_class_item());
      first = false;
      const bool is_range = in_.peek() == '-' && in_.peek(1) != ']' && in_.peek(1) != '\0';
      if (!is_range) {
        set.add(low);
        continue;
      }
      in_.skip();
      KEDGE_ASSIGN(const CodePointSet high, parse_class_item());
      const auto single = [](const CodePointSet& s) {
        return s.ranges().size() == 1 && s.ranges()[0].first == s.ranges()[0].last;
      };
      if (!single(low) || !single(high)) return fail("a range in a class whose ends are not single characters");
      const CodePointRange range{low.ranges()[0].first, high.ranges()[0].first};
      if (range.first > range.last) return fail("a range in a class that ends before it begins");
      set.add(range);
    }
    in_.skip();
    return negated ? set.negated() : set;
  }

  Result<CodePointSet> parse_class_item() {
    if (in_.take('\\')) return parse_escape(true);
    const std::optional<CodePoint> c = in_.take_character();
    if (!c) return fail("bytes that are not UTF-8");
    return CodePointSet{{*c, *c}};
  }

  Result<CodePointSet> parse_escape(bool in_class) {
    if (in_.at_end()) return fail("a '\\' with nothing behind it");
    const std::optional<CodePoint> c = in_.take_character();
    if (!c) return fail("bytes that are not UTF-8");
    switch (*c) {
      case 'd':
        return digits();
      case 'D':
        return digits().negated();
      case 'w':
        return word_characters();
      case 'W':
        return word_characters().negated();
      case 's':
        return ascii_spaces();
      case 'S':
        return all_spaces().negated();
      case 'b':
      case 'B':
        if (in_class && *c == 'b') return CodePointSet{{'\b', '\b'}};
        return fail("a word boundary, which is not supported");
      case 'p':
      case 'P':
        return fail("a Unicode property, which is not supported: write the ranges");
      case 'x':
      case 'u':
        return parse_code(*c);
      default:
        break;
    }
    static constexpr std::string_view kLetters = "nrtfv0";
    static constexpr CodePoint kMeanings[] = {'\n', '\r', '\t', '\f', '\v', 0};
    if (const size_t i = *c < 0x80 ? kLetters.find(static_cast<char>(*c)) : std::string_view::npos;
        i != std::string_view::npos) {
      return CodePointSet{{kMeanings[i], kMeanings[i]}};
    }
    if (*c >= '1' && *c <= '9') return fail("a back-reference, which is not supported");
    if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')) {
      return fail(fmt::format("'\\{}', an escape that is not supported", static_cast<char>(*c)));
    }
    return CodePointSet{{*c, *c}};
  }

  Result<CodePointSet> parse_code(CodePoint kind) {
    std::optional<uint32_t> code;
    if (kind == 'x') {
      code = in_.take_hex(2, 2);
    } else if (in_.take('{')) {
      code = in_.take_hex(1, 6);
      if (!in_.take('}')) code.reset();
    } else {
      code = in_.take_hex(4, 4);
      const bool high = code && *code >= 0xD800 && *code < 0xDC00;
      if (high && in_.take("\\u")) {
        const std::optional<uint32_t> low = in_.take_hex(4, 4);
        const bool pair = low && *low >= 0xDC00 && *low < 0xE000;
        code = pair ? std::optional(0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00)) : std::nullopt;
      }
    }
    if (!code || *code > kCodePointMax) return fail("an escape by number that names no character");
    return CodePointSet{{*code, *code}};
  }

  Builder& builder_;
  Scanner in_;
  const TextForm form_;
  const RegexMatch match_;
};

}  // namespace

Result<ExpressionId> parse_regex(Builder& builder, std::string_view pattern, TextForm form, RegexMatch match) {
  if (pattern.size() > builder.limits().source_bytes_max) {
    return Error{ErrorKind::invalid_input, fmt::format("regular expression: {} bytes long, the limit is {}",
                                                       pattern.size(), builder.limits().source_bytes_max)};
  }
  return RegexParser(builder, pattern, form, match).run();
}

}  // namespace kedge::grammar
