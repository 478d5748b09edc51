#include "grammar/matcher.h"

#include <algorithm>
#include <limits>

namespace kedge::grammar {
namespace {

constexpr size_t kStacksMax = 20'000;  // of one answer, before those no longer needed go

}  // namespace

std::unique_ptr<MaskMaker> BoundGrammar::take_maker() const {
  {
    const std::scoped_lock lock(mutex_);
    if (!makers_.empty()) {
      std::unique_ptr<MaskMaker> maker = std::move(makers_.back());
      makers_.pop_back();
      return maker;
    }
  }
  return std::make_unique<MaskMaker>(*grammar_, *vocabulary_);
}

void BoundGrammar::give_back(std::unique_ptr<MaskMaker> maker) const {
  const std::scoped_lock lock(mutex_);
  makers_.push_back(std::move(maker));
}

Matcher::Matcher(std::shared_ptr<const BoundGrammar> grammar)
    : grammar_(std::move(grammar)), stepper_(grammar_->grammar()) {
  stepper_.start(grammar_->grammar().root(), at_);
}

bool Matcher::take(Configurations&& next) {
  if (next.dead()) return false;
  at_ = std::move(next);
  first_ = false;
  if (stepper_.stacks.size() > kStacksMax) stepper_.compact(at_);
  return true;
}

bool Matcher::accept(TokenId token) {
  const std::string_view bytes = grammar_->vocabulary().bytes(token);
  Configurations next;
  stepper_.step_token(at_, token, next);
  if (!next.dead()) return take(std::move(next));
  if (bytes.empty()) return false;
  const bool drop = first_ && grammar_->vocabulary().drops_first_space() && bytes.starts_with(' ');
  if (drop && bytes.size() == 1) {
    first_ = false;
    return true;
  }
  return accept_bytes(drop ? bytes.substr(1) : bytes);
}

bool Matcher::accept_bytes(std::string_view bytes) {
  Configurations here = at_, next;
  for (const char c : bytes) {
    stepper_.step(here, static_cast<uint8_t>(c), next);
    if (next.dead()) return false;
    std::swap(here, next);
  }
  return take(std::move(here));
}

void Matcher::fill_mask(std::span<uint64_t> mask) const {
  std::ranges::fill(mask, 0);
  const Vocabulary& vocabulary = grammar_->vocabulary();
  std::unique_ptr<MaskMaker> maker = grammar_->take_maker();
  maker->allow(at_, stepper_.stacks, first_, mask.first(vocabulary.mask_words()));
  grammar_->give_back(std::move(maker));
  if (!at_.complete) return;
  for (const TokenId token : vocabulary.end_tokens()) {
    mask[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
  }
}

bool keep_allowed(std::span<const uint64_t> mask, std::span<float> logits) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  bool any = false;
  for (size_t begin = 0; begin < logits.size(); begin += 64) {
    const size_t count = std::min<size_t>(64, logits.size() - begin);
    const uint64_t word = count == 64 ? mask[begin / 64] : mask[begin / 64] & ((uint64_t{1} << count) - 1);
    any = any || word != 0;
    if (word == ~uint64_t{0}) continue;
    for (size_t i = 0; i < count; ++i) {
      if ((word >> i & 1) == 0) logits[begin + i] = kNever;
    }
  }
  return any;
}

}  // namespace kedge::grammar
