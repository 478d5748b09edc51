#include "serve/adapter_folder.h"

#include <fmt/format.h>

#include <system_error>

namespace kedge::serve {

namespace fs = std::filesystem;

namespace {

constexpr size_t kEntriesMax = 4096;

}  // namespace

AdapterFolder::AdapterFolder(fs::path folder, std::chrono::milliseconds interval, AdapterRegistry& registry, Tell tell)
    : folder_(std::move(folder)), registry_(registry), tell_(std::move(tell)) {
  refresh();
  if (interval.count() > 0) thread_ = std::thread([this, interval] { watch(interval); });
}

AdapterFolder::~AdapterFolder() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  stopping_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void AdapterFolder::watch(std::chrono::milliseconds interval) {
  std::unique_lock lock(mutex_);
  while (!stopping_changed_.wait_for(lock, interval, [this] { return stopping_; })) {
    lock.unlock();
    refresh();
    lock.lock();
  }
}

/// The folders that look like adapters. False when the folder itself cannot be read: nothing is known then.
bool AdapterFolder::list(std::map<std::string, Signature>& found) {
  std::error_code error;
  fs::directory_iterator entries(folder_, error);
  if (error) {
    if (!told_missing_)
      tell_(fmt::format("{}: cannot be read ({}); no adapter comes or goes", folder_.string(), error.message()));
    told_missing_ = true;
    return false;
  }
  told_missing_ = false;
  for (; entries != fs::directory_iterator() && found.size() < kEntriesMax; entries.increment(error)) {
    if (error) return false;
    Signature signature;
    for (const char* file : {"adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"}) {
      std::error_code absent;
      const fs::path path = entries->path() / file;
      const auto time = fs::last_write_time(path, absent);
      const uint64_t size = absent ? 0 : fs::file_size(path, absent);
      if (!absent) signature.emplace_back(time.time_since_epoch().count(), size);
    }
    // One file alone: the other one is on its way.
    if (signature.size() >= 2) found.emplace(entries->path().filename().string(), std::move(signature));
  }
  return true;
}

void AdapterFolder::refresh() {
  const std::scoped_lock lock(refreshing_);
  std::map<std::string, Signature> found;
  if (!list(found)) return;
  for (auto& [name, signature] : found) {
    if (const auto known = known_.find(name); known != known_.end() && known->second == signature) continue;
    known_[name] = signature;
    const bool own = loaded_.contains(name);
    const Status status = registry_.load(name, folder_ / name, own);
    if (status.ok()) {
      loaded_[name] = true;
      tell_(fmt::format("adapter '{}' is served", name));
    } else {
      tell_(fmt::format("adapter '{}' is refused{}: {}", name, own ? ", and stays as it was" : "",
                        status.error().message));
    }
  }
  std::erase_if(known_, [&](const auto& entry) {
    const auto& name = entry.first;
    if (found.contains(name)) return false;
    registry_.forget_refusal(name);
    if (loaded_.erase(name) > 0 && registry_.unload(name)) tell_(fmt::format("adapter '{}' is gone", name));
    return true;
  });
}

}  // namespace kedge::serve
