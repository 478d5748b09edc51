// Goal: exactly the parts that stood before are cut, whatever the memory; the rest stays to the byte.
// Method: texts made from known parts, a quadratic search as the definition, and files damaged on purpose.
#include "curate/dedup/repeats.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <random>
#include <set>

#include "core/file.h"
#include "curate/dedup/bloom_filter.h"
#include "curate/dedup/cut.h"
#include "curate/dedup/record_sorter.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

class Repeats : public testing::Test {
 protected:
  Repeats() : folder_(fs::temp_directory_path() / ("kedge_repeats_test_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~Repeats() override { fs::remove_all(folder_); }

  std::vector<Edit> edits(const std::vector<std::string>& texts, const DedupOptions& options) const {
    auto finder = make_repeat_finder(options, {folder_, identity_}).value();
    for (size_t pass = 0; pass < finder->passes(); ++pass) {
      for (uint32_t i = 0; i < texts.size(); ++i) {
        EXPECT_TRUE(finder->add(pass, i, finder->look(pass, texts[i])).ok());
      }
      EXPECT_TRUE(finder->end_pass(pass).ok());
    }
    std::vector<Edit> all;
    for (uint32_t i = 0; i < texts.size(); ++i) all.push_back(finder->edit_of(i, texts[i]));
    return all;
  }
  std::vector<std::string> kept(const std::vector<std::string>& texts, const DedupOptions& options) const {
    std::vector<std::string> all;
    const std::vector<Edit> found = edits(texts, options);
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_TRUE(fit(found[i].cuts, texts[i]));
      all.push_back(without(texts[i], found[i].cuts));
    }
    return all;
  }
  fs::path folder_;
  std::string identity_;  // of the run
};

/// The definition: a byte goes when a window over it stood before, as far as it lies beyond that window's first place.
std::vector<std::string> cut_by_definition(const std::vector<std::string>& texts, size_t length) {
  std::map<std::string_view, std::pair<size_t, size_t>> first;
  std::vector<std::string> all;
  for (size_t d = 0; d < texts.size(); ++d) {
    std::vector<bool> gone(texts[d].size());
    for (size_t i = 0; i + length <= texts[d].size(); ++i) {
      const auto [entry, fresh] = first.emplace(std::string_view(texts[d]).substr(i, length), std::pair{d, i});
      if (fresh) continue;
      const auto [at_document, at] = entry->second;
      for (size_t k = at_document == d ? std::max(i, at + length) : i; k < i + length; ++k) gone[k] = true;
    }
    std::string left;
    for (size_t i = 0; i < gone.size(); ++i) {
      if (!gone[i]) left += texts[d][i];
    }
    all.push_back(left);
  }
  return all;
}

TEST_F(Repeats, substrings_are_those_of_the_definition_however_little_memory) {
  std::mt19937 random(5);
  std::vector<std::string> texts;
  for (int d = 0; d < 60; ++d) {
    std::string text;
    while (text.size() < 600) {
      const bool copy = !texts.empty() && random() % 3 == 0;
      const std::string& from = copy ? texts[random() % texts.size()] : text;
      const size_t at = from.empty() ? 0 : random() % from.size();
      if (copy || random() % 9 == 0) text += from.substr(at, 20 + random() % 60);
      for (int i = 0; i < 30; ++i) text += static_cast<char>('a' + random() % 4);
      if (random() % 12 == 0) text += std::string(random() % 130, '-');
    }
    texts.push_back(text);
  }
  const auto expected = cut_by_definition(texts, 40);
  EXPECT_NE(expected, texts);
  for (const uint64_t memory : {uint64_t{1} << 30, uint64_t{10000}}) {
    EXPECT_EQ(kept(texts, {.method = DedupMethod::substring, .length = 40, .memory_bytes = memory}), expected);
  }
  EXPECT_TRUE(fs::is_empty(folder_)) << "spill files are left";
}

TEST_F(Repeats, substrings_end_between_characters) {
  const std::string part = std::string(48, 'x') + "\xC3\xA4";  // ä and å share their first byte
  const std::vector<std::string> texts = {part + "!", part.substr(0, 49) + "\xA5?"};
  EXPECT_EQ(kept(texts, {.method = DedupMethod::substring, .length = 40})[1], "\xC3\xA5?");
}

TEST_F(Repeats, sentences_go_three_at_a_time) {
  const std::vector<std::string> texts = {"One is here. Two is there! Three is 7. Four ends it.",
                                          "New. ONE is here.\n Two is there. Three is 9! Last one. Four ends it.",
                                          "Two is there. Three is 3. Other."};
  const auto left = kept(texts, {.method = DedupMethod::sentence});
  EXPECT_EQ(left[0], texts[0]);
  EXPECT_EQ(left[1], "New. Last one. Four ends it.");
  EXPECT_EQ(left[2], texts[2]);  // only two of them
  EXPECT_EQ(kept(texts, {.method = DedupMethod::sentence, .sentences = 2})[2], "Other.");
}

// What DataTrove 0.10.1's three steps made of these, with min_doc_words and min_num_sentences 0.
TEST_F(Repeats, sentences_leave_the_bytes_that_datatrove_leaves) {
  const std::vector<std::string> texts = {
      "One is here. Two is there! Three is 7. Four ends it.",
      "  One is here. Two is there. Three is 7.  \n\nBegin of mine. And an end ",
      "My own. One is here. Two is there. Three is 7. \n",
      "\nMine here. One is here. Two is there. Three is 7. Four ends it. Mine again.\n\n",
      "One is here. Two is there. Three is 7. \u3000Tail  "};
  const auto left = kept(texts, {.method = DedupMethod::sentence, .words_min = 0, .sentences_min = 0});
  EXPECT_EQ(left, (std::vector<std::string>{texts[0], "Begin of mine. And an end", "My own. \n",
                                            "Mine here. Mine again.\n\n", "Tail  "}));
}

// As DataTrove 0.10.1's finder with an index folder, which keeps to it on random documents too.
TEST_F(Repeats, sentences_of_an_index_go_wherever_they_stand) {
  const std::vector<std::string> first = {"One is here. Two is there! Three is 7.", "Alpha. Beta. Gamma.",
                                          "Start. Alpha. Beta. Gamma."};
  const std::vector<std::string> second = {"Own. One is here. Two is there! Three is 7.", "Delta is. Eps is. Zeta is.",
                                           "Mine. Delta is. Eps is. Zeta is.", "Alpha. Beta. Gamma. End."};
  DedupOptions options{.method = DedupMethod::sentence, .words_min = 0, .sentences_min = 0, .index = folder_ / "index"};
  identity_ = "first";
  EXPECT_EQ(kept(first, options), (std::vector<std::string>{first[0], first[1], "Start."}));  // there is no earlier one
  for (int again = 0; again < 2; ++again) {  // the same run again is compared with what was there before it
    identity_ = "second";
    EXPECT_EQ(kept(second, options), (std::vector<std::string>{"Own.", second[1], second[2], "End."}));
  }
  options.only_in_index = false;
  EXPECT_EQ(kept(second, options), (std::vector<std::string>{"Own.", second[1], "Mine.", "End."}));
  identity_ = "third";
  EXPECT_EQ(kept({"Delta is. Eps is. Zeta is. More."}, options)[0], "More.");
  options.sentences = 2;
  EXPECT_EQ(make_repeat_finder(options, {folder_, "fourth"}).error().kind, ErrorKind::invalid_input);
  options.sentences = 3;
  fs::resize_file(folder_ / "index" / "run-000000" / "shard-00000.jsonl.hashes", 16);
  EXPECT_EQ(make_repeat_finder(options, {folder_, "fourth"}).error().kind, ErrorKind::corrupt_data);
}

TEST_F(Repeats, paragraphs_of_an_index_go_too) {
  const DedupOptions options{.method = DedupMethod::paragraph, .index = folder_ / "index", .only_in_index = false};
  identity_ = "first";
  EXPECT_EQ(kept({"Menu\nText.\n"}, options)[0], "Menu\nText.\n");
  const fs::path torn = folder_ / "index" / "run-000001" / "shard-00000.jsonl.hashes.tmp-1";
  fs::create_directories(torn.parent_path());
  std::ofstream(torn) << "of a run that was killed";
  identity_ = "second";
  EXPECT_EQ(kept({"Menu\nOther.\n", "Other.\nLast.\n"}, options), (std::vector<std::string>{"Other.\n", "Last.\n"}));
  EXPECT_FALSE(fs::exists(torn));
}

TEST_F(Repeats, paragraphs_are_compared_as_ccnet_does) {
  const std::vector<std::string> texts = {"Menu 12\n\nText.\n", "\xE2\x80\x9Cmenu 34\xE2\x80\x9D \nOther\n\ntext."};
  EXPECT_EQ(kept(texts, {.method = DedupMethod::paragraph})[1], "Other\n\n");
  EXPECT_EQ(ccnet_normal_form(U" A1\u2026b\u0007 "), U"a0b");
  // sha1("a") begins 86 f7 e4 37 fa a5 a7 fc
  EXPECT_EQ(ccnet_hash(U"A"), 0xfca7a5fa37e4f786ULL);
}

TEST(BloomFilter, holds_to_its_rate_and_refuses_damage) {
  const BloomKind kind{1, 0};
  BloomFilter filter = BloomFilter::create(20000, 0.01, kind).value();
  EXPECT_EQ(filter.bits(), 191702U);  // ceil(20000 * 9.58506)
  EXPECT_EQ(filter.hashes(), 7U);
  std::mt19937_64 random(1);
  std::vector<std::pair<uint64_t, uint64_t>> keys(20000);
  for (auto& key : keys) key = {random(), random()};
  for (const auto& [high, low] : keys) filter.insert(high, low);
  for (const auto& [high, low] : keys) EXPECT_TRUE(filter.contains(high, low));
  int wrong = 0;
  for (int i = 0; i < 20000; ++i) wrong += filter.contains(random(), random()) ? 1 : 0;
  EXPECT_NEAR(wrong, 200, 60);  // four deviations
  const fs::path path = fs::temp_directory_path() / ("kedge_bloom_test_" + std::to_string(::getpid()));
  ASSERT_TRUE(filter.save(path).ok());
  const BloomFilter again = BloomFilter::load(path, kind).value();
  EXPECT_EQ(again.entries(), 20000U);
  for (const auto& [high, low] : keys) EXPECT_TRUE(again.contains(high, low));
  EXPECT_EQ(BloomFilter::load(path, {0, 13}).error().kind, ErrorKind::invalid_input);
  const std::string whole = read_file(path, 1 << 20).value();
  for (const size_t at : {size_t{0}, size_t{9}, size_t{25}, size_t{60}, whole.size() - 1}) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    std::ofstream(path, std::ios::binary) << bytes;
    EXPECT_EQ(BloomFilter::load(path, kind).error().kind, ErrorKind::corrupt_data) << at;
  }
  std::ofstream(path, std::ios::binary) << whole.substr(0, whole.size() - 8);
  EXPECT_EQ(BloomFilter::load(path, kind).error().kind, ErrorKind::corrupt_data);
  fs::remove(path);
  EXPECT_EQ(BloomFilter::create(uint64_t{1} << 60, 1e-5, kind).error().kind, ErrorKind::out_of_memory);
}

