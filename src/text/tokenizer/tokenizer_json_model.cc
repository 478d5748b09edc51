// The `model` of a tokenizer.json: vocabulary, and merges or scores.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "text/tokenizer/bpe_model.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/merge_loader.h"
#include "text/tokenizer/tokenizer_json.h"
#include "text/tokenizer/unigram_model.h"
#include "text/tokenizer/wordpiece_model.h"

namespace kedge::text {
namespace {

constexpr size_t kBytesPerTokenGuess = 8;

/// Adds tokens in groups: what the group needs of memory is fetched at the same time.
class VocabularyLoader {
 public:
  explicit VocabularyLoader(Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  /// The view must last until `finish`.
  Status add(std::string_view token, int64_t id) {
    vocabulary_.prepare(token, search_);
    group_[count_++] = {token, id};
    return count_ == group_.size() ? finish() : Status(Done{});
  }

  Status finish() {
    for (const Entry& entry : std::span(group_).first(std::exchange(count_, 0))) {
      KEDGE_TRY(vocabulary_.add(entry.id, entry.token));
    }
    return Done{};
  }

 private:
  struct Entry {
    std::string_view token;
    int64_t id = 0;
  };

  Vocabulary& vocabulary_;
  Vocabulary::Search search_;
  std::array<Entry, 32> group_;
  size_t count_ = 0;
};

Result<std::shared_ptr<Vocabulary>> load_vocabulary(const JsonView& tokens, bool byte_level) {
  if (!tokens.is_object()) return Error{ErrorKind::corrupt_data, "model: 'vocab' is not an object of ids by token"};
  auto vocabulary =
      std::make_shared<Vocabulary>(byte_level ? Vocabulary::Spelling::byte_alphabet : Vocabulary::Spelling::plain);
  vocabulary->reserve(tokens.size(), tokens.size() * kBytesPerTokenGuess);
  VocabularyLoader loader(*vocabulary);
  KEDGE_TRY(tokens.for_each_member([&](std::string_view token, const JsonView& id) -> Status {
    const auto number = id.integer();
    if (!number.has_value()) {
      return Error{ErrorKind::corrupt_data, fmt::format("model: the id of '{}' is not an integer", token)};
    }
    return loader.add(token, *number);
  }));
  KEDGE_TRY(loader.finish());
  return vocabulary;
}

/// The byte tokens of a vocabulary; empty when it has none.
std::vector<TokenId> find_byte_tokens(const Vocabulary& vocabulary) {
  std::vector<TokenId> ids(256, UnknownPolicy::kNone);
  bool any = false;
  for (size_t byte = 0; byte < 256; ++byte) {
    const auto id = vocabulary.find(fallback_token(static_cast<uint8_t>(byte)));
    if (id.has_value()) ids[byte] = *id;
    any |= id.has_value();
  }
  return any ? ids : std::vector<TokenId>();
}

Result<TokenId> find_unknown(const JsonView& model, const Vocabulary& vocabulary) {
  const auto name = model["unk_token"].string();
  if (!name.has_value()) return UnknownPolicy::kNone;
  const auto id = vocabulary.find(*name);
  if (!id.has_value()) {
    return Error{ErrorKind::corrupt_data, fmt::format("model: unk_token '{}' is not in the vocabulary", *name)};
  }
  return *id;
}

struct Merge {
  std::string_view left;
  std::string_view right;
};

Result<Merge> read_merge(const JsonView& entry) {
  if (const auto text = entry.string()) {
    const size_t space = text->find(' ');
    if (space != std::string_view::npos && text->find(' ', space + 1) == std::string_view::npos) {
      return Merge{text->substr(0, space), text->substr(space + 1)};
    }
  }
  Merge merge;
  size_t count = 0;
  KEDGE_TRY(entry.for_each_element([&](const JsonView& part) -> Status {
    (count++ == 0 ? merge.left : merge.right) = part.string().value_or("");
    return Done{};
  }));
  if (count != 2 || merge.left.empty() || merge.right.empty()) {
    return Error{ErrorKind::corrupt_data, "model: an entry of 'merges' is not two tokens"};
  }
  return merge;
}

Status load_merges(const JsonView& merges, const Vocabulary& vocabulary, BpeModel& model) {
  if (!merges.is_array() || merges.size() > kMergeCountMax) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("model: 'merges' is not a list of at most {} merges", kMergeCountMax)};
  }
  model.reserve_merges(merges.size());
  MergeLoader loader(vocabulary, model, "model");
  KEDGE_TRY(merges.for_each_element([&](const JsonView& entry) -> Status {
    KEDGE_ASSIGN(const Merge merge, read_merge(entry));
    return loader.add(merge.left, merge.right);
  }));
  return loader.finish();
}

Result<JsonModel> load_bpe(const JsonView& model, bool byte_level) {
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.text(key).empty()) return unsupported_part(key, model.text(key));
  }
  if (model["dropout"].number().value_or(0) != 0) return unsupported_part("model", "BPE with dropout");
  KEDGE_ASSIGN(const std::shared_ptr<Vocabulary> vocabulary, load_vocabulary(model["vocab"], byte_level));
  BpeOptions options;
  options.symbols = byte_level ? BpeOptions::Symbols::bytes : BpeOptions::Symbols::characters;
  options.whole_words_first = model.flag("ignore_merges", false);
  KEDGE_ASSIGN(options.unknown.unknown, find_unknown(model, *vocabulary));
  options.unknown.fuse = model.flag("fuse_unk", false);
  if (model.flag("byte_fallback", false)) options.unknown.byte_tokens = find_byte_tokens(*vocabulary);
  auto bpe = std::make_unique<BpeModel>(vocabulary, std::move(options));
  KEDGE_TRY(load_merges(model["merges"], *vocabulary, *bpe));
  return JsonModel{vocabulary, std::move(bpe)};
}

