#include "cli/model_argument.h"

#include <fmt/format.h>

#include <system_error>

#include "cli/demo_model.h"
#include "cli/hub_environment.h"
#include "cli/packing_report.h"
#include "cli/standard_io.h"
#include "net/hub.h"

namespace kedge::cli {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// ORG/NAME[@REV]: two plain parts and no path tricks.
bool looks_like_name(const std::string& model) {
  const size_t slash = model.find('/');
  if (slash == std::string::npos || slash == 0 || model.find('/', slash + 1) != std::string::npos) return false;
  return model.front() != '.' && model.find("..") == std::string::npos && model.back() != '/';
}

/// A snapshot with one .gguf and no config.json is that file.
Result<fs::path> snapshot_model(const fs::path& snapshot) {
  if (is_there(snapshot / "config.json")) return snapshot;
  std::error_code ignored;
  fs::path found;
  int count = 0;
  for (const auto& entry : fs::directory_iterator(snapshot, ignored)) {
    if (entry.path().extension() != ".gguf") continue;
    found = entry.path();
    ++count;
  }
  if (count == 1) return found;
  if (count == 0) return snapshot;
  return Error{ErrorKind::invalid_input,
               fmt::format("{}: holds {} .gguf files; name one of them", snapshot.string(), count)};
}

Result<fs::path> find_in_cache(const std::string& model) {
  KEDGE_ASSIGN(const net::HubRepository repository, net::parse_hub_repository(model));
  const Result<fs::path> snapshot = net::find_cached_model(hub_cache_root(), repository);
  if (snapshot.ok()) return snapshot_model(snapshot.value());
  return Error{snapshot.error().kind, "no such folder or file, and " + snapshot.error().message};
}

}  // namespace

Result<fs::path> resolve_model(const std::string& model) {
  if (model == "demo") return demo_model_folder();  // also beside a folder of that name: ./demo is the folder
  if (is_there(model)) return fs::path(model);
  if (looks_like_name(model)) return find_in_cache(model);
  return Error{
      ErrorKind::not_found,
      fmt::format("{}: no such model, expected a checkpoint folder, a .gguf file, ORG/NAME from `kedge pull`, or demo",
                  model)};
}

void ModelOptions::add_to(CLI::App& command, bool optional) {
  CLI::Option* argument = command.add_option(
      "MODEL", model, "checkpoint folder, .gguf file, ORG/NAME that `kedge pull` stored, or demo (built in)");
  if (!optional) argument->required();
  add_loading_to(command);
}

void ModelOptions::add_loading_to(CLI::App& command) {
  command.add_option("--compute", compute, "precision of activations in matrix products")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8"}))
      ->capture_default_str();
  command.add_option("--gemm", gemm, "whose matrix products run: kedge's own, or oneDNN's where its library is there")
      ->check(CLI::IsMember({"auto", "kedge", "onednn"}))
      ->capture_default_str();
  command.add_option("--kv-cache", kv_cache, "precision that keys and values are kept in")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8", "int4"}))
      ->capture_default_str();
  command.add_flag("--quantize-activations", quantize_activations,
                   "round activations to 8 bits as a quantized checkpoint's settings say (W8A8, FP8)");
  command.add_option("--threads", threads, "worker threads; 0: one per physical core")->check(CLI::Range(0, 1024));
  command.add_option("--context", context_tokens, "tokens of context; 0: the model's own");
  command
      .add_option("--kv-cache-bytes", kv_cache_bytes,
                  "memory for keys and values (accepts 2GiB); 0: as the context needs")
      ->transform(CLI::AsSizeValue(false));
  command.add_option(
      "--packed-cache", packed_cache,
      "where weights that are laid out anew are kept; none: nowhere (default: kedge/packed in the user's cache)");
  command
      .add_option("--packed-cache-max-bytes", packed_cache_bytes_max,
                  "bytes of all files there (accepts 20GiB): those used longest ago are removed; 0: no limit")
      ->transform(CLI::AsSizeValue(false))
      ->envname("KEDGE_PACKED_CACHE_MAX_BYTES")
      ->default_str("64GiB");
  command.add_option("--chat-template", chat_template, "a Jinja file to use instead of the model's own template");
}

