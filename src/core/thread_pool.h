#pragma once
// The worker pool: one pinned thread per physical core, work split by index ranges.

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

namespace kedge {

/// A non-owning reference to a callable void(int64_t begin, int64_t end, unsigned worker).
class RangeTask {
 public:
  template <typename F>
  explicit RangeTask(F& function)
      : object_(const_cast<void*>(static_cast<const void*>(&function))),
        call_([](void* object, int64_t begin, int64_t end, unsigned worker) {
          (*static_cast<F*>(object))(begin, end, worker);
        }) {}
  void operator()(int64_t begin, int64_t end, unsigned worker) const { call_(object_, begin, end, worker); }

 private:
  void* object_;
  void (*call_)(void*, int64_t, int64_t, unsigned);
};

/// Runs ranges on all its threads; the calling thread is worker 0. One caller at a time: concurrent `parallel_for`
/// calls from different threads take turns. Not re-entrant.
class WorkerPool {
 public:
  /// `thread_count` 0: one per physical core. `pin`: each worker (the caller excepted) stays on one core.
  explicit WorkerPool(unsigned thread_count, bool pin = false);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  [[nodiscard]] unsigned size() const;

  /// Splits [0, count) into at most size() contiguous ranges whose borders are multiples of `grain`, runs
  /// function(begin, end, worker) on each and returns when all are done. Ranges depend only on count, grain and size().
  /// With one range (count <= grain, or one thread) the function runs on the caller.
  template <typename F>
  void parallel_for(int64_t count, int64_t grain, F&& function) {
    run_parts(count, grain, 1, function);
  }

  static constexpr unsigned kParts = 8;

  /// The same in up to `parts` ranges for each worker: who is done with its own takes those of the others, so that a
  /// core which is slow for a while holds up nobody. For work that costs nothing to cut.
  template <typename F>
  void parallel_for_parts(int64_t count, int64_t grain, F&& function, unsigned parts = kParts) {
    run_parts(count, grain, parts, function);
  }

  static unsigned physical_core_count();

 private:
  template <typename F>
  void run_parts(int64_t count, int64_t grain, unsigned parts, F& function) {
    if (count <= 0) return;
    if (count <= grain || size() == 1) {
      function(int64_t{0}, count, 0U);
      return;
    }
    run(count, grain, parts, RangeTask(function));
  }
  void run(int64_t count, int64_t grain, unsigned parts, RangeTask task);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kedge