struct ScoredToken {
  std::string_view text;
  double score = 0;
};

Result<ScoredToken> read_scored_token(const JsonView& entry) {
  ScoredToken token;
  std::optional<double> score;
  bool has_text = false;
  size_t count = 0;
  KEDGE_TRY(entry.for_each_element([&](const JsonView& part) -> Status {
    if (count == 0) {
      has_text = part.string().has_value();
      token.text = part.string().value_or("");
    }
    if (count == 1) score = part.number();
    ++count;
    return Done{};
  }));
  if (count != 2 || !has_text || !score.has_value() || !std::isfinite(*score)) {
    return Error{ErrorKind::corrupt_data, "model: an entry of 'vocab' is not a token and its score"};
  }
  token.score = *score;
  return token;
}

Result<JsonModel> load_unigram(const JsonView& model) {
  const JsonView tokens = model["vocab"];
  if (!tokens.is_array()) return Error{ErrorKind::corrupt_data, "model: 'vocab' is not a list of tokens and scores"};
  auto vocabulary = std::make_shared<Vocabulary>(Vocabulary::Spelling::plain);
  vocabulary->reserve(tokens.size(), tokens.size() * kBytesPerTokenGuess);
  std::vector<double> scores;
  KEDGE_TRY(tokens.for_each_element([&](const JsonView& entry) -> Status {
    KEDGE_ASSIGN(const ScoredToken token, read_scored_token(entry));
    scores.push_back(token.score);
    return vocabulary->add(static_cast<int64_t>(scores.size()) - 1, token.text);
  }));
  UnigramOptions options;
  const auto unknown = model["unk_id"].integer();
  if (unknown.has_value()) {
    if (*unknown < 0 || static_cast<size_t>(*unknown) >= scores.size()) {
      return Error{ErrorKind::corrupt_data, fmt::format("model: unk_id {} of {} tokens", *unknown, scores.size())};
    }
    options.unknown.unknown = static_cast<TokenId>(*unknown);
  }
  if (model.flag("byte_fallback", false)) options.unknown.byte_tokens = find_byte_tokens(*vocabulary);
  auto unigram = std::make_unique<UnigramModel>(vocabulary, std::move(options));
  for (size_t id = 0; id < scores.size(); ++id) {
    if (!vocabulary->piece(static_cast<TokenId>(id)).empty()) unigram->add(static_cast<TokenId>(id), scores[id]);
  }
  return JsonModel{vocabulary, std::move(unigram)};
}

Result<JsonModel> load_wordpiece(const JsonView& model) {
  KEDGE_ASSIGN(const std::shared_ptr<Vocabulary> vocabulary, load_vocabulary(model["vocab"], false));
  WordPieceOptions options;
  KEDGE_ASSIGN(options.unknown, find_unknown(model, *vocabulary));
  if (options.unknown == UnknownPolicy::kNone) {
    return Error{ErrorKind::corrupt_data, "model: WordPiece without unk_token"};
  }
  options.continuation_prefix = model.text("continuing_subword_prefix", "##");
  const auto characters_max = model["max_input_chars_per_word"].integer();
  if (characters_max.has_value()) {
    constexpr int64_t kCharactersLimit = 10'000;
    if (*characters_max < 0 || *characters_max > kCharactersLimit) {
      return Error{ErrorKind::corrupt_data, fmt::format("model: max_input_chars_per_word is {}, expected 0 to {}",
                                                        *characters_max, kCharactersLimit)};
    }
    options.word_characters_max = static_cast<size_t>(*characters_max);
  }
  auto wordpiece = std::make_unique<WordPieceModel>(vocabulary, std::move(options));
  return JsonModel{vocabulary, std::move(wordpiece)};
}

/// Older files lack the type.
std::string_view model_type(const JsonView& model) {
  if (model["type"].exists()) return model.text("type");
  if (model["merges"].is_array()) return "BPE";
  if (model["vocab"].is_array()) return "Unigram";
  return model["continuing_subword_prefix"].exists() ? "WordPiece" : "WordLevel";
}

}  // namespace

Result<JsonModel> load_json_model(const JsonView& model, bool byte_level) {
  const std::string_view type = model_type(model);
  if (type == "BPE") return load_bpe(model, byte_level);
  if (byte_level) return unsupported_part("model", fmt::format("{} over bytes", type));
  if (type == "Unigram") return load_unigram(model);
  if (type == "WordPiece") return load_wordpiece(model);
  return unsupported_part("model", type);
}

}  // namespace kedge::text