void ModelOptions::add_scheduling_to(CLI::App& command, uint32_t sequences_default) {
  sequences = sequences_default;
  command.add_option("--max-num-seqs", sequences, "sequences that run together; the KV cache is planned for them")
      ->check(CLI::Range(1U, 1U << 14))
      ->default_str(sequences_default > 0 ? std::to_string(sequences_default) : "8, and room for one");
  command.add_option("--max-num-batched-tokens", batch_tokens, "tokens of a forward pass over prompts")
      ->check(CLI::Range(1U, 1U << 16))
      ->capture_default_str();
  command
      .add_option("--max-mixed-tokens", mixed_tokens,
                  "prompt tokens of a step in which others decode: fewer, and their tokens come more evenly")
      ->check(CLI::Range(1U, 1U << 16))
      ->capture_default_str();
  command
      .add_flag("--prefix-cache,!--no-prefix-cache", prefix_cache,
                "prompts that begin alike share keys and values (the default)")
      ->default_str("true");
  command.add_option("--prefix-cache-disk", prefix_disk,
                     "a folder for a nameless file, to which keys and values of prompts go when memory is full");
  command
      .add_option("--prefix-cache-disk-bytes", prefix_disk_bytes, "the most that this file may have, for each model")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("16g");
  command
      .add_option("--speculative", speculative,
                  "guess tokens ahead, from what followed the same words before, and check several at once")
      ->check(CLI::IsMember({"ngram", "off"}))
      ->capture_default_str();
  command.add_option("--draft-model", draft_model,
                     "a smaller model with the same tokens, which guesses ahead where that makes answers faster");
  command
      .add_option("--draft-tokens", draft_tokens,
                  "tokens that the draft model guesses at a time; 0: as many as pay, which may be none")
      ->check(CLI::Range(0U, 15U))
      ->capture_default_str();
}

void ModelOptions::add_rank_to(CLI::App& command) {
  command.add_option("--max-lora-rank", lora_rank_max, "the largest rank of LoRA adapters that are taken")
      ->check(CLI::Range(1U, 1U << 14))
      ->capture_default_str();
}

void ModelOptions::add_adapter_to(CLI::App& command) {
  command.add_option("--lora", adapter, "a PEFT adapter's folder (LoRA, rsLoRA, DoRA), to answer with");
  add_rank_to(command);
}

Result<AdapterPtr> ModelOptions::load_adapter(Engine& engine) const {
  if (adapter.empty()) return AdapterPtr();
  return engine.load_adapter(adapter);
}

EngineOptions ModelOptions::engine_options() const {
  EngineOptions options;
  options.compute = compute == "f32"    ? Compute::f32
                    : compute == "bf16" ? Compute::bf16
                    : compute == "int8" ? Compute::int8
                                        : Compute::automatic;
  options.gemm = gemm == "kedge" ? Gemm::kedge : gemm == "onednn" ? Gemm::onednn : Gemm::automatic;
  options.kv_cache = kv_cache == "f32"    ? KvCache::f32
                     : kv_cache == "bf16" ? KvCache::bf16
                     : kv_cache == "int8" ? KvCache::int8
                     : kv_cache == "int4" ? KvCache::int4
                                          : KvCache::automatic;
  options.quantize_activations = quantize_activations;
  options.thread_count = threads;
  options.lora_rank_max = lora_rank_max;
  options.context_tokens = context_tokens;
  options.kv_cache_bytes = kv_cache_bytes;
  options.sequences_max = sequences;
  options.batch_tokens_max = batch_tokens;
  options.mixed_tokens_max = mixed_tokens;
  options.prefix_cache = prefix_cache;
  options.prefix_disk_folder = prefix_disk;
  options.prefix_disk_bytes = prefix_disk_bytes;
  options.on_warning = on_warning;
  options.speculation = speculative == "off" ? Speculation::off : Speculation::ngram;
  options.draft_tokens = draft_tokens;
  options.chat_template_file = chat_template;
  if (packed_cache != "none")
    options.packed_cache_folder = packed_cache.empty() ? packed_cache_root() : fs::path(packed_cache);
  options.packed_cache_bytes_max = packed_cache_bytes_max;
  options.on_packing = PackingReport();
  return options;
}

Result<std::unique_ptr<Engine>> ModelOptions::open() const {
  KEDGE_ASSIGN(const fs::path path, resolve_model(model));
  EngineOptions options = engine_options();
  if (!draft_model.empty()) {
    KEDGE_ASSIGN(options.draft_model, resolve_model(draft_model));
  }
  KEDGE_ASSIGN(auto engine, Engine::open(path, options));
  if (const std::string& why = engine->info().packed_not_stored; !why.empty()) {
    say(fmt::format("laid out weights could not be kept for the next start: {}", why));
  }
  return engine;
}

}  // namespace kedge::cli
