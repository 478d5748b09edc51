// Goal: semantic deduplication as a step of a pipeline, with little memory and in parts, removes what the command does;
// explain tells of it and of cuts; a killed process's files go with its next run alone; a dry run knows all methods.
// Method: embeddings made from a seed in two files; each answer beside that of a plain run.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include "core/file.h"
#include "curate/dedup/semantic.h"
#include "curate/pipeline/estimate.h"
#include "curate/pipeline/explain.h"
#include "curate/pipeline/run.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

class SemanticRun : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("kedge_semantic_run_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "in");
    std::mt19937 random(9);
    std::normal_distribution<float> normal;
    std::ofstream all(folder_ / "all.jsonl");
    for (int file = 0; file < 2; ++file) {
      std::ofstream out(folder_ / "in" / ("part-" + std::to_string(file) + ".jsonl"));
      for (int i = 0; i < 120; ++i) {
        std::ostringstream line;
        line << "{\"id\":" << file * 1000 + i << ",\"text\":\"ship number " << i << " of fleet " << file
             << "\",\"embedding\":[";
        std::mt19937 group(static_cast<unsigned>(i % 30));
        for (int k = 0; k < 12; ++k) line << (k > 0 ? "," : "") << normal(group) + 0.05F * normal(random);
        line << "]}\n";
        out << line.str();
        all << line.str();
      }
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] Result<Json> run(const std::string& yaml, const fs::path& output, uint32_t part = 0, uint32_t parts = 1,
                                 bool keep_work = false) const {
    const auto pipeline = parse_pipeline(yaml, "p");
    if (!pipeline.ok()) return pipeline.error();
    RunOptions options;
    options.inputs = expand_inputs({(folder_ / "in").string()}, {}).value();
    options.output = output;
    options.part = part;
    options.parts = parts;
    options.keep_work = keep_work;
    WorkerPool pool(2);
    return run_pipeline(pipeline.value(), options, pool, {}, {});
  }

  [[nodiscard]] static std::vector<std::string> ids_in(const fs::path& output) {
    std::vector<std::string> ids;
    for (const char* name : {"shard-00000.jsonl", "shard-00001.jsonl"}) {
      std::ifstream file(output / name);
      for (std::string line; std::getline(file, line);) ids.push_back(to_text(parse_json(line, "line").value()["id"]));
    }
    return ids;
  }

  [[nodiscard]] Json explained(const std::string& yaml, const fs::path& output, const std::string& id) const {
    ExplainOptions options;
    options.inputs = expand_inputs({(folder_ / "in").string()}, {}).value();
    options.output = output;
    options.id = id;
    WorkerPool pool(1);
    auto said = explain(parse_pipeline(yaml, "p").value(), options, pool, {});
    EXPECT_TRUE(said.ok()) << said.error().message;
    return said.ok() ? said.value() : Json();
  }

  fs::path folder_;
};

constexpr char kYaml[] =
    "format: jsonl\nsteps: [{clean: {ops: [mojibake]}}, {dedup: {method: semantic, n_clusters: 5, eps: 0.02, "
    "memory_mb: 1}}]";

