// kedge bench: how fast a model runs here, beside what memory and arithmetic of the machine allow.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/bench_report.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_argument.h"
#include "cli/progress_line.h"
#include "cli/standard_io.h"
#include "core/file.h"
#include "core/thread_pool.h"
#include "models/random_source.h"

namespace kedge::cli {
namespace {

constexpr uint32_t kTokensMax = 1 << 20;
constexpr uint32_t kBatchMax = 1024;
constexpr uint32_t kDepthMax = 1 << 24;
constexpr size_t kListMax = 64;

struct BenchOptions {
  ModelOptions model;
  std::string random_weights;  // a config.json
  std::string weights = "bf16";
  uint32_t prefill_tokens = 512;
  uint32_t decode_tokens = 64;
  std::string batch = "1,4,16";
  std::string depth = "0";
  uint32_t repeat = 3;
  std::vector<std::string> adapters;
  std::string svg;
  bool json = false;
};

/// "1,4,16": numbers from `min` to `max`; nothing when it is no such list.
std::optional<std::vector<uint32_t>> parse_list(std::string_view text, uint32_t min, uint32_t max) {
  std::vector<uint32_t> numbers;
  while (true) {
    const size_t comma = std::min(text.find(','), text.size());
    const char* const end = text.data() + comma;
    uint32_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end || number < min || number > max) return std::nullopt;
    numbers.push_back(number);
    if (numbers.size() > kListMax) return std::nullopt;
    if (comma == text.size()) return numbers;
    text.remove_prefix(comma + 1);
  }
}

/// As a check of CLI11: what is wrong, or "".
auto list_of(uint32_t min, uint32_t max) {
  return [min, max](const std::string& text) {
    if (parse_list(text, min, max)) return std::string();
    return fmt::format("'{}', expected up to {} numbers from {} to {} with commas between them", text, kListMax, min,
                       max);
  };
}

/// Prefill at every depth; decoding with every batch at every depth.
std::vector<Workload> workloads_of(const BenchOptions& options) {
  std::vector<Workload> workloads;
  const std::vector<uint32_t> depths = parse_list(options.depth, 0, kDepthMax).value_or(std::vector<uint32_t>{});
  const std::vector<uint32_t> batches = parse_list(options.batch, 1, kBatchMax).value_or(std::vector<uint32_t>{});
  for (const uint32_t depth : depths) {
    if (options.prefill_tokens == 0) break;
    workloads.push_back({WorkKind::prefill, options.prefill_tokens, 1, depth, options.repeat});
  }
  for (const uint32_t depth : depths) {
    if (options.decode_tokens == 0) break;
    for (const uint32_t batch : batches) {
      workloads.push_back({WorkKind::decode, options.decode_tokens, batch, depth, options.repeat});
    }
  }
  return workloads;
}

uint64_t length_of(const Workload& workload) {
  return uint64_t{workload.depth} + workload.tokens;
}
uint64_t kv_tokens_of(const Workload& workload) {
  return workload.sequences * length_of(workload);
}
const Workload& longest_of(const std::vector<Workload>& workloads) {
  return *std::ranges::max_element(workloads, {}, length_of);
}
const Workload& largest_of(const std::vector<Workload>& workloads) {
  return *std::ranges::max_element(workloads, {}, kv_tokens_of);
}

std::string describe(const Workload& workload) {
  return fmt::format("{} of {} tokens, batch {}, depth {}", name_of(workload.kind), workload.tokens, workload.sequences,
                     workload.depth);
}

double gib(uint64_t bytes) {
  return static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30);
}

Result<std::filesystem::path> path_of(const BenchOptions& options) {
  if (options.random_weights.empty()) return resolve_model(options.model.model);
  return std::filesystem::path(options.random_weights);
}

EngineOptions engine_options(const BenchOptions& options, const std::vector<Workload>& workloads) {
  EngineOptions engine = options.model.engine_options();
  engine.without_tokenizer = true;
  if (!options.random_weights.empty()) engine.random_weights = options.weights;
  engine.kv_tokens = kv_tokens_of(largest_of(workloads));
  engine.sequences_max = std::ranges::max_element(workloads, {}, &Workload::sequences)->sequences;
  return engine;
}

/// Refuses what cannot be measured before anything is, and says what stands on shaky ground.
Status check(const BenchOptions& options, const Engine& engine, const std::vector<Workload>& workloads) {
  const ModelInfo& info = engine.info();
  if (info.kind != ModelKind::decoder) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: {} is an encoder, expected a decoder", info.name, info.architecture)};
  }
  const Workload& longest = longest_of(workloads);
  const uint32_t context = options.model.context_tokens;
  if (context > 0 && length_of(longest) > context) {
    return Error{ErrorKind::invalid_input, fmt::format("{} needs {} tokens of context, and --context allows {}",
                                                       describe(longest), length_of(longest), context)};
  }
  const MemoryPlan& plan = engine.plan();
  if (plan.total_bytes() > plan.available_bytes) {
    return Error{ErrorKind::out_of_memory,
                 fmt::format("{}: {} needs {:.2f} GiB (weights {:.2f}, KV cache {:.2f} for {} tokens, the rest {:.2f}) "
                             "and {:.2f} GiB are available; use a smaller --batch or --depth, or weights of fewer bits",
                             info.name, describe(largest_of(workloads)), gib(plan.total_bytes()),
                             gib(plan.weights_bytes + plan.packed_bytes), gib(plan.kv_cache_bytes), plan.kv_tokens,
                             gib(plan.activation_bytes + plan.scratch_bytes), gib(plan.available_bytes))};
  }
  if (std::cmp_greater(length_of(longest), info.context_tokens)) {
    say(fmt::format("note: {} goes beyond the model's context of {} tokens; its speed is measured all the same",
                    describe(longest), info.context_tokens));
  }
  return Done{};
}

