#pragma once
// Whose turn it is: clients take turns by the tokens that each was served, within a priority.

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace kedge::engine {

/// Names a sequence; ascending in the order of arrival.
using SequenceKey = uint64_t;

/// What decides about a sequence's turn.
struct QueueItem {
  SequenceKey key = 0;
  int32_t priority = 0;  // lower ones first
  std::string client;
};

/// Counts what clients were served (the virtual token counter of Sheng et al. 2024): a client that comes back is put
/// level with the one that was served least among those that are here, so that nobody saves up turns.
class ClientShares {
 public:
  /// The client has one sequence more, or one less, in the house.
  void enter(const std::string& client);
  void leave(const std::string& client);
  void charge(const std::string& client, double cost);
  [[nodiscard]] double served(const std::string& client) const;

 private:
  struct Client {
    double served = 0;
    int64_t sequences = 0;
  };
  void forget_some();

  std::map<std::string, Client> clients_;
  size_t active_ = 0;
};

/// Sequences that wait. Within a priority the client that was served least comes first, then the order of arrival.
class FairQueue {
 public:
  void push(const QueueItem& item);
  void remove(const QueueItem& item);
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] size_t size() const { return count_; }
  /// REQUIRES: not empty.
  [[nodiscard]] QueueItem front(const ClientShares& shares) const;

 private:
  std::map<int32_t, std::map<std::string, std::set<SequenceKey>>> levels_;
  size_t count_ = 0;
};

}  // namespace kedge::engine
