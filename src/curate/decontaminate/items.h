#pragma once
// Evaluation items as words, and the words of a document with where they stand.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "curate/code_text.h"
#include "kedge/result.h"

namespace kedge::curate {

struct EvaluationItem {
  std::string id_json;  // `item` as it stands in the file
  std::vector<uint64_t> words;
};

/// A list of `{"task","item","question","answer"}`. Fails with not_found, corrupt_data or invalid_input.
Result<std::vector<EvaluationItem>> read_items(const std::filesystem::path& path);

/// The questions of such a list. Fails likewise.
Result<std::vector<std::u32string>> read_questions(const std::filesystem::path& path);

/// Lower-cased words without ASCII punctuation, as hashes, and the code points [begin, end) that they came from.
struct WordPlaces {
  std::vector<uint64_t> words;
  std::vector<uint32_t> begins, ends;
};
WordPlaces place_words(CodeView text);

}  // namespace kedge::curate
