// Goal: a pull ends with the right bytes in the cache, or with an error and a state that the next pull continues from,
// whatever the network does.
// Method: a small hub that can redirect, cut, lie, refuse ranges, and count what it was asked for.

#include "net/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <string>

#include "core/file.h"
#include "net/digest.h"
#include "net/http_client_for_tests.h"
#include "net/hub_cache.h"

namespace kedge::net {
namespace {

using testing::HasSubstr;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

std::string digest_of(const std::string& content, DigestKind kind) {
  Digest digest(kind);
  if (kind == DigestKind::sha1) {
    digest.add("blob " + std::to_string(content.size()));
    digest.add(std::string_view("\0", 1));
  }
  digest.add(content);
  return digest.hex();
}

std::string random_bytes(size_t size) {
  std::mt19937 generator(7);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator());
  return bytes;
}

/// What the hub does to one file.
struct Behaviour {
  int cuts = 0;             // answers that end half-way
  int wrong = 0;            // answers with one wrong byte
  int errors = 0;           // answers with HTTP 503
  bool no_ranges = false;   // Range is ignored
  bool redirected = false;  // as large files are: to another server
  bool hang = false;        // half of the bytes, then nothing
};

class TestHub {
 public:
  TestHub()
      : cdn_([this](const std::string& head) { return serve_file(path_in(head), head); }),
        hub_([this](const std::string& head) { return serve(head); }) {}

  void add(const std::string& path, std::string content, bool large = false, Behaviour behaviour = {}) {
    const std::lock_guard guard(mutex_);
    files_[path] = {std::move(content), large, behaviour};
  }
  void set(const std::string& path, Behaviour behaviour) {
    const std::lock_guard guard(mutex_);
    files_[path].behaviour = behaviour;
  }
  [[nodiscard]] const std::string& content(const std::string& path) const { return files_.at(path).content; }
  [[nodiscard]] std::string etag(const std::string& path) const { return etag_of(files_.at(path)); }
  [[nodiscard]] const ScriptedServer& hub() const { return hub_; }
  [[nodiscard]] const ScriptedServer& cdn() const { return cdn_; }

  bool with_blobs = true;  // the listing has sizes and checksums
  std::string token;       // required, unless empty
  std::atomic<int> listing_errors{0};

 private:
  struct File {
    std::string content;
    bool large = false;
    Behaviour behaviour;
  };

  static std::string etag_of(const File& file) {
    return digest_of(file.content, file.large ? DigestKind::sha256 : DigestKind::sha1);
  }

  static std::string path_in(const std::string& head) {
    const size_t begin = head.find(kCommit + "/");
    return begin == std::string::npos ? "" : head.substr(begin + 41, head.find(' ', begin) - begin - 41);
  }

  ScriptedAnswer serve(const std::string& head) {
    if (!token.empty() && header_of(head, "Authorization") != "Bearer " + token) {
      return {answer_of("401 Unauthorized", "", "")};
    }
    if (head.find(" /api/models/org/name/revision/main?blobs=true ") != std::string::npos) return listing();
    const std::string path = path_in(head);
    if (!files_.contains(path)) return {answer_of("404 Not Found", "X-Error-Code: EntryNotFound\r\n", "")};
    File file;
    {
      const std::lock_guard guard(mutex_);
      file = files_.at(path);
    }
    const std::string size = std::to_string(file.content.size());
    const std::string linked = "X-Linked-ETag: \"" + etag_of(file) + "\"\r\nX-Linked-Size: " + size + "\r\n";
    if (file.behaviour.redirected) {
      const std::string location = "Location: " + cdn_.address() + "/" + kCommit + "/" + path + "\r\n";
      return {answer_of("302 Found", linked + location, head.starts_with("HEAD") ? "" : "Found")};
    }
    if (head.starts_with("HEAD")) {
      return {"HTTP/1.1 200 OK\r\nETag: \"" + etag_of(file) + "\"\r\nContent-Length: " + size + "\r\n\r\n"};
    }
    return serve_file(path, head);
  }

