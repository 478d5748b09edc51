// Random answers under constraints, for tests: tests/e2e/test_grammar.py checks them with validators of other makers.
// Reads lines {"kind", "source", "seed"}, writes lines {"text", "finished"} or {"error"}. Argument: a tokenizer.

#include <array>
#include <cstdio>
#include <iostream>
#include <random>
#include <string>

#include "core/json.h"
#include "grammar/constraint_compiler.h"

namespace kedge::grammar {
namespace {

constexpr size_t kTokensMax = 3000;
constexpr size_t kWildTokens = 60;  // then whatever ends strings, numbers and brackets comes first

ConstraintKind kind_of(const std::string& name) {
  if (name == "json_object") return ConstraintKind::json_object;
  if (name == "json_schema") return ConstraintKind::json_schema;
  if (name == "regex") return ConstraintKind::regex;
  if (name == "gbnf") return ConstraintKind::gbnf;
  return name == "choice" ? ConstraintKind::choice : ConstraintKind::structural_tag;
}

class Sampler {
 public:
  Sampler(const Tokenizer& tokenizer, std::shared_ptr<const BoundGrammar> grammar, uint32_t seed)
      : tokenizer_(tokenizer),
        grammar_(std::move(grammar)),
        matcher_(grammar_),
        mask_(grammar_->vocabulary().mask_words()),
        random_(seed) {}

  Json run() {
    std::vector<TokenId> tokens;
    bool finished = false;
    while (!finished && tokens.size() < kTokensMax) {
      matcher_.fill_mask(mask_);
      const TokenId token = choose(tokens.size());
      if (token < 0) return {{"error", "no token is allowed"}};
      if (grammar_->vocabulary().is_end(token)) {
        finished = true;
        break;
      }
      if (!matcher_.accept(token)) return {{"error", "a token of the mask was refused"}};
      tokens.push_back(token);
      finished = matcher_.exhausted();
    }
    // As the engine decodes: one token at a time.
    const std::unique_ptr<StreamDecoder> stream = tokenizer_.stream(true);
    std::string text;
    for (const TokenId token : tokens) text += stream->push(token);
    text += stream->flush();
    return {{"text", text}, {"finished", finished}};
  }

 private:
  [[nodiscard]] bool allowed(TokenId token) const {
    return (mask_[static_cast<size_t>(token) / 64] >> (static_cast<size_t>(token) % 64) & 1) != 0;
  }

  TokenId choose(size_t step) {
    std::vector<TokenId> all, bytes;
    for (size_t i = 0; i < grammar_->vocabulary().size(); ++i) {
      const auto token = static_cast<TokenId>(i);
      if (!allowed(token)) continue;
      all.push_back(token);
      if (grammar_->vocabulary().bytes(token).size() == 1) bytes.push_back(token);
    }
    if (all.empty()) return -1;
    if (step > kWildTokens + random_() % 30) {
      for (const TokenId end : grammar_->vocabulary().end_tokens()) {
        if (allowed(end)) return end;
      }
      for (const char* const closing : {"\"", "}", "]", "/", ">"}) {
        const std::optional<TokenId> token = tokenizer_.find(closing);
        if (token && allowed(*token)) return *token;
      }
    }
    const std::vector<TokenId>& from = !bytes.empty() && random_() % 2 == 0 ? bytes : all;
    return from[random_() % from.size()];
  }

  const Tokenizer& tokenizer_;
  const std::shared_ptr<const BoundGrammar> grammar_;
  Matcher matcher_;
  std::vector<uint64_t> mask_;
  std::mt19937 random_;
};

int run(const char* path) {
  const auto tokenizer = Tokenizer::open(path);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
    return 3;
  }
  const std::optional<TokenId> end = tokenizer.value()->eos();
  const std::vector<TokenId> ends = end ? std::vector{*end} : std::vector<TokenId>();
  ConstraintCompiler compiler(*tokenizer.value(), ends);
  std::string line;
  while (std::getline(std::cin, line)) {
    const Json request = parse_json(line, "line").value();
    const auto grammar =
        compiler.compile({kind_of(request["kind"].get<std::string>()), request["source"].get<std::string>()});
    const Json answer = grammar.ok()
                            ? Sampler(*tokenizer.value(), grammar.value(), request["seed"].get<uint32_t>()).run()
                            : Json{{"error", grammar.error().message}, {"refused", true}};
    std::cout << to_text(answer) << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace kedge::grammar

int main(int argument_count, char** arguments) {
  if (argument_count != 2) return 2;
  return kedge::grammar::run(arguments[1]);
}
