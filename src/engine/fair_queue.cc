#include "engine/fair_queue.h"

#include <algorithm>
#include <limits>

namespace kedge::engine {
namespace {

constexpr size_t kIdleClientsMax = 4096;

}  // namespace

void ClientShares::enter(const std::string& client) {
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [name, other] : clients_) {
    if (other.sequences > 0) least = std::min(least, other.served);
  }
  Client& self = clients_[client];
  if (self.sequences++ > 0) return;
  ++active_;
  if (least < std::numeric_limits<double>::infinity()) self.served = std::max(self.served, least);
}

void ClientShares::leave(const std::string& client) {
  if (--clients_[client].sequences > 0) return;
  --active_;
  if (clients_.size() - active_ > kIdleClientsMax) forget_some();
}

void ClientShares::charge(const std::string& client, double cost) {
  clients_[client].served += cost;
}

double ClientShares::served(const std::string& client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? 0 : found->second.served;
}

void ClientShares::forget_some() {
  std::erase_if(clients_, [](const auto& entry) { return entry.second.sequences == 0; });
}

void FairQueue::push(const QueueItem& item) {
  if (levels_[item.priority][item.client].insert(item.key).second) ++count_;
}

void FairQueue::remove(const QueueItem& item) {
  const auto level = levels_.find(item.priority);
  if (level == levels_.end()) return;
  const auto client = level->second.find(item.client);
  if (client == level->second.end()) return;
  count_ -= client->second.erase(item.key);
  if (client->second.empty()) level->second.erase(client);
  if (level->second.empty()) levels_.erase(level);
}

QueueItem FairQueue::front(const ClientShares& shares) const {
  const auto& [priority, clients] = *levels_.begin();
  auto best = clients.begin();
  for (auto it = clients.begin(); it != clients.end(); ++it) {
    const double mine = shares.served(it->first), least = shares.served(best->first);
    if (mine < least || (mine == least && *it->second.begin() < *best->second.begin())) best = it;
  }
  return {*best->second.begin(), priority, best->first};
}

}  // namespace kedge::engine