  ScriptedAnswer listing() {
    if (listing_errors.fetch_sub(1) > 0) return {answer_of("500 Internal Server Error", "", "")};
    std::string siblings;
    for (const auto& [path, file] : files_) {
      if (!siblings.empty()) siblings += ',';
      siblings += "{\"rfilename\":\"" + path + "\"";
      const std::string size = std::to_string(file.content.size());
      if (with_blobs && file.large) {
        siblings += ",\"lfs\":{\"sha256\":\"" + etag_of(file) + "\",\"size\":" + size + "}";
      } else if (with_blobs) {
        siblings += ",\"size\":" + size + ",\"blobId\":\"" + etag_of(file) + "\"";
      }
      siblings += "}";
    }
    return {answer_of("200 OK", "", R"({"sha":")" + kCommit + R"(","siblings":[)" + siblings + "]}")};
  }

  ScriptedAnswer serve_file(const std::string& path, const std::string& head) {
    const std::lock_guard guard(mutex_);
    Behaviour& behaviour = files_.at(path).behaviour;
    const std::string& content = files_.at(path).content;
    if (behaviour.errors > 0) {
      --behaviour.errors;
      return {answer_of("503 Service Unavailable", "", "")};
    }
    std::string status = "200 OK";
    std::string headers;
    std::string body = content;
    const std::string range = header_of(head, "Range");
    if (!range.empty() && !behaviour.no_ranges) {
      const size_t first = std::stoul(range.substr(6));
      const size_t last = std::stoul(range.substr(range.find('-') + 1));
      body = content.substr(first, last - first + 1);
      status = "206 Partial Content";
      headers = "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                std::to_string(content.size()) + "\r\n";
    }
    if (behaviour.wrong > 0) {
      --behaviour.wrong;
      body.back() = static_cast<char>(body.back() ^ 1);
    }
    std::string bytes = answer_of(status, headers, body);
    if (behaviour.hang) return {bytes.substr(0, bytes.size() - body.size() / 2), false, true};
    if (behaviour.cuts > 0) {
      --behaviour.cuts;
      return {bytes.substr(0, bytes.size() - body.size() / 2), true};
    }
    return {bytes};
  }

