// A tokenizer as the keys of a GGUF file: a tokenizer.json of byte-level BPE with a well-known split pattern or of
// SentencePiece's BPE, or a tokenizer.model of that.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "core/file.h"
#include "kedge/tokenizer.h"
#include "models/model_settings.h"
#include "quantize/gguf_model.h"
#include "text/template_source.h"
#include "text/tokenizer/json_view.h"
#include "text/tokenizer/sentencepiece_model.h"
#include "text/tokenizer/word_scanner.h"

namespace kedge::quantize {
namespace {

using formats::GgufValue;
using text::JsonView;
using Pairs = std::vector<std::pair<std::string, GgufValue>>;

constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

/// SentencePiece's numbers, which GGUF took over.
enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

template <typename T>
GgufValue array_of(GgufValue::Type element, std::vector<T> values) {
  return {.type = GgufValue::Type::array, .element_type = element, .value = std::move(values)};
}

GgufValue flag(bool value) {
  return {.type = GgufValue::Type::boolean, .value = value};
}

/// What a token is that no text turns into by itself: its name and type.
std::pair<std::string, int64_t> added_token(const Tokenizer& tokenizer, size_t id) {
  const std::string_view text = tokenizer.token_text(static_cast<TokenId>(id));
  if (text.empty()) return {fmt::format("[PAD{}]", id), kUnused};
  return {std::string(text), tokenizer.is_special(static_cast<TokenId>(id)) ? kControl : kUserDefined};
}

std::vector<JsonView> elements(const JsonView& list) {
  std::vector<JsonView> views;
  (void)list.for_each_element([&](JsonView element) -> Status {  // the visit never fails
    views.push_back(element);
    return Done{};
  });
  return views;
}

/// ["a", "b"] or "a b"; two empty strings for anything else.
std::pair<std::string, std::string> merged_pair(const JsonView& merge) {
  if (const auto text = merge.string()) {
    const size_t space = text->find(' ', 1);
    if (space == std::string_view::npos) return {};
    return {std::string(text->substr(0, space)), std::string(text->substr(space + 1))};
  }
  const std::vector<JsonView> parts = elements(merge);
  if (parts.size() != 2 || !parts[0].string() || !parts[1].string()) return {};
  return {std::string(*parts[0].string()), std::string(*parts[1].string())};
}

bool only_space_signs(std::string_view text) {
  while (text.starts_with(kSpaceSign)) text.remove_prefix(kSpaceSign.size());
  return text.empty();
}

class TokenizerJsonWriter {
 public:
  TokenizerJsonWriter(const std::filesystem::path& folder, JsonView json, const Tokenizer& tokenizer, int64_t size)
      : folder_(folder), json_(json), tokenizer_(tokenizer), size_(static_cast<size_t>(size)) {}

  Result<Pairs> write() {
    KEDGE_TRY(find_kind());
    add_tokens();
    KEDGE_TRY(add_merges());
    return std::move(pairs_);
  }

 private:
  void set(std::string_view key, GgufValue value) {
    pairs_.emplace_back(fmt::format("tokenizer.ggml.{}", key), std::move(value));
  }

  [[nodiscard]] Error unsupported(std::string_view what) const {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: {}, which is not written as GGUF; quantize a .gguf file of the model instead",
                             (folder_ / "tokenizer.json").string(), what)};
  }

  Status find_kind() {
    const JsonView model = json_["model"];
    if (model.text("type") != "BPE") return unsupported("the model is no BPE");
    sentencepiece_ = model.flag("byte_fallback", false);
    if (sentencepiece_) {
      set("model", gguf_text("llama"));
      set("pre", gguf_text("default"));
      return Done{};
    }
    const std::string pattern = split_pattern();
    const bool whole_words = model.flag("ignore_merges", false);
    const char* name = pattern == text::kLlama3Pattern                  ? (whole_words ? "llama-bpe" : "smaug-bpe")
                       : pattern == text::kQwen2Pattern                 ? "qwen2"
                       : pattern == text::kTekkenPattern && whole_words ? "tekken"
                       : pattern == text::kGpt2Pattern                  ? "gpt-2"
                                                                        : nullptr;
    const bool normalized = json_["normalizer"].exists() && std::string_view(name == nullptr ? "" : name) != "qwen2";
    if (name == nullptr || normalized)
      return unsupported("the split pattern or normalizer is not one that GGUF has a name for");
    set("model", gguf_text("gpt2"));
    set("pre", gguf_text(name));
    return Done{};
  }

