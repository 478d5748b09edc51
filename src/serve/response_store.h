#pragma once
// Responses that may be asked for again, cancelled, or gone on from: kept in memory, the oldest go first.

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "core/json.h"

namespace kedge::serve {

struct StoredResponse {
  std::string client;            // whose it is; nobody else finds it
  Json response;                 // as it is told
  Json input;                    // the request's own items
  Json conversation;             // all items up to the answer's
  std::function<void()> cancel;  // while it runs in the background
};

/// Thread-safe.
class ResponseStore {
 public:
  explicit ResponseStore(size_t bytes_max = size_t{64} << 20) : bytes_max_(bytes_max) {}

  /// Replaces what has this id. Responses that still run are never dropped for room.
  void put(const std::string& id, StoredResponse stored);

  /// Ends one that runs in the background. Nothing happens when it was cancelled or erased meanwhile.
  void complete(const std::string& id, Json response, Json conversation);

  [[nodiscard]] std::optional<StoredResponse> find(const std::string& id, const std::string& client) const;

  /// What runs ends, as cancelled. The response as it is then; nothing when there is none.
  std::optional<Json> cancel(const std::string& id, const std::string& client);

  /// What runs ends. False when there is none.
  bool erase(const std::string& id, const std::string& client);

  /// Ends everything that runs in the background.
  void cancel_all();

 private:
  struct Entry {
    StoredResponse stored;
    size_t bytes = 0;
  };
  void insert(const std::string& id, StoredResponse stored);  // REQUIRES: mutex_ held
  void make_room();                                           // REQUIRES: mutex_ held

  const size_t bytes_max_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::deque<std::string> order_;  // oldest first; may name what is gone
  size_t bytes_ = 0;
};

}  // namespace kedge::serve
