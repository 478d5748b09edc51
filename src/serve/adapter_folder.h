#pragma once
// A folder of adapters that is watched: DIR/NAME/adapter_config.json and adapter_model.safetensors, NIM_PEFT_SOURCE's
// layout.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "serve/adapter_registry.h"

namespace kedge::serve {

/// Adapters come, change and go with their folders. One that cannot be loaded is told of once, and tried again when its
/// files change; an older version of it stays.
class AdapterFolder {
 public:
  using Tell = std::function<void(const std::string&)>;

  /// Looks at once, and then every `interval`; 0: only when refresh() is called. `tell` runs on the watching thread.
  AdapterFolder(std::filesystem::path folder, std::chrono::milliseconds interval, AdapterRegistry& registry, Tell tell);
  ~AdapterFolder();
  AdapterFolder(const AdapterFolder&) = delete;
  AdapterFolder& operator=(const AdapterFolder&) = delete;

  /// Looks now. Any thread.
  void refresh();

 private:
  /// What a change of a file changes.
  using Signature = std::vector<std::pair<int64_t, uint64_t>>;  // time and size of each file

  bool list(std::map<std::string, Signature>& found);
  void watch(std::chrono::milliseconds interval);

  const std::filesystem::path folder_;
  AdapterRegistry& registry_;
  const Tell tell_;
  std::mutex refreshing_;
  std::map<std::string, Signature> known_;
  std::map<std::string, bool> loaded_;  // by this folder: these it may unload
  bool told_missing_ = false;

  std::mutex mutex_;
  std::condition_variable stopping_changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kedge::serve
