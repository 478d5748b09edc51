#include "text/tokenizer/decoder.h"

#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/token_steps.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

/// The text of a closed run of byte tokens where invalid bytes spoil all of it.
std::string all_or_nothing(std::string_view run) {
  if (is_valid_utf8(run)) return std::string(run);
  std::string text;
  for (size_t i = 0; i < run.size(); ++i) text.append(kReplacementText);
  return text;
}

}  // namespace

void DecodeState::push(const DecodedToken& token) {
  const auto fixed = options_->fixed.find(token.id);
  if (fixed == options_->fixed.end()) {
    if (options_->byte_level) {
      push_bytes(token.bytes);
      return;
    }
    const int byte = options_->byte_tokens == ByteTokens::none ? -1 : byte_of_fallback_token(token.spelled);
    if (byte >= 0) {
      const char character = static_cast<char>(byte);
      ++count_;
      run_.push_back(character);
      if (options_->byte_tokens == ByteTokens::by_character) settle_run_by_character();
      return;
    }
  }
  close_run();
  settle(fixed != options_->fixed.end() ? fixed->second : token_text(token));
  ++count_;
}

void DecodeState::push_bytes(std::string_view bytes) {
  run_.append(bytes);
  const size_t open = unfinished_tail(run_);
  append_lossy(settled_, std::string_view(run_).substr(0, run_.size() - open));
  run_.erase(0, run_.size() - open);
}

void DecodeState::settle_run_by_character() {
  while (!run_.empty() && unfinished_tail(run_) != run_.size()) {
    const DecodedCharacter character = decode_character(run_);
    settle(character.code == kInvalidCharacter ? kReplacementText : std::string_view(run_).substr(0, character.size));
    run_.erase(0, character.size);
  }
}

void DecodeState::close_run() {
  if (run_.empty()) return;
  if (options_->byte_level) {
    append_lossy(settled_, run_);
  } else if (options_->byte_tokens == ByteTokens::by_character) {
    for (size_t i = 0; i < run_.size(); ++i) settle(kReplacementText);
  } else {
    const std::string text = all_or_nothing(run_);
    const std::string_view kept = without_start(text, strip_left_, at_start_);
    settled_.append(kept.substr(prefix_bytes(kept, run_taken_)));
    any_text_ |= !kept.empty();
  }
  run_.clear();
  run_taken_ = 0;
}

std::string DecodeState::take() {
  std::string text;
  if (run_.empty()) {
    if (settled_.ends_with(kReplacementText)) return {};
    text.swap(settled_);
    return text;
  }
  if (options_->byte_level || options_->byte_tokens != ByteTokens::all_or_nothing || !is_valid_utf8(run_)) return {};
  // The run is whole characters so far: they can go out, though the run stays open.
  size_t strip_left = strip_left_;
  bool at_start = at_start_;
  const std::string_view kept = without_start(run_, strip_left, at_start);
  if (kept.ends_with(kReplacementText) || (kept.empty() && settled_.ends_with(kReplacementText))) return {};
  text.swap(settled_);
  text.append(kept.substr(prefix_bytes(kept, run_taken_)));
  run_taken_ = count_characters(kept);
  return text;
}

std::string DecodeState::finish() {
  close_run();
  return std::move(settled_);
}

void DecodeState::settle(std::string_view text) {
  const std::string_view kept = without_start(text, strip_left_, at_start_);
  settled_.append(kept);
  any_text_ |= !kept.empty();
}

std::string_view DecodeState::without_start(std::string_view text, size_t& strip_left, bool& at_start) const {
  while (at_start && strip_left > 0 && text.starts_with(options_->strip_start)) {
    text.remove_prefix(options_->strip_start.size());
    --strip_left;
  }
  if (!text.empty()) at_start = false;
  return text;
}

std::string DecodeState::token_text(const DecodedToken& token) {
  std::string text(token.spelled);
  if (options_->drop_leading_space || options_->drop_all_leading_space) drop_dummy_prefix(text);
  for (const TokenStep& step : options_->steps) apply_step(step, count_, text);
  return text;
}

void DecodeState::drop_dummy_prefix(std::string& text) {
  if (prefix_dropped_ || any_text_ || !text.starts_with(kSpaceSign)) return;
  text.erase(0, kSpaceSign.size());
  prefix_dropped_ = !options_->drop_all_leading_space;
}

std::string bytes_of_token(const DecoderOptions& options, const DecodedToken& token) {
  const auto fixed = options.fixed.find(token.id);
  if (fixed != options.fixed.end()) return fixed->second;
  if (options.byte_level) return std::string(token.bytes);
  const int byte = options.byte_tokens == ByteTokens::none ? -1 : byte_of_fallback_token(token.spelled);
  if (byte >= 0) return {static_cast<char>(byte)};
  std::string text(token.spelled);
  for (const TokenStep& step : options.steps) apply_step(step, 1, text);
  return text;
}

}  // namespace kedge::text
