// Goal: a pipeline file says what it means or is refused by name; a run balances, repeats to the byte, and goes on
// where it stopped.
#include "curate/pipeline/pipeline.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "core/file.h"
#include "curate/dedup/cut.h"
#include "curate/language/classifier.h"
#include "curate/pipeline/explain.h"
#include "curate/pipeline/run.h"
#include "curate/pipeline/yaml.h"
#include "data/json_line.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

std::string message_of(std::string_view yaml) {
  const auto pipeline = parse_pipeline(yaml, "p.yaml");
  if (!pipeline.ok()) return pipeline.error().message;
  const auto stages = make_stages(pipeline.value());
  return stages.ok() ? "" : stages.error().message;
}

TEST(Yaml, reads_scalars_as_the_core_schema_does) {
  const auto json = parse_yaml("{a: 1, b: 1.5, c: '1', d: true, e: ~, f: [x, null], g: 0.10, h: inf, i: -3}", "y");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(to_text(json.value()),
            R"({"a":1,"b":1.5,"c":"1","d":true,"e":null,"f":["x",null],"g":0.1,"h":"inf","i":-3})");
}

TEST(Yaml, refuses_what_is_wrong_and_what_grows_without_end) {
  EXPECT_NE(parse_yaml("a: [1", "y").error().message.find("line"), std::string::npos);
  EXPECT_NE(parse_yaml("a: 1\na: 2", "y").error().message.find("line 2: 'a' is there twice"), std::string::npos);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before + ", " + before +
            ", " + before + ", " + before + "]\n";
  }
  EXPECT_NE(parse_yaml(bomb, "y").error().message.find("too many values"), std::string::npos);
}

TEST(Pipeline, names_what_is_wrong) {
  EXPECT_NE(message_of("steps: [nonsense]").find("found 'nonsense', expected an operator: extract"), std::string::npos);
  EXPECT_NE(message_of("steps: [{filter: {profil: nemo}}]").find("p.yaml.steps[0].filter.profil: no such setting"),
            std::string::npos);
  EXPECT_NE(message_of("steps: [{filter: {limits: {numbers: {max: x}}}}]").find("limits.numbers.max: found \"x\""),
            std::string::npos);
  EXPECT_NE(message_of("steps: [{dedup: {method: magic}}]").find("expected exact, fuzzy"), std::string::npos);
  EXPECT_NE(message_of("steps: [pii, extract]").find("make it the first step"), std::string::npos);
  EXPECT_NE(message_of("steps: []").find("expected a list of 1 to"), std::string::npos);
  EXPECT_NE(message_of("{}").find("steps"), std::string::npos);
  EXPECT_EQ(message_of("steps: [pii]"), "");
}

TEST(Classify, documents_are_kept_by_label_probability_or_draw) {
  const auto kept = [](const Json& settings) {
    Json whole = settings;
    whole["model"] = "tests/golden/fasttext_runs.bin";
    OptionReader options(whole, "classify");
    const auto step = find_operator("classify")->make(options, KEDGE_SOURCE_DIR);
    EXPECT_TRUE(step.ok()) << step.error().message;
    std::vector<size_t> count(2);
    for (int i = 0; i < 1000; ++i) {
      data::Document document{std::to_string(i), i % 2 == 0 ? "ship sail\n__label__sea" : "barn cow", ""};
      count[static_cast<size_t>(i % 2)] += step.value()->apply(document).keep ? 1U : 0U;
    }
    return count;
  };
  EXPECT_EQ(kept({{"keep", "sea"}}), (std::vector<size_t>{500, 0}));
  EXPECT_EQ(kept({{"label", "__label__land"}, {"min", 0.5}}), (std::vector<size_t>{0, 500}));
  EXPECT_EQ(kept({{"label", "land"}, {"max", 0.5}}), (std::vector<size_t>{500, 0}));
  // Of documents with probability p, a share (2 - p) ^ -3 is drawn; 45 are four deviations of half of 500.
  const std::vector<size_t> drawn = kept({{"label", "sea"}, {"rule", "pareto"}});
  const auto model = open_classifier(KEDGE_SOURCE_DIR "/tests/golden/fasttext_runs.bin");
  const double other = 1 - model.value()->identify("barn cow").score;
  EXPECT_GT(drawn[0], 450U);
  EXPECT_NEAR(static_cast<double>(drawn[1]), 500 * std::pow(2 - other, -3), 45);
  EXPECT_NE(kept({{"label", "sea"}, {"rule", "pareto"}, {"seed", 1}}), drawn);
  OptionReader wrong({{"model", "tests/golden/fasttext_runs.bin"}, {"label", "hq"}}, "classify");
  const auto refused = find_operator("classify")->make(wrong, KEDGE_SOURCE_DIR);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("found \"hq\", expected one of the 3 labels"), std::string::npos);
}

