// kedge inspect: what a model is and what it would take to run it.

#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/model_argument.h"
#include "cli/standard_io.h"
#include "core/topology.h"

namespace kedge::cli {
namespace {

const char* kind_name(ModelKind kind) {
  switch (kind) {
    case ModelKind::decoder:
      return "decoder";
    case ModelKind::embedder:
      return "embedder";
    case ModelKind::reranker:
      return "reranker";
  }
  return "";
}

Json as_json(const Engine& engine) {
  const ModelInfo& info = engine.info();
  const MemoryPlan& plan = engine.plan();
  Json dtypes = Json::object();
  for (const auto& [name, bytes] : info.dtype_bytes) dtypes[name] = bytes;
  return {{"name", info.name},
          {"architecture", info.architecture},
          {"family", info.family},
          {"kind", kind_name(info.kind)},
          {"format", info.format},
          {"parameters", info.parameter_count},
          {"dtype_bytes", dtypes},
          {"context_tokens", info.context_tokens},
          {"vocabulary_size", info.vocabulary_size},
          {"hidden_size", info.hidden_size},
          {"layers", info.layer_count},
          {"heads", info.head_count},
          {"kv_heads", info.kv_head_count},
          {"head_size", info.head_size},
          {"compute", info.compute},
          {"gemm", info.gemm},
          {"kv_cache", info.kv_cache},
          {"isa", info.isa},
          {"threads", info.thread_count},
          {"machine",
           {{"cores", topology().cores.size()},
            {"cpus_allowed", topology().allowed_cpus},
            {"cpus_max", topology().cpus_max},
            {"nodes", topology().node_count()},
            {"huge_pages", topology().huge_pages}}},
          {"has_tokenizer", engine.tokenizer() != nullptr},
          {"has_chat_template", engine.chat_template() != nullptr},
          {"memory",
           {{"weights_bytes", plan.weights_bytes},
            {"packed_bytes", plan.packed_bytes},
            {"kv_cache_bytes", plan.kv_cache_bytes},
            {"kv_tokens", plan.kv_tokens},
            {"activation_bytes", plan.activation_bytes},
            {"scratch_bytes", plan.scratch_bytes},
            {"draft_bytes", plan.draft_bytes},
            {"total_bytes", plan.total_bytes()},
            {"available_bytes", plan.available_bytes},
            {"fits", plan.total_bytes() <= plan.available_bytes}}}};
}

std::string megabytes(uint64_t bytes) {
  return fmt::format("{:>10.1f} MiB", static_cast<double>(bytes) / 1048576.0);
}

std::string line_of(const char* name, const std::string& value) {
  return fmt::format("  {:<14}{}\n", name, value);
}

/// " in bf16" where the model keeps any.
std::string kv_type(const ModelInfo& info) {
  return info.kv_cache.empty() ? "" : " in " + info.kv_cache;
}

std::string plan_text(const ModelInfo& info, const MemoryPlan& plan) {
  std::string text = "  memory plan\n";
  const auto line = [&text](const char* name, const std::string& value) { text += line_of(name, value); };
  line("  weights", megabytes(plan.weights_bytes) + "  mapped from the file");
  if (plan.packed_bytes > 0) line("  packed", megabytes(plan.packed_bytes) + "  weights laid out anew");
  line("  KV cache", megabytes(plan.kv_cache_bytes) + fmt::format("  {} tokens{}", plan.kv_tokens, kv_type(info)));
  line("  activations", megabytes(plan.activation_bytes));
  line("  scratch", megabytes(plan.scratch_bytes));
  if (plan.draft_bytes > 0) line("  draft", megabytes(plan.draft_bytes) + "  all of the draft model's");
  line("  total", megabytes(plan.total_bytes()) +
                      fmt::format("  of {:.1f} MiB available", static_cast<double>(plan.available_bytes) / 1048576.0));
  return text;
}

std::string as_text(const Engine& engine) {
  const ModelInfo& info = engine.info();
  const MemoryPlan& plan = engine.plan();
  std::string dtypes;
  for (const auto& [name, bytes] : info.dtype_bytes) {
    dtypes += fmt::format("{}{} {:.1f} MiB", dtypes.empty() ? "" : ", ", name, static_cast<double>(bytes) / 1048576.0);
  }
  std::string text = fmt::format("{}\n", info.name);
  const auto line = [&text](const char* name, const std::string& value) { text += line_of(name, value); };
  line("architecture",
       fmt::format("{} ({}, {}, {})", info.architecture, info.family, kind_name(info.kind), info.format));
  line("parameters", fmt::format("{:.3f} million", static_cast<double>(info.parameter_count) / 1e6));
  line("weights", dtypes);
  line("shape",
       fmt::format("{} layers, hidden {}, {} heads over {} KV heads of {}, vocabulary {}", info.layer_count,
                   info.hidden_size, info.head_count, info.kv_head_count, info.head_size, info.vocabulary_size));
  line("context", fmt::format("{} tokens", info.context_tokens));
  line("tokenizer", fmt::format("{}, chat template {}", engine.tokenizer() ? "yes" : "none",
                                engine.chat_template() ? "yes" : "none"));
  line("compute",
       fmt::format("{} on {}, {} threads, products of {}", info.compute, info.isa, info.thread_count, info.gemm));
  const Topology& machine = topology();
  line("machine",
       fmt::format("{} cores ({} CPUs allowed{}) on {} memory nodes, huge pages: {}", machine.cores.size(),
                   machine.allowed_cpus, machine.cpus_max > 0 ? fmt::format(", {} at a time", machine.cpus_max) : "",
                   machine.node_count(), machine.huge_pages));
  return text + plan_text(info, plan);
}

struct InspectOptions {
  ModelOptions model;
  bool json = false;
  bool plan = false;
};

Status inspect(const InspectOptions& options) {
  KEDGE_ASSIGN(const std::filesystem::path path, resolve_model(options.model.model));
  EngineOptions engine_options = options.model.engine_options();
  engine_options.plan_only = true;
  if (!options.model.draft_model.empty()) {
    KEDGE_ASSIGN(engine_options.draft_model, resolve_model(options.model.draft_model));
  }
  KEDGE_ASSIGN(const auto engine, Engine::open(path, engine_options));
  if (options.json) return write_json(options.plan ? as_json(*engine)["memory"] : as_json(*engine));
  return write_output(options.plan ? plan_text(engine->info(), engine->plan()) : as_text(*engine));
}

}  // namespace

void register_inspect(Commands& commands) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = commands.add("inspect", "architecture, parameters, types, context and memory plan of a model",
                                   [options] { return inspect(*options); });
  options->model.add_to(*command);
  command->add_flag("--plan", options->plan, "the memory plan alone");
  command->add_flag("--json", options->json, "one JSON document");
}

}  // namespace kedge::cli
