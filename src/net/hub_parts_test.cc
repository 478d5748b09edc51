// Goal: a name, a listing, a choice of files, the cache's layout and a half-written file are judged rightly on their
// own. Method: tables of good and bad cases; files in the temporary directory.

#include "net/hub_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/file.h"
#include "net/digest.h"
#include "net/hub.h"
#include "net/hub_api.h"
#include "net/hub_cache.h"
#include "net/hub_listing.h"
#include "net/hub_names.h"
#include "net/hub_select.h"

namespace kedge::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kCommit(40, 'a');

class InFolder : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(testing::TempDir()) /
            (std::string("hub_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  std::filesystem::path path_;
};

TEST(HubNames, repositories) {
  EXPECT_EQ(parse_hub_repository("org/name").value().name, "org/name");
  EXPECT_EQ(parse_hub_repository("org/name").value().revision, "main");
  EXPECT_EQ(parse_hub_repository("gpt2").value().name, "gpt2");
  EXPECT_EQ(parse_hub_repository("Org-1/na_me.v2@refs/pr/3").value().revision, "refs/pr/3");
  for (const std::string text :
       {"",       "/",        "a/",       "/b",      "a/b/c",    "../b",        "a/..",
        "a/b@",   "a/b@../x", "a/b@/x",   "a b/c",   "a/b\n",    "-a/b",        "a/b.",
        "a--b/c", "a/b..c",   "a/b@x\ny", "./model", "a/b@x//y", "model.gguf/", "\xc3\xa9/b"}) {
    EXPECT_FALSE(parse_hub_repository(text).ok()) << text;
  }
  EXPECT_FALSE(parse_hub_repository(std::string(97, 'a')).ok());
}

TEST(HubNames, paths_stay_inside) {
  for (const std::string path : {"a", "a/b.json", "1_Pooling/config.json", ".gitattributes", "a b/c", "...", "ä"}) {
    EXPECT_TRUE(is_safe_path(path)) << path;
  }
  for (const std::string path : {"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a\nb", "a\\b"}) {
    EXPECT_FALSE(is_safe_path(path)) << path;
  }
  EXPECT_FALSE(is_safe_path(std::string("a\0b", 3)));
  EXPECT_FALSE(is_safe_path(std::string(256, 'a')));
}

TEST(HubNames, etags) {
  EXPECT_EQ(parse_etag("\"abc\""), "abc");
  EXPECT_EQ(parse_etag("W/\"a-b_c.1\""), "a-b_c.1");
  EXPECT_EQ(parse_etag("abc"), "abc");
  for (const std::string text : {"", "\"\"", "\"../x\"", "a/b", ".", "..", ".a", "a b", "\""}) {
    EXPECT_EQ(parse_etag(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_etag(std::string(129, 'a')), std::nullopt);
}

std::string listing_of(const std::string& siblings) {
  return R"({"id":"org/name","sha":")" + kCommit + R"(","siblings":[)" + siblings + "]}";
}

TEST(HubListing, files_with_their_checksums) {
  const std::string sha1(40, '1');
  const std::string sha256(64, '2');
  const auto listing = parse_hub_listing(
      listing_of(R"({"rfilename":"config.json","size":7,"blobId":")" + sha1 + R"("},)" +
                 R"({"rfilename":"m/model.safetensors","size":130,"blobId":")" + sha1 + R"(","lfs":{"sha256":")" +
                 sha256 + R"(","size":5000000000,"pointerSize":130}},)" + R"({"rfilename":"plain.txt"},)" +
                 R"({"rfilename":"null.txt","size":null,"blobId":")" + sha1 + R"(","lfs":null})"),
      "listing");
  ASSERT_TRUE(listing.ok()) << listing.error().message;
  EXPECT_EQ(listing.value().commit, kCommit);
  ASSERT_EQ(listing.value().files.size(), 4U);
  EXPECT_EQ(listing.value().files[0].etag, sha1);
  EXPECT_EQ(listing.value().files[0].size, 7U);
  EXPECT_EQ(listing.value().files[1].etag, sha256);
  EXPECT_EQ(listing.value().files[1].size, 5000000000U);
  EXPECT_EQ(listing.value().files[2].etag, "");
  EXPECT_EQ(listing.value().files[3].etag, "");
}