/// Each workload, and behind it the same with the adapters of these folders.
Result<std::vector<Workload>> with_adapters(Engine& engine, const std::vector<Workload>& workloads,
                                            const std::vector<std::string>& folders) {
  if (folders.empty()) return workloads;
  std::vector<AdapterPtr> adapters;
  for (const std::string& folder : folders) {
    KEDGE_ASSIGN(AdapterPtr adapter, engine.load_adapter(folder));
    adapters.push_back(std::move(adapter));
  }
  std::vector<Workload> all;
  for (const Workload& workload : workloads) {
    all.push_back(workload);
    all.push_back(workload);
    all.back().adapters = adapters;
  }
  return all;
}

/// The machine first, so that nothing else is in memory yet; then the model, row by row.
Result<BenchReport> measure(const std::filesystem::path& path, const EngineOptions& options, const ModelInfo& model,
                            const std::vector<Workload>& workloads, const std::vector<std::string>& adapters) {
  const Error interrupted{ErrorKind::cancelled, "interrupted"};
  const InterruptStop interrupt;
  ProgressLine progress(std::chrono::milliseconds(0));
  BenchReport report{.model = model};
  {
    progress.show("measuring what memory and arithmetic of this machine allow");
    WorkerPool pool(model.thread_count, true);
    KEDGE_ASSIGN(report.limits, cpu::measure_limits(pool));
  }
  if (interrupt.token().stop_requested()) return interrupted;
  progress.show(fmt::format("opening {}", model.name));
  KEDGE_ASSIGN(const auto engine, Engine::open(path, options));
  KEDGE_ASSIGN(const std::vector<Workload> all, with_adapters(*engine, workloads, adapters));
  for (const Workload& workload : all) {
    progress.show(fmt::format("{}/{}: {}", report.rows.size() + 1, all.size(), describe(workload)));
    Result<Measurement> measured = engine->measure(workload, interrupt.token());
    if (!measured.ok() && measured.error().kind == ErrorKind::cancelled) return interrupted;
    if (!measured.ok()) return std::move(measured).error();
    report.rows.push_back(bench_row(workload, measured.value(), report.limits));
  }
  return report;
}

Status bench(const BenchOptions& options) {
  KEDGE_ASSIGN(const std::filesystem::path path, path_of(options));
  const std::vector<Workload> workloads = workloads_of(options);
  EngineOptions engine = engine_options(options, workloads);
  engine.plan_only = true;
  KEDGE_ASSIGN(const auto planned, Engine::open(path, engine));
  KEDGE_TRY(check(options, *planned, workloads));
  engine.plan_only = false;
  std::optional<AtomicFile> chart;  // made here, so that a wrong path is told before the work
  if (!options.svg.empty()) {
    KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(options.svg));
    chart.emplace(std::move(file));
  }
  KEDGE_ASSIGN(const BenchReport report, measure(path, engine, planned->info(), workloads, options.adapters));
  if (chart) {
    KEDGE_TRY(chart->write(bench_chart(report)));
    KEDGE_TRY(chart->commit());
  }
  return options.json ? write_json(bench_json(report)) : write_output(bench_table(report));
}

/// What no option says alone. Throws as CLI11 does.
void check_usage(const BenchOptions& options) {
  if (options.model.model.empty() == options.random_weights.empty()) {
    throw CLI::ValidationError("MODEL", "expected a model or --random-weights, and not both");
  }
  if (options.prefill_tokens == 0 && options.decode_tokens == 0) {
    throw CLI::ValidationError("--pp, --tg", "both are 0: there is nothing to measure");
  }
}

void add_options(CLI::App& command, BenchOptions& options) {
  options.model.add_to(command, true);
  CLI::Option* random = command.add_option("--random-weights", options.random_weights,
                                           "a config.json: its shape, with weights made up, instead of MODEL");
  const std::vector<std::string_view> names = models::random_weight_names();
  command.add_option("--weights", options.weights, "type of made-up weights")
      ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end())))
      ->needs(random)
      ->capture_default_str();
  command.add_option("--pp", options.prefill_tokens, "tokens of a prompt to prefill; 0: none")
      ->check(CLI::Range(0U, kTokensMax))
      ->capture_default_str();
  command.add_option("--tg", options.decode_tokens, "steps to decode, one token a sequence each; 0: none")
      ->check(CLI::Range(0U, kTokensMax))
      ->capture_default_str();
  command.add_option("--batch", options.batch, "how many sequences to decode together, one number or several (1,4,16)")
      ->check(list_of(1, kBatchMax))
      ->capture_default_str();
  command.add_option("--depth", options.depth, "tokens before the timed ones, one number or several (0,8192)")
      ->check(list_of(0, kDepthMax))
      ->capture_default_str();
  command.add_option("--repeat", options.repeat, "timed runs of each row")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--lora", options.adapters,
                     "PEFT adapters' folders, of the sequences in turn: every row is measured without and with them");
  options.model.add_rank_to(command);
  command.add_option("--svg", options.svg, "a file to draw a chart into");
  command.add_flag("--json", options.json, "one JSON document");
}

}  // namespace

void register_bench(Commands& commands) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = commands.add("bench", "tokens per second of a model, and what this machine would allow", nullptr);
  command->callback([&commands, options] {
    check_usage(*options);
    commands.chosen = [options] { return bench(*options); };
  });
  add_options(*command, *options);
}

}  // namespace kedge::cli
