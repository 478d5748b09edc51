#pragma once
// Fetching models from the Hugging Face hub (or a mirror) into its cache, and finding them there.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "kedge/result.h"
#include "net/http_client.h"
#include "net/hub_names.h"
#include "net/hub_select.h"

namespace kedge::net {

struct HubOptions {
  std::string endpoint = "https://huggingface.co";
  std::string token;                 // empty: anonymous
  std::filesystem::path cache_root;  // the folder of models--ORG--NAME
  bool offline = false;              // never connect: only what the cache has
  unsigned connections = 8;
  uint64_t part_bytes = uint64_t{32} << 20;    // what one connection fetches at a time
  int attempts_max = 6;                        // in a row, of one request, without a byte of progress
  std::chrono::milliseconds retry_delay{500};  // before the second attempt; doubled for each further one
  HttpClientOptions http;
};

struct HubProgress {
  size_t files_total = 0;
  size_t files_done = 0;
  uint64_t bytes_total = 0;
  uint64_t bytes_done = 0;      // here already, or from now
  uint64_t bytes_received = 0;  // by this call
};

/// Called on the thread of `pull`.
struct HubEvents {
  std::function<void(const HubProgress&)> on_progress;     // several times a second, and at the end
  std::function<void(const std::string& line)> on_notice;  // a retry, a wait, something skipped
};

struct HubPulled {
  std::filesystem::path snapshot;
  std::string commit;
  HubProgress progress;
};

/// Brings the selected files of a model into the cache. A file appears there whole and checked, or not at all; a pull
/// that was cut or cancelled continues where it stopped. The ref of the revision moves when all files are there.
/// Fails with invalid_input (not allowed, nothing selected), not_found, corrupt_data (a wrong checksum again and
/// again), unavailable (network, disk), cancelled.
Result<HubPulled> pull(const HubOptions& options, const HubRepository& repository, const HubSelection& selection,
                       const HubEvents& events, const std::stop_token& stop);

/// The folder of a model in the cache. Fails with not_found, saying how to fetch it.
Result<std::filesystem::path> find_cached_model(const std::filesystem::path& cache_root,
                                                const HubRepository& repository);

}  // namespace kedge::net