TEST(Perplexity, documents_are_kept_between_limits) {
  OptionReader options({{"model", "tests/golden/ngrams.arpa"}, {"max", 60}}, "perplexity");
  const auto step = find_operator("perplexity")->make(options, KEDGE_SOURCE_DIR);
  ASSERT_TRUE(step.ok()) << step.error().message;
  data::Document likely{"1", "The ship left harbour", ""}, unlikely{"2", "quartz vexes jumbled glyphs", ""};
  const Outcome kept = step.value()->apply(likely), dropped = step.value()->apply(unlikely);
  EXPECT_TRUE(kept.keep) << kept.details;
  EXPECT_EQ(kept.members.at(0).first, "perplexity");
  EXPECT_EQ(dropped.reason, "too unlikely") << dropped.details;
}

TEST(CodeStep, documents_are_kept_by_share_and_language) {
  const std::string python = "import os\nsize = os.stat(name).st_size\n";
  const std::string prose = "Here is how the size of a file is read.\n";
  const auto reason = [](const Json& settings, std::string text) {
    OptionReader options(settings, "code");
    const auto step = find_operator("code")->make(options, {});
    if (!step.ok()) return step.error().message;
    data::Document document{"1", std::move(text), ""};
    const Outcome outcome = step.value()->apply(document);
    EXPECT_EQ(outcome.keep, outcome.reason.empty());
    return outcome.keep ? outcome.details : outcome.reason;
  };
  EXPECT_EQ(reason({{"min_share", 0.6}}, python), R"({"code":"python","share":1})");
  EXPECT_EQ(reason({{"max_share", 0.6}}, prose), R"({"code":null,"share":0})");
  EXPECT_EQ(reason({{"min_share", 0.7}}, python + prose), "less code");
  EXPECT_EQ(reason({{"max_share", 0.6}}, python + prose), "more code");
  EXPECT_EQ(reason({{"keep", {"cpp"}}}, python), "code python");
  EXPECT_EQ(reason({{"keep", {"cpp"}}}, prose), "code none");
  EXPECT_EQ(reason({{"keep", {"pyton"}}}, "").find("code.keep: found \"pyton\", expected"), 0U);
}

TEST(PiiStep, actions_types_and_patterns_are_as_the_pipeline_says) {
  const auto made = [](const Json& settings, std::string text) {
    OptionReader options(settings, "pii");
    const auto step = find_operator("pii")->make(options, {});
    if (!step.ok()) return step.error().message;
    data::Document document{"1", std::move(text), ""};
    step.value()->apply(document);
    return document.text;
  };
  EXPECT_EQ(made({{"types", {"EMAIL"}}}, "a@b.cd 8.8.8.8"), "[EMAIL] 8.8.8.8");
  const Json staff = {{"patterns", {{{"name", "STAFF_ID"}, {"regex", "E[0-9]{6}"}, {"check", "luhn"}}}}};
  EXPECT_EQ(made(staff, "E123455 E123456 a@b.cd"), "[STAFF_ID] E123456 [EMAIL]");
  const std::string hashed = made({{"action", "hash"}, {"salt", "s"}}, "a@b.cd a@b.cd");
  EXPECT_EQ(hashed.substr(0, hashed.size() / 2), hashed.substr(hashed.size() / 2 + 1));
  EXPECT_NE(made({{"action", "surrogate"}}, "a@b.cd").find("@example."), std::string::npos);
  EXPECT_NE(made({{"action", "hash"}}, "").find("pii.salt: found"), std::string::npos);
  EXPECT_NE(made({{"types", {"EMAILS"}}}, "").find("pii.types: found \"EMAILS\""), std::string::npos);
  EXPECT_NE(made({{"patterns", {{{"name", "x"}, {"regex", "a"}}}}}, "").find("patterns[0].name"), std::string::npos);
}