TEST_F(Repeats, bloom_drops_what_is_known_by_words_document_and_paragraph) {
  std::string words;
  for (int i = 0; i < 30; ++i)
    words += "word" + std::string(1, static_cast<char>('a' + i % 26)) + (i > 25 ? "x " : " ");
  const std::vector<std::string> texts = {
      words, words + "and one", "a few words", "a few words",
      words.substr(0, 90) + "all else is new here and so it stays as it is with us."};
  const auto dropped = [&](const DedupOptions& options) {
    std::vector<bool> all;
    for (const Edit& edit : edits(texts, options)) all.push_back(edit.drop);
    return all;
  };
  DedupOptions options{.method = DedupMethod::bloom};
  EXPECT_EQ(dropped(options), (std::vector<bool>{false, true, false, false, false}));
  options.bloom.by = BloomBy::document;
  options.bloom.save = folder_ / "filter";
  EXPECT_EQ(dropped(options), (std::vector<bool>{false, false, false, true, false}));
  options.bloom.load = options.bloom.save;
  options.bloom.save.clear();
  options.bloom.read_only = true;
  EXPECT_EQ(dropped(options), (std::vector<bool>{true, true, true, true, true}));
  options = {.method = DedupMethod::bloom};
  options.bloom.by = BloomBy::paragraph;
  EXPECT_EQ(kept({"x\ny", "z\nx\n"}, options)[1], "z\n");
  options.bloom.read_only = true;
  EXPECT_EQ(make_repeat_finder(options, {folder_, {}}).error().kind, ErrorKind::invalid_input);
}

