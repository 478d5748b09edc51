#pragma once
// Workspaces of one tokenizer, lent to the calls that run at the moment.

#include <memory>
#include <mutex>
#include <vector>

#include "text/tokenizer/token_model.h"

namespace kedge::text {

/// Thread-safe. Holds as many workspaces as calls ever ran at once.
class WorkspacePool {
 public:
  using Lease = std::unique_ptr<EncodeWorkspace>;

  Lease borrow() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<EncodeWorkspace>();
    Lease lease = std::move(free_.back());
    free_.pop_back();
    return lease;
  }

  void give_back(Lease lease) {
    lease->release_large_buffers();
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(lease));
  }

 private:
  std::mutex mutex_;
  std::vector<Lease> free_;
};

}  // namespace kedge::text
