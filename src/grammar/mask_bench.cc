// What a constraint costs a token: masks and steps along texts that it allows. Of its own with a vocabulary of single
// bytes; with a real one where KEDGE_BENCH_TOKENIZER names a file for Tokenizer::open. `first` is a vocabulary that has
// seen nothing yet, `again` a later answer. Counters: `mask_us` the mean and `mask_max_us` the longest mask.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>

#include "core/check.h"
#include "grammar/grammar_for_tests.h"

namespace kedge::grammar {
namespace {

using Clock = std::chrono::steady_clock;

struct Case {
  const char* name;
  Constraint constraint;
  std::string text;
};

std::vector<Case> cases() {
  const std::string prose =
      "The kedge is a light anchor. A ship without wind is hauled towards it: \\\"heave away\\\", says the mate, and "
      "thirty hands walk the capstan round. Then the anchor is weighed and rowed ahead again, caf\xC3\xA9 or not.";
  const std::string person = "{\"name\": \"" + prose +
                             "\", \"age\": 42, \"tags\": [\"one\", \"two\", \"three\"], "
                             "\"address\": {\"street\": \"Long Acre 12\", \"city\": \"London\"}}";
  const char* const schema = R"({"type": "object", "properties": {"name": {"type": "string"},
      "age": {"type": "integer", "minimum": 0, "maximum": 150}, "tags": {"type": "array", "items": {"type": "string"}},
      "address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
      "required": ["street", "city"]}}, "required": ["name", "age", "tags", "address"]})";
  return {{"json_object", {ConstraintKind::json_object, ""}, person},
          {"json_schema", {ConstraintKind::json_schema, schema}, person},
          {"bounded_string",
           {ConstraintKind::json_schema, R"({"type": "string", "maxLength": 4000})"},
           "\"" + prose + "\""},
          {"pattern", {ConstraintKind::regex, "[A-Z][^.]*(\\.[^.]*)+"}, prose}};
}

std::shared_ptr<const Tokenizer> open_tokenizer() {
  const char* const path = std::getenv("KEDGE_BENCH_TOKENIZER");
  if (path == nullptr) return std::make_shared<const ListTokenizer>(ListTokenizer::bytes_and({}));
  auto tokenizer = Tokenizer::open(path);
  KEDGE_CHECK(tokenizer.ok());
  return std::move(tokenizer).value();
}

const Tokenizer& tokenizer() {
  static const std::shared_ptr<const Tokenizer> kTokenizer = open_tokenizer();
  return *kTokenizer;
}

std::vector<TokenId> tokens_of(const std::string& text) {
  std::vector<TokenId> ids = tokenizer().encode(text, {.add_special = false, .parse_special = false}).value();
  if (!ids.empty()) return ids;
  for (const char c : text) ids.push_back(static_cast<uint8_t>(c));
  return ids;
}

struct Cost {
  double mask_s = 0, mask_max_s = 0, accept_s = 0;
  size_t tokens = 0;
  uint64_t checksum = 0;
};

void run_answer(const std::shared_ptr<const BoundGrammar>& grammar, const std::vector<TokenId>& tokens, Cost& cost) {
  Matcher matcher(grammar);
  std::vector<uint64_t> mask(grammar->vocabulary().mask_words());
  for (const TokenId token : tokens) {
    const Clock::time_point start = Clock::now();
    matcher.fill_mask(mask);
    const Clock::time_point filled = Clock::now();
    KEDGE_CHECK(matcher.accept(token));
    const double mask_s = std::chrono::duration<double>(filled - start).count();
    cost.mask_s += mask_s;
    cost.mask_max_s = std::max(cost.mask_max_s, mask_s);
    cost.accept_s += std::chrono::duration<double>(Clock::now() - filled).count();
    cost.checksum = cost.checksum * 31 + mask[static_cast<size_t>(token) / 64];
    ++cost.tokens;
  }
}

void report(benchmark::State& state, const Cost& cost) {
  const auto tokens = static_cast<double>(cost.tokens);
  state.counters["mask_us"] = cost.mask_s * 1e6 / tokens;
  state.counters["mask_max_us"] = cost.mask_max_s * 1e6;
  state.counters["accept_us"] = cost.accept_s * 1e6 / tokens;
  state.counters["checksum"] = static_cast<double>(cost.checksum % 1000000);
}

void first(benchmark::State& state, const Case& each) {
  const std::vector<TokenId> tokens = tokens_of(each.text);
  Cost cost;
  for (auto unused : state) {
    state.PauseTiming();
    const auto bound = bind(each.constraint.kind, each.constraint.source, tokenizer());
    KEDGE_CHECK(bound.ok());
    state.ResumeTiming();
    run_answer(bound.value(), tokens, cost);
  }
  report(state, cost);
}

void again(benchmark::State& state, const Case& each) {
  const std::vector<TokenId> tokens = tokens_of(each.text);
  const auto bound = bind(each.constraint.kind, each.constraint.source, tokenizer());
  KEDGE_CHECK(bound.ok());
  Cost warm_up, cost;
  run_answer(bound.value(), tokens, warm_up);
  for (auto unused : state) run_answer(bound.value(), tokens, cost);
  report(state, cost);
}

void compile_only(benchmark::State& state, const Case& each) {
  size_t bytes = 0;
  for (auto unused : state) {
    const auto grammar = compile(each.constraint, [](std::string_view) { return std::optional<TokenId>(); });
    KEDGE_CHECK(grammar.ok());
    bytes = grammar.value()->size_bytes();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}

void make_vocabulary(benchmark::State& state) {
  const TokenId end = *tokenizer().eos();
  size_t nodes = 0;
  for (auto unused : state) nodes = Vocabulary::create(tokenizer(), {&end, 1})->tree().size();
  state.counters["nodes"] = static_cast<double>(nodes);
}

const bool kRegistered = [] {
  benchmark::RegisterBenchmark("vocabulary", make_vocabulary)->Unit(benchmark::kMillisecond);
  for (const Case& each : cases()) {
    benchmark::RegisterBenchmark((std::string("compile/") + each.name).c_str(), compile_only, each)
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark((std::string("first/") + each.name).c_str(), first, each)
        ->Unit(benchmark::kMillisecond)
        ->Iterations(3);
    benchmark::RegisterBenchmark((std::string("again/") + each.name).c_str(), again, each)
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace kedge::grammar
