#include "curate/decontaminate/items.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include "core/json.h"

namespace kedge::curate {
namespace {

constexpr CodeView kPunctuationMarks = U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// The question of one entry.
Result<std::u32string> read_question(const Json& json, size_t index, const std::filesystem::path& path) {
  const bool complete =
      json.is_object() && json.contains("item") && json.contains("question") && json["question"].is_string();
  if (!complete) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}: entry {} needs \"item\" and a text in \"question\"", path.string(), index)};
  }
  return to_codes(json["question"].get<std::string>());
}

Result<Json> read_list(const std::filesystem::path& path) {
  KEDGE_ASSIGN(Json json, read_json_file(path));
  if (json.is_array()) return json;
  return Error{ErrorKind::invalid_input, fmt::format("{}: expected a list of items", path.string())};
}

}  // namespace

Result<std::vector<EvaluationItem>> read_items(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const Json json, read_list(path));
  std::vector<EvaluationItem> items;
  for (size_t i = 0; i < json.size(); ++i) {
    KEDGE_ASSIGN(const std::u32string question, read_question(json[i], i, path));
    items.push_back({to_text(json[i]["item"]), place_words(question).words});
  }
  return items;
}

Result<std::vector<std::u32string>> read_questions(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const Json json, read_list(path));
  std::vector<std::u32string> questions(json.size());
  for (size_t i = 0; i < json.size(); ++i) {
    KEDGE_ASSIGN(questions[i], read_question(json[i], i, path));
  }
  return questions;
}

WordPlaces place_words(CodeView text) {
  WordPlaces places;
  for (const CodeView raw : split_words(text)) {
    std::u32string word = to_lower(raw);
    std::erase_if(word, [](char32_t c) { return kPunctuationMarks.find(c) != CodeView::npos; });
    if (word.empty()) continue;
    const auto begin = static_cast<uint32_t>(raw.data() - text.data());
    places.words.push_back(XXH3_64bits(word.data(), word.size() * sizeof(char32_t)));
    places.begins.push_back(begin);
    places.ends.push_back(begin + static_cast<uint32_t>(raw.size()));
  }
  return places;
}

}  // namespace kedge::curate