TEST(Pipeline, reads_nemos_filters_and_recipes_of_data_juicer) {
  const auto nemo = parse_pipeline(
      "input_field: body\nfilters:\n  - name: nemo_curator.filters.heuristic_filter.WordCountFilter\n    params: "
      "{min_words: 5, max_words: 9}\n  - name: RepeatingDuplicateNGramsFilter\n    params: {n: 7, "
      "max_repeating_duplicate_ngram_ratio: 0.2}\n",
      "n");
  ASSERT_TRUE(nemo.ok()) << nemo.error().message;
  EXPECT_EQ(nemo.value().fields.text, "body");
  EXPECT_EQ(to_text(nemo.value().steps[0].options),
            R"({"profile":"nemo","only":["word_count","dup_7gram"],"limits":{"word_count":{"min":5.0,"max":9.0},)"
            R"("dup_7gram":{"max":0.2}}})");
  EXPECT_NE(message_of("filters: [{name: a.b.MagicFilter}]").find("found 'a.b.MagicFilter'"), std::string::npos);
  const auto juicer = parse_pipeline("dataset_path: a\nprocess: [{words_num_filter: {min_num: 3}}]", "j");
  ASSERT_TRUE(juicer.ok()) << juicer.error().message;
  EXPECT_EQ(juicer.value().steps[0].op, "filter");
  EXPECT_EQ(juicer.value().steps[0].options["limits"]["num_words"]["min"], 3);
  EXPECT_EQ(
      message_of("process: [text_lenght_filter]"),
      "p.yaml.process[0].text_lenght_filter: found 'text_lenght_filter', which has no counterpart; those that have one "
      "and are spelled most like it are text_length_filter, perplexity_filter or token_num_filter");
  EXPECT_NE(message_of("process: [text_chunk_mapper]").find("`kedge curate pack`"), std::string::npos);
}

TEST(Pipeline, data_juicers_operators_do_what_they_do_there) {
  const auto made_of = [](const std::string& recipe, std::string text) {
    const auto pipeline = parse_pipeline("process: [" + recipe + "]", "j");
    EXPECT_TRUE(pipeline.ok()) << pipeline.error().message;
    const StepConfig& config = pipeline.value().steps[0];
    OptionReader options(config.options, config.where);
    const auto step = find_operator(config.op)->make(options, "");
    EXPECT_TRUE(step.ok()) << step.error().message;
    data::Document document;
    document.text = std::move(text);
    const Outcome outcome = step.value()->apply(document);
    return outcome.values.empty() ? document.text : fmt::format("{:.6f} {}", outcome.values[0].second, outcome.keep);
  };
  // By data-juicer 1.6.1.
  EXPECT_EQ(made_of("text_length_filter", "\u00e9t\u00e9"), "3.000000 false");
  EXPECT_EQ(made_of("words_num_filter: {min_num: 3}", "a\u00a0b  c\td\n"), "3.000000 true");
  EXPECT_EQ(made_of("average_line_length_filter", "abcdef\nghijklm\n\nno"), "4.500000 false");
  EXPECT_EQ(made_of("maximum_line_length_filter: {min_len: 7}", "abcdef\nghijklm\n\nno"), "7.000000 true");
  EXPECT_EQ(made_of("alphanumeric_filter", "a_1\u00bd\u4e8c !?"), "0.500000 true");
  EXPECT_EQ(made_of("character_repetition_filter: {rep_len: 2}", "ababababcdcdxyz"), "0.500000 true");
  EXPECT_EQ(made_of("character_repetition_filter", "short"), "0.000000 true");
  EXPECT_EQ(made_of("clean_email_mapper: {repl: MAIL}", "to a.b@c.de, now"), "to MAIL, now");
  EXPECT_EQ(made_of("clean_ip_mapper", "at 10.0.0.1 and 2001:db8:0:0:0:0:0:1."), "at  and .");
  EXPECT_EQ(made_of("clean_links_mapper", "see https://a.b/c?d=(e), or www.f.gh/i."), "see , or .");
  EXPECT_EQ(made_of("clean_copyright_mapper", "x\n/* (C) COPYRIGHT */y/* z */"), "x\ny/* z */");
  EXPECT_EQ(made_of("clean_copyright_mapper", "# one\n\n// two\ncode\n# three"), "code\n# three");
  EXPECT_EQ(made_of("replace_content_mapper: {pattern: \"r'o+'\", repl: \"0\"}", "foo bo"), "f0 b0");
}

