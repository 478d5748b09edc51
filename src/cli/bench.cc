// kedge bench: tokens per second of a model, prompt and answer apart.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cli/answer.h"
#include "cli/command.h"
#include "cli/model_argument.h"
#include "cli/standard_io.h"

namespace kedge::cli {
namespace {

struct BenchOptions {
  ModelOptions model;
  uint32_t prompt_tokens = 512;
  uint32_t new_tokens = 32;
  uint32_t repeats = 5;
  bool json = false;
};

/// Rates of every repeat, in the order they ran.
struct Rates {
  std::vector<double> prompt, answer;
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Result<RequestTimings> time_once(Engine& engine, uint32_t prompt_tokens, uint32_t new_tokens, std::mt19937& random) {
  std::uniform_int_distribution<TokenId> token(0, static_cast<TokenId>(engine.info().vocabulary_size - 1));
  Request request{.new_tokens_max = new_tokens, .ignore_eos = true};
  request.sampling.temperature = 0;
  for (uint32_t i = 0; i < prompt_tokens; ++i) request.prompt_tokens.push_back(token(random));
  KEDGE_ASSIGN(const AnswerSet set, run_request(engine, std::move(request), nullptr));
  if (set.interrupted) return Error{ErrorKind::cancelled, "interrupted"};
  return set.timings;
}

/// Prompt and answer are timed apart: the answer after one prompt token, as the peers' tools do. The first new token
/// comes out of the prompt's pass, so that N + 1 tokens take N steps.
Result<Rates> time_all(Engine& engine, const BenchOptions& options) {
  std::mt19937 random(1);
  Rates rates;
  for (uint32_t i = 0; i <= options.repeats; ++i) {  // the first one warms up
    if (options.prompt_tokens > 0) {
      KEDGE_ASSIGN(const RequestTimings timings, time_once(engine, options.prompt_tokens, 1, random));
      if (i > 0) rates.prompt.push_back(options.prompt_tokens * 1000.0 / timings.prefill_ms);
    }
    if (options.new_tokens > 0) {
      KEDGE_ASSIGN(const RequestTimings timings, time_once(engine, 1, options.new_tokens + 1, random));
      if (i > 0) rates.answer.push_back(options.new_tokens * 1000.0 / timings.decode_ms);
    }
  }
  return rates;
}

Status bench(const BenchOptions& options) {
  KEDGE_ASSIGN(const std::filesystem::path path, resolve_model(options.model.model));
  EngineOptions engine_options = options.model.engine_options();
  engine_options.without_tokenizer = true;
  KEDGE_ASSIGN(const auto engine, Engine::open(path, engine_options));
  KEDGE_ASSIGN(const Rates rates, time_all(*engine, options));
  const ModelInfo& info = engine->info();
  if (options.json) {
    return write_json({{"model", info.name},
                       {"compute", info.compute},
                       {"isa", info.isa},
                       {"threads", info.thread_count},
                       {"prompt_tokens", options.prompt_tokens},
                       {"prompt_per_second", rates.prompt},
                       {"prompt_per_second_median", median(rates.prompt)},
                       {"new_tokens", options.new_tokens},
                       {"new_per_second", rates.answer},
                       {"new_per_second_median", median(rates.answer)}});
  }
  return write_output(fmt::format(
      "{} ({}, {}, {} threads): prompt of {} at {:.1f} tokens/s, {} new at {:.2f} tokens/s (medians of {})\n",
      info.name, info.compute, info.isa, info.thread_count, options.prompt_tokens, median(rates.prompt),
      options.new_tokens, median(rates.answer), options.repeats));
}

}  // namespace

void register_bench(Commands& commands) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      commands.add("bench", "tokens per second of a model on random tokens", [options] { return bench(*options); });
  options->model.add_to(*command);
  command->add_option("--prompt-tokens", options->prompt_tokens, "length of the prompt; 0: not timed")
      ->capture_default_str();
  command->add_option("--new-tokens", options->new_tokens, "length of the answer; 0: not timed")->capture_default_str();
  command->add_option("--repeats", options->repeats, "counted runs")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_flag("--json", options->json, "one JSON document");
}

}  // namespace kedge::cli
