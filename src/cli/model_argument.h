#pragma once
// The MODEL argument: a checkpoint folder, a .gguf file, a name that `kedge pull` stored, or `demo`.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "kedge/engine.h"
#include "kedge/result.h"

namespace kedge::cli {

/// The folder or file that `model` names: a path as it is, "demo" the built-in model, ORG/NAME[@REV] from the Hugging
/// Face cache. Fails with not_found, saying what was looked for and how to get it.
Result<std::filesystem::path> resolve_model(const std::string& model);

/// The options of every command that opens a model.
struct ModelOptions {
  std::string model;
  std::string compute = "auto";
  std::string gemm = "auto";
  std::string kv_cache = "auto";
  bool quantize_activations = false;
  uint32_t threads = 0;
  uint32_t context_tokens = 0;
  uint64_t kv_cache_bytes = 0;
  std::string chat_template;
  std::string packed_cache;
  uint64_t packed_cache_bytes_max = uint64_t{64} << 30;
  uint32_t sequences = 0;
  uint32_t batch_tokens = 512;
  uint32_t mixed_tokens = 256;
  bool prefix_cache = true;
  std::string prefix_disk;
  uint64_t prefix_disk_bytes = uint64_t{16} << 30;
  std::function<void(const std::string&)> on_warning;
  std::string speculative = "ngram";
  std::string draft_model;
  uint32_t draft_tokens = 0;

  std::string adapter;
  uint32_t lora_rank_max = 64;

  /// Adds MODEL and the options. `optional`: MODEL may be left out.
  void add_to(CLI::App& command, bool optional = false);
  /// The options without MODEL.
  void add_loading_to(CLI::App& command);
  /// --lora: one adapter for the whole command.
  void add_adapter_to(CLI::App& command);
  /// --max-lora-rank.
  void add_rank_to(CLI::App& command);
  /// The adapter that --lora names; null where it was not given.
  [[nodiscard]] Result<AdapterPtr> load_adapter(Engine& engine) const;
  /// How requests run together. `sequences_default`: of --max-num-seqs; 0: EngineOptions'.
  void add_scheduling_to(CLI::App& command, uint32_t sequences_default);
  [[nodiscard]] EngineOptions engine_options() const;
  [[nodiscard]] Result<std::unique_ptr<Engine>> open() const;
};

}  // namespace kedge::cli
