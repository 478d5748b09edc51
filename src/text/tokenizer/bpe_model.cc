#include "text/tokenizer/bpe_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

/// decode_character with a short cut for the space sign U+2581, the most frequent multi-byte character here.
inline DecodedCharacter decode_quickly(std::string_view text) {
  if (static_cast<uint8_t>(text[0]) < 0x80) return {static_cast<uint8_t>(text[0]), 1};
  if (text.starts_with("\xE2\x96\x81")) return {0x2581, 3};
  return decode_multibyte(text);
}

}  // namespace

BpeModel::BpeModel(std::shared_ptr<const Vocabulary> vocabulary, BpeOptions options)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      token_end_(static_cast<uint32_t>(vocabulary_->id_end())),
      symbol_end_(token_end_),
      stands_for_unknown_(token_end_),
      noted_(token_end_) {
  if (options_.unknown.unknown != UnknownPolicy::kNone) {
    stands_for_unknown_[static_cast<size_t>(options_.unknown.unknown)] = true;
  }
  if (options_.symbols == BpeOptions::Symbols::characters) {
    for (const TokenId id : options_.unknown.byte_tokens) {
      if (id != UnknownPolicy::kNone) stands_for_unknown_[static_cast<size_t>(id)] = true;
    }
    index_characters();
    return;
  }
  byte_symbols_.assign(256, kUnknownSymbol);
  for (size_t byte = 0; byte < 256; ++byte) {
    const char character = static_cast<char>(byte);
    if (const auto id = vocabulary_->find_piece(std::string_view(&character, 1)))
      byte_symbols_[byte] = static_cast<uint32_t>(*id);
  }
}

void BpeModel::index_characters() {
  for (uint32_t id = 0; id < token_end_; ++id) {
    const std::string_view piece = vocabulary_->piece(static_cast<TokenId>(id));
    if (piece.empty() || piece.size() > 4) continue;
    const DecodedCharacter character = decode_character(piece);
    if (character.code == kInvalidCharacter || character.size != piece.size()) continue;
    if (character_symbols_.find(character.code) == CharacterSymbols::kNone) character_symbols_.set(character.code, id);
  }
}

Status BpeModel::add_merge(TokenId left, TokenId right, TokenId merged, uint32_t rank) {
  for (const TokenId part : {left, right}) {
    if (stands_for_unknown_[static_cast<size_t>(part)]) {
      return Error{ErrorKind::unsupported, fmt::format("a merge takes '{}', which stands for unknown characters: only "
                                                       "merges of characters are implemented",
                                                       vocabulary_->piece(part))};
    }
  }
  merger_.add(static_cast<uint32_t>(left), static_cast<uint32_t>(right), rank, static_cast<uint32_t>(merged));
  const auto index = static_cast<size_t>(merged);
  if (options_.symbols == BpeOptions::Symbols::characters && !noted_[index]) joins_.note(vocabulary_->piece(merged));
  noted_[index] = true;
  return Done{};
}

Status BpeModel::add_merges_by_rank(std::span<const uint32_t> ranks) {
  std::vector<Split> splits;
  size_t work = 0;
  for (size_t id = 0; id < ranks.size(); ++id) {
    if (ranks[id] == kUnranked) continue;
    const size_t size = vocabulary_->piece(static_cast<TokenId>(id)).size();
    work += size * size;
    if (work > kSplitWorkMax) {
      return Error{ErrorKind::unsupported, fmt::format("the tokens are too long to be split in every way: the sum of "
                                                       "their squared sizes is beyond {}",
                                                       kSplitWorkMax)};
    }
    add_splits(static_cast<TokenId>(id), ranks, splits);
  }
  return Done{};
}

uint32_t BpeModel::ranked_part(const TokenTable::Search& search, std::span<const uint32_t> ranks) {
  if (const auto id = vocabulary_->find_piece(search)) {
    if (static_cast<size_t>(*id) < ranks.size() && ranks[static_cast<size_t>(*id)] != kUnranked) {
      return static_cast<uint32_t>(*id);
    }
  }
  if (options_.symbols == BpeOptions::Symbols::bytes) return PairTable::kNone;
  // A character may join a merge without being a token itself: it gets a symbol of its own.
  const DecodedCharacter character = decode_character(search.token);
  if (character.code == kInvalidCharacter || character.size != search.token.size()) return PairTable::kNone;
  uint32_t symbol = character_symbols_.find(character.code);
  if (symbol == CharacterSymbols::kNone) {
    symbol = symbol_end_++;
    character_symbols_.set(character.code, symbol);
  }
  return symbol;
}

void BpeModel::add_splits(TokenId id, std::span<const uint32_t> ranks, std::vector<Split>& splits) {
  const std::string_view piece = vocabulary_->piece(id);
  const bool over_bytes = options_.symbols == BpeOptions::Symbols::bytes;
  if (!over_bytes) joins_.note(piece);
  splits.clear();
  for (size_t split = 1; split < piece.size(); ++split) {
    const bool inside_character = (static_cast<uint8_t>(piece[split]) & 0xC0) == 0x80;
    if (!over_bytes && inside_character) continue;
    splits.push_back(
        {vocabulary_->prepare_piece(piece.substr(0, split)), vocabulary_->prepare_piece(piece.substr(split))});
  }
  for (const Split& split : splits) {
    const uint32_t left = ranked_part(split.left, ranks);
    if (left == PairTable::kNone) continue;
    const uint32_t right = ranked_part(split.right, ranks);
    if (right == PairTable::kNone) continue;
    merger_.add(left, right, ranks[static_cast<size_t>(id)], static_cast<uint32_t>(id));
  }
}

