#include "text/tokenizer/token_table.h"

#include <algorithm>
#include <bit>

#include "core/check.h"
#include "text/tokenizer/hashing.h"
#include "text/tokenizer/limits.h"

namespace kedge::text {
namespace {

uint32_t tag_of(uint64_t hash) {
  return static_cast<uint32_t>(hash >> 32);
}

}  // namespace

void TokenTable::reserve(size_t tokens, size_t bytes) {
  spans_.reserve(tokens);
  bytes_.reserve(bytes);
  const size_t slot_count = std::bit_ceil(tokens * 2 + 16);
  if (slot_count > slots_.size()) grow(slot_count);
}

bool TokenTable::add(TokenId id, std::string_view token) {
  if (!add_text(id, token)) return false;
  if ((indexed_ + 1) * 2 > slots_.size()) grow(std::max<size_t>(64, slots_.size() * 2));
  const uint64_t hash = hash_bytes(token);
  const size_t slot = find_slot(token, hash);
  if (slots_[slot].id != kEmpty) return true;
  slots_[slot] = {tag_of(hash), id};
  bytes_max_ = std::max(bytes_max_, token.size());
  ++indexed_;
  return true;
}

bool TokenTable::add_text(TokenId id, std::string_view token) {
  KEDGE_CHECK(id >= 0 && static_cast<size_t>(id) < kTokenCountMax && token.size() <= kTokenBytesMax);
  if (contains(id)) return false;
  KEDGE_CHECK(bytes_.size() + token.size() < kAbsent);
  if (static_cast<size_t>(id) >= spans_.size()) spans_.resize(static_cast<size_t>(id) + 1);
  spans_[static_cast<size_t>(id)] = {static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(token.size())};
  bytes_.append(token);
  ++count_;
  return true;
}

std::optional<TokenId> TokenTable::find(std::string_view token) const {
  if (slots_.empty() || token.size() > bytes_max_) return std::nullopt;
  const Slot& slot = slots_[find_slot(token, hash_bytes(token))];
  if (slot.id == kEmpty) return std::nullopt;
  return slot.id;
}

bool TokenTable::contains(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < spans_.size() && spans_[static_cast<size_t>(id)].offset != kAbsent;
}

std::string_view TokenTable::text(TokenId id) const {
  if (!contains(id)) return {};
  const Span& span = spans_[static_cast<size_t>(id)];
  return std::string_view(bytes_).substr(span.offset, span.size);
}

size_t TokenTable::find_slot(std::string_view token, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t index = hash & mask;
  while (slots_[index].id != kEmpty && (slots_[index].tag != tag_of(hash) || text(slots_[index].id) != token)) {
    index = (index + 1) & mask;
  }
  return index;
}

void TokenTable::grow(size_t slot_count) {
  std::vector<Slot> old = std::move(slots_);
  slots_.assign(slot_count, Slot{});
  for (const Slot& slot : old) {
    if (slot.id == kEmpty) continue;
    const std::string_view token = text(slot.id);
    slots_[find_slot(token, hash_bytes(token))] = slot;
  }
}

}  // namespace kedge::text
