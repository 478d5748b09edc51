#include "text/tokenizer/merge_loader.h"

#include <fmt/format.h>

#include <span>

namespace kedge::text {

Status MergeLoader::add(std::string_view left, std::string_view right) {
  Pending& merge = pending_[count_++];
  vocabulary_.prepare(left, merge.left);
  vocabulary_.prepare(right, merge.right);
  return count_ == pending_.size() ? finish() : Status(Done{});
}

std::optional<TokenId> MergeLoader::find_merged(const Pending& merge) {
  const std::string_view left = merge.left.spelled;
  const std::string_view right = merge.right.spelled;
  // Merges mostly stand in the order of what they make, so it is seldom necessary to search.
  for (const TokenId id : {last_merged_, last_merged_ + 1}) {
    const std::string_view text = guess_ ? vocabulary_.spelled(id) : std::string_view();
    if (text.size() == left.size() + right.size() && text.starts_with(left) && text.ends_with(right)) {
      return vocabulary_.contains(id) ? std::optional(id) : std::nullopt;
    }
  }
  joined_.assign(left).append(right);
  return vocabulary_.find(joined_);
}

Status MergeLoader::finish() {
  const std::span<Pending> merges(pending_.data(), count_);
  count_ = 0;
  uint32_t number = rank_;
  for (Pending& merge : merges) {
    const auto left = vocabulary_.find(merge.left);
    const auto right = vocabulary_.find(merge.right);
    const auto merged = left.has_value() && right.has_value() ? find_merged(merge) : std::nullopt;
    if (!left.has_value() || !right.has_value() || !merged.has_value()) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("{}: merge {} of '{}' and '{}': a part or the whole is not in the vocabulary", where_,
                               number, merge.left.spelled.substr(0, 64), merge.right.spelled.substr(0, 64))};
    }
    ++number;
    merge.left_id = *left;
    merge.right_id = *right;
    merge.merged = last_merged_ = *merged;
    model_.prefetch_merge(*left, *right);
  }
  for (const Pending& merge : merges) {
    KEDGE_TRY(model_.add_merge(merge.left_id, merge.right_id, merge.merged, rank_++));
  }
  return Done{};
}

}  // namespace kedge::text
