#include "curate/decontaminate/items.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include "core/json.h"

namespace kedge::curate {
namespace {

constexpr CodeView kPunctuationMarks = U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

Result<EvaluationItem> read_item(const Json& json, size_t index, const std::filesystem::path& path) {
  const bool complete =
      json.is_object() && json.contains("item") && json.contains("question") && json["question"].is_string();
  if (!complete) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}: entry {} needs \"item\" and a text in \"question\"", path.string(), index)};
  }
  const std::u32string question = to_codes(json["question"].get<std::string>());
  return EvaluationItem{to_text(json["item"]), place_words(question).words};
}

}  // namespace

Result<std::vector<EvaluationItem>> read_items(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const Json json, read_json_file(path));
  if (!json.is_array())
    return Error{ErrorKind::invalid_input, fmt::format("{}: expected a list of items", path.string())};
  std::vector<EvaluationItem> items;
  for (size_t i = 0; i < json.size(); ++i) {
    KEDGE_ASSIGN(EvaluationItem item, read_item(json[i], i, path));
    items.push_back(std::move(item));
  }
  return items;
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