TEST_F(Repeats, lines_say_what_went_in_code_points) {
  std::ofstream(folder_ / "in.jsonl")
      << "{\"id\":1,\"text\":\"\xC3\xA4 1\\nmenu\"}\n{\"id\":2,\"text\":\"\xC3\xBC\\nMENU"
         "\\nz\"}\n{\"id\":3,\"text\":\"Menu\"}\n";
  WorkerPool pool(2);
  const DedupOptions options{.method = DedupMethod::paragraph};
  const auto counts = cut_repeats({{folder_ / "in.jsonl"}, folder_ / "out.jsonl", {}}, options, pool, {}, {});
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(read_file(folder_ / "out.jsonl", 1 << 20).value(),
            "{\"id\":1,\"keep\":true,\"reason\":null,\"cut\":[],\"text\":\"\xC3\xA4 1\\nmenu\"}\n"
            "{\"id\":2,\"keep\":true,\"reason\":null,\"cut\":[[2,7]],\"text\":\"\xC3\xBC\\nz\"}\n"
            "{\"id\":3,\"keep\":false,\"reason\":\"too little left\",\"cut\":[[0,4]],\"text\":\"\"}\n");
}

TEST_F(Repeats, records_without_a_document_shift_no_cut) {
  std::ofstream(folder_ / "a.jsonl") << "\n{\"id\":1}\n{\"id\":2,\"text\":\"menu\\none\"}\nbroken\n";
  std::ofstream(folder_ / "b.jsonl") << "{\n{\"id\":3,\"text\":\"menu\\ntwo\"}\n";
  WorkerPool pool(2);
  const DedupOptions options{.method = DedupMethod::paragraph};
  const auto counts =
      cut_repeats({{folder_ / "a.jsonl", folder_ / "b.jsonl"}, folder_ / "out.jsonl", {}}, options, pool, {}, {});
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(counts.value().rejected, 3U);
  EXPECT_EQ(read_file(folder_ / "out.jsonl", 1 << 20).value(),
            "{\"id\":2,\"keep\":true,\"reason\":null,\"cut\":[],\"text\":\"menu\\none\"}\n"
            "{\"id\":3,\"keep\":true,\"reason\":null,\"cut\":[[0,5]],\"text\":\"two\"}\n");
}

