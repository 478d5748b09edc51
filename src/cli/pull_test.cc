// Goal: the hub's environment variables mean what huggingface_hub says; progress is told in numbers people read.
// Method: made-up environments, folders in the temporary directory, fixed points in time.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "cli/hub_environment.h"
#include "cli/packing_report.h"
#include "cli/transfer_report.h"

namespace kedge::cli {
namespace {

using Variables = std::map<std::string, std::string>;

Environment environment_of(const Variables& variables) {
  return [variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

TEST(HubEnvironment, the_cache_is_where_huggingface_hub_has_it) {
  const auto root = [](const Variables& variables) { return hub_cache_root(environment_of(variables)).string(); };
  EXPECT_EQ(root({{"HOME", "/h"}}), "/h/.cache/huggingface/hub");
  EXPECT_EQ(root({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}), "/x/huggingface/hub");
  EXPECT_EQ(root({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "~/hf"}}), "/h/hf/hub");
  EXPECT_EQ(root({{"HF_HOME", "/hf"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}), "/old");
  EXPECT_EQ(root({{"HF_HOME", "/hf"}, {"HUGGINGFACE_HUB_CACHE", "/old"}, {"HF_HUB_CACHE", "/new"}}), "/new");
  EXPECT_EQ(root({{"HOME", "/h"}, {"HF_HUB_CACHE", ""}}), "/h/.cache/huggingface/hub");
}

TEST(HubEnvironment, tokens_come_from_the_variable_or_the_stored_file) {
  const std::filesystem::path home = std::filesystem::path(testing::TempDir()) / "hub_environment";
  std::filesystem::create_directories(home);
  std::ofstream(home / "token") << "stored\n";
  std::ofstream(home / "other") << "  other  \n";
  const auto token = [&](Variables variables) {
    variables["HF_HOME"] = home.string();
    return hub_options(environment_of(variables)).token;
  };
  EXPECT_EQ(token({}), "stored");
  EXPECT_EQ(token({{"HF_TOKEN", " mine\n"}}), "mine");
  EXPECT_EQ(token({{"HF_TOKEN", ""}}), "stored");
  EXPECT_EQ(token({{"HUGGING_FACE_HUB_TOKEN", "old"}}), "old");
  EXPECT_EQ(token({{"HF_TOKEN_PATH", (home / "other").string()}}), "other");
  EXPECT_EQ(token({{"HF_TOKEN_PATH", (home / "absent").string()}}), "");
  EXPECT_EQ(token({{"HF_TOKEN", "mine"}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}}), "");
  std::filesystem::remove_all(home);
}

TEST(HubEnvironment, endpoint_offline_and_time_limit) {
  const auto options = [](const Variables& variables) { return hub_options(environment_of(variables)); };
  EXPECT_EQ(options({}).endpoint, "https://huggingface.co");
  EXPECT_EQ(options({{"HF_ENDPOINT", "http://127.0.0.1:1"}}).endpoint, "http://127.0.0.1:1");
  EXPECT_FALSE(options({}).offline);
  for (const char* on : {"1", "true", "YES", "On"}) EXPECT_TRUE(options({{"HF_HUB_OFFLINE", on}}).offline) << on;
  for (const char* off : {"", "0", "false", "no"}) EXPECT_FALSE(options({{"HF_HUB_OFFLINE", off}}).offline) << off;
  EXPECT_TRUE(options({{"TRANSFORMERS_OFFLINE", "1"}}).offline);
  EXPECT_EQ(options({{"HF_HUB_DOWNLOAD_TIMEOUT", "7"}}).http.idle_timeout, std::chrono::seconds(7));
  EXPECT_EQ(options({{"HF_HUB_DOWNLOAD_TIMEOUT", "soon"}}).http.idle_timeout, options({}).http.idle_timeout);
}

TEST(TransferReport, sizes_and_times) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1000), "1.00 kB");
  EXPECT_EQ(bytes_text(14'483'498'000), "14.48 GB");
  EXPECT_EQ(bytes_text(2e18), "2000000.00 TB");
  EXPECT_EQ(duration_text(std::chrono::seconds(59)), "59 s");
  EXPECT_EQ(duration_text(std::chrono::seconds(125)), "2 min 05 s");
  EXPECT_EQ(duration_text(std::chrono::seconds(12'000)), "3 h 20 min");
}

TEST(TransferReport, the_rate_forgets_what_is_long_ago) {
  TransferRate rate;
  const TransferRate::Clock::time_point begin;
  rate.add(begin, 0);
  EXPECT_EQ(rate.bytes_per_second(), std::nullopt);
  rate.add(begin + std::chrono::seconds(2), 200);
  EXPECT_EQ(rate.bytes_per_second(), 100);
  for (int second = 3; second <= 20; ++second) rate.add(begin + std::chrono::seconds(second), 200);
  EXPECT_EQ(rate.bytes_per_second(), 0);
}

TEST(TransferReport, progress) {
  const net::HubProgress half{.files_total = 20, .files_done = 12, .bytes_total = 10'000'000, .bytes_done = 4'999'999};
  EXPECT_EQ(progress_text(half, std::nullopt), "12/20 files, 5.00 MB of 10.00 MB (49%)");
  EXPECT_EQ(progress_text(half, 1e6), "12/20 files, 5.00 MB of 10.00 MB (49%), 1.00 MB/s, 5 s left");
  EXPECT_EQ(progress_text(half, 0), "12/20 files, 5.00 MB of 10.00 MB (49%), 0 B/s");
  const net::HubProgress checking{.files_total = 2, .files_done = 1, .bytes_total = 10, .bytes_done = 10};
  EXPECT_EQ(progress_text(checking, 1e6), "1/2 files, 10 B of 10 B (100%), checking");
  const net::HubProgress done{.files_total = 2, .files_done = 2, .bytes_total = 10, .bytes_done = 10};
  EXPECT_EQ(progress_text(done, 1e6), "2/2 files, 10 B of 10 B (100%)");
  EXPECT_EQ(progress_text({.files_total = 1, .files_done = 1}, 0), "1/1 files, 0 B of 0 B (100%)");
}

TEST(PackingReport, progress) {
  EXPECT_EQ(packing_text(1'200'000'000, 4'600'000'000, 8e8),
            "laying out weights: 1.20 GB of 4.60 GB (26%), 800.00 MB/s, 4 s left");
  EXPECT_EQ(packing_text(0, 10, std::nullopt), "laying out weights: 0 B of 10 B (0%)");
  EXPECT_EQ(packing_text(5, 10, 0), "laying out weights: 5 B of 10 B (50%)");
}

TEST(PackedCache, root) {
  const auto root = [](const Variables& variables) { return packed_cache_root(environment_of(variables)).string(); };
  EXPECT_EQ(root({{"HOME", "/h"}}), "/h/.cache/kedge/packed");
  EXPECT_EQ(root({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}), "/x/kedge/packed");
  EXPECT_EQ(root({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}, {"KEDGE_CACHE", "~/k"}}), "/h/k/packed");
}

}  // namespace
}  // namespace kedge::cli
