#include "text/tokenizer/special_tokens.h"

#include <iterator>

namespace kedge::text {
namespace {

constexpr std::string_view kBosNames[] = {"<s>", "<|begin_of_text|>", "<bos>", "[CLS]", "<|startoftext|>"};
constexpr std::string_view kEosNames[] = {"</s>",  "<|eot_id|>", "<|end_of_text|>", "<eos>",
                                          "[SEP]", "<|im_end|>", "<|endoftext|>"};

std::optional<TokenId> find_token(const TokenizerParts& parts, std::string_view name) {
  if (const auto id = parts.added.find(name)) return id;
  return parts.vocabulary->find(name);
}

template <size_t count>
std::optional<TokenId> find_first(const TokenizerParts& parts, const std::string_view (&names)[count]) {
  for (const std::string_view name : names) {
    if (const auto id = find_token(parts, name)) return id;
  }
  return std::nullopt;
}

}  // namespace

void find_bos_and_eos(const TokenizerConfig& config, const SequenceTemplate* sequence_template, TokenizerParts& parts) {
  using Item = SequenceTemplate::Item;
  if (!parts.bos.has_value() && config.bos_token.has_value()) parts.bos = find_token(parts, *config.bos_token);
  if (!parts.eos.has_value() && config.eos_token.has_value()) parts.eos = find_token(parts, *config.eos_token);
  if (sequence_template != nullptr && !sequence_template->single.empty()) {
    const Item& first = sequence_template->single.front();
    const Item& last = sequence_template->single.back();
    if (!parts.bos.has_value() && first.kind == Item::Kind::token) parts.bos = first.token;
    if (!parts.eos.has_value() && last.kind == Item::Kind::token) parts.eos = last.token;
  }
  if (!parts.bos.has_value()) parts.bos = find_first(parts, kBosNames);
  if (!parts.eos.has_value()) parts.eos = find_first(parts, kEosNames);
}

}  // namespace kedge::text
