// Mistral's tekken.json: bytes with ranks behind a block of special tokens.

#include <fmt/format.h>

#include "text/tokenizer/base64.h"
#include "text/tokenizer/bpe_model.h"
#include "text/tokenizer/byte_ranks.h"
#include "text/tokenizer/json_view.h"
#include "text/tokenizer/special_tokens.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

// The special tokens of files that do not list them; the rest of the block is <SPECIAL_n>.
constexpr std::string_view kNames[] = {"<unk>",
                                       "<s>",
                                       "</s>",
                                       "[INST]",
                                       "[/INST]",
                                       "[AVAILABLE_TOOLS]",
                                       "[/AVAILABLE_TOOLS]",
                                       "[TOOL_RESULTS]",
                                       "[/TOOL_RESULTS]",
                                       "[TOOL_CALLS]",
                                       "[IMG]",
                                       "<pad>",
                                       "[IMG_BREAK]",
                                       "[IMG_END]",
                                       "[PREFIX]",
                                       "[MIDDLE]",
                                       "[SUFFIX]",
                                       "[SYSTEM_PROMPT]",
                                       "[/SYSTEM_PROMPT]",
                                       "[TOOL_CONTENT]"};

constexpr int64_t kSpecialCountMax = 1 << 16;  // published files have 1,000 or fewer

struct Layout {
  size_t special_count = 0;
  size_t ranked_count = 0;
};

Result<Layout> read_layout(const JsonView& config) {
  const int64_t size = config["default_vocab_size"].integer().value_or(0);
  const int64_t special = config["default_num_special_tokens"].integer().value_or(-1);
  if (special < 0 || special > kSpecialCountMax || size <= special || size > static_cast<int64_t>(kTokenCountMax)) {
    return Error{
        ErrorKind::corrupt_data,
        fmt::format("config: default_vocab_size is {} and default_num_special_tokens {}, expected the second to "
                    "be smaller and at most {}, the first at most {}",
                    size, special, kSpecialCountMax, kTokenCountMax)};
  }
  return Layout{static_cast<size_t>(special), static_cast<size_t>(size - special)};
}

Status add_special_tokens(const JsonView& listed, const Layout& layout, AddedTokens& added) {
  KEDGE_TRY(listed.for_each_element([&](const JsonView& entry) -> Status {
    const auto rank = entry["rank"].integer();
    const auto text = entry["token_str"].string();
    if (!rank.has_value() || !text.has_value() || *rank < 0 || *rank >= static_cast<int64_t>(layout.special_count)) {
      return Error{
          ErrorKind::corrupt_data,
          fmt::format("special_tokens: an entry lacks its token_str or its rank below {}", layout.special_count)};
    }
    return added.add({.id = static_cast<TokenId>(*rank), .content = std::string(*text), .special = true});
  }));
  for (size_t id = 0; id < layout.special_count; ++id) {
    const bool named = !listed.exists() && id < std::size(kNames);
    std::string name = named ? std::string(kNames[id]) : fmt::format("<SPECIAL_{}>", id);
    KEDGE_TRY(added.add({.id = static_cast<TokenId>(id), .content = std::move(name), .special = true}));
  }
  return Done{};
}

Status add_ranked_tokens(const JsonView& vocab, const Layout& layout, Vocabulary& vocabulary) {
  vocabulary.reserve(layout.special_count + layout.ranked_count, layout.ranked_count * 8);
  size_t count = 0;
  KEDGE_TRY(vocab.for_each_element([&](const JsonView& entry) -> Status {
    if (count >= layout.ranked_count) return Done{};  // the file may hold more than the models use
    const auto rank = entry["rank"].integer();
    const auto encoded = entry["token_bytes"].string();
    std::string bytes;
    if (rank != static_cast<int64_t>(count) || !encoded.has_value() || !append_base64(bytes, *encoded)) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("vocab: entry {} lacks its rank {} or its token_bytes in base64", count, count)};
    }
    std::string spelled;
    append_lossy(spelled, bytes);
    return vocabulary.add_piece(static_cast<int64_t>(layout.special_count + count++), bytes, spelled);
  }));
  if (count == layout.ranked_count) return Done{};
  return Error{ErrorKind::corrupt_data, fmt::format("vocab: {} entries, expected {}", count, layout.ranked_count)};
}

Result<TokenizerParts> load_parts(const JsonView& root, const TokenizerConfig& config) {
  TokenizerParts parts;
  KEDGE_ASSIGN(const Layout layout, read_layout(root["config"]));
  const auto pattern = root["config"]["pattern"].string();
  if (!pattern.has_value()) return Error{ErrorKind::corrupt_data, "config: there is no 'pattern'"};
  KEDGE_TRY(set_split_pattern(*pattern, parts.pre_tokenizer));
  KEDGE_TRY(add_special_tokens(root["special_tokens"], layout, parts.added));
  auto vocabulary = std::make_shared<Vocabulary>(Vocabulary::Spelling::plain);
  KEDGE_TRY(add_ranked_tokens(root["vocab"], layout, *vocabulary));
  std::vector<uint32_t> ranks(layout.special_count + layout.ranked_count, BpeModel::kUnranked);
  for (size_t rank = 0; rank < layout.ranked_count; ++rank) {
    ranks[layout.special_count + rank] = static_cast<uint32_t>(rank);
  }
  parts.vocabulary = vocabulary;
  KEDGE_ASSIGN(parts.model, make_byte_rank_model(vocabulary, ranks));
  parts.decoder.byte_level = true;
  parts.bos = parts.added.find("<s>");
  parts.eos = parts.added.find("</s>");
  find_bos_and_eos(config, nullptr, parts);
  std::vector<TokenId> before;
  std::vector<TokenId> after;
  if (config.add_bos_token.value_or(true) && parts.bos.has_value()) before.push_back(*parts.bos);
  if (config.add_eos_token.value_or(true) && parts.eos.has_value()) after.push_back(*parts.eos);
  parts.sequence_template = SequenceTemplate::around(before, after);
  return parts;
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_tekken_json(std::string_view text, std::string_view name,
                                                          const TokenizerConfig& config, size_t readable_after) {
  KEDGE_ASSIGN(const auto document, JsonDocument::parse(text, name, readable_after));
  auto parts = load_parts(document->root(), config);
  if (!parts.ok()) return Error{parts.error().kind, fmt::format("{}: {}", name, parts.error().message)};
  return make_tokenizer(std::move(parts).value());
}

}  // namespace kedge::text