TEST(HubListing, broken_listings_are_refused) {
  const auto refused = [](const std::string& text, const std::string& because) {
    const auto listing = parse_hub_listing(text, "listing");
    ASSERT_FALSE(listing.ok()) << text;
    EXPECT_EQ(listing.error().kind, ErrorKind::corrupt_data);
    EXPECT_THAT(listing.error().message, HasSubstr(because));
  };
  refused("", "not valid JSON");
  refused("[]", "not a JSON object");
  refused("{}", "no commit");
  refused(R"({"sha":"../../x","siblings":[]})", "no commit");
  refused(R"({"sha":7,"siblings":[]})", "no commit");
  refused(R"({"sha":")" + kCommit + R"("})", "no list of files");
  refused(R"({"sha":")" + kCommit + R"(","siblings":{}})", "no list of files");
  refused(listing_of("7"), "a file without a name");
  refused(listing_of(R"({"size":1})"), "a file without a name");
  refused(listing_of(R"({"rfilename":7})"), "a file without a name");
  refused(listing_of(R"({"rfilename":"../../.bashrc"})"), "would leave the model's folder");
  refused(listing_of(R"({"rfilename":"/etc/passwd"})"), "would leave the model's folder");
  refused(listing_of(R"({"rfilename":"a"},{"rfilename":"a"})"), "is there twice");
  refused(listing_of(R"({"rfilename":"a","size":-1})"), "has size -1");
  refused(listing_of(R"({"rfilename":"a","size":1e30})"), "has size");
  refused(listing_of(R"({"rfilename":"a","size":9223372036854775808})"), "has size 9223372036854775808");
  refused(listing_of(R"({"rfilename":"a","size":1,"blobId":"../x"})"), "has the checksum");
  refused(listing_of(R"({"rfilename":"a","lfs":{"sha256":"xyz","size":1}})"), "expected 64");
}

std::vector<HubFile> files_named(std::initializer_list<const char*> names) {
  std::vector<HubFile> files;
  for (const char* name : names) files.push_back({.path = name, .size = 1});
  return files;
}

std::vector<std::string> paths_of(const std::vector<HubFile>& files) {
  std::vector<std::string> paths;
  for (const HubFile& file : files) paths.push_back(file.path);
  return paths;
}

TEST(HubSelect, patterns) {
  const auto files = files_named({"config.json", "a/b.json", "model.safetensors", "x.bin"});
  const auto with = [&](std::vector<std::string> include, std::vector<std::string> exclude) {
    return paths_of(select_files(files, {std::move(include), std::move(exclude)}, "o/n").value().files);
  };
  EXPECT_THAT(with({"*.json"}, {}), ElementsAre("config.json", "a/b.json"));
  EXPECT_THAT(with({"*.json", "x.???"}, {"a/*"}), ElementsAre("config.json", "x.bin"));
  EXPECT_THAT(with({"a/"}, {}), ElementsAre("a/b.json"));
  EXPECT_THAT(with({"[cm]*"}, {}), ElementsAre("config.json", "model.safetensors"));
  EXPECT_THAT(with({"[!cm]*"}, {}), ElementsAre("a/b.json", "x.bin"));
  EXPECT_THAT(with({}, {"*.json"}), ElementsAre("model.safetensors"));
  const auto none = select_files(files, {{"*.gguf"}, {}}, "o/n");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind, ErrorKind::invalid_input);
  EXPECT_THAT(none.error().message, HasSubstr("none of the 4 files of o/n matches"));
}

TEST(HubSelect, foreign_weights_are_skipped_beside_safetensors_only) {
  const auto both =
      files_named({"config.json", "model-00001-of-00002.safetensors", "pytorch_model.bin",
                   "original/consolidated.00.pth", "consolidated.safetensors", "onnx/config.json", "m.gguf"});
  const auto selected = select_files(both, {}, "o/n").value();
  EXPECT_THAT(paths_of(selected.files), ElementsAre("config.json", "model-00001-of-00002.safetensors"));
  EXPECT_EQ(selected.skipped.size(), 5U);
  EXPECT_EQ(select_files(both, {.everything = true}, "o/n").value().files.size(), 7U);
  EXPECT_THAT(paths_of(select_files(both, {.include = {"*.bin"}}, "o/n").value().files),
              ElementsAre("pytorch_model.bin"));
  EXPECT_EQ(select_files(files_named({"config.json", "pytorch_model.bin"}), {}, "o/n").value().files.size(), 2U);
}

