#include "core/topology.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace kedge {
namespace {

namespace fs = std::filesystem;

constexpr int kNodesMax = 64;  // of a node mask of one word
constexpr unsigned kCpusMax = 1 << 16;

std::string line_of(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// "0-3,8" as numbers.
std::vector<int> numbers_of(const std::string& list) {
  std::vector<int> numbers;
  std::istringstream stream(list);
  int first = 0;
  while (stream >> first && first >= 0) {
    int last = first;
    if (stream.peek() == '-') {
      stream.get();
      if (!(stream >> last)) break;
    }
    for (int number = first; number <= last && numbers.size() < kCpusMax; ++number) numbers.push_back(number);
    if (stream.peek() != ',') break;
    stream.get();
  }
  return numbers;
}

std::map<int, int> nodes_of_cpus(const fs::path& root) {
  std::map<int, int> nodes;
  for (int node = 0; node < kNodesMax; ++node) {
    const fs::path list = root / "sys/devices/system/node" / ("node" + std::to_string(node)) / "cpulist";
    for (const int cpu : numbers_of(line_of(list))) nodes[cpu] = node;
  }
  return nodes;
}

std::vector<Core> cores_of(const fs::path& root, const std::vector<int>& allowed) {
  const std::map<int, int> nodes = nodes_of_cpus(root);
  std::vector<Core> cores;
  std::set<std::string> seen;
  for (const int cpu : allowed) {
    const fs::path folder = root / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)) / "topology";
    std::string siblings = line_of(folder / "thread_siblings_list");
    if (siblings.empty()) siblings = std::to_string(cpu);
    if (!seen.insert(siblings).second) continue;
    const auto node = nodes.find(cpu);
    cores.push_back({cpu, node != nodes.end() ? node->second : 0});
  }
  if (cores.empty()) cores.push_back({});
  std::ranges::stable_sort(cores, {}, &Core::node);
  return cores;
}

/// Quota and period of one group, in CPUs rounded up; 0: no limit.
unsigned cpus_of(const std::string& quota, const std::string& period) {
  const double of = std::strtod(quota.c_str(), nullptr), each = std::strtod(period.c_str(), nullptr);
  if (!(of > 0) || !(each > 0) || of / each > kCpusMax) return 0;  // "max" and -1 are no numbers above 0
  return static_cast<unsigned>((of + each - 1) / each);
}

unsigned smaller_limit(unsigned a, unsigned b) {
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

/// The smallest limit of the process's groups and of those above them, in both versions of the interface.
unsigned group_limit(const fs::path& root) {
  std::ifstream groups(root / "proc/self/cgroup");
  unsigned limit = 0;
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(",cpu,") == std::string::npos) continue;
    const fs::path top = root / (unified ? "sys/fs/cgroup" : "sys/fs/cgroup/cpu");
    fs::path group = fs::path(line.substr(second + 1)).relative_path();
    for (int depth = 0; depth < 64; ++depth, group = group.parent_path()) {
      std::istringstream both(line_of(top / group / "cpu.max"));
      std::string quota = line_of(top / group / "cpu.cfs_quota_us");
      std::string period = line_of(top / group / "cpu.cfs_period_us");
      if (unified) both >> quota >> period;
      limit = smaller_limit(limit, cpus_of(quota, period));
      if (group.empty()) break;
    }
  }
  return limit;
}

std::string huge_pages_of(const fs::path& root) {
  const std::string modes = line_of(root / "sys/kernel/mm/transparent_hugepage/enabled");
  const size_t begin = modes.find('['), end = modes.find(']');
  return begin < end && end != std::string::npos ? modes.substr(begin + 1, end - begin - 1) : "never";
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

constexpr int kBind = 2, kInterleave = 3;  // MPOL_BIND, MPOL_INTERLEAVE (linux/mempolicy.h)

void set_policy(std::byte* begin, size_t bytes, int mode, uint64_t nodes) {
  ::syscall(SYS_mbind, begin, bytes, mode, &nodes, kNodesMax + 1, 0);
}

}  // namespace

unsigned Topology::node_count() const {
  std::set<int> nodes;
  for (const Core& core : cores) nodes.insert(core.node);
  return static_cast<unsigned>(nodes.size());
}

unsigned Topology::worker_count() const {
  const auto count = static_cast<unsigned>(cores.size());
  return std::max(1U, cpus_max > 0 ? std::min(count, cpus_max) : count);
}

Topology read_topology(const fs::path& root, const std::vector<int>& allowed) {
  return {.cores = cores_of(root, allowed),
          .allowed_cpus = std::max(1U, static_cast<unsigned>(allowed.size())),
          .cpus_max = group_limit(root),
          .huge_pages = huge_pages_of(root)};
}

const Topology& topology() {
  static const Topology found = read_topology("/", allowed_cpus());
  return found;
}

std::vector<NodeRange> node_ranges(const Topology& topology, unsigned workers, size_t bytes, size_t page) {
  std::vector<NodeRange> ranges;
  for (unsigned worker = 0; worker < workers; ++worker) {
    const int node = topology.cores[worker % topology.cores.size()].node;
    const size_t end = worker + 1 == workers ? bytes : bytes / workers * (worker + 1) / page * page;
    const size_t begin = ranges.empty() ? 0 : ranges.back().end;
    if (!ranges.empty() && ranges.back().node == node) {
      ranges.back().end = end;
    } else if (begin < end) {
      ranges.push_back({begin, end, node});
    }
  }
  if (ranges.size() < 2) ranges.clear();
  return ranges;
}

void place_by_worker(std::span<std::byte> buffer, unsigned workers) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  // Pages that the buffer has alone: its borders may lie within others.
  const auto address = reinterpret_cast<uintptr_t>(buffer.data());
  const size_t skipped = std::min(buffer.size(), (page - address % page) % page);
  buffer = buffer.subspan(skipped);
  for (const NodeRange& range : node_ranges(topology(), workers, buffer.size() / page * page, page)) {
    set_policy(buffer.data() + range.begin, range.end - range.begin, kBind, uint64_t{1} << range.node);
  }
}

void place_in_turn(std::span<std::byte> buffer) {
  uint64_t nodes = 0;
  for (const Core& core : topology().cores) nodes |= uint64_t{1} << core.node;
  if (topology().node_count() > 1 && !buffer.empty()) set_policy(buffer.data(), buffer.size(), kInterleave, nodes);
}

void pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

}  // namespace kedge