TEST(JsonLine, members_are_set_and_removed_and_the_rest_stays) {
  std::string line = R"({"a": 1.50, "text" : "x\"}", "b":[{"text":2}]})";
  data::set_member(line, "text", "\"y\"");
  data::set_member(line, "c", "3");
  EXPECT_EQ(line, R"({"a": 1.50, "text" : "y", "b":[{"text":2}],"c":3})");
  data::remove_member(line, "a");
  data::remove_member(line, "c");
  EXPECT_EQ(line, R"({ "text" : "y", "b":[{"text":2}]})");
  std::string empty = "{ }";
  data::set_member(empty, "a", "1");
  EXPECT_EQ(parse_json(empty, "line").value(), Json({{"a", 1}}));
  data::remove_member(empty, "a");
  EXPECT_TRUE(parse_json(empty, "line").value().empty());
  std::string odd = "{}";
  data::set_member(odd, "a\"\\b", "1");
  data::set_member(odd, "a\"\\b", "2");
  EXPECT_EQ(parse_json(odd, "line").value(), Json({{"a\"\\b", 2}}));
}

/// A folder of made-up documents in several files, with duplicates across them.
class RunTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("kedge_run_test_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "in");
    std::mt19937 random(7);
    for (int file = 0; file < 3; ++file) {
      std::ofstream out(folder_ / "in" / ("part-" + std::to_string(file) + ".jsonl"));
      for (int i = 0; i < 60; ++i) out << line(file * 100 + i, random);
      out << "not JSON\n";
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string line(int id, std::mt19937& random) {
    constexpr const char* kWords[] = {"ship", "harbour", "the", "of", "and", "wind", "rope", "sails", "to", "crew"};
    std::mt19937 fixed(static_cast<unsigned>(id % 5));
    std::mt19937& source = id % 4 == 0 ? fixed : random;  // every fourth is one of five
    std::string text;
    for (int w = 0; w < 80; ++w) text += std::string(kWords[source() % 10]) + std::to_string(source() % 50) + " ";
    if (id % 7 == 0) text += "write to someone@example.com.";
    return "{\"id\": " + std::to_string(id) + ", \"kept\": 1.0, \"text\": \"" + text + "\"}\n";
  }

  Result<Json> run(const fs::path& output, unsigned threads, uint32_t part = 0, uint32_t parts = 1,
                   const std::stop_token& stop = {}) {
    auto pipeline = parse_pipeline(
        "steps: [{pii: {}}, {dedup: {method: fuzzy}}, {filter: {only: [word_count]}}, "
        "{dedup: {method: exact}}, {sample: {share: 0.8}}]",
        "p");
    RunOptions options;
    options.inputs = expand_inputs({(folder_ / "in").string()}, {}).value();
    options.output = output;
    options.part = part;
    options.parts = parts;
    WorkerPool pool(threads);
    return run_pipeline(pipeline.value(), options, pool, {}, stop);
  }

  static std::string bytes_of(const fs::path& folder) {
    std::string all;
    for (const char* name : {"shard-00000.jsonl.zst", "shard-00001.jsonl.zst", "shard-00002.jsonl.zst", "report.json",
                             "report.html", "rejects/shard-00001.jsonl"}) {
      all += read_file(folder / name, 1 << 20).value() + "|";
    }
    return all;
  }

  fs::path folder_;
};

TEST_F(RunTest, balances_and_gives_the_same_bytes_whatever_the_threads_and_parts) {
  const auto one = run(folder_ / "one", 1);
  ASSERT_TRUE(one.ok()) << one.error().message;
  const Json& counts = one.value()["counts"];
  EXPECT_EQ(counts["in"], 183);
  EXPECT_EQ(counts["rejected"], 3);
  EXPECT_EQ(counts["in"].get<int>(), counts["kept"].get<int>() + counts["dropped"].get<int>() + 3);
  EXPECT_GT(one.value()["dedups"][0]["duplicates"], 30);
  EXPECT_EQ(one.value()["steps"][0]["labels"]["EMAIL"], one.value()["steps"][0]["changed"]);
  ASSERT_TRUE(run(folder_ / "three", 3).ok());
  EXPECT_EQ(bytes_of(folder_ / "one"), bytes_of(folder_ / "three"));
  // Two processes in turn: whoever comes last in a stage opens the next one.
  EXPECT_EQ(run(folder_ / "parts", 2, 1, 2).value()["complete"], false);
  EXPECT_EQ(run(folder_ / "parts", 2, 0, 2).value()["complete"], false);
  EXPECT_EQ(run(folder_ / "parts", 2, 1, 2).value()["complete"], false);
  EXPECT_EQ(run(folder_ / "parts", 2, 0, 2).value()["complete"], true);
  EXPECT_EQ(run(folder_ / "parts", 2, 1, 2).value()["complete"], true);
  EXPECT_EQ(bytes_of(folder_ / "one"), bytes_of(folder_ / "parts"));
}

TEST_F(RunTest, goes_on_where_it_stopped_and_repairs_what_is_damaged) {
  ASSERT_TRUE(run(folder_ / "whole", 2).ok());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(run(folder_ / "again", 2, 0, 1, stop.get_token()).error().kind, ErrorKind::cancelled);
  ASSERT_TRUE(run(folder_ / "again", 2).ok());
  EXPECT_EQ(bytes_of(folder_ / "whole"), bytes_of(folder_ / "again"));
  std::ofstream(folder_ / "again" / "shard-00001.jsonl.zst", std::ios::app) << "x";
  fs::remove(folder_ / "again" / "work" / "stage-2" / "shard-00002.json");
  ASSERT_TRUE(run(folder_ / "again", 2).ok());
  EXPECT_EQ(bytes_of(folder_ / "whole"), bytes_of(folder_ / "again"));
}

TEST_F(RunTest, cuts_texts_as_the_command_does) {
  const auto pipeline =
      parse_pipeline("steps: [{dedup: {method: substring, length: 120, memory_mb: 1}}]\nformat: jsonl", "p");
  RunOptions options;
  options.inputs = expand_inputs({(folder_ / "in").string()}, {}).value();
  options.output = folder_ / "cut";
  WorkerPool pool(2);
  const auto report = run_pipeline(pipeline.value(), options, pool, {}, {});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_GT(report.value()["dedups"][0]["cut_texts"], 30);
  EXPECT_GT(report.value()["steps"][0]["dropped_count"], 30);  // nothing is left of them
  std::string expected, found;
  const DedupOptions dedup{.method = DedupMethod::substring, .length = 120};
  ASSERT_TRUE(cut_repeats({options.inputs, folder_ / "cut.jsonl", {}}, dedup, pool, {}, {}).ok());
  const auto texts_of = [](const std::string& lines, std::string& texts) {
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);) {
      const Json json = parse_json(line, "line").value();
      if (json.value("keep", true)) texts += to_text(json["id"]) + json["text"].get<std::string>() + "\n";
    }
  };
  texts_of(read_file(folder_ / "cut.jsonl", 1 << 20).value(), expected);
  for (const char* name : {"shard-00000.jsonl", "shard-00001.jsonl", "shard-00002.jsonl"}) {
    texts_of(read_file(folder_ / "cut" / name, 1 << 20).value(), found);
  }
  EXPECT_EQ(found, expected);
}