TEST(HubSelect, one_of_many_gguf_files_must_be_chosen) {
  const auto files = files_named({"m-Q4_0.gguf", "m-Q8_0.gguf", "README.md"});
  const auto all = select_files(files, {}, "o/n");
  ASSERT_FALSE(all.ok());
  EXPECT_THAT(all.error().message, HasSubstr("2 GGUF files; choose with --include"));
  EXPECT_EQ(select_files(files, {.everything = true}, "o/n").value().files.size(), 3U);
  EXPECT_EQ(select_files(files, {.include = {"*Q4*"}}, "o/n").value().files.size(), 1U);
  EXPECT_EQ(select_files(files_named({"m.gguf", "README.md"}), {}, "o/n").value().files.size(), 2U);
}

TEST_F(InFolder, the_cache_has_the_layout_of_huggingface_hub) {
  const HubCache cache(path_, "org/name");
  const std::filesystem::path folder = path_ / "models--org--name";
  EXPECT_EQ(cache.blob("e"), folder / "blobs" / "e");
  EXPECT_EQ(cache.snapshot(kCommit), folder / "snapshots" / kCommit);
  EXPECT_EQ(cache.lock_file("e"), path_ / ".locks" / "models--org--name" / "e.lock");
  EXPECT_EQ(cache.find_snapshot("main"), std::nullopt);
  ASSERT_TRUE(cache.create_folders().ok());
  std::ofstream(cache.blob("e")) << "content";
  ASSERT_TRUE(cache.link(kCommit, "sub/file.txt", "e").ok());
  ASSERT_TRUE(cache.link(kCommit, "sub/file.txt", "e").ok());  // again: nothing to do
  EXPECT_EQ(std::filesystem::read_symlink(folder / "snapshots" / kCommit / "sub" / "file.txt"), "../../../blobs/e");
  EXPECT_EQ(read_file(folder / "snapshots" / kCommit / "sub" / "file.txt", 100).value(), "content");
  EXPECT_EQ(cache.find_snapshot("main"), std::nullopt);
  EXPECT_EQ(cache.find_snapshot(kCommit), cache.snapshot(kCommit));
  ASSERT_TRUE(cache.write_ref("main", kCommit).ok());
  ASSERT_TRUE(cache.write_ref("refs/pr/1", kCommit).ok());
  EXPECT_EQ(read_file(folder / "refs" / "main", 100).value(), kCommit);
  EXPECT_EQ(cache.find_snapshot("main"), cache.snapshot(kCommit));
  EXPECT_EQ(cache.find_snapshot("refs/pr/1"), cache.snapshot(kCommit));
  std::ofstream(folder / "refs" / "main") << "../../../etc";
  EXPECT_EQ(cache.find_snapshot("main"), std::nullopt);
  EXPECT_THAT(find_cached_model(path_, {"org/other", "main"}).error().message, HasSubstr("kedge pull org/other"));
}

TEST_F(InFolder, a_link_replaces_what_was_there) {
  const HubCache cache(path_, "org/name");
  ASSERT_TRUE(cache.create_folders().ok());
  ASSERT_TRUE(cache.link(kCommit, "f", "old").ok());
  ASSERT_TRUE(cache.link(kCommit, "f", "new").ok());
  EXPECT_EQ(std::filesystem::read_symlink(cache.snapshot(kCommit) / "f"), "../../blobs/new");
}

TEST_F(InFolder, a_lock_excludes_others_while_it_lives) {
  const std::filesystem::path path = path_ / "locks" / "x.lock";
  {
    const auto first = FileLock::try_lock(path);
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(first.value().has_value());
    const auto second = FileLock::try_lock(path);
    ASSERT_TRUE(second.ok());
    EXPECT_FALSE(second.value().has_value());
  }
  EXPECT_TRUE(FileLock::try_lock(path).value().has_value());
}