  /// "" where it is not a split by one pattern, then bytes.
  [[nodiscard]] std::string split_pattern() const {
    const JsonView pre = json_["pre_tokenizer"];
    if (pre.text("type") == "ByteLevel" && pre["use_regex"].exists()) {
      return pre.flag("use_regex", false) && !pre.flag("add_prefix_space", false) ? std::string(text::kGpt2Pattern)
                                                                                  : "";
    }
    const std::vector<JsonView> steps = elements(pre["pretokenizers"]);
    if (steps.size() != 2 || steps[0].text("type") != "Split" || steps[1].text("type") != "ByteLevel") return "";
    return steps[1].flag("add_prefix_space", false) ? "" : std::string(steps[0]["pattern"].text("Regex"));
  }

  void add_tokens() {
    std::map<std::string, bool> added;  // content to special
    for (const JsonView token : elements(json_["added_tokens"])) {
      if (const auto content = token["content"].string()) added[std::string(*content)] = token.flag("special", false);
    }
    std::vector<std::string> tokens;
    std::vector<int64_t> types;
    for (size_t id = 0; id < size_; ++id) {
      std::string token(tokenizer_.token_text(static_cast<TokenId>(id)));
      int64_t type = kNormal;
      if (token.empty()) {
        std::tie(token, type) = added_token(tokenizer_, id);
      } else if (const auto found = added.find(token); found != added.end()) {
        // Runs of the sign for spaces are spaces where text is read, so that only merges make them.
        const bool spaces = sentencepiece_ && only_space_signs(token);
        type = token == "<unk>" ? kUnknown : found->second ? kControl : spaces ? kNormal : kUserDefined;
      } else if (sentencepiece_ && token.size() == 6 && token.starts_with("<0x") && token.ends_with(">")) {
        type = kByte;
      }
      if (type == kUnknown) set("unknown_token_id", gguf_integer(static_cast<int64_t>(id)));
      tokens.push_back(std::move(token));
      types.push_back(type);
    }
    set("tokens", array_of(GgufValue::Type::string, std::move(tokens)));
    set("token_type", array_of(GgufValue::Type::i32, std::move(types)));
  }

  /// Byte-level: the merges. SentencePiece: scores, by which the earlier merge is the better one.
  Status add_merges() {
    std::vector<std::string> merges;
    std::vector<double> scores(size_, 0.0);
    for (const JsonView merge : elements(json_["model"]["merges"])) {
      const auto [first, second] = merged_pair(merge);
      if (first.empty() || second.empty()) return unsupported("a merge is no pair");
      const std::optional<TokenId> made = tokenizer_.find(first + second);
      if (made && static_cast<size_t>(*made) < size_ && scores[static_cast<size_t>(*made)] == 0.0) {
        scores[static_cast<size_t>(*made)] = -static_cast<double>(merges.size() + 1);
      }
      merges.push_back(first + " " + second);
    }
    if (!sentencepiece_) {
      set("merges", array_of(GgufValue::Type::string, std::move(merges)));
      return Done{};
    }
    set("scores", array_of(GgufValue::Type::f32, std::move(scores)));
    set("add_space_prefix", flag(adds_space()));
    return Done{};
  }

  [[nodiscard]] bool adds_space() const {
    const JsonView steps = json_["normalizer"]["normalizers"];
    if (steps.is_array()) {
      return std::ranges::any_of(elements(steps), [](const JsonView& step) {
        return step.text("type") == "Prepend" && step.text("prepend") == kSpaceSign;
      });
    }
    const std::string_view scheme = json_["pre_tokenizer"].text("prepend_scheme");
    return scheme == "first" || scheme == "always";
  }

  const std::filesystem::path& folder_;
  JsonView json_;
  const Tokenizer& tokenizer_;
  size_t size_;
  bool sentencepiece_ = false;
  Pairs pairs_;
};

Result<Pairs> keys_of_tokenizer_json(const std::filesystem::path& folder, const Tokenizer& tokenizer, int64_t size) {
  const std::filesystem::path path = folder / "tokenizer.json";
  const auto file = MappedFile::open(path);
  if (!file.ok()) {
    return Error{file.error().kind,
                 fmt::format("{} (a GGUF file is written from a tokenizer.json or a SentencePiece tokenizer.model)",
                             file.error().message)};
  }
  const std::span<const std::byte> bytes = file.value()->bytes();
  // core/json.h would look through all keys before each of a vocabulary's.
  KEDGE_ASSIGN(const auto json,
               text::JsonDocument::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string()));
  return TokenizerJsonWriter(folder, json->root(), tokenizer, size).write();
}

