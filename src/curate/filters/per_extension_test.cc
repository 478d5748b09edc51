// Goal: source code is scored by its language's and extension's limits as NeMo Curator's PerExtensionFilter does.
// Method: a table, sources and NeMo's own scores (tests/golden/make_per_extension.py); NeMo's list of filters.
#include "curate/filters/per_extension.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "curate/pipeline/pipeline.h"

namespace kedge::curate {
namespace {

TEST(PerExtension, scores_as_nemo_does) {
  const auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/per_extension.json");
  ASSERT_TRUE(golden.ok());
  const auto table = golden.value()["table"].get<std::string>();
  const Json& sources = golden.value()["sources"];
  ASSERT_EQ(golden.value()["cases"].size(), 10U);
  for (const Json& a_case : golden.value()["cases"]) {
    const auto limits = parse_extension_limits(table, "table", a_case["lang"].get<std::string>(),
                                               a_case["extension"].get<std::string>());
    ASSERT_TRUE(limits.ok()) << limits.error().message;
    for (size_t i = 0; i < sources.size(); ++i) {
      const auto score = score_extension(to_codes(sources[i].get<std::string>()), limits.value());
      const Json found = score ? Json(static_cast<int>(*score)) : Json();
      EXPECT_EQ(found, a_case["scores"][i]) << a_case["extension"] << " source " << i;
      EXPECT_EQ(score.value_or(0) != 0, a_case["keep"][i].get<bool>());
    }
  }
}

TEST(PerExtension, names_what_is_wrong_with_a_table) {
  const auto message = [](std::string_view csv) {
    return parse_extension_limits(csv, "table.csv", "C#", "cs").error().message;
  };
  EXPECT_EQ(message("language,extension\n"),
            "table.csv: found no column 'Include', expected NeMo Curator's code_meta.csv");
  EXPECT_EQ(message("language,extension,Include,Long_line_threshold,Alphanum_threshold,Alpha filter\nc-sharp,cs,1"),
            "table.csv: found no row of language 'C#', expected one of its column 'language'");
}

TEST(PerExtension, stands_where_it_does_in_nemos_list) {
  const auto pipeline = parse_pipeline(R"(
filters:
  - name: nemo_curator.filters.WordCountFilter
  - {name: nemo_curator.filters.PerExtensionFilter, params: {lang: python, extension: py, metadata_file: meta.csv}}
  - name: nemo_curator.filters.NumbersFilter
  - name: nemo_curator.filters.UrlsFilter
)",
                                       "p");
  ASSERT_TRUE(pipeline.ok()) << pipeline.error().message;
  const auto& steps = pipeline.value().steps;
  ASSERT_EQ(steps.size(), 3U);
  EXPECT_EQ(steps[0].options["only"], Json({"word_count"}));
  EXPECT_EQ(steps[1].op, "per_extension");
  EXPECT_EQ(steps[1].options["metadata_file"], "meta.csv");
  EXPECT_EQ(steps[2].options["only"], Json({"numbers", "urls"}));
}

}  // namespace
}  // namespace kedge::curate
