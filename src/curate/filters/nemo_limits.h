#pragma once
// The limits of NeMo Curator's heuristic filters, and what its own configuration calls them.

#include <span>
#include <string_view>

namespace kedge::curate {

struct NemoLimit {
  std::string_view name;                             // of the score
  std::string_view class_name;                       // NeMo's
  int n;                                             // of runs of words; 0: the class has none
  std::string_view least_parameter, most_parameter;  // NeMo's; empty: there is none
  double least, most;                                // NeMo's defaults
  double low, high;                                  // of a chart
};

/// In the order in which they decide.
std::span<const NemoLimit> nemo_limits();
/// Null where there is none.
const NemoLimit* find_nemo_limit(std::string_view name);

}  // namespace kedge::curate
