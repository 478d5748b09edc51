#pragma once
// data-juicer's statistics of texts (1.6.1), as its filters of the same names count them. Lengths are code points.

#include <string_view>
#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

struct JuicerStatistic {
  std::string_view name;  // data-juicer's: text_len, num_words, ...
  double (*measure)(CodeView text, size_t repetition_length);
  double low, high;  // of a chart
};

/// alnum_ratio, avg_line_length, char_rep_ratio, max_line_length, num_words, text_len.
const std::vector<JuicerStatistic>& juicer_statistics();

}  // namespace kedge::curate