Result<Pairs> keys_of_sentencepiece(const std::filesystem::path& path, const Tokenizer& tokenizer, int64_t size) {
  KEDGE_ASSIGN(const auto file, MappedFile::open(path));
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  const Result<text::SentencePieces> parsed = text::parse_sentencepiece_model(bytes);
  if (!parsed.ok()) {
    return Error{parsed.error().kind, fmt::format("{}: {}", path.string(), parsed.error().message)};
  }
  const text::SentencePieces& model = parsed.value();
  if (model.algorithm != text::SentencePieces::Algorithm::bpe || !model.charsmap.empty() || model.space_is_suffix) {
    return Error{
        ErrorKind::unsupported,
        fmt::format("{}: is no plain BPE (a unigram model, or with a normalizer), which is not written as GGUF; "
                    "quantize a .gguf file of the model instead",
                    path.string())};
  }
  std::vector<std::string> tokens;
  std::vector<int64_t> types;
  std::vector<double> scores;
  Pairs pairs = {{"tokenizer.ggml.model", gguf_text("llama")}, {"tokenizer.ggml.pre", gguf_text("default")}};
  for (size_t id = 0; id < static_cast<size_t>(size); ++id) {
    auto [token, type] = added_token(tokenizer, id);
    double score = -1000;  // llama.cpp's, of tokens that were added
    if (id < model.pieces.size()) {
      const text::SentencePieces::Piece& piece = model.pieces[id];
      const bool special = piece.type == text::SentencePieces::Type::normal && type == kControl;
      token = piece.text;
      type = special ? kControl : static_cast<int64_t>(piece.type);
      score = piece.score;
    }
    if (type == kUnknown) pairs.emplace_back("tokenizer.ggml.unknown_token_id", gguf_integer(static_cast<int64_t>(id)));
    tokens.push_back(std::move(token));
    types.push_back(type);
    scores.push_back(score);
  }
  pairs.emplace_back("tokenizer.ggml.tokens", array_of(GgufValue::Type::string, std::move(tokens)));
  pairs.emplace_back("tokenizer.ggml.token_type", array_of(GgufValue::Type::i32, std::move(types)));
  pairs.emplace_back("tokenizer.ggml.scores", array_of(GgufValue::Type::f32, std::move(scores)));
  pairs.emplace_back("tokenizer.ggml.add_space_prefix", flag(model.add_dummy_prefix));
  pairs.emplace_back("tokenizer.ggml.remove_extra_whitespaces", flag(model.remove_extra_whitespaces));
  return pairs;
}

/// The tokens around a text, and the chat template.
Status add_ends(const std::filesystem::path& folder, const Tokenizer& tokenizer, Pairs& pairs) {
  const auto add_id = [&](const char* key, std::optional<TokenId> token) {
    if (token) pairs.emplace_back(key, gguf_integer(*token));
  };
  add_id("tokenizer.ggml.bos_token_id", tokenizer.bos());
  add_id("tokenizer.ggml.eos_token_id", tokenizer.eos());
  KEDGE_ASSIGN(const std::vector<TokenId> empty, tokenizer.encode("", {.add_special = true}));
  const bool begins = !empty.empty() && tokenizer.bos() && empty.front() == *tokenizer.bos();
  pairs.emplace_back("tokenizer.ggml.add_bos_token", flag(begins));
  KEDGE_ASSIGN(const auto chat, text::load_chat_template(folder));
  if (chat) pairs.emplace_back("tokenizer.chat_template", gguf_text(chat->source));
  return Done{};
}

}  // namespace

Result<Pairs> gguf_tokenizer(const std::filesystem::path& folder, int64_t size) {
  KEDGE_ASSIGN(const auto tokenizer, Tokenizer::open(folder));
  std::error_code ignored;
  const std::filesystem::path model = folder / "tokenizer.model";
  const bool pieces =
      !std::filesystem::exists(folder / "tokenizer.json", ignored) && std::filesystem::exists(model, ignored);
  KEDGE_ASSIGN(Pairs pairs, pieces ? keys_of_sentencepiece(model, *tokenizer, size)
                                   : keys_of_tokenizer_json(folder, *tokenizer, size));
  KEDGE_TRY(add_ends(folder, *tokenizer, pairs));
  return pairs;
}

}  // namespace kedge::quantize