TEST_F(InFolder, parts_come_in_any_order_and_survive_an_interruption) {
  const std::filesystem::path data = path_ / "blob.kedge.incomplete";
  {
    auto file = PartFile::open(data, 10, 4).value();
    ASSERT_EQ(file->part_count(), 3U);
    EXPECT_EQ(file->size(2), 2U);
    ASSERT_TRUE(file->append(2, "ij").ok());
    ASSERT_TRUE(file->append(0, "ab").ok());
    EXPECT_TRUE(file->complete(2));
    EXPECT_EQ(file->done(), 4U);
  }
  {
    auto file = PartFile::open(data, 10, 4).value();
    EXPECT_EQ(file->done(0), 2U);
    EXPECT_EQ(file->done(1), 0U);
    EXPECT_TRUE(file->complete(2));
    ASSERT_TRUE(file->append(0, "cd").ok());
    ASSERT_TRUE(file->append(1, "efgh").ok());
    ASSERT_TRUE(file->publish(path_ / "blob").ok());
  }
  EXPECT_EQ(read_file(path_ / "blob", 100).value(), "abcdefghij");
  size_t left = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) ++left;
  EXPECT_EQ(left, 1U);
}

TEST_F(InFolder, a_record_that_does_not_fit_is_not_trusted) {
  const std::filesystem::path data = path_ / "blob";
  const std::filesystem::path record = path_ / "blob.parts";
  const auto restarted = [&](uint64_t size, uint64_t part_bytes) {
    return PartFile::open(data, size, part_bytes).value()->done() == 0;
  };
  const auto with_progress = [&] {
    auto file = PartFile::open(data, 10, 4).value();
    file->discard();
    file = PartFile::open(data, 10, 4).value();
    EXPECT_TRUE(file->append(0, "ab").ok());
  };
  with_progress();
  EXPECT_FALSE(restarted(10, 4));
  EXPECT_TRUE(restarted(11, 4));
  with_progress();
  EXPECT_TRUE(restarted(10, 5));
  with_progress();
  std::filesystem::resize_file(data, 3);
  EXPECT_TRUE(restarted(10, 4));
  EXPECT_EQ(std::filesystem::file_size(data), 10U);
  const std::string whole = [&] {
    with_progress();
    return read_file(record, 1000).value();
  }();
  for (size_t size = 0; size < whole.size(); ++size) {
    std::ofstream(record, std::ios::trunc) << whole.substr(0, size);
    EXPECT_TRUE(restarted(10, 4)) << size;
  }
  std::string too_much = whole;
  too_much[32] = 5;  // the first part has 4 bytes
  std::ofstream(record, std::ios::trunc) << too_much;
  EXPECT_TRUE(restarted(10, 4));
}

TEST_F(InFolder, an_empty_file_has_no_parts) {
  auto file = PartFile::open(path_ / "x", 0, 4).value();
  EXPECT_EQ(file->part_count(), 0U);
  ASSERT_TRUE(file->publish(path_ / "y").ok());
  EXPECT_EQ(std::filesystem::file_size(path_ / "y"), 0U);
}

