// Goal: equal texts share a cluster, bands find what theory says, and verification links nothing else.
// Method: sets of known similarity, and small files written by the test.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "core/file.h"
#include "core/json.h"
#include "curate/dedup/deduplicate.h"
#include "curate/dedup/minhash.h"
#include "curate/dedup/shingles.h"
#include "curate/dedup/url_key.h"
#include "curate/normal_forms.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

TEST(Shingles, are_sets_of_words_and_windows) {
  std::vector<uint64_t> a = word_shingles(U"One two, THREE four five six");
  std::vector<uint64_t> b = word_shingles(U"one two three four five");
  make_set(a);
  make_set(b);
  EXPECT_DOUBLE_EQ(jaccard(a, b), 0.5);
  EXPECT_EQ(word_shingles(U"").size(), 1U);
  EXPECT_EQ(word_shingles(U"two words").size(), 1U);
  const std::u32string text(30, U'a');
  EXPECT_EQ(character_shingles(text).size(), 7U);
  EXPECT_EQ(character_shingles(text).front(), character_shingles(text).back());
}

TEST(MinHash, bands_find_what_theory_says) {
  const MinHash minhash(14, 8);
  std::mt19937_64 random(1);
  constexpr int kPairs = 600;
  int found = 0;
  for (int pair = 0; pair < kPairs; ++pair) {
    std::vector<uint64_t> a, b;
    for (int i = 0; i < 180; ++i) {
      const uint64_t shared = random();
      a.push_back(i < 160 ? shared : random());
      b.push_back(shared);  // J = 160 / 200
    }
    std::vector<uint64_t> keys_a(14), keys_b(14);
    minhash.band_keys(a, keys_a);
    minhash.band_keys(b, keys_b);
    bool same = false;
    for (size_t band = 0; band < 14; ++band) same = same || keys_a[band] == keys_b[band];
    found += same ? 1 : 0;
  }
  const double expected = 1 - std::pow(1 - std::pow(0.8, 8), 14);
  const double deviation = std::sqrt(expected * (1 - expected) * kPairs);
  EXPECT_NEAR(found, expected * kPairs, 4 * deviation);
}

TEST(NormalForms, compare_what_reads_the_same) {
  EXPECT_EQ(comparable_text("  Stra\xC3\x9F"
                            "e\n\te\xCC\x81"),
            "strasse \xC3\xA9");
  EXPECT_EQ(to_utf8(simplify_text(U"Caf\u00E9, 12.5 & 7\n!")), "cafe 0 0");
}

