#pragma once
// How runs of words are found in KenLM's two structures. Runs are walked from their last word back.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"

namespace kedge::curate::kenlm {

enum class Kind : uint32_t { probing, probing_with_rests, trie, quantized_trie, array_trie, quantized_array_trie };

struct Header {
  Kind kind = Kind::probing;
  float multiplier = 1.5;
  std::vector<uint64_t> counts;  // of runs of 1, 2, ... words; at least two
};

/// Where a walk stands: a hash, or a range of the next table.
struct Node {
  uint64_t begin = 0, end = 0;
};

struct Found {
  float probability = 0, backoff = 0;  // log10
  bool is_leftmost = false;            // no longer run ends in this one
};

/// Immutable.
class Search {
 public:
  Search() = default;
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  virtual ~Search() = default;

  /// 0: <unk>. Below what `unigram` takes.
  [[nodiscard]] virtual uint32_t word(std::string_view text) const = 0;
  [[nodiscard]] virtual Found unigram(uint32_t word, Node& node) const = 0;
  /// The run of `length` words, 2 at least and below the longest, that has `word` before the run at `node`; false where
  /// there is none.
  [[nodiscard]] virtual bool middle(size_t length, uint32_t word, Node& node, Found& found) const = 0;
  [[nodiscard]] virtual bool longest(uint32_t word, const Node& node, float& probability) const = 0;
};

/// `bytes`: the whole file, whose words begin at `begin`. Fails with corrupt_data or unsupported.
Result<std::unique_ptr<Search>> open_probing(const Header& header, std::string_view bytes, uint64_t begin,
                                             const std::string& name);
Result<std::unique_ptr<Search>> open_trie(const Header& header, std::string_view bytes, uint64_t begin,
                                          const std::string& name);

/// corrupt_data: the file ends before what it says it holds.
Error too_short(const std::string& name, uint64_t found, uint64_t expected);

}  // namespace kedge::curate::kenlm