  std::mutex mutex_;
  std::map<std::string, File> files_;
  ScriptedServer cdn_;
  ScriptedServer hub_;
};

class Pull : public testing::Test {
 protected:
  void SetUp() override {
    cache_ = std::filesystem::path(testing::TempDir()) /
             (std::string("pull_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(cache_);
    hub_.add("config.json", "{\"model_type\":\"llama\"}");
    hub_.add("model.safetensors", random_bytes(500'000), true, {.redirected = true});
  }
  void TearDown() override { std::filesystem::remove_all(cache_); }

  [[nodiscard]] HubOptions options() const {
    return {.endpoint = hub_.hub().address(),
            .cache_root = cache_,
            .connections = 4,
            .part_bytes = 64 << 10,
            .attempts_max = 3,
            .retry_delay = std::chrono::milliseconds(1),
            .http = {.idle_timeout = std::chrono::milliseconds(2000)}};
  }
  Result<HubPulled> pull_with(const HubOptions& options, const HubSelection& selection = {},
                              std::stop_token stop = {}) {
    notices_.clear();
    const HubEvents events{.on_progress = [this](const HubProgress& progress) { progress_ = progress; },
                           .on_notice = [this](const std::string& line) { notices_ += line + "\n"; }};
    return pull(options, {"org/name", "main"}, selection, events, stop);
  }
  Result<HubPulled> pull_now() { return pull_with(options()); }

  void expect_complete(const Result<HubPulled>& pulled) {
    ASSERT_TRUE(pulled.ok()) << pulled.error().message;
    EXPECT_EQ(pulled.value().snapshot, HubCache(cache_, "org/name").snapshot(kCommit));
    for (const std::string path : {"config.json", "model.safetensors"}) {
      EXPECT_EQ(read_file(pulled.value().snapshot / path, 1 << 20).value(), hub_.content(path)) << path;
      EXPECT_TRUE(std::filesystem::is_symlink(pulled.value().snapshot / path));
    }
    EXPECT_EQ(find_cached_model(cache_, {"org/name", "main"}).value(), pulled.value().snapshot);
    EXPECT_EQ(blob_count(), 2U);
  }
  size_t blob_count() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(cache_ / "models--org--name" / "blobs")) {
      ++count;
    }
    return count;
  }
  void expect_nothing_visible() const {
    EXPECT_FALSE(find_cached_model(cache_, {"org/name", "main"}).ok());
    EXPECT_FALSE(std::filesystem::exists(HubCache(cache_, "org/name").snapshot(kCommit) / "model.safetensors"));
  }

  std::filesystem::path cache_;
  TestHub hub_;
  HubProgress progress_;
  std::string notices_;
};

TEST_F(Pull, brings_a_model_in_parts_over_a_redirect) {
  hub_.token = "secret";
  HubOptions with_token = options();
  with_token.token = "secret";
  const auto pulled = pull_with(with_token);
  expect_complete(pulled);
  EXPECT_EQ(progress_.files_done, 2U);
  EXPECT_EQ(progress_.bytes_done, progress_.bytes_total);
  EXPECT_EQ(progress_.bytes_received, progress_.bytes_total);
  EXPECT_GE(hub_.cdn().heads().size(), 8U);  // 500 kB in parts of 64 KiB
  for (const std::string& head : hub_.cdn().heads()) {
    EXPECT_EQ(header_of(head, "Authorization"), "");
    EXPECT_NE(header_of(head, "Range"), "");
  }
}

TEST_F(Pull, a_second_pull_transfers_nothing) {
  ASSERT_TRUE(pull_now().ok());
  const size_t requests = hub_.hub().heads().size();
  const auto again = pull_now();
  expect_complete(again);
  EXPECT_EQ(hub_.hub().heads().size(), requests + 1);  // the listing
  EXPECT_EQ(again.value().progress.bytes_received, 0U);
}

TEST_F(Pull, files_without_checksums_in_the_listing_are_asked_about) {
  hub_.with_blobs = false;
  expect_complete(pull_now());
}

TEST_F(Pull, cuts_and_server_errors_are_retried) {
  hub_.listing_errors = 2;
  hub_.set("model.safetensors", {.cuts = 3, .errors = 2, .redirected = true});
  hub_.set("config.json", {.cuts = 1, .errors = 1});
  expect_complete(pull_now());
  EXPECT_THAT(notices_, HasSubstr("HTTP 503; trying again"));
  EXPECT_THAT(notices_, HasSubstr("closed while receiving the body; trying again"));
}

TEST_F(Pull, a_wrong_byte_is_found_and_fetched_again) {
  hub_.set("model.safetensors", {.wrong = 1, .redirected = true});
  hub_.set("config.json", {.wrong = 1});
  expect_complete(pull_now());
  EXPECT_THAT(notices_, HasSubstr("model.safetensors: its content does not match its checksum; fetching it again"));
  EXPECT_THAT(notices_, HasSubstr("config.json: its content does not match its checksum; fetching it again"));
}

TEST_F(Pull, wrong_bytes_again_and_again_are_refused) {
  hub_.set("model.safetensors", {.wrong = 1'000'000});
  const auto pulled = pull_now();
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, ErrorKind::corrupt_data);
  EXPECT_THAT(pulled.error().message, HasSubstr("model.safetensors: its SHA-256 is"));
  EXPECT_THAT(pulled.error().message, HasSubstr("expected " + hub_.etag("model.safetensors")));
  expect_nothing_visible();
}

TEST_F(Pull, an_endless_row_of_errors_ends_and_the_next_pull_continues) {
  hub_.set("config.json", {.errors = 1'000'000});
  const auto failed = pull_now();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("HTTP 503 (3 attempts)"));
  // The other file may have come, but the model is not there until all of it is.
  EXPECT_FALSE(find_cached_model(cache_, {"org/name", "main"}).ok());
  EXPECT_FALSE(std::filesystem::exists(HubCache(cache_, "org/name").snapshot(kCommit) / "config.json"));
  hub_.set("config.json", {});
  expect_complete(pull_now());
}

TEST_F(Pull, what_came_before_an_interruption_is_not_fetched_again) {
  hub_.set("model.safetensors", {.hang = true});
  std::stop_source stop;
  const HubEvents events{.on_progress = [&](const HubProgress& progress) {
    if (progress.bytes_received >= 100'000) stop.request_stop();
  }};
  const auto interrupted = pull(options(), {"org/name", "main"}, {}, events, stop.get_token());
  ASSERT_FALSE(interrupted.ok());
  EXPECT_EQ(interrupted.error().kind, ErrorKind::cancelled);
  EXPECT_THAT(interrupted.error().message, HasSubstr("continues where"));
  expect_nothing_visible();
  hub_.set("model.safetensors", {});
  const auto pulled = pull_now();
  expect_complete(pulled);
  EXPECT_LE(pulled.value().progress.bytes_received, hub_.content("model.safetensors").size() + 100 - 100'000);
}

TEST_F(Pull, a_server_without_ranges_sends_whole_files) {
  hub_.set("model.safetensors", {.no_ranges = true});
  expect_complete(pull_now());
  EXPECT_THAT(notices_, HasSubstr("the server sends whole files only"));
}

TEST_F(Pull, a_server_without_ranges_that_cuts_ends_in_an_error) {
  hub_.set("model.safetensors", {.cuts = 1'000'000, .no_ranges = true});
  const auto pulled = pull_now();
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, ErrorKind::unavailable) << pulled.error().message;
  expect_nothing_visible();
}

TEST_F(Pull, identical_files_share_a_blob) {
  hub_.add("copy/config.json", hub_.content("config.json"));
  hub_.add("empty.txt", "");
  const auto pulled = pull_now();
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(read_file(pulled.value().snapshot / "copy" / "config.json", 100).value(), hub_.content("config.json"));
  EXPECT_EQ(read_file(pulled.value().snapshot / "empty.txt", 100).value(), "");
  EXPECT_EQ(pulled.value().progress.files_done, 4U);
  EXPECT_EQ(blob_count(), 3U);
}

TEST_F(Pull, only_what_the_patterns_select) {
  const auto pulled = pull_with(options(), {.include = {"*.json"}});
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_TRUE(std::filesystem::exists(pulled.value().snapshot / "config.json"));
  EXPECT_FALSE(std::filesystem::exists(pulled.value().snapshot / "model.safetensors"));
  EXPECT_TRUE(hub_.cdn().heads().empty());
}

TEST_F(Pull, refusals_are_not_retried) {
  hub_.token = "secret";
  const auto pulled = pull_now();
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, ErrorKind::not_found);
  EXPECT_EQ(hub_.hub().heads().size(), 1U);
  const auto other = pull(options(), {"org/other", "main"}, {}, {}, {});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().kind, ErrorKind::not_found);
}

