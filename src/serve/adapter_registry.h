#pragma once
// The LoRA adapters that a server offers, by name.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/model_registry.h"
#include "serve/model_store.h"

namespace kedge::serve {

struct ServedAdapter {
  std::string name;
  std::string path;
  int64_t created = 0;
  ServedModel* model = nullptr;  // that it goes with
  AdapterPtr adapter;            // null: its model is not loaded, or it could not be read when that came back
};

/// Thread-safe.
class AdapterRegistry {
 public:
  /// `models` is complete before the first adapter is loaded.
  explicit AdapterRegistry(const ModelRegistry& models) : models_(models) {}

  void set_count_max(size_t count) { count_max_ = count; }

  /// How to use a model that may be unloaded: empty when it isn't loaded.
  void set_use(std::function<std::optional<ModelUse>(ServedModel&)> use) { use_ = std::move(use); }

  /// Reads the folder for the first loaded decoder that it fits. Where it fits none, it goes with the model that is not
  /// loaded and that its settings name as their base (base_model_name_or_path), and is read when that is loaded.
  /// `replace`: also where the name is taken by another adapter. Fails as Engine::load_adapter does, with invalid_input
  /// for a name that is taken or no name, unavailable when there are too many. What was refused is remembered for
  /// refusal().
  Status load(const std::string& name, const std::filesystem::path& folder, bool replace);
  /// The model has another engine: its adapters are read again. Fails for none; refusal() says what went wrong.
  void reload_for(ServedModel& model);
  /// The model has none: its adapters stay listed and hold no memory.
  void drop_for(ServedModel& model);
  /// Requests that run with it end as they would. False: there is none of that name.
  bool unload(std::string_view name);

  [[nodiscard]] std::optional<ServedAdapter> find(std::string_view name) const;
  [[nodiscard]] std::vector<ServedAdapter> all() const;  // by name
  /// Why the adapter of that name could not be loaded; empty: nobody tried, or it could.
  [[nodiscard]] std::string refusal(std::string_view name) const;
  void forget_refusal(std::string_view name);

  /// A request with an adapter, from its arrival to its end.
  class Use {
   public:
    Use(const AdapterRegistry& registry, std::string name);
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use();
    /// It has its first token. REQUIRES: one thread at a time.
    void begin();

   private:
    const AdapterRegistry& registry_;
    const std::string name_;
    bool running_ = false;
  };

  /// vLLM's gauge of adapters that have requests, whose labels change with them.
  [[nodiscard]] std::string metrics_text() const;

 private:
  struct Counts {
    size_t waiting = 0, running = 0;
  };

  Status check_name(const std::string& name, bool replace) const;
  Result<ServedAdapter> load_for_some_model(const std::string& name, const std::filesystem::path& folder) const;

  [[nodiscard]] ServedModel* unloaded_base(const std::filesystem::path& folder) const;

  const ModelRegistry& models_;
  std::function<std::optional<ModelUse>(ServedModel&)> use_;
  size_t count_max_ = 256;
  std::mutex loading_;  // one at a time
  mutable std::mutex mutex_;
  std::map<std::string, ServedAdapter, std::less<>> adapters_;
  std::map<std::string, std::string, std::less<>> refusals_;
  mutable std::map<std::string, Counts, std::less<>> uses_;
};

}  // namespace kedge::serve
