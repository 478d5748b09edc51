#pragma once
// Sets that grow together; each is named by its smallest member, whatever the order of the unions.

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace kedge::curate {

/// One thread at a time.
class UnionFind {
 public:
  explicit UnionFind(size_t count) : parents_(count) { std::iota(parents_.begin(), parents_.end(), 0U); }

  uint32_t find(uint32_t member) {
    while (parents_[member] != member) {
      parents_[member] = parents_[parents_[member]];
      member = parents_[member];
    }
    return member;
  }
  void unite(uint32_t a, uint32_t b) {
    a = find(a);
    b = find(b);
    if (a > b) std::swap(a, b);
    parents_[b] = a;
  }

 private:
  std::vector<uint32_t> parents_;
};

}  // namespace kedge::curate