TEST_F(RunTest, refuses_a_folder_that_holds_another_run) {
  ASSERT_TRUE(run(folder_ / "out", 2).ok());
  std::ofstream(folder_ / "in" / "part-0.jsonl", std::ios::app) << "{}\n";
  EXPECT_NE(run(folder_ / "out", 2).error().message.find("holds another run"), std::string::npos);
}

TEST_F(RunTest, a_changed_input_of_the_same_size_is_another_run) {
  ASSERT_TRUE(run(folder_ / "out", 2).ok());
  const fs::path changed = folder_ / "in" / "part-0.jsonl";
  fs::last_write_time(changed, fs::last_write_time(changed) + std::chrono::seconds(5));
  EXPECT_NE(run(folder_ / "out", 2).error().message.find("holds another run"), std::string::npos);
}

TEST_F(RunTest, only_files_of_its_own_are_taken_for_torn_ones) {
  const fs::path out = folder_ / "out";
  fs::create_directories(out / "deep");
  const auto touch = [](const fs::path& path) { std::ofstream(path) << "x"; };
  ASSERT_TRUE(run(out, 2).ok());
  for (const char* name : {"notes.tmp-2024.txt", "deep/shard-00000.jsonl.zst.tmp-abc"}) touch(out / name);
  touch(out / "shard-00001.jsonl.zst.tmp-abcdef");
  touch(out / "work" / "stage-0" / "shard-00001.keys.tmp-abcdef");
  ASSERT_TRUE(run(out, 2).ok());
  EXPECT_TRUE(fs::exists(out / "notes.tmp-2024.txt"));
  EXPECT_TRUE(fs::exists(out / "deep" / "shard-00000.jsonl.zst.tmp-abc"));
  EXPECT_FALSE(fs::exists(out / "shard-00001.jsonl.zst.tmp-abcdef"));
  EXPECT_FALSE(fs::exists(out / "work" / "stage-0" / "shard-00001.keys.tmp-abcdef"));
}