TEST_F(Repeats, cuts_must_fit_the_text) {
  EXPECT_TRUE(fit(std::vector<ByteSpan>{{0, 1}, {3, 4}}, "a\xC3\xA4z"));
  EXPECT_FALSE(fit(std::vector<ByteSpan>{{1, 2}}, "a\xC3\xA4z"));
  EXPECT_FALSE(fit(std::vector<ByteSpan>{{2, 3}, {1, 2}}, "abcd"));
  EXPECT_FALSE(fit(std::vector<ByteSpan>{{0, 5}}, "abcd"));
}

TEST_F(Repeats, records_come_sorted_and_damage_is_seen) {
  std::mt19937_64 random(3);
  std::multiset<KeyRecord> expected;
  RecordSorter sorter(folder_, 100 * sizeof(KeyRecord));
  for (uint64_t i = 0; i < 5000; ++i) {
    const KeyRecord record{(random() % 700) << 54, random() % 2, i};
    expected.insert(record);
    ASSERT_TRUE(sorter.add(record).ok());
  }
  std::vector<KeyRecord> found;
  ASSERT_TRUE(sorter
                  .runs([&](std::span<const KeyRecord> run) -> Status {
                    for (const KeyRecord& record : run) EXPECT_EQ(record.high, run[0].high);
                    found.insert(found.end(), run.begin(), run.end());
                    return Done{};
                  })
                  .ok());
  EXPECT_EQ(found, std::vector<KeyRecord>(expected.begin(), expected.end()));
  RecordSorter damaged(folder_, 100 * sizeof(KeyRecord));
  for (uint64_t i = 0; i < 500; ++i) ASSERT_TRUE(damaged.add({random(), 0, i}).ok());
  for (const auto& entry : fs::directory_iterator(folder_)) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20);
    file.put('\x55');
  }
  const auto result = damaged.runs([](std::span<const KeyRecord>) -> Status { return Done{}; });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::corrupt_data);
}

}  // namespace
}  // namespace kedge::curate
