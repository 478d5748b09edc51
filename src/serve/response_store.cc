#include "serve/response_store.h"

#include <utility>
#include <vector>

namespace kedge::serve {

namespace {

size_t size_of(const StoredResponse& stored) {
  return to_text(stored.response).size() + to_text(stored.input).size() + to_text(stored.conversation).size();
}

}  // namespace

void ResponseStore::insert(const std::string& id, StoredResponse stored) {
  Entry& entry = entries_[id];
  bytes_ -= entry.bytes;
  if (entry.bytes == 0) order_.push_back(id);
  entry.bytes = size_of(stored);
  bytes_ += entry.bytes;
  entry.stored = std::move(stored);
}

void ResponseStore::make_room() {
  for (size_t tries = order_.size(); bytes_ > bytes_max_ && tries > 0; --tries) {
    const std::string id = std::move(order_.front());
    order_.pop_front();
    const auto found = entries_.find(id);
    if (found == entries_.end()) continue;
    if (found->second.stored.cancel) {
      order_.push_back(id);
      continue;
    }
    bytes_ -= found->second.bytes;
    entries_.erase(found);
  }
}

void ResponseStore::put(const std::string& id, StoredResponse stored) {
  const std::scoped_lock lock(mutex_);
  insert(id, std::move(stored));
  make_room();
}

void ResponseStore::complete(const std::string& id, Json response, Json conversation) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second.stored.cancel) return;
  StoredResponse stored = std::move(found->second.stored);
  stored.response = std::move(response);
  stored.conversation = std::move(conversation);
  stored.cancel = nullptr;
  insert(id, std::move(stored));
  make_room();
}

std::optional<StoredResponse> ResponseStore::find(const std::string& id, const std::string& client) const {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.stored.client != client) return std::nullopt;
  return found->second.stored;
}

std::optional<Json> ResponseStore::cancel(const std::string& id, const std::string& client) {
  std::function<void()> cancel;
  Json response;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.stored.client != client) return std::nullopt;
    StoredResponse& stored = found->second.stored;
    cancel = std::exchange(stored.cancel, nullptr);
    if (cancel) stored.response["status"] = "cancelled";
    response = stored.response;
  }
  if (cancel) cancel();
  return response;
}

bool ResponseStore::erase(const std::string& id, const std::string& client) {
  std::function<void()> cancel;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.stored.client != client) return false;
    cancel = std::move(found->second.stored.cancel);
    bytes_ -= found->second.bytes;
    entries_.erase(found);
  }
  if (cancel) cancel();
  return true;
}

void ResponseStore::cancel_all() {
  std::vector<std::function<void()>> running;
  {
    const std::scoped_lock lock(mutex_);
    for (auto& [id, entry] : entries_) {
      if (!entry.stored.cancel) continue;
      running.push_back(std::exchange(entry.stored.cancel, nullptr));
      entry.stored.response["status"] = "cancelled";
    }
  }
  for (const auto& cancel : running) cancel();
}

}  // namespace kedge::serve