TEST_F(SemanticRun, it_removes_what_the_command_removes_in_one_part_and_in_two) {
  WorkerPool pool(1);
  const Job job{{folder_ / "all.jsonl"}, folder_ / "decisions.jsonl", {}};
  SemanticOptions options{.clusters = 5, .eps = 0.02};
  ASSERT_TRUE(deduplicate_by_vectors(job, {}, options, false, pool, {}, {}).ok());
  const std::string decisions = read_file(folder_ / "decisions.jsonl", 1 << 20).value();
  ASSERT_TRUE(deduplicate_by_vectors(job, {}, options, true, pool, {}, {}).ok());
  EXPECT_EQ(read_file(folder_ / "decisions.jsonl", 1 << 20).value(), decisions);
  EXPECT_FALSE(fs::exists(folder_ / "decisions.jsonl.tmp-vectors"));
  std::vector<std::string> expected;
  std::istringstream lines(decisions);
  std::string gone, of;
  for (std::string line; std::getline(lines, line);) {
    const Json said = parse_json(line, "line").value();
    if (said["keep"] == true) expected.push_back(to_text(said["id"]));
    if (said["keep"] == false && gone.empty()) {
      gone = to_text(said["id"]);
      of = to_text(said["of"]);
    }
  }
  EXPECT_GT(expected.size(), 29U);
  EXPECT_LT(expected.size(), 200U);
  const auto report = run(kYaml, folder_ / "one");
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(ids_in(folder_ / "one"), expected);
  EXPECT_EQ(report.value()["counts"]["dropped"], 240 - expected.size());
  EXPECT_FALSE(fs::exists(folder_ / "one" / "work" / "stage-0" / "shard-00000.vectors"));
  ASSERT_EQ(run(kYaml, folder_ / "two", 0, 2).value()["complete"], false);
  ASSERT_EQ(run(kYaml, folder_ / "two", 1, 2).value()["complete"], false);
  ASSERT_EQ(run(kYaml, folder_ / "two", 0, 2).value()["complete"], true);
  EXPECT_EQ(ids_in(folder_ / "two"), expected);
  const Json said = explained(kYaml, folder_ / "one", gone);
  EXPECT_EQ(said["kept"], false);
  EXPECT_EQ(to_text(said["steps"][1]["details"]["of"]), of);
  EXPECT_GE(said["steps"][1]["details"]["cosine"].get<double>(), 0.98);
}

TEST_F(SemanticRun, without_embeddings_it_says_what_is_missing) {
  const auto report = run("steps: [{dedup: {method: semantic, vector_field: vector}}]", folder_ / "out");
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message.find("no document has an embedding in 'vector'"), std::string::npos);
  const auto wrong = run("steps: [{dedup: {method: semantic, which_to_keep: best}}]", folder_ / "out2");
  EXPECT_NE(wrong.error().message.find("expected hard, easy, random"), std::string::npos) << wrong.error().message;
}

TEST_F(SemanticRun, explain_tells_what_is_cut_and_masked) {
  std::ofstream(folder_ / "in" / "part-2.jsonl")
      << "{\"id\":\"a\",\"text\":\"Grüße!\\nOnly here is this line.\\n\"}\n"
         "{\"id\":\"b\",\"text\":\"First of b.\\nGrüße!\\nLast of b, to a@b.example.\\n\"}\n";
  constexpr char kCuts[] = "format: jsonl\nsteps: [{dedup: {method: paragraph}}, {pii: {action: mask}}]";
  ASSERT_TRUE(run(kCuts, folder_ / "out").ok());
  const Json said = explained(kCuts, folder_ / "out", "b");
  EXPECT_EQ(said["kept"], true);
  EXPECT_EQ(to_text(said["steps"][0]["details"]), R"({"cut":[[12,19]]})");
  EXPECT_EQ(to_text(said["steps"][0]["pieces"]), R"([{"start":12,"end":19,"text":"Grüße!\n"}])");
  EXPECT_EQ(said["steps"][1]["pieces"][0]["text"], "a@b.example");
  EXPECT_EQ(said["steps"][1]["pieces"][0]["type"], "EMAIL");
  EXPECT_EQ(said["text"], "First of b.\nLast of b, to [EMAIL].\n");
  const Json kept = explained(kCuts, folder_ / "out", "a");
  EXPECT_FALSE(kept["steps"][0].contains("pieces"));
  EXPECT_TRUE(explained(kCuts, folder_ / "no-run", "b")["kept"].is_null());
}

