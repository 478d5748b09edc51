// Goal: evaluation items are counted and taken out as NeMo Curator 0.8 does it, in time that grows with the text.
// Method: corpora with NeMo's own answers (tests/golden/make_task_removal.py); a text made to be looked through often.
#include "curate/decontaminate/task_ngrams.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "curate/decontaminate/task_finder.h"

namespace kedge::curate {
namespace {

std::vector<std::u32string> codes_of(const Json& texts) {
  std::vector<std::u32string> codes;
  for (const Json& text : texts) codes.push_back(to_codes(text.get<std::string>()));
  return codes;
}

RemovalLimits limits_of(const Json& json) {
  return {json["max_matches"].get<uint64_t>(), json["min_document_length"].get<size_t>(),
          json["remove_char_each_side"].get<size_t>(), json["max_splits"].get<size_t>()};
}

TEST(TaskNgrams, counts_and_takes_out_what_nemo_does) {
  const auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/task_removal.json");
  ASSERT_TRUE(golden.ok());
  ASSERT_EQ(golden.value().size(), 4U);
  for (const Json& a_case : golden.value()) {
    const auto removal = std::make_shared<const TaskRemoval>(
        TaskRemoval{TaskNgrams(codes_of(a_case["questions"])), limits_of(a_case["limits"])});
    const auto finder = make_task_finder(removal);
    std::vector<std::string> documents;
    for (const Json& text : a_case["documents"]) documents.push_back(text.get<std::string>());
    for (uint32_t i = 0; i < documents.size(); ++i) {
      const auto marks = finder->look(0, documents[i]);
      EXPECT_EQ(marks.size(), a_case["found"][i].get<size_t>()) << documents[i];
      ASSERT_TRUE(finder->add(0, i, marks).ok());
    }
    ASSERT_TRUE(finder->end_pass(0).ok());
    for (uint32_t i = 0; i < documents.size(); ++i) {
      const Edit edit = finder->edit_of(i, documents[i]);
      Json left = Json::array();
      for (const ByteSpan& piece : edit.pieces)
        left.push_back(documents[i].substr(piece.begin, piece.end - piece.begin));
      if (edit.pieces.empty() && !edit.drop) left.push_back(documents[i]);
      EXPECT_EQ(left, a_case["pieces"][i]) << to_text(a_case["limits"]) << " document " << i;
    }
  }
}

TEST(TaskNgrams, a_text_that_begins_again_many_times_is_not_read_as_often) {
  const std::u32string question = U"a b c d e f g h i j k l m";
  const TaskNgrams ngrams({question});
  std::u32string text;
  for (int i = 0; i < 100'000; ++i) text += U"!!!!!!!! ";  // places fall behind by as much
  for (int i = 0; i < 40'000; ++i) text += question + U" ";
  EXPECT_GT(ngrams.found_in(text).size(), 40'000U);
  const std::vector<bool> all(ngrams.size(), true);
  EXPECT_LE(ngrams.pieces_of(text, all, {.min_document_length = 0, .remove_char_each_side = 0}).size(), 40'000U);
}

}  // namespace
}  // namespace kedge::curate
