#pragma once
// The downloads of one pull: blobs in parts over several connections, retried, checked and published.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "net/hub.h"
#include "net/hub_api.h"
#include "net/hub_cache.h"
#include "net/hub_parts.h"

namespace kedge::net {

/// What the workers of a transfer share and never change.
struct HubTransferPlan {
  const HubOptions& options;
  const HubApi& api;
  const HubCache& cache;
  HubRepository repository;
  std::string commit;
};

/// Use: `add` every file, `run` once. `run` hands the blobs to worker threads and waits for them; one mutex guards what
/// they share, and is never held while bytes move.
class HubTransfer {
 public:
  explicit HubTransfer(HubTransferPlan plan);
  ~HubTransfer();

  /// A file to link into the snapshot, once its blob is there. Files with the same etag share it.
  void add(const HubFile& file);

  [[nodiscard]] HubProgress progress() const;

  /// Downloads what is missing. Fails with the first error that no retry can mend; what has come by then stays.
  Status run(const HubEvents& events, const std::stop_token& stop);

 private:
  using Clock = std::chrono::steady_clock;
  struct Blob;
  struct Job;
  struct Outcome;

  // Under mutex_.
  std::optional<Job> take();
  std::optional<Job> take_from(Blob& blob);
  void settle(const Job& job, Outcome outcome);
  void settle_failure(const Job& job, Outcome outcome);
  void start_over(Blob& blob, std::string_view why, Error in_the_end);
  [[nodiscard]] bool finished() const;
  [[nodiscard]] Clock::time_point retry_time(int attempts, const Outcome& outcome) const;

  // Without it.
  void work(const std::stop_token& stop);
  Outcome carry_out(const Job& job, HttpClient& client, const std::stop_token& stop);
  Outcome open_blob(Blob& blob);
  Outcome fetch_part(Blob& blob, size_t part, HttpClient& client, const std::stop_token& stop);
  Outcome judge_head(const ClientResponse& response, const Blob& blob, size_t part) const;
  Outcome finish_blob(Blob& blob, const std::stop_token& stop);
  [[nodiscard]] Status link_files(const Blob& blob) const;

  HubTransferPlan plan_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Blob>> blobs_;
  std::deque<std::string> notices_;
  std::optional<Error> failure_;
  size_t workers_running_ = 0;
  std::atomic<uint64_t> bytes_received_{0};
};

}  // namespace kedge::net
