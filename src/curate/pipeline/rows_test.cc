// Goal: a pipeline over documents in memory decides as over a file, and a run taken apart writes what a whole one does.
// Method: the same few documents both ways; every file of a run is compared. Python's tests do it for every operator.
#include "curate/pipeline/rows.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "curate/pipeline/pipeline.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr char kPipeline[] = R"(
format: jsonl
steps:
  - clean: {ops: [mojibake]}
  - dedup: {method: exact}
  - pii: {action: mask}
  - dedup: {method: substring, length: 20, min_words: 2}
  - filter: {profile: nemo, only: [word_count], limits: {word_count: {min: 2, max: 50}}}
)";
const std::vector<std::string> kTexts = {"one text of the first kind, with a@b.com in it",
                                         "one text of the first kind, with a@b.com in it",
                                         "",
                                         "word",
                                         "another text with nothing that repeats",
                                         "another text with nothing that repeats, and don\u00e2\u20ac\u2122t"};

class Texts final : public Rows {
 public:
  [[nodiscard]] size_t count() const override { return kTexts.size(); }
  [[nodiscard]] Result<data::Document> read(size_t row) const override {
    if (kTexts[row].empty()) return Error{ErrorKind::invalid_input, "no text"};
    data::Document document;
    document.id_json = std::to_string(row);
    document.text = kTexts[row];
    return document;
  }
};

Pipeline pipeline_of(std::string_view text) {
  auto pipeline = parse_pipeline(text, "p");
  EXPECT_TRUE(pipeline.ok()) << pipeline.error().message;
  return std::move(pipeline).value();
}

class RowsTest : public ::testing::Test {
 protected:
  RowsTest() : folder_(fs::temp_directory_path() / ("kedge-rows-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_ / "spill");
  }
  ~RowsTest() override { fs::remove_all(folder_); }

  Result<std::vector<RowOutcome>> run(std::string_view text, unsigned threads) const {
    const Pipeline pipeline = pipeline_of(text);
    KEDGE_ASSIGN(const Stages stages, make_stages(pipeline));
    WorkerPool pool(threads);
    return run_rows(stages, Texts(), {folder_ / "spill", true, {}}, pool, {});
  }

  fs::path folder_;
};

TEST_F(RowsTest, decides_step_by_step) {
  for (const unsigned threads : {1U, 3U}) {
    const auto ran = run(kPipeline, threads);
    ASSERT_TRUE(ran.ok()) << ran.error().message;
    const auto& rows = ran.value();
    using State = RowOutcome::State;
    EXPECT_EQ(rows[0].state, State::kept);
    EXPECT_EQ(rows[0].text, "one text of the first kind, with [EMAIL] in it");
    EXPECT_EQ(rows[1].state, State::dropped);
    EXPECT_EQ(rows[1].step, 1U);
    EXPECT_EQ(rows[1].reason, "duplicate");
    EXPECT_EQ(rows[1].details, R"({"of":0})");
    EXPECT_EQ(rows[2].state, State::rejected);
    EXPECT_EQ(rows[2].reason, "no text");
    EXPECT_EQ(rows[3].state, State::dropped);
    EXPECT_EQ(rows[3].step, 4U);
    EXPECT_EQ(rows[3].reason, "word_count");
    EXPECT_EQ(rows[4].state, State::kept);
    EXPECT_FALSE(rows[4].changed);
    EXPECT_EQ(rows[5].state, State::kept);
    EXPECT_EQ(rows[5].text, ", and don\u2019t");
    EXPECT_TRUE(fs::is_empty(folder_ / "spill"));
  }
}

TEST_F(RowsTest, stops_and_refuses) {
  const Pipeline pipeline = pipeline_of("steps: [language]");
  const auto stages = make_stages(pipeline);
  ASSERT_TRUE(stages.ok());
  std::stop_source stop;
  stop.request_stop();
  WorkerPool pool(1);
  const auto stopped = run_rows(stages.value(), Texts(), {}, pool, stop.get_token());
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind, ErrorKind::cancelled);
  const auto near = run("steps: [{dedup: {method: semantic}}]", 1);
  ASSERT_FALSE(near.ok());
  EXPECT_NE(near.error().message.find("no column 'embedding' of embeddings"), std::string::npos);
}

/// What a run leaves for its user.
std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (!entry.is_regular_file() || name.starts_with("work")) continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    files[name] = text.str();
  }
  return files;
}

TEST_F(RowsTest, a_run_taken_apart_writes_the_same) {
  const Pipeline pipeline = pipeline_of(kPipeline);
  RunOptions options;
  for (size_t shard = 0; shard < 3; ++shard) {
    const fs::path input = folder_ / (std::to_string(shard) + ".jsonl");
    options.inputs.emplace_back(input);
    std::ofstream out(input);
    for (size_t i = 0; i < kTexts.size(); ++i) {
      out << R"({"id":)" << i * 10 + shard << R"(,"text":")" << kTexts[i] << (i % 2 == 0 ? "" : "!") << "\"}\n";
    }
  }
  WorkerPool pool(2);
  options.output = folder_ / "whole";
  ASSERT_TRUE(run_pipeline(pipeline, options, pool, {}, {}).ok());
  options.output = folder_ / "parts";
  auto first = RunParts::open(pipeline, options, pool, {}, {}),
       second = RunParts::open(pipeline, options, pool, {}, {});
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_TRUE(first.value().prepare().ok());
  EXPECT_FALSE(second.value().is_finished());
  ASSERT_EQ(first.value().stages(), 3U);
  for (size_t stage = 0; stage < 3; ++stage) {
    for (const size_t shard : {2U, 0U, 1U}) {
      RunParts& parts = shard == 0 ? first.value() : second.value();
      ASSERT_TRUE(parts.finish_shard(stage, shard).ok());
      ASSERT_TRUE(parts.finish_shard(stage, shard).ok());  // it is done
    }
    if (stage < 2) {
      ASSERT_TRUE(second.value().link(stage).ok());
    }
  }
  EXPECT_TRUE(first.value().is_finished());
  std::ofstream(folder_ / "0.jsonl", std::ios::app) << "\n";
  auto late = RunParts::open(pipeline, options, pool, {}, {});
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(late.value().finish_shard(0, 0).error().kind, ErrorKind::invalid_input);
  const auto report = first.value().finish();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(files_of(folder_ / "parts"), files_of(folder_ / "whole"));
  EXPECT_EQ(files_of(folder_ / "whole").size(), 3U + 3U + 2U);
}

}  // namespace
}  // namespace kedge::curate
