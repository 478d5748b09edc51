// Goal: a run that takes evaluation items out makes several documents of one, whose counts balance, with the same bytes
// whatever the threads, parts and interruptions; what cannot do it says so.
// Method: a few documents around one question, over one file and three; every file of a run is compared.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "curate/pipeline/explain.h"
#include "curate/pipeline/pipeline.h"
#include "curate/pipeline/rows.h"
#include "curate/pipeline/run.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr const char* kQuestion = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike";
constexpr const char* kPipeline = R"(
format: jsonl
steps:
  - clean: {ops: [nfc]}
  - decontaminate: {against: items.json, action: remove, min_document_length: 20, remove_char_each_side: 4}
  - filter: {profile: data-juicer, limits: {text_len: {min: 30}}}
  - dedup: {method: exact}
)";

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class SplitTest : public ::testing::Test {
 protected:
  SplitTest() : folder_(fs::temp_directory_path() / ("kedge-split-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    std::ofstream(folder_ / "items.json") << R"([{"task":"t","item":1,"question":")" << kQuestion << "\"}]";
    std::ofstream(folder_ / "p.yaml") << kPipeline;
  }
  ~SplitTest() override { fs::remove_all(folder_); }

  std::vector<std::string> lines() const {
    const std::string before = "A text of some length comes first. And.",
                      behind = "Then. More of it follows the question.";
    const std::string both = before + " " + kQuestion + " " + behind;
    return {fmt::format(R"({{"id":"a","text":"{}","kept":1}})", both),
            fmt::format(R"({{"id":7,"text":"{}"}})",
                        both + " So then " + kQuestion + " and so on. And a third piece is at the end."),
            fmt::format(R"({{"id":"b","text":"{}"}})", kQuestion),
            R"({"id":"c","text":"Nothing that anybody ever asked."})",
            fmt::format(R"({{"id":"d","text":"{} and so on. What is behind it stays as it is."}})", kQuestion),
            R"({"id":"e","text":"A text of some length comes first."})",
            R"({"id":"f"})",
            R"({"id":"g","text":"short"})"};
  }

  RunOptions options_of(const std::string& output, size_t files) const {
    RunOptions options;
    options.output = folder_ / output;
    const std::vector<std::string> all = lines();
    for (size_t file = 0; file < files; ++file) {
      const fs::path path = folder_ / fmt::format("in-{}-{}.jsonl", files, file);
      if (!fs::exists(path)) {
        std::ofstream out(path);
        for (size_t i = all.size() * file / files; i < all.size() * (file + 1) / files; ++i) out << all[i] << '\n';
      }
      options.inputs.emplace_back(path);
    }
    return options;
  }

  Result<Json> run(const RunOptions& options, unsigned threads) const {
    KEDGE_ASSIGN(const Pipeline pipeline, read_pipeline(folder_ / "p.yaml"));
    WorkerPool pool(threads);
    return run_pipeline(pipeline, options, pool, {}, {});
  }

  std::string written(const fs::path& output) const {
    std::map<fs::path, std::string> files;
    for (const auto& entry : fs::directory_iterator(output)) {
      if (entry.path().extension() == ".jsonl") files[entry.path()] = text_of(entry.path());
    }
    std::string all;
    for (const auto& [path, text] : files) all += text;
    return all;
  }

  fs::path folder_;
};

TEST_F(SplitTest, pieces_are_documents_with_ids_of_their_own_and_counts_balance) {
  const auto report = run(options_of("out", 1), 2);
  ASSERT_TRUE(report.ok()) << report.error().message;
  const std::string out = written(folder_ / "out");
  EXPECT_EQ(out, R"({"id":"a-0","text":"A text of some length comes first.","kept":1})"
                 "\n"
                 R"({"id":"a-1","text":" More of it follows the question.","kept":1})"
                 "\n"
                 R"({"id":"7-2","text":" And a third piece is at the end."})"
                 "\n"
                 R"({"id":"c","text":"Nothing that anybody ever asked."})"
                 "\n"
                 R"({"id":"d","text":" What is behind it stays as it is."})"
                 "\n");
  // a, 7, c and d are there; b, e (a duplicate of a-0) and g are not; f has no text.
  EXPECT_EQ(to_text(report.value()["counts"]), R"({"in":8,"kept":4,"dropped":3,"rejected":1,"split_into":5})");
  const Json& step = report.value()["steps"][1];
  EXPECT_EQ(step["step"], "decontaminate remove");
  EXPECT_EQ(to_text(step["labels"]), R"({"pieces":5,"split":2,"trimmed":1})");
  EXPECT_EQ(report.value()["steps"][2]["in"], 9);
}

TEST_F(SplitTest, threads_files_parts_and_interruptions_do_not_matter) {
  ASSERT_TRUE(run(options_of("one", 1), 1).ok());
  ASSERT_TRUE(run(options_of("three", 3), 3).ok());
  EXPECT_EQ(written(folder_ / "three"), written(folder_ / "one"));
  RunOptions half = options_of("parts", 3);
  half.parts = 2;
  for (int round = 0; round < 3; ++round) {
    for (half.part = 0; half.part < 2; ++half.part) ASSERT_TRUE(run(half, 2).ok());
  }
  fs::remove(folder_ / "parts" / "shard-00001.jsonl");  // as if it had been killed before
  half.parts = 1;
  half.part = 0;
  ASSERT_TRUE(run(half, 2).ok());
  EXPECT_EQ(text_of(folder_ / "parts" / "report.json"), text_of(folder_ / "three" / "report.json"));
  EXPECT_EQ(written(folder_ / "parts"), written(folder_ / "one"));
}

TEST_F(SplitTest, common_runs_stay) {
  std::string often = kPipeline;
  often.replace(often.find("min_document"), 0, "max_matches: 4, ");  // there are five
  std::ofstream(folder_ / "p.yaml") << often;
  const auto report = run(options_of("out", 1), 2);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(to_text(report.value()["counts"]), R"({"in":8,"kept":6,"dropped":1,"rejected":1,"split_into":6})");
}

TEST_F(SplitTest, explains_pieces) {
  RunOptions run_options = options_of("out", 1);
  ASSERT_TRUE(run(run_options, 2).ok());
  ExplainOptions options;
  options.inputs = run_options.inputs;
  options.output = run_options.output;
  options.id = "a";
  WorkerPool pool(1);
  const auto said = explain(read_pipeline(folder_ / "p.yaml").value(), options, pool, {});
  ASSERT_TRUE(said.ok()) << said.error().message;
  EXPECT_TRUE(said.value()["kept"].is_null());
  EXPECT_EQ(said.value()["steps"].size(), 2U);
  EXPECT_EQ(said.value()["steps"][1]["pieces"][0]["text"], "A text of some length comes first.");
}

class NoRows final : public Rows {
 public:
  [[nodiscard]] size_t count() const override { return 0; }
  [[nodiscard]] Result<data::Document> read(size_t) const override { return data::Document(); }
};

TEST_F(SplitTest, tables_and_wrong_settings_are_refused) {
  const Pipeline pipeline = read_pipeline(folder_ / "p.yaml").value();
  const auto stages = make_stages(pipeline);
  ASSERT_TRUE(stages.ok());
  WorkerPool pool(1);
  const auto rows = run_rows(stages.value(), NoRows(), {}, pool, {});
  ASSERT_FALSE(rows.ok());
  EXPECT_NE(rows.error().message.find("several rows of one"), std::string::npos);
  const auto message = [&](const std::string& settings) {
    Pipeline other = parse_pipeline("steps: [{decontaminate: {" + settings + "}}]", "p").value();
    other.folder = folder_;
    return make_stages(other).error().message;
  };
  EXPECT_NE(message("action: remove").find(".against: not there"), std::string::npos);
  EXPECT_NE(message("action: remove, mode: fuzzy, against: items.json").find("expected ngram"), std::string::npos);
  EXPECT_NE(message("action: cut, against: items.json").find("expected drop, remove"), std::string::npos);
  EXPECT_NE(message("max_matches: 3, against: items.json").find("no such setting"), std::string::npos);
}

}  // namespace
}  // namespace kedge::curate
