#include "text/tokenizer/token_table.h"

#include <algorithm>
#include <bit>

#include "core/check.h"
#include "text/tokenizer/limits.h"

namespace kedge::text {
void TokenTable::reserve_texts(size_t tokens, size_t bytes) {
  spans_.reserve(tokens);
  bytes_.reserve(bytes);
}

void TokenTable::reserve(size_t tokens, size_t bytes) {
  reserve_texts(tokens, bytes);
  const size_t slot_count = std::bit_ceil(tokens * 3 / 2 + 16);
  if (slot_count > slots_.size()) grow(slot_count);
}

bool TokenTable::add(TokenId id, std::string_view token) {
  if (!add_text(id, token)) return false;
  if ((indexed_ + 1) * 3 > slots_.size() * 2) grow(std::max<size_t>(64, slots_.size() * 2));
  const Search search{token, hash_bytes(token)};
  const size_t slot = find_slot(search);
  if (slots_[slot].id != kEmpty) return true;
  slots_[slot] = make_slot(search, id);
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

std::optional<TokenId> TokenTable::find(const Search& search) const {
  if (slots_.empty() || search.token.size() > bytes_max_) return std::nullopt;
  const Slot& slot = slots_[find_slot(search)];
  if (slot.id == kEmpty) return std::nullopt;
  return slot.id;
}

TokenTable::Slot TokenTable::make_slot(const Search& search, TokenId id) {
  const std::string_view token = search.token;
  const auto size = static_cast<uint32_t>(std::min<size_t>(token.size(), 255));
  const uint64_t tail = token.size() > 8 ? load_up_to_8(token.data() + token.size() - 8, 8) : 0;
  return {static_cast<uint32_t>(search.hash >> 32 & 0xFFFFFF00U) | size, id, load_up_to_8(token.data(), token.size()),
          tail};
}

size_t TokenTable::find_slot(const Search& search) const {
  const Slot wanted = make_slot(search, kEmpty);
  const size_t mask = slots_.size() - 1;
  size_t index = search.hash & mask;
  while (true) {
    const Slot& slot = slots_[index];
    if (slot.id == kEmpty) return index;
    const bool same = slot.tag == wanted.tag && slot.head == wanted.head && slot.tail == wanted.tail;
    if (same && (search.token.size() <= kSlotBytesMax || text(slot.id) == search.token)) return index;
    index = (index + 1) & mask;
  }
}

void TokenTable::grow(size_t slot_count) {
  auto old = std::move(slots_);
  slots_.assign(slot_count, Slot{});
  for (const Slot& slot : old) {
    if (slot.id == kEmpty) continue;
    const std::string_view token = text(slot.id);
    slots_[find_slot({token, hash_bytes(token)})] = slot;
  }
}

}  // namespace kedge::text