TEST_F(SemanticRun, what_a_killed_part_left_goes_with_its_next_run_alone) {
  const fs::path out = folder_ / "out", dedup = out / "work" / "dedup-0";
  ASSERT_EQ(run(kYaml, out, 0, 2).value()["complete"], false);
  for (const char* part : {"part-00000.tmp-spill", "part-00001.tmp-spill"}) {
    fs::create_directories(dedup / part);
    std::ofstream(dedup / part / "records-7-0-001.tmp-spill") << "left";
  }
  std::ofstream(dedup / "shard-00000.jsonl.tmp-Ab12Cd") << "another process may be writing this";
  std::ofstream(out / "work" / "stage-0" / "shard-00001.jsonl.zst.tmp-Ab12Cd") << "left";
  ASSERT_EQ(run(kYaml, out, 0, 2).value()["complete"], false);  // it links nothing yet
  EXPECT_FALSE(fs::exists(dedup / "part-00000.tmp-spill"));
  EXPECT_TRUE(fs::exists(dedup / "part-00001.tmp-spill" / "records-7-0-001.tmp-spill"));
  EXPECT_TRUE(fs::exists(dedup / "shard-00000.jsonl.tmp-Ab12Cd"));
  EXPECT_TRUE(fs::exists(out / "work" / "stage-0" / "shard-00001.jsonl.zst.tmp-Ab12Cd"));
  ASSERT_TRUE(run(kYaml, out, 1, 2).ok());  // it links, and holds the folder's lock
  EXPECT_FALSE(fs::exists(dedup / "part-00001.tmp-spill"));
  EXPECT_FALSE(fs::exists(dedup / "shard-00000.jsonl.tmp-Ab12Cd"));
  EXPECT_FALSE(fs::exists(out / "work" / "stage-0" / "shard-00001.jsonl.zst.tmp-Ab12Cd"));
}

TEST_F(SemanticRun, texts_beside_records_are_told_of_and_taken_on_request) {
  std::ofstream(folder_ / "in" / "readme.md") << "# Ships\n";
  std::ofstream(folder_ / "in" / "b.txt") << "text\n";
  InputChoice choice;
  EXPECT_EQ(expand_inputs({(folder_ / "in").string()}, {}, choice).value().size(), 2U);
  EXPECT_EQ(choice.passed_over, 2U);
  EXPECT_EQ(choice.example, folder_ / "in" / "b.txt");
  EXPECT_NE(choice.note().find("2 files of text"), std::string::npos);
  InputChoice both;
  both.include_text = true;
  const auto inputs = expand_inputs({(folder_ / "in").string()}, {}, both).value();
  ASSERT_EQ(inputs.size(), 4U);
  EXPECT_EQ(inputs.back().id, "readme.md");
  EXPECT_EQ(both.note(), "");
}

TEST_F(SemanticRun, a_dry_run_knows_what_each_method_takes) {
  const auto estimated = [&](const std::string& dedup) {
    const auto pipeline = parse_pipeline("steps: [{dedup: {" + dedup + "}}]", "p");
    WorkerPool pool(2);
    auto estimate = estimate_run(pipeline.value(), expand_inputs({(folder_ / "in").string()}, {}).value(), pool, {});
    EXPECT_TRUE(estimate.ok()) << dedup << estimate.error().message;
    return estimate.ok() ? estimate.value() : Estimate();
  };
  const Estimate exact = estimated("method: exact");
  EXPECT_NEAR(static_cast<double>(exact.memory_bytes), 240 * (4 + 40), 240);
  const Estimate semantic = estimated("method: semantic, n_clusters: 5");
  EXPECT_NEAR(static_cast<double>(semantic.memory_bytes), 240 * (24 + 48) + 5 * 48 * 3, 240);
  EXPECT_GT(semantic.work_bytes, 240U * 48);
  const Estimate paragraph = estimated("method: paragraph");  // one mark each; digits are alike
  EXPECT_NEAR(static_cast<double>(paragraph.memory_bytes), 240 * 24 + 238 * 12, 240);
  EXPECT_EQ(estimated("method: bloom, expected: 8000000, false_positives: 0.01").memory_bytes / 1000000, 9U);
  EXPECT_GT(estimated("method: substring, length: 20").memory_bytes, 1000U);

  const std::string index = (folder_ / "index").string();
  const Estimate fresh = estimated("method: exact, index: " + index);
  EXPECT_GT(fresh.work_bytes, exact.work_bytes + 240 * 16);
  fs::create_directories(folder_ / "index" / "run-000000");
  std::ofstream(folder_ / "index" / "run-000000" / "shard-00000.keys") << std::string(100 * 16, 'k');
  EXPECT_NEAR(static_cast<double>(estimated("method: exact, index: " + index).memory_bytes), 340 * (4 + 40), 240);
  std::ofstream(folder_ / "index" / "run-000000" / "shard-00000.jsonl.hashes") << std::string(50 * 16, 'h');
  EXPECT_NEAR(static_cast<double>(estimated("method: paragraph, index: " + index).memory_bytes),
              (240 + 50) * 24 + 238 * 12, 240);
}

}  // namespace
}  // namespace kedge::curate
