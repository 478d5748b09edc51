// Goal: workers go to physical cores, node by node, within the affinity mask and a control group's limit, and shares of
// a buffer go to the nodes of their workers. Method: made-up trees of /sys and /proc.

#include "core/topology.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <numeric>

namespace kedge {
namespace {

namespace fs = std::filesystem;

class TopologyTest : public testing::Test {
 protected:
  TopologyTest() {
    std::string pattern = (fs::temp_directory_path() / "kedge-topology-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~TopologyTest() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }

  /// Two nodes of four cores, each of two threads: CPU n and n + 8 are siblings, even cores are of node 0.
  void two_nodes() {
    for (int cpu = 0; cpu < 16; ++cpu) {
      const std::string core = std::to_string(cpu % 8);
      write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
            core + "," + std::to_string(cpu % 8 + 8));
    }
    write("sys/devices/system/node/node0/cpulist", "0,2,4,6,8,10,12,14");
    write("sys/devices/system/node/node1/cpulist", "1,3,5,7,9,11,13,15");
  }

  static std::vector<int> cpus(int count) {
    std::vector<int> all(static_cast<size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }

  fs::path root_;
};

TEST_F(TopologyTest, one_thread_of_each_core_node_by_node) {
  two_nodes();
  const Topology found = read_topology(root_, cpus(16));
  const std::vector<Core> expected = {{0, 0}, {2, 0}, {4, 0}, {6, 0}, {1, 1}, {3, 1}, {5, 1}, {7, 1}};
  EXPECT_EQ(found.cores, expected);
  EXPECT_EQ(found.node_count(), 2U);
  EXPECT_EQ(found.worker_count(), 8U);
  EXPECT_EQ(found.allowed_cpus, 16U);
}

TEST_F(TopologyTest, only_cpus_that_the_process_may_use) {
  two_nodes();
  const Topology found = read_topology(root_, {3, 8, 11, 12});  // 3 and 11 are one core
  const std::vector<Core> expected = {{8, 0}, {12, 0}, {3, 1}};
  EXPECT_EQ(found.cores, expected);
}

TEST_F(TopologyTest, an_unknown_machine_has_one_node) {
  const Topology found = read_topology(root_, {4, 5});
  const std::vector<Core> expected = {{4, 0}, {5, 0}};
  EXPECT_EQ(found.cores, expected);
  EXPECT_EQ(found.huge_pages, "never");
  EXPECT_EQ(read_topology(root_, {}).worker_count(), 1U);
}

TEST_F(TopologyTest, a_control_group_limits_the_workers) {
  two_nodes();
  write("proc/self/cgroup", "0::/service/kedge");
  write("sys/fs/cgroup/service/kedge/cpu.max", "max 100000");
  EXPECT_EQ(read_topology(root_, cpus(16)).worker_count(), 8U);
  write("sys/fs/cgroup/service/cpu.max", "250000 100000");  // of the group above: two and a half
  EXPECT_EQ(read_topology(root_, cpus(16)).worker_count(), 3U);
  write("proc/self/cgroup", "4:memory:/a\n2:cpu,cpuacct:/b");
  write("sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "200000");
  write("sys/fs/cgroup/cpu/b/cpu.cfs_period_us", "100000");
  EXPECT_EQ(read_topology(root_, cpus(16)).worker_count(), 2U);
  write("sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(read_topology(root_, cpus(16)).worker_count(), 8U);
}

TEST_F(TopologyTest, huge_pages_as_the_system_has_them) {
  write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
  EXPECT_EQ(read_topology(root_, {0}).huge_pages, "madvise");
}

TEST_F(TopologyTest, shares_lie_on_the_nodes_of_their_workers) {
  two_nodes();
  const Topology found = read_topology(root_, cpus(16));
  const std::vector<NodeRange> halves = {{0, 400'000 / 4096 * 4096, 0}, {400'000 / 4096 * 4096, 800'000, 1}};
  EXPECT_EQ(node_ranges(found, 8, 800'000, 4096), halves);
  EXPECT_TRUE(node_ranges(found, 4, 800'000, 4096).empty());  // all of node 0
  const std::vector<NodeRange> most = {{0, 12 * 4096, 0}, {12 * 4096, 15 * 4096, 1}};
  EXPECT_EQ(node_ranges(found, 5, 15 * 4096, 4096), most);
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{5000}}) {
    EXPECT_TRUE(node_ranges(found, 8, bytes, 1 << 21).empty()) << bytes;  // less than a page a node
  }
}

TEST(Topology, of_this_machine_is_usable) {
  EXPECT_GE(topology().worker_count(), 1U);
  std::vector<std::byte> buffer(1 << 20);
  place_by_worker(buffer, topology().worker_count());
  place_in_turn(buffer);
  EXPECT_EQ(buffer[12345], std::byte{0});
}

}  // namespace
}  // namespace kedge
