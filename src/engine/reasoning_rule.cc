#include "engine/reasoning_rule.h"

#include <algorithm>

namespace kedge::engine {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr size_t kCharacterBytesMax = 4;

/// Bytes at the end of `text` that begin a character of UTF-8 which is not complete.
size_t open_bytes(std::string_view text) {
  for (size_t back = 1; back <= std::min(text.size(), kCharacterBytesMax); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;  // goes on from an earlier byte
    const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return back < length ? back : 0;
  }
  return 0;
}

/// Whether `text` ends with a beginning of `mark`.
bool ends_within(std::string_view text, std::string_view mark) {
  for (size_t size = 1; size < mark.size(); ++size) {
    if (text.ends_with(mark.substr(0, size))) return true;
  }
  return false;
}

}  // namespace

ReasoningRule::ReasoningRule(const ReasoningLimit& limit, const Tokenizer& tokenizer)
    : limit_(limit), tokenizer_(tokenizer), state_(limit.begin.empty() ? State::inside : State::before) {}

std::optional<TokenId> ReasoningRule::forced() const {
  if (state_ != State::inside) return std::nullopt;
  if (written_ > 0) return limit_.end_tokens[written_];
  if (count_ < limit_.tokens_max || open_bytes(text_) > 0) return std::nullopt;
  // It may be writing the mark itself, piece by piece: half of one before a whole one would be left in the text.
  const bool is_writing = limit_.end_tokens.size() > 1 && ends_within(text_, limit_.end);
  if (is_writing && count_ < limit_.tokens_max + limit_.end.size()) return std::nullopt;
  return limit_.end_tokens.front();
}

void ReasoningRule::accept(TokenId token) {
  if (state_ == State::over) return;
  if (state_ == State::inside && forced() == token) {
    if (++written_ == limit_.end_tokens.size()) state_ = State::over;
    return;
  }
  written_ = 0;
  text_ += tokenizer_.is_special(token) ? std::string(tokenizer_.token_text(token)) : tokenizer_.token_bytes(token);
  if (state_ == State::before) {
    const std::string_view rest =
        std::string_view(text_).substr(std::min(text_.find_first_not_of(kSpaces), text_.size()));
    if (rest.starts_with(limit_.begin)) {
      text_ = rest.substr(limit_.begin.size());
      state_ = State::inside;
    } else if (!std::string_view(limit_.begin).starts_with(rest)) {
      state_ = State::over;  // it does not reason
    }
    return;
  }
  ++count_;
  if (text_.find(limit_.end) != std::string::npos) {
    state_ = State::over;
    return;
  }
  const size_t kept = std::max(limit_.end.size() - 1, kCharacterBytesMax);
  if (text_.size() > kept) text_.erase(0, text_.size() - kept);
}

}  // namespace kedge::engine
