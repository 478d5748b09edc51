#pragma once
// Where this process may compute: physical cores, the memory nodes that they belong to, huge pages.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace kedge {

/// One physical core: the first of its hyper-threads that the process may use.
struct Core {
  int cpu = 0;
  int node = 0;
  bool operator==(const Core&) const = default;
};

/// What was found.
struct Topology {
  std::vector<Core> cores;           // node by node; never empty
  unsigned allowed_cpus = 1;         // hyper-threads counted
  unsigned cpus_max = 0;             // that a control group lets run at a time, rounded up; 0: no limit
  std::string huge_pages = "never";  // "always", "madvise" or "never", as the system has it

  [[nodiscard]] unsigned node_count() const;
  /// Cores to compute on: no more than a control group lets run.
  [[nodiscard]] unsigned worker_count() const;
};

/// Reads /sys and /proc below `root`, for CPUs `allowed`. What cannot be read counts as one node, as cores of one
/// thread, as no limit.
Topology read_topology(const std::filesystem::path& root, const std::vector<int>& allowed);

/// Of this process, read once.
const Topology& topology();

/// A part of a buffer and the node whose workers read it.
struct NodeRange {
  size_t begin = 0;
  size_t end = 0;
  int node = 0;
  bool operator==(const NodeRange&) const = default;
};

/// How `bytes`, which `workers` read in equal shares one after the other, lie best: borders on multiples of `page`, one
/// range a node. Empty where all workers are of one node.
std::vector<NodeRange> node_ranges(const Topology& topology, unsigned workers, size_t bytes, size_t page);

/// Has the system place pages that nobody has touched yet as node_ranges says. Nothing happens on one node, or where
/// the system refuses.
void place_by_worker(std::span<std::byte> buffer, unsigned workers);
/// Spreads them over all nodes in turn: for what every worker reads.
void place_in_turn(std::span<std::byte> buffer);

/// Keeps the calling thread on one CPU. Nothing happens where the system refuses.
void pin_to_cpu(int cpu);

}  // namespace kedge
