#include "curate/decontaminate/task_finder.h"

#include <algorithm>

namespace kedge::curate {
namespace {

/// Spans of code points as bytes. REQUIRES: they ascend.
std::vector<ByteSpan> bytes_of(std::span<const CodeSpan> spans, std::string_view text) {
  std::vector<ByteSpan> bytes;
  size_t at = 0, codes = 0;
  const auto place_of = [&](size_t code) {
    for (; at < text.size() && (codes < code || (text[at] & 0xC0) == 0x80); ++at) {
      if ((text[at] & 0xC0) != 0x80) ++codes;
    }
    return static_cast<uint32_t>(at);
  };
  for (const CodeSpan& span : spans) {
    const uint32_t begin = place_of(span.begin);
    bytes.push_back({begin, place_of(span.end)});
  }
  return bytes;
}

class TaskFinder final : public RepeatFinder {
 public:
  explicit TaskFinder(std::shared_ptr<const TaskRemoval> removal)
      : removal_(std::move(removal)), counts_(removal_->ngrams.size()), removed_(removal_->ngrams.size()) {}

  [[nodiscard]] size_t passes() const override { return 1; }
  [[nodiscard]] std::vector<Mark> look(size_t, std::string_view text) const override {
    std::vector<Mark> marks;
    for (const uint32_t run : removal_->ngrams.found_in(to_codes(text))) marks.push_back({.index = run});
    return marks;
  }
  Status add(size_t, uint32_t document, std::span<const Mark> marks) override {
    for (const Mark& mark : marks) ++counts_[mark.index];
    if (!marks.empty()) documents_.push_back(document);
    return Done{};
  }
  Status end_pass(size_t) override {
    for (size_t run = 0; run < counts_.size(); ++run) {
      removed_[run] = counts_[run] > 0 && counts_[run] <= removal_->limits.max_matches;
    }
    return Done{};
  }
  [[nodiscard]] Edit edit_of(uint32_t document, std::string_view text) const override {
    Edit edit;
    if (!std::ranges::binary_search(documents_, document)) return edit;
    const std::u32string codes = to_codes(text);
    const std::vector<CodeSpan> pieces = removal_->ngrams.pieces_of(codes, removed_, removal_->limits);
    edit.drop = pieces.empty() || pieces.size() > removal_->limits.max_splits;
    const bool whole = pieces.size() == 1 && pieces.front() == CodeSpan{0, codes.size()};
    if (!edit.drop && !whole) edit.pieces = bytes_of(pieces, text);
    return edit;
  }

 private:
  std::shared_ptr<const TaskRemoval> removal_;
  std::vector<uint64_t> counts_;     // by run, in all documents
  std::vector<bool> removed_;        // by run
  std::vector<uint32_t> documents_;  // that have any, ascending
};

}  // namespace

std::unique_ptr<RepeatFinder> make_task_finder(std::shared_ptr<const TaskRemoval> removal) {
  return std::make_unique<TaskFinder>(std::move(removal));
}

}  // namespace kedge::curate
