#include "text/tokenizer/byte_ranks.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "text/tokenizer/base64.h"
#include "text/tokenizer/bpe_model.h"
#include "text/tokenizer/special_tokens.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

constexpr size_t kReservedTokens = 256;  // of Llama 3, after the ranked ones

/// Bytes as people read them.
std::string readable(std::string_view bytes) {
  std::string text;
  append_lossy(text, bytes);
  return text;
}

struct RankedBytes {
  std::string bytes;
  int64_t rank = 0;
};

Result<RankedBytes> parse_line(std::string_view line, size_t number) {
  RankedBytes entry;
  const size_t space = line.find(' ');
  bool valid = space != std::string_view::npos && space > 0 && append_base64(entry.bytes, line.substr(0, space));
  if (valid) {
    const std::string_view digits = line.substr(space + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), entry.rank);
    valid = error == std::errc() && end == digits.data() + digits.size();
  }
  if (valid) return entry;
  return Error{ErrorKind::corrupt_data,
               fmt::format("line {} is '{}', expected base64 bytes and a rank", number, readable(line.substr(0, 64)))};
}

std::string llama3_special_token(size_t index) {
  constexpr std::array<std::string_view, 11> kNames = {"<|begin_of_text|>",
                                                       "<|end_of_text|>",
                                                       "<|reserved_special_token_0|>",
                                                       "<|reserved_special_token_1|>",
                                                       "<|finetune_right_pad_id|>",
                                                       "<|reserved_special_token_2|>",
                                                       "<|start_header_id|>",
                                                       "<|end_header_id|>",
                                                       "<|eom_id|>",
                                                       "<|eot_id|>",
                                                       "<|python_tag|>"};
  if (index < kNames.size()) return std::string(kNames[index]);
  constexpr size_t kReservedBefore = 3;
  return fmt::format("<|reserved_special_token_{}|>", index - kNames.size() + kReservedBefore);
}

Result<TokenizerParts> load_tiktoken_parts(std::string_view bytes, const TokenizerConfig& config) {
  TokenizerParts parts;
  auto vocabulary = std::make_shared<Vocabulary>(Vocabulary::Spelling::plain);
  std::vector<uint32_t> ranks;
  size_t number = 0;
  while (!bytes.empty()) {
    const std::string_view line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(line.size() + 1, bytes.size()));
    ++number;
    if (line.empty()) continue;
    KEDGE_ASSIGN(const RankedBytes entry, parse_line(line, number));
    KEDGE_TRY(vocabulary->add_piece(entry.rank, entry.bytes, readable(entry.bytes)));
    const auto id = static_cast<size_t>(entry.rank);
    if (id >= ranks.size()) ranks.resize(id + 1, BpeModel::kUnranked);
    ranks[id] = static_cast<uint32_t>(id);
  }
  for (const AddedToken& token : config.added) KEDGE_TRY(parts.added.add(token));
  for (size_t i = 0; config.added.empty() && i < kReservedTokens; ++i) {
    const auto id = static_cast<TokenId>(vocabulary->id_end() + i);
    KEDGE_TRY(parts.added.add({.id = id, .content = llama3_special_token(i), .special = true}));
  }
  parts.vocabulary = vocabulary;
  KEDGE_ASSIGN(parts.model, make_byte_rank_model(vocabulary, ranks));
  KEDGE_TRY(set_split_pattern(kLlama3Pattern, parts.pre_tokenizer));
  parts.decoder.byte_level = true;
  find_bos_and_eos(config, nullptr, parts);
  if (parts.bos.has_value()) parts.sequence_template = SequenceTemplate::around({*parts.bos}, {});
  return parts;
}

}  // namespace

bool is_tiktoken_file(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, std::min<size_t>(bytes.find('\n'), 256));
  return parse_line(line, 1).ok();
}

Result<std::unique_ptr<const TokenModel>> make_byte_rank_model(const std::shared_ptr<const Vocabulary>& vocabulary,
                                                               std::span<const uint32_t> ranks) {
  BpeOptions options;
  options.symbols = BpeOptions::Symbols::bytes;
  options.whole_words_first = true;
  auto model = std::make_unique<BpeModel>(vocabulary, std::move(options));
  KEDGE_TRY(model->add_merges_by_rank(ranks));
  return std::unique_ptr<const TokenModel>(std::move(model));
}

Status set_split_pattern(std::string_view pattern, PreTokenizer& pre_tokenizer) {
  if (const WordScanner scanner = find_word_scanner(pattern)) {
    pre_tokenizer.set_scanner(scanner);
    return Done{};
  }
  KEDGE_ASSIGN(auto split, make_regex_split(pattern, SplitBehavior::isolated, false));
  pre_tokenizer.add(std::move(split));
  return Done{};
}

Result<std::shared_ptr<const Tokenizer>> load_tiktoken_file(std::string_view bytes, std::string_view name,
                                                            const TokenizerConfig& config) {
  auto parts = load_tiktoken_parts(bytes, config);
  if (!parts.ok()) return Error{parts.error().kind, fmt::format("{}: {}", name, parts.error().message)};
  return make_tokenizer(std::move(parts).value());
}

}  // namespace kedge::text
