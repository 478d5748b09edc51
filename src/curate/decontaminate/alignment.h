#pragma once
// Where two lists of words agree best, changed, lost and added words allowed.

#include <cstddef>
#include <cstdint>
#include <span>

namespace kedge::curate {

/// Words [begin, end) of the text agree with the pattern; 0 for no agreement.
struct Agreement {
  double score = 0;
  size_t begin = 0, end = 0;
};

/// Smith and Waterman's local alignment: 1 for a word that agrees, -1.5 for one that does not.
Agreement align(std::span<const uint64_t> pattern, std::span<const uint64_t> text);

}  // namespace kedge::curate
