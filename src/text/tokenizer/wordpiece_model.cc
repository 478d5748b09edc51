#include "text/tokenizer/wordpiece_model.h"

#include "text/unicode/utf8.h"

namespace kedge::text {

WordPieceModel::WordPieceModel(std::shared_ptr<const Vocabulary> vocabulary, WordPieceOptions options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  for (size_t id = 0; id < vocabulary_->id_end(); ++id) {
    const std::string_view piece = vocabulary_->piece(static_cast<TokenId>(id));
    if (piece.empty()) continue;
    initial_.add(piece, static_cast<uint32_t>(id));
    const std::string& prefix = options_.continuation_prefix;
    if (piece.size() > prefix.size() && piece.starts_with(prefix)) {
      continuations_.add(piece.substr(prefix.size()), static_cast<uint32_t>(id));
    }
  }
}

bool WordPieceModel::append_pieces(std::string_view word, std::vector<TokenId>& ids) const {
  const size_t first = ids.size();
  for (size_t position = 0; position < word.size();) {
    const auto match = (position == 0 ? initial_ : continuations_).longest(word.substr(position));
    if (!match.has_value()) {
      ids.resize(first);
      return false;
    }
    ids.push_back(static_cast<TokenId>(match->value));
    position += match->size;
  }
  return true;
}

void WordPieceModel::encode(std::string_view word, EncodeWorkspace& workspace, std::vector<TokenId>& ids) const {
  if (word.empty()) return;
  const bool cacheable = word.size() <= WordCache::kWordBytesMax;
  WordCache::Key key;
  if (cacheable) {
    key = WordCache::key_of(word);
    if (workspace.cache.append(key, ids)) return;
  }
  const size_t first = ids.size();
  const bool too_long =
      word.size() > options_.word_characters_max * 4 || count_characters(word) > options_.word_characters_max;
  if (too_long || !append_pieces(word, ids)) ids.push_back(options_.unknown);
  if (cacheable) workspace.cache.store(key, std::span(ids).subspan(first));
}

}  // namespace kedge::text