TEST_F(RunTest, damaged_keys_are_made_again) {
  std::stop_source stop;
  ASSERT_TRUE(run(folder_ / "whole", 2).ok());
  // One of two processes: its shards of the first stage stay.
  EXPECT_EQ(run(folder_ / "out", 2, 0, 2).value()["complete"], false);
  const fs::path keys = folder_ / "out" / "work" / "stage-0" / "shard-00000.keys";
  std::string bytes = read_file(keys, 1 << 20).value();
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  std::ofstream(keys, std::ios::binary) << bytes;
  ASSERT_TRUE(run(folder_ / "out", 2).ok());
  EXPECT_EQ(bytes_of(folder_ / "whole"), bytes_of(folder_ / "out"));
}

TEST_F(RunTest, files_that_lie_in_a_folder_and_are_named_are_read_once) {
  const std::string in = (folder_ / "in").string();
  const auto count = [](const std::vector<std::string>& inputs) { return expand_inputs(inputs, {}).value().size(); };
  EXPECT_EQ(count({in, in + "/part-1.jsonl"}), 3U);
  EXPECT_EQ(count({in + "/part-1.jsonl", in + "/part-1.jsonl"}), 2U);  // as often as it is named
  EXPECT_EQ(count({in + "/part-1.jsonl", in, in + "/*.jsonl"}), 3U);
  InputChoice choice;
  choice.output = folder_ / "in" / "out";
  ASSERT_TRUE(run(choice.output, 1).ok());
  EXPECT_EQ(expand_inputs({in}, {}, choice).value().size(), 3U);
}

TEST_F(RunTest, explains_a_duplicate_and_keeps_other_members) {
  const auto report = run(folder_ / "out", 2);
  ASSERT_TRUE(report.ok());
  const auto clusters = read_file(folder_ / "out" / "work" / "dedup-0" / "clusters.jsonl", 1 << 20).value();
  const Json first = parse_json(clusters.substr(0, clusters.find('\n')), "cluster").value();
  const auto pipeline = parse_pipeline("steps: [{pii: {}}, {dedup: {method: fuzzy}}]", "p");
  WorkerPool pool(2);
  ExplainOptions options;
  options.inputs = expand_inputs({(folder_ / "in" / "*.jsonl").string()}, {}).value();
  options.output = folder_ / "out";
  options.id = to_text(first["ids"][1]);
  const auto said = explain(pipeline.value(), options, pool, {});
  ASSERT_TRUE(said.ok()) << said.error().message;
  EXPECT_EQ(said.value()["kept"], false);
  EXPECT_EQ(said.value()["steps"][1]["details"]["of"], first["keep"]);
  options.id = "no such id";
  EXPECT_EQ(explain(pipeline.value(), options, pool, {}).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace kedge::curate
