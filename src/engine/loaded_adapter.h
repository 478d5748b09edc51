#pragma once
// An adapter as an engine has loaded it.

#include <cstdint>
#include <memory>

#include "engine/block_hash.h"
#include "kedge/engine.h"
#include "models/adapter.h"

namespace kedge::engine {

/// Immutable. Holds no part of its engine, and may outlive it.
class LoadedAdapter final : public Adapter {
 public:
  LoadedAdapter(const void* owner, uint64_t number, const BlockHash& digest,
                std::shared_ptr<const models::Adapter> weights)
      : owner_(owner),
        number_(number),
        digest_(digest),
        weights_(std::move(weights)),
        info_{.rank = weights_->rank(), .modules = weights_->modules(), .bytes = weights_->bytes()} {}

  [[nodiscard]] const AdapterInfo& info() const override { return info_; }
  [[nodiscard]] const void* owner() const { return owner_; }         // the engine that it fits
  [[nodiscard]] uint64_t number() const { return number_; }          // in the order of loading, from 1 on
  [[nodiscard]] const BlockHash& digest() const { return digest_; }  // of its files
  [[nodiscard]] const models::Adapter& weights() const { return *weights_; }

 private:
  const void* owner_;
  uint64_t number_;
  BlockHash digest_;
  std::shared_ptr<const models::Adapter> weights_;
  AdapterInfo info_;
};

}  // namespace kedge::engine
