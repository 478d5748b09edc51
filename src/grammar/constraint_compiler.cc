#include "grammar/constraint_compiler.h"

#include <fmt/format.h>

#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"

namespace kedge::grammar {
namespace {

Result<Json> parse_source(const std::string& source, std::string_view what) {
  Result<Json> json = parse_json(source, what);
  if (!json.ok()) return Error{ErrorKind::invalid_input, json.error().message};
  return json;
}

Result<ExpressionId> parse_choice(Builder& builder, const std::string& source) {
  KEDGE_ASSIGN(const Json choices, parse_source(source, "choice"));
  const size_t limit = builder.limits().literals_max;
  if (!choices.is_array() || choices.empty() || choices.size() > limit) {
    return Error{ErrorKind::invalid_input, fmt::format("choice: expected an array of 1 to {} strings", limit)};
  }
  std::vector<ExpressionId> all;
  for (const Json& choice : choices) {
    if (!choice.is_string()) return Error{ErrorKind::invalid_input, "choice: expected an array of strings"};
    all.push_back(builder.literal(choice.get<std::string>()));
  }
  return builder.choice(std::move(all));
}

Result<ExpressionId> parse(Builder& builder, const Constraint& constraint, const FindToken& find_token) {
  JsonText json(builder);
  switch (constraint.kind) {
    case ConstraintKind::json_object:
      return json.any_object();
    case ConstraintKind::json_schema: {
      KEDGE_ASSIGN(const Json schema, parse_source(constraint.source, "JSON Schema"));
      return parse_json_schema(builder, json, schema);
    }
    case ConstraintKind::regex:
      return parse_regex(builder, constraint.source, TextForm::plain, RegexMatch::whole);
    case ConstraintKind::choice:
      return parse_choice(builder, constraint.source);
    case ConstraintKind::gbnf: {
      KEDGE_ASSIGN(const RuleId rule, parse_gbnf(builder, constraint.source));
      return builder.rule(rule);
    }
    case ConstraintKind::structural_tag:
      break;
  }
  KEDGE_ASSIGN(const Json tags, parse_source(constraint.source, "structural tag"));
  return parse_structural_tag(builder, tags, find_token);
}

}  // namespace

Result<std::shared_ptr<const Grammar>> compile(const Constraint& constraint, const FindToken& find_token,
                                               const Limits& limits) {
  if (constraint.source.size() > limits.source_bytes_max) {
    return Error{ErrorKind::invalid_input, fmt::format("the constraint is {} bytes long, the limit is {}",
                                                       constraint.source.size(), limits.source_bytes_max)};
  }
  Builder builder(limits);
  KEDGE_ASSIGN(const ExpressionId body, parse(builder, constraint, find_token));
  const RuleId root = builder.add_rule("the whole answer");
  builder.define(root, body);
  return Grammar::compile(builder, root);
}

Result<std::shared_ptr<const BoundGrammar>> ConstraintCompiler::compile(const Constraint& constraint) {
  std::string key = fmt::format("{}:{}", static_cast<int>(constraint.kind), constraint.source);
  if (std::shared_ptr<const BoundGrammar> found = find(key)) return found;
  const FindToken find_token = [this](std::string_view spelled) -> std::optional<TokenId> {
    const std::optional<TokenId> id = tokenizer_.find(spelled);
    return id && tokenizer_.is_special(*id) ? id : std::nullopt;
  };
  KEDGE_ASSIGN(std::shared_ptr<const Grammar> grammar, grammar::compile(constraint, find_token));
  auto bound = std::make_shared<const BoundGrammar>(std::move(grammar), vocabulary());
  keep(std::move(key), bound);
  return std::shared_ptr<const BoundGrammar>(std::move(bound));
}

std::shared_ptr<const Vocabulary> ConstraintCompiler::vocabulary() {
  std::call_once(once_, [this] { vocabulary_ = Vocabulary::create(tokenizer_, end_tokens_); });
  return vocabulary_;
}

std::shared_ptr<const BoundGrammar> ConstraintCompiler::find(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->grammar;
}

void ConstraintCompiler::keep(std::string key, std::shared_ptr<const BoundGrammar> grammar) {
  const std::scoped_lock lock(mutex_);
  if (index_.contains(key)) return;
  const size_t bytes = key.size() + grammar->grammar().size_bytes();
  bytes_ += bytes;
  entries_.push_front({std::move(key), std::move(grammar), bytes});
  index_[entries_.front().key] = entries_.begin();
  while (entries_.size() > 1 && (entries_.size() > kEntriesMax || bytes_ > kBytesMax)) {
    bytes_ -= entries_.back().bytes;
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace kedge::grammar
