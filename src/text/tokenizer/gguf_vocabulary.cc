#include "text/tokenizer/gguf_vocabulary.h"

#include <fmt/format.h>

#include <cmath>

#include "text/tokenizer/bert_vocabulary.h"
#include "text/tokenizer/bpe_model.h"
#include "text/tokenizer/byte_ranks.h"
#include "text/tokenizer/merge_loader.h"
#include "text/tokenizer/sentencepiece_model.h"

namespace kedge::text {
namespace {

using Type = SentencePieces::Type;

constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

/// The keys of one file. Token types are SentencePiece's numbers.
class GgufVocabularyLoader {
 public:
  explicit GgufVocabularyLoader(const formats::GgufFile& file) : file_(file) {}

  Result<TokenizerParts> load() {
    const std::string* model = file_.string("tokenizer.ggml.model");
    tokens_ = file_.strings("tokenizer.ggml.tokens");
    if (model == nullptr || tokens_ == nullptr) {
      return Error{ErrorKind::not_found, "the file has no vocabulary (tokenizer.ggml.model and tokenizer.ggml.tokens)"};
    }
    KEDGE_TRY(read_types());
    if (*model == "llama") return load_sentencepiece(SentencePieces::Algorithm::bpe);
    if (*model == "t5") return load_sentencepiece(SentencePieces::Algorithm::unigram);
    if (*model == "gpt2") return load_byte_level();
    if (*model == "bert") return load_bert();
    return Error{ErrorKind::unsupported,
                 fmt::format("tokenizer.ggml.model is '{}', expected llama, gpt2, bert or t5", *model)};
  }

 private:
  static std::string key(std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); }

