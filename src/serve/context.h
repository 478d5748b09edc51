#pragma once
// What all routes of one server share.

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>

#include "core/log.h"
#include "core/metrics.h"
#include "serve/adapter_registry.h"
#include "serve/api_keys.h"
#include "serve/model_registry.h"
#include "serve/model_store.h"
#include "serve/request_trace.h"
#include "serve/response_store.h"

namespace kedge::serve {

/// Counts requests that still use an engine, so that none is torn down under them. Thread-safe.
class ActiveRequests {
 public:
  class Guard {
   public:
    explicit Guard(ActiveRequests& active) : active_(&active) {}
    Guard(Guard&& other) noexcept : active_(std::exchange(other.active_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (active_ != nullptr) active_->leave();
    }

   private:
    ActiveRequests* active_;
  };

  Guard enter() {
    const std::scoped_lock lock(mutex_);
    ++count_;
    return Guard(*this);
  }

  /// False when some are left at the deadline.
  bool wait_for_none(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    return none_left_.wait_until(lock, deadline, [this] { return count_ == 0; });
  }

 private:
  void leave() {
    const std::scoped_lock lock(mutex_);
    if (--count_ == 0) none_left_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable none_left_;
  size_t count_ = 0;
};

struct ServeContext {
  MetricsRegistry metrics;  // first: the models refer to it
  ModelRegistry models;
  AdapterRegistry adapters{models};
  ActiveRequests active;
  ResponseStore responses;
  std::function<void(std::function<void()>)> post;  // runs a task on a worker thread
  KeyRing keys;
  LogSink log;
  std::filesystem::path slot_folder;  // where slots are saved; empty: they are not
  SpanSink spans;                     // may be empty
  std::unique_ptr<ModelStore> store;  // null: all models are there from the start
  int64_t reasoning_tokens_max = -1;  // of requests that don't say; below 0: any number
  bool takes_adapters = false;        // from somewhere: names of models may come and go
  bool adapters_by_api = false;       // also from clients
  std::function<bool()> stalled;      // whether some engine stands still; may be empty
  std::atomic<bool> ready{false};     // every model has proved that it computes
  std::atomic<bool> draining{false};  // finishing what runs, taking nothing new
  /// Names of models may come and go.
  [[nodiscard]] bool names_change() const { return takes_adapters || store != nullptr; }
};

/// What a request's field 'model' names: a model, an adapter, or an alias of one.
struct ModelChoice {
  ServedModel* model = nullptr;  // held by the caller where it is not pinned
  std::string name;              // as answers repeat it
  AdapterPtr adapter;            // null: the model as it is
};
/// Fails with 404 model_not_found, and says why where an adapter of that name was refused; 403 when the caller's key
/// may not use it; 503 when it is not loaded.
ApiResult<ModelChoice> choose_model(const ServeContext& context, std::string_view name, RequestTrace& caller);

/// The model that has to be loaded for that name, adapters' and aliases' among them. Fails with 404.
ApiResult<ServedModel*> model_behind(const ServeContext& context, std::string_view name);

}  // namespace kedge::serve