TEST_F(InFolder, digests) {
  std::ofstream(path_ / "f") << "hello\n";
  const auto digest = [&](DigestKind kind) { return digest_of_file(path_ / "f", kind, [] { return true; }).value(); };
  // `git hash-object` and `sha256sum` of the same.
  EXPECT_EQ(digest(DigestKind::sha1), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(digest(DigestKind::sha256), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  EXPECT_EQ(digest_of_file(path_ / "f", DigestKind::sha1, [] { return false; }).error().kind, ErrorKind::cancelled);
}

TEST(HubApi, requests) {
  const HubApi api = HubApi::create("https://mirror.example/hub/", "token").value();
  const ClientRequest listing = api.listing_request({"org/name", "refs/pr/1"});
  EXPECT_EQ(url_text(listing.url), "https://mirror.example/hub/api/models/org/name/revision/refs%2Fpr%2F1?blobs=true");
  EXPECT_EQ(listing.headers.at(0).value, "Bearer token");
  const ClientRequest file = HubApi::create("http://h:1", "").value().file_request("org/name", kCommit, "a b/c#.json");
  EXPECT_EQ(url_text(file.url), "http://h:1/org/name/resolve/" + kCommit + "/a%20b/c%23.json");
  EXPECT_TRUE(file.headers.empty());
  EXPECT_FALSE(HubApi::create("huggingface.co", "").ok());
  EXPECT_FALSE(HubApi::create("https://h/?x", "").ok());
}

TEST(HubApi, refusals_say_what_to_do) {
  const HubApi anonymous = HubApi::create("https://h", "").value();
  const HubApi known = HubApi::create("https://h", "token").value();
  const HubRepository repository{"org/name", "v2"};
  const auto judged = [&](const HubApi& api, int status, std::vector<ClientHeader> headers,
                          std::string_view path = "") {
    return api.refusal({.status = status, .url = parse_url("https://h/x").value(), .headers = std::move(headers)},
                       repository, path);
  };
  const std::vector<ClientHeader> gated{{"X-Error-Code", "GatedRepo"}};
  EXPECT_THAT(judged(anonymous, 401, gated).error.message,
              HasSubstr("is gated (HTTP 401): accept its terms at https://h/org/name"));
  EXPECT_THAT(judged(anonymous, 401, gated).error.message, HasSubstr("set HF_TOKEN"));
  EXPECT_THAT(judged(known, 403, gated).error.message, HasSubstr("belongs to the account that accepted"));
  EXPECT_EQ(judged(anonymous, 401, {}).error.kind, ErrorKind::not_found);
  EXPECT_THAT(judged(known, 401, {}).error.message, HasSubstr("refused the token"));
  EXPECT_THAT(judged(known, 403, {}).error.message, HasSubstr("HTTP 403"));
  EXPECT_THAT(judged(anonymous, 404, {}).error.message, HasSubstr("no such model at https://h"));
  EXPECT_THAT(judged(anonymous, 404, {{"x-error-code", "RevisionNotFound"}}).error.message,
              HasSubstr("no revision 'v2'"));
  EXPECT_THAT(judged(anonymous, 404, {}, "f.json").error.message, HasSubstr("file 'f.json': there is no such file"));
  EXPECT_FALSE(judged(anonymous, 404, {}).temporary);
  EXPECT_TRUE(judged(anonymous, 500, {}).temporary);
  EXPECT_TRUE(judged(anonymous, 429, {}).temporary);
  EXPECT_FALSE(judged(anonymous, 400, {}).temporary);
  EXPECT_EQ(judged(anonymous, 429, {{"Retry-After", "7"}}).delay, std::chrono::seconds(7));
  EXPECT_EQ(judged(anonymous, 429, {{"Retry-After", "99999999999"}}).delay, std::chrono::seconds(60));
  EXPECT_EQ(judged(anonymous, 429, {{"Retry-After", "Wed, 21 Oct"}}).delay, std::chrono::seconds(0));
}

TEST(HubApi, descriptions_from_heads) {
  const auto described = [](std::vector<ClientHeader> headers, std::optional<uint64_t> length) {
    return describe_file({.status = 200, .headers = std::move(headers), .content_length = length}, "f");
  };
  const auto small = described({{"ETag", "\"abc\""}}, 7);
  ASSERT_TRUE(small.ok());
  EXPECT_EQ(small.value().etag, "abc");
  EXPECT_EQ(small.value().size, 7U);
  const auto large = described({{"ETag", "\"abc\""}, {"X-Linked-ETag", "\"def\""}, {"X-Linked-Size", "5000000000"}}, 7);
  EXPECT_EQ(large.value().etag, "def");
  EXPECT_EQ(large.value().size, 5000000000U);
  EXPECT_FALSE(described({}, 7).ok());
  EXPECT_FALSE(described({{"ETag", "\"../x\""}}, 7).ok());
  EXPECT_FALSE(described({{"ETag", "\"abc\""}}, std::nullopt).ok());
  EXPECT_FALSE(described({{"ETag", "\"abc\""}, {"X-Linked-Size", "-1"}}, 7).ok());
  EXPECT_FALSE(described({{"ETag", "\"abc\""}, {"X-Linked-Size", "99999999999999999"}}, 7).ok());
}

TEST(HubApi, content_ranges) {
  const auto range = parse_content_range("bytes 5-9/100");
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(range->first, 5U);
  EXPECT_EQ(range->last, 9U);
  EXPECT_EQ(range->size, 100U);
  for (const std::string text : {"", "bytes", "bytes 5-9", "bytes 5-9/*", "bytes */100", "bytes 9-5/100",
                                 "bytes 5-100/100", "bits 5-9/100", "bytes -5-9/100", "bytes 5/9-100", "bytes a-b/c"}) {
    EXPECT_FALSE(parse_content_range(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace kedge::net