  Status read_types() {
    const auto numbers = file_.integers(key("token_type"));
    types_.assign(tokens_->size(), Type::normal);
    if (!numbers.has_value()) return Done{};
    if (numbers->size() != tokens_->size()) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("tokenizer.ggml.token_type has {} entries, expected {}, one for each token",
                               numbers->size(), tokens_->size())};
    }
    for (size_t id = 0; id < types_.size(); ++id) {
      const int64_t number = (*numbers)[id];
      if (number >= 1 && number <= 6) types_[id] = static_cast<Type>(number);
    }
    return Done{};
  }

  [[nodiscard]] std::optional<TokenId> token(std::string_view name) const {
    const auto id = file_.integer(key(name));
    if (!id.has_value() || *id < 0 || static_cast<size_t>(*id) >= tokens_->size()) return std::nullopt;
    return static_cast<TokenId>(*id);
  }

  [[nodiscard]] bool flag(std::string_view name, bool otherwise) const {
    return file_.boolean(key(name)).value_or(otherwise);
  }

  Status add_special_tokens(AddedTokens& added, bool user_defined) const {
    for (size_t id = 0; id < tokens_->size(); ++id) {
      const bool special = types_[id] == Type::control || types_[id] == Type::unknown;
      if (!special && !(user_defined && types_[id] == Type::user_defined)) continue;
      if ((*tokens_)[id].empty()) continue;
      KEDGE_TRY(added.add({.id = static_cast<TokenId>(id), .content = (*tokens_)[id], .special = special}));
    }
    return Done{};
  }

  /// bos and eos, and the template that puts them around a text.
  void set_ends(TokenizerParts& parts, bool add_bos, bool add_eos) const {
    parts.bos = token("bos_token_id");
    parts.eos = token("eos_token_id");
    std::vector<TokenId> before;
    std::vector<TokenId> after;
    if (flag("add_bos_token", add_bos) && parts.bos.has_value()) before.push_back(*parts.bos);
    if (flag("add_eos_token", add_eos) && parts.eos.has_value()) after.push_back(*parts.eos);
    parts.sequence_template = SequenceTemplate::around(before, after);
  }

  Result<std::vector<double>> read_scores() const {
    auto scores = file_.numbers(key("scores"));
    if (!scores.has_value() || scores->size() != tokens_->size()) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("tokenizer.ggml.scores has {} entries, expected {}, one for each token",
                               scores.has_value() ? scores->size() : 0, tokens_->size())};
    }
    for (const double score : *scores) {
      if (!std::isfinite(score))
        return Error{ErrorKind::corrupt_data, "tokenizer.ggml.scores has a score that is not finite"};
    }
    return std::move(*scores);
  }

  Result<TokenizerParts> load_sentencepiece(SentencePieces::Algorithm algorithm) {
    const bool unigram = algorithm == SentencePieces::Algorithm::unigram;
    KEDGE_ASSIGN(const std::vector<double> scores, read_scores());
    SentencePieces pieces;
    pieces.algorithm = algorithm;
    pieces.byte_fallback = true;
    for (size_t id = 0; id < tokens_->size(); ++id) {
      // An empty token (some files pad with them) can never match.
      const Type type = (*tokens_)[id].empty() ? Type::unused : types_[id];
      pieces.pieces.push_back({(*tokens_)[id], static_cast<float>(scores[id]), type});
    }
    if (const auto unknown = token("unknown_token_id")) {
      pieces.pieces[static_cast<size_t>(*unknown)].type = Type::unknown;
    }
    std::string charsmap;
    if (const auto bytes = file_.integers(key("precompiled_charsmap"))) {
      for (const int64_t byte : *bytes) charsmap.push_back(static_cast<char>(byte));
      pieces.charsmap = charsmap;
    }
    pieces.add_dummy_prefix = flag("add_space_prefix", true);
    pieces.remove_extra_whitespaces = flag("remove_extra_whitespaces", unigram);
    AddedTokens named;
    KEDGE_TRY(add_special_tokens(named, false));
    TokenizerConfig config;
    config.added = named.tokens();
    KEDGE_ASSIGN(TokenizerParts parts, make_sentencepiece_parts(pieces, config));
    set_ends(parts, !unigram, unigram);
    return parts;
  }

  Result<TokenizerParts> load_byte_level() {
    const std::string* pre = file_.string(key("pre"));
    KEDGE_ASSIGN(const GgufSplit split, find_gguf_split(pre == nullptr ? "default" : *pre));
    TokenizerParts parts;
    auto vocabulary = std::make_shared<Vocabulary>(Vocabulary::Spelling::byte_alphabet);
    vocabulary->reserve(tokens_->size(), tokens_->size() * 8);
    for (size_t id = 0; id < tokens_->size(); ++id) {
      const bool matched = types_[id] == Type::normal;
      KEDGE_TRY(matched ? vocabulary->add(static_cast<int64_t>(id), (*tokens_)[id])
                        : vocabulary->add_unmatched(static_cast<int64_t>(id), (*tokens_)[id]));
    }
    BpeOptions options;
    options.symbols = BpeOptions::Symbols::bytes;
    options.whole_words_first = split.whole_words_first;
    auto model = std::make_unique<BpeModel>(vocabulary, std::move(options));
    KEDGE_TRY(add_merges(*vocabulary, *model));
    parts.vocabulary = vocabulary;
    parts.model = std::move(model);
    KEDGE_TRY(add_special_tokens(parts.added, true));
    if (split.nfc) parts.normalizer.add(make_form_normalizer(NormalizationForm::nfc));
    if (flag("add_space_prefix", false)) parts.pre_tokenizer.add(make_prefix_space());
    for (size_t i = 0; i < split.patterns.size(); ++i) {
      if (i + 1 == split.patterns.size()) {
        KEDGE_TRY(set_split_pattern(split.patterns[i], parts.pre_tokenizer));
      } else {
        KEDGE_ASSIGN(auto step, make_regex_split(split.patterns[i], SplitBehavior::isolated, false));
        parts.pre_tokenizer.add(std::move(step));
      }
    }
    parts.decoder.byte_level = true;
    set_ends(parts, split.add_bos, false);
    return parts;
  }

  Status add_merges(const Vocabulary& vocabulary, BpeModel& model) const {
    const std::vector<std::string>* merges = file_.strings(key("merges"));
    if (merges == nullptr || merges->size() > kMergeCountMax) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("tokenizer.ggml.merges is absent or longer than {}", kMergeCountMax)};
    }
    model.reserve_merges(merges->size());
    MergeLoader loader(vocabulary, model, "tokenizer.ggml.merges");
    for (const std::string_view merge : *merges) {
      const size_t space = merge.find(' ', 1);  // the first part is never empty
      if (space == std::string_view::npos) {
        return Error{ErrorKind::corrupt_data,
                     fmt::format("tokenizer.ggml.merges: '{}' is not two tokens", merge.substr(0, 64))};
      }
      KEDGE_TRY(loader.add(merge.substr(0, space), merge.substr(space + 1)));
    }
    return loader.finish();
  }

  Result<TokenizerParts> load_bert() {
    auto vocabulary = std::make_shared<Vocabulary>(Vocabulary::Spelling::plain);
    for (size_t id = 0; id < tokens_->size(); ++id) {
      const std::string& text = (*tokens_)[id];
      const bool special = types_[id] == Type::control || types_[id] == Type::unknown;
      // Words carry a space sign here, continuations nothing; special tokens are as they are.
      const std::string spelled = special                        ? text
                                  : text.starts_with(kSpaceSign) ? text.substr(kSpaceSign.size())
                                                                 : "##" + text;
      KEDGE_TRY(vocabulary->add(static_cast<int64_t>(id), spelled));
    }
    const auto find = [&](std::string_view name, std::string_view spelled) {
      const auto id = token(name);
      return id.has_value() ? id : vocabulary->find(spelled);
    };
    const auto unknown = find("unknown_token_id", "[UNK]");
    if (!unknown.has_value()) return Error{ErrorKind::corrupt_data, "a bert vocabulary without an unknown token"};
    const auto cls = token("cls_token_id").has_value() ? token("cls_token_id") : find("bos_token_id", "[CLS]");
    const auto sep = find("seperator_token_id", "[SEP]");  // spelled so in the format
    TokenizerParts parts = make_bert_parts(vocabulary, {*unknown, cls, sep}, true);
    KEDGE_TRY(add_special_tokens(parts.added, true));
    return parts;
  }

  const formats::GgufFile& file_;
  const std::vector<std::string>* tokens_ = nullptr;
  std::vector<Type> types_;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_gguf_vocabulary(const formats::GgufFile& file) {
  auto parts = GgufVocabularyLoader(file).load();
  if (!parts.ok()) return Error{parts.error().kind, fmt::format("{}: {}", file.name(), parts.error().message)};
  return make_tokenizer(std::move(parts).value());
}

}  // namespace kedge::text