TEST_F(Pull, offline_uses_the_cache_and_asks_nobody) {
  HubOptions offline = options();
  offline.offline = true;
  const auto absent = pull_with(offline);
  ASSERT_FALSE(absent.ok());
  EXPECT_THAT(absent.error().message, HasSubstr("HF_HUB_OFFLINE"));
  EXPECT_TRUE(hub_.hub().heads().empty());
  ASSERT_TRUE(pull_now().ok());
  const size_t requests = hub_.hub().heads().size();
  expect_complete(pull_with(offline));
  EXPECT_EQ(hub_.hub().heads().size(), requests);
}

TEST_F(Pull, a_blob_that_another_program_downloads_is_waited_for) {
  const HubCache cache(cache_, "org/name");
  ASSERT_TRUE(cache.create_folders().ok());
  std::optional<FileLock> other = FileLock::try_lock(cache.lock_file(hub_.etag("config.json"))).value();
  const HubEvents events{.on_notice = [&](const std::string& line) {
    if (line.find("another program") == std::string::npos) return;
    // That program finishes: its blob appears, its lock goes.
    std::ofstream(cache.blob(hub_.etag("config.json"))) << hub_.content("config.json");
    other.reset();
  }};
  expect_complete(pull(options(), {"org/name", "main"}, {}, events, {}));
  for (const std::string& head : hub_.hub().heads()) EXPECT_EQ(head.find("/config.json"), std::string::npos);
}

TEST_F(Pull, a_file_that_is_not_of_the_listed_size_is_an_error) {
  // The hub's own answer disagrees with its listing: the file changed between the two.
  hub_.with_blobs = false;
  const ScriptedServer liar([&](const std::string& head) {
    if (head.find("/api/") != std::string::npos) {
      return ScriptedAnswer{answer_of("200 OK", "",
                                      R"({"sha":")" + kCommit +
                                          R"(","siblings":[{"rfilename":"a","size":5,"blobId":")" +
                                          std::string(40, 'b') + R"("}]})")};
    }
    return ScriptedAnswer{answer_of("200 OK", "", "longer than five")};
  });
  HubOptions lied = options();
  lied.endpoint = liar.address();
  const auto pulled = pull_with(lied);
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error().message, HasSubstr("answered a file of 16 bytes, expected bytes 0 to 4 of 5"));
}

}  // namespace
}  // namespace kedge::net