void BpeModel::encode(std::string_view word, EncodeWorkspace& workspace, std::vector<TokenId>& ids) const {
  if (word.empty()) return;
  if (options_.symbols == BpeOptions::Symbols::bytes) {
    bool after_unknown = false;
    encode_part(word, workspace, ids, after_unknown);
    return;
  }
  if (options_.whole_words_first) {
    if (const auto id = vocabulary_->find_piece(word)) {
      ids.push_back(*id);
      return;
    }
  }
  encode_text(word, workspace, ids);
}

void BpeModel::encode_text(std::string_view text, EncodeWorkspace& workspace, std::vector<TokenId>& ids) const {
  bool after_unknown = false;
  size_t begin = 0;  // of the part that is growing
  size_t position = 0;
  char32_t previous = kInvalidCharacter;
  const bool has_frozen = !frozen_.empty();
  while (position < text.size()) {
    const std::string_view rest = text.substr(position);
    if (has_frozen && frozen_.may_begin(rest)) {
      if (const auto match = frozen_.longest(rest)) {
        encode_part(text.substr(begin, position - begin), workspace, ids, after_unknown);
        ids.push_back(static_cast<TokenId>(match->value));
        after_unknown = false;
        position += match->size;
        begin = position;
        previous = kInvalidCharacter;
        continue;
      }
    }
    const DecodedCharacter character = decode_quickly(rest);
    if (position > begin && !joins_.may_join(previous, character.code)) {
      encode_part(text.substr(begin, position - begin), workspace, ids, after_unknown);
      begin = position;
    }
    previous = character.code;
    position += character.size;
  }
  encode_part(text.substr(begin), workspace, ids, after_unknown);
}

void BpeModel::encode_part(std::string_view part, EncodeWorkspace& workspace, std::vector<TokenId>& ids,
                           bool& after_unknown) const {
  if (part.empty()) return;
  const bool cacheable = part.size() <= WordCache::kWordBytesMax;
  WordCache::Key key;
  if (cacheable) {
    key = WordCache::key_of(part);
    if (workspace.cache.append(key, ids)) {
      after_unknown = false;
      return;
    }
  }
  const size_t first = ids.size();
  bool all_known = true;
  std::optional<TokenId> whole;
  if (options_.whole_words_first && options_.symbols == BpeOptions::Symbols::bytes) {
    whole = vocabulary_->find_piece(part);
  }
  if (whole.has_value()) {
    ids.push_back(*whole);
    after_unknown = false;
  } else {
    auto& symbols = workspace.symbols;
    all_known = make_symbols(part, symbols);
    merger_.merge(workspace);
    for (size_t i = 0; i < symbols.size(); ++i) {
      const size_t end = i + 1 < symbols.size() ? symbols[i + 1].begin : part.size();
      emit(part.substr(symbols[i].begin, end - symbols[i].begin), symbols[i].id, ids, after_unknown);
    }
  }
  // What an unknown character becomes depends on its neighbours, so parts with one are not kept.
  if (cacheable && all_known) workspace.cache.store(key, std::span(ids).subspan(first));
}

bool BpeModel::make_symbols(std::string_view part, EncodeWorkspace::Symbols& symbols) const {
  symbols.clear();
  symbols.reserve(part.size());
  bool all_known = true;
  const bool over_bytes = options_.symbols == BpeOptions::Symbols::bytes;
  for (size_t position = 0; position < part.size();) {
    DecodedCharacter character;
    uint32_t symbol;
    if (over_bytes) {
      symbol = byte_symbols_[static_cast<uint8_t>(part[position])];
    } else {
      character = decode_quickly(part.substr(position));
      symbol = character_symbols_.find(character.code);
      if (symbol == CharacterSymbols::kNone) symbol = kUnknownSymbol;
    }
    all_known &= symbol < token_end_;
    symbols.push_back({.id = symbol, .begin = static_cast<uint32_t>(position)});
    position += character.size;
  }
  return all_known;
}

void BpeModel::emit(std::string_view text, uint32_t symbol, std::vector<TokenId>& ids, bool& after_unknown) const {
  if (symbol < token_end_) {
    ids.push_back(static_cast<TokenId>(symbol));
    after_unknown = false;
    return;
  }
  const UnknownPolicy& policy = options_.unknown;
  if (policy.has_bytes_for(text)) {
    for (const char byte : text) ids.push_back(policy.byte_tokens[static_cast<uint8_t>(byte)]);
    after_unknown = false;
    return;
  }
  if (policy.unknown == UnknownPolicy::kNone || (policy.fuse && after_unknown)) return;
  ids.push_back(policy.unknown);
  after_unknown = true;
}

}  // namespace kedge::text
