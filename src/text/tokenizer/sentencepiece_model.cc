#include "text/tokenizer/sentencepiece_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/tokenizer/bpe_model.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/sentencepiece_normalizer.h"
#include "text/tokenizer/special_tokens.h"
#include "text/tokenizer/unigram_model.h"

namespace kedge::text {
namespace {

using Type = SentencePieces::Type;

constexpr size_t kUnigramTextBytesMax = size_t{1} << 26;  // it needs 16 bytes of memory for each byte of a text

/// Pieces that text turns into; the others have an id and a name only.
bool is_matched(Type type) {
  return type == Type::normal || type == Type::user_defined;
}

Result<std::shared_ptr<const Vocabulary>> make_vocabulary(const SentencePieces& pieces) {
  auto vocabulary = std::make_shared<Vocabulary>(Vocabulary::Spelling::plain);
  vocabulary->reserve(pieces.pieces.size(), pieces.pieces.size() * 8);
  for (size_t id = 0; id < pieces.pieces.size(); ++id) {
    const SentencePieces::Piece& piece = pieces.pieces[id];
    KEDGE_TRY(is_matched(piece.type) ? vocabulary->add(static_cast<int64_t>(id), piece.text)
                                     : vocabulary->add_unmatched(static_cast<int64_t>(id), piece.text));
  }
  return std::shared_ptr<const Vocabulary>(std::move(vocabulary));
}

UnknownPolicy make_unknown_policy(const SentencePieces& pieces) {
  UnknownPolicy policy;
  std::vector<TokenId> byte_tokens(256, UnknownPolicy::kNone);
  bool any_byte = false;
  for (size_t id = 0; id < pieces.pieces.size(); ++id) {
    const SentencePieces::Piece& piece = pieces.pieces[id];
    if (piece.type == Type::unknown) policy.unknown = static_cast<TokenId>(id);
    const int byte = piece.type == Type::byte ? byte_of_fallback_token(piece.text) : -1;
    if (byte >= 0) byte_tokens[static_cast<size_t>(byte)] = static_cast<TokenId>(id);
    any_byte |= byte >= 0;
  }
  if (pieces.byte_fallback && any_byte) policy.byte_tokens = std::move(byte_tokens);
  return policy;
}

/// Ranks by falling score; equal scores have one rank, so that the leftmost pair wins among them.
std::vector<uint32_t> rank_by_score(const SentencePieces& pieces) {
  std::vector<float> scores;
  for (const SentencePieces::Piece& piece : pieces.pieces) {
    if (is_matched(piece.type)) scores.push_back(piece.score);
  }
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  std::vector<uint32_t> ranks;
  ranks.reserve(pieces.pieces.size());
  for (const SentencePieces::Piece& piece : pieces.pieces) {
    const auto place = std::lower_bound(scores.begin(), scores.end(), piece.score, std::greater<>());
    ranks.push_back(is_matched(piece.type) ? static_cast<uint32_t>(place - scores.begin()) : BpeModel::kUnranked);
  }
  return ranks;
}

Result<std::unique_ptr<const TokenModel>> make_bpe(const SentencePieces& pieces,
                                                   const std::shared_ptr<const Vocabulary>& vocabulary) {
  BpeOptions options;
  options.symbols = BpeOptions::Symbols::characters;
  options.unknown = make_unknown_policy(pieces);
  auto model = std::make_unique<BpeModel>(vocabulary, std::move(options));
  KEDGE_TRY(model->add_merges_by_rank(rank_by_score(pieces)));
  for (size_t id = 0; id < pieces.pieces.size(); ++id) {
    if (pieces.pieces[id].type == Type::user_defined) model->add_frozen(static_cast<TokenId>(id));
  }
  return std::unique_ptr<const TokenModel>(std::move(model));
}

std::unique_ptr<const TokenModel> make_unigram(const SentencePieces& pieces,
                                               const std::shared_ptr<const Vocabulary>& vocabulary) {
  UnigramOptions options;
  options.unknown = make_unknown_policy(pieces);
  options.single_precision = true;
  auto model = std::make_unique<UnigramModel>(vocabulary, std::move(options));
  for (const Type type : {Type::normal, Type::user_defined}) {
    for (size_t i = 0; i < pieces.pieces.size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      if (pieces.pieces[i].type != type || vocabulary->piece(id).empty()) continue;
      if (type == Type::normal) {
        model->add(id, pieces.pieces[i].score);
      } else {
        model->add_user_defined(id);
      }
    }
  }
  return model;
}

Status add_normalizer(const SentencePieces& pieces, const TokenizerConfig& config, NormalizerChain& chain) {
  SentencePieceNormalizerOptions options;
  if (!pieces.charsmap.empty()) {
    KEDGE_ASSIGN(options.charsmap, Charsmap::parse(pieces.charsmap));
  }
  auto user_defined = std::make_shared<PrefixTrie>();
  for (size_t id = 0; id < pieces.pieces.size(); ++id) {
    const SentencePieces::Piece& piece = pieces.pieces[id];
    if (piece.type == Type::user_defined) user_defined->add(piece.text, static_cast<uint32_t>(id));
  }
  if (!user_defined->empty()) options.user_defined = std::move(user_defined);
  options.add_dummy_prefix = pieces.add_dummy_prefix;
  options.dummy_prefix_only_at_start = !config.legacy;
  options.space_is_suffix = pieces.space_is_suffix;
  options.remove_extra_whitespaces = pieces.remove_extra_whitespaces;
  options.escape_whitespaces = pieces.escape_whitespaces;
  chain.add(make_sentencepiece_normalizer(std::move(options)));
  return Done{};
}

DecoderOptions make_decoder(const SentencePieces& pieces, const AddedTokens& named) {
  DecoderOptions decoder;
  decoder.byte_tokens = ByteTokens::by_character;
  decoder.drop_leading_space = pieces.add_dummy_prefix || pieces.remove_extra_whitespaces;
  decoder.drop_all_leading_space = pieces.remove_extra_whitespaces;
  decoder.steps.push_back({.kind = TokenStep::Kind::replace, .from = "\xE2\x96\x81", .to = " "});
  for (const AddedToken& token : named.tokens()) decoder.fixed.emplace(token.id, token.content);
  for (size_t id = 0; id < pieces.pieces.size(); ++id) {
    const Type type = pieces.pieces[id].type;
    // The library shows no control pieces; those that tokenizer_config.json names are shown like any added token.
    if (type == Type::control) decoder.fixed.emplace(static_cast<TokenId>(id), "");
    if (type == Type::unknown) decoder.fixed.emplace(static_cast<TokenId>(id), pieces.unknown_surface);
  }
  return decoder;
}

std::optional<TokenId> find_control(const SentencePieces& pieces, std::string_view name) {
  for (size_t id = 0; id < pieces.pieces.size(); ++id) {
    const SentencePieces::Piece& piece = pieces.pieces[id];
    if (piece.text == name && piece.type == Type::control) return static_cast<TokenId>(id);
  }
  return std::nullopt;
}

Status check_ends(const TokenizerConfig& config, const SentencePieces& pieces) {
  for (const auto* const name : {&config.bos_token, &config.eos_token}) {
    if (name->has_value() && find_control(pieces, **name)) continue;
    return Error{ErrorKind::unsupported,
                 fmt::format("no control piece '{}', expected a vocabulary with the tokens around a text, or "
                             "tokenizer.json beside it",
                             name->value_or(""))};
  }
  return Done{};
}

}  // namespace

Result<TokenizerParts> make_sentencepiece_parts(const SentencePieces& pieces, const TokenizerConfig& config) {
  TokenizerParts parts;
  KEDGE_ASSIGN(parts.vocabulary, make_vocabulary(pieces));
  const bool unigram = pieces.algorithm == SentencePieces::Algorithm::unigram;
  if (unigram) {
    parts.model = make_unigram(pieces, parts.vocabulary);
    parts.text_bytes_max = kUnigramTextBytesMax;
  } else {
    KEDGE_ASSIGN(parts.model, make_bpe(pieces, parts.vocabulary));
  }
  for (const AddedToken& token : config.added) KEDGE_TRY(parts.added.add(token));
  parts.decoder = make_decoder(pieces, parts.added);
  for (size_t id = 0; id < pieces.pieces.size(); ++id) {
    const SentencePieces::Piece& piece = pieces.pieces[id];
    if (piece.type != Type::control && piece.type != Type::unknown) continue;
    KEDGE_TRY(parts.added.add({.id = static_cast<TokenId>(id), .content = std::string(piece.text), .special = true}));
  }
  KEDGE_TRY(add_normalizer(pieces, config, parts.normalizer));
  parts.bos = find_control(pieces, pieces.bos_piece);
  parts.eos = find_control(pieces, pieces.eos_piece);
  // What the checkpoint says of its own tokens counts more than how its vocabulary was trained.
  if (config.bos_token.has_value()) parts.bos.reset();
  if (config.eos_token.has_value()) parts.eos.reset();
  if (config.pair_begins_once) KEDGE_TRY(check_ends(config, pieces));
  find_bos_and_eos(config, nullptr, parts);
  std::vector<TokenId> before;
  std::vector<TokenId> after;
  if (config.add_bos_token.value_or(true) && parts.bos.has_value()) before.push_back(*parts.bos);
  if (config.add_eos_token.value_or(false) && parts.eos.has_value()) after.push_back(*parts.eos);
  parts.sequence_template = SequenceTemplate::around(before, after);
  if (config.pair_begins_once) {
    auto& pair = parts.sequence_template.pair;
    pair.erase(pair.begin() + static_cast<ptrdiff_t>(pair.size() / 2));  // what begins the second text
  }
  return parts;
}

Result<std::shared_ptr<const Tokenizer>> load_sentencepiece_model(std::string_view bytes, std::string_view name,
                                                                  const TokenizerConfig& config) {
  const auto load = [&]() -> Result<std::shared_ptr<const Tokenizer>> {
    KEDGE_ASSIGN(const SentencePieces pieces, parse_sentencepiece_model(bytes));
    KEDGE_ASSIGN(TokenizerParts parts, make_sentencepiece_parts(pieces, config));
    return make_tokenizer(std::move(parts));
  };
  auto tokenizer = load();
  if (tokenizer.ok()) return tokenizer;
  return Error{tokenizer.error().kind, fmt::format("{}: {}", name, tokenizer.error().message)};
}

}  // namespace kedge::text