class Dedup : public testing::Test {
 protected:
  Dedup() : folder_(std::filesystem::temp_directory_path() / ("kedge_dedup_test_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Dedup() override { std::filesystem::remove_all(folder_); }

  std::string run(const std::string& lines, const DedupOptions& options) {
    std::ofstream(folder_ / "in.jsonl") << lines;
    WorkerPool pool(2);
    const auto counts = deduplicate({{folder_ / "in.jsonl"}, folder_ / "out.jsonl", {}}, options, pool, {}, {});
    EXPECT_TRUE(counts.ok());
    return read_file(folder_ / "out.jsonl", 1 << 22).value();
  }
  std::filesystem::path folder_;
};

TEST_F(Dedup, exact_clusters_come_in_input_order) {
  const std::string lines =
      "{\"id\":\"c\",\"text\":\"A\"}\n{\"id\":\"b\",\"text\":\"x\"}\n{\"id\":\"a\",\"text\":\"A\"}\n{\"id\":1,\"text\":"
      "\"a \"}\n";
  EXPECT_EQ(run(lines, {}), "{\"keep\":\"c\",\"ids\":[\"c\",\"a\"]}\n");
  EXPECT_EQ(run(lines, {.normalization = Normalization::text}), "{\"keep\":\"c\",\"ids\":[\"c\",\"a\",1]}\n");
}

TEST_F(Dedup, many_clusters_come_in_order_from_many_threads) {
  std::string lines, expected;
  constexpr int kClusters = 30000;
  for (int i = 0; i < 2 * kClusters; ++i) {
    lines += fmt::format("{{\"id\":{},\"text\":\"{}\"}}\n", i, i % kClusters);
    if (i % 100 == 7) lines += "{\"id\":0}\n";  // no document
  }
  for (int i = 0; i < kClusters; ++i) {
    expected += fmt::format("{{\"keep\":{},\"ids\":[{},{}]}}\n", i, i, i + kClusters);
  }
  EXPECT_TRUE(run(lines, {}) == expected);
}

TEST(UrlKey, follows_rfc_3986) {
  const char* const kSame[] = {"HTTP://Example.COM:80/a/./b/../c/?q=%7e%c3%A4#part", "http://example.com/a/c?q=~%C3%A4",
                               " http://example.com/a/c//?q=%7E%c3%a4 "};
  for (const char* url : kSame) EXPECT_EQ(comparable_url(url), "http://example.com/a/c?q=~%C3%A4") << url;
  EXPECT_EQ(comparable_url("https://Me@[::1]:443"), "https://Me@[::1]");
  EXPECT_EQ(comparable_url("https://h:80/"), "https://h:80");  // 443 is the scheme's own
  EXPECT_EQ(comparable_url("http://h/A%2Fb"), "http://h/A%2Fb");
  EXPECT_EQ(comparable_url("not an address/"), "not an address/");
}

TEST_F(Dedup, by_address_and_never_without_one) {
  const std::string lines =
      "{\"id\":1,\"text\":\"A\",\"url\":\"http://h/x/\"}\n{\"id\":2,\"text\":\"B\"}\n{\"id\":3,\"text\":\"B\"}\n"
      "{\"id\":4,\"text\":\"C\",\"url\":\"http://H:80/x#y\"}\n";
  EXPECT_EQ(run(lines, {.normalization = Normalization::url}), "{\"keep\":1,\"ids\":[1,4]}\n");
}

TEST_F(Dedup, an_index_and_files_say_what_one_run_in_memory_says) {
  std::mt19937 random(9);
  std::vector<std::string> texts;
  std::string first, second;
  for (int i = 0; i < 400; ++i) {
    std::string text;
    if (i % 3 != 0 && !texts.empty()) {
      text = texts[random() % texts.size()];
      text[random() % text.size()] = static_cast<char>('a' + random() % 26);
    } else {
      for (int w = 0; w < 60; ++w) text += "w" + std::to_string(random() % 900) + " ";
    }
    texts.push_back(text);
    (i < 250 ? first : second) += "{\"id\":" + std::to_string(i) + ",\"text\":\"" + text + "\"}\n";
  }
  DedupOptions options{.method = DedupMethod::fuzzy, .verify = true};
  const std::string together = run(first + second, options);
  EXPECT_GT(together.size(), 500U);
  options.on_disk = true;
  for (const uint64_t memory : {uint64_t{1} << 30, uint64_t{1} << 12}) {
    options.memory_bytes = memory;
    EXPECT_EQ(run(first + second, options), together);
  }
  options.index = folder_ / "index";
  const auto removed_of = [](const std::string& lines, int from) {
    std::map<int, int> removed;
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);) {
      const Json json = parse_json(line, "line").value();
      for (const Json& id : json["ids"]) {
        if (id != json["keep"] && id.get<int>() >= from) removed[id.get<int>()] = json["keep"].get<int>();
      }
    }
    return removed;
  };
  run(first, options);
  fs::rename(folder_ / "in.jsonl", folder_ / "first.jsonl");
  const std::string later = run(second, options);
  EXPECT_EQ(removed_of(later, 250), removed_of(together, 250));
  EXPECT_EQ(run(second, options), later) << "the same command is the same run";
  EXPECT_FALSE(fs::exists(folder_ / "index" / "run-000002"));
  WorkerPool pool(2);
  const Job job{{folder_ / "in.jsonl"}, folder_ / "other.jsonl", {}};
  options.jaccard_min = 0.9;  // may change; what the keys are made of may not
  ASSERT_TRUE(deduplicate(job, options, pool, {}, {}).ok());
  options.parameters = FuzzyParameters::nemo;
  EXPECT_EQ(deduplicate(job, options, pool, {}, {}).error().kind, ErrorKind::invalid_input);
  options.parameters = FuzzyParameters::kedge;
  std::ofstream(folder_ / "index" / "run-000000" / "shard-00000.keys", std::ios::app) << "12345678";
  const auto damaged = deduplicate({{folder_ / "in.jsonl"}, folder_ / "third.jsonl", {}}, options, pool, {}, {});
  EXPECT_EQ(damaged.error().kind, ErrorKind::corrupt_data);
}

TEST_F(Dedup, verification_keeps_apart_what_shares_little) {
  // 13 words; the second text changes the last one (8 of 10 runs shared), the third all but the first five.
  const std::string lines =
      "{\"id\":1,\"text\":\"a b c d e f g h i j k l m\"}\n{\"id\":2,\"text\":\"a b c d e f g h i j k l X\"}\n"
      "{\"id\":3,\"text\":\"a b c d e q r s t u v w x\"}\n";
  EXPECT_EQ(run(lines, {.method = DedupMethod::fuzzy, .verify = true}), "{\"keep\":1,\"ids\":[1,2]}\n");
  EXPECT_EQ(run(lines, {.method = DedupMethod::fuzzy, .verify = true, .jaccard_min = 0.95}), "");
}

}  // namespace
}  // namespace kedge::curate
