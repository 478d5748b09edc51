// Deduplication as pipelines name it; the runner does it, since it needs all documents.
#include "curate/pipeline/steps.h"

namespace kedge::curate {

OperatorInfo dedup_operator() {
  return {"dedup",
          "keeps the first of documents that are equal or nearly so, across all inputs",
          "MinHash: Broder 1997; parameters of DataTrove 0.10 and NeMo Curator 1.4",
          {{"method", "fuzzy", "exact or fuzzy"},
           {"normalize", "none", "exact: none (bytes) or text (normal form, case and white space do not count)"},
           {"params", "kedge",
            "fuzzy: kedge (words, 20 bands of 5), datatrove (words, 14 of 8) or nemo (24 characters, "
            "20 of 13)"},
           {"verify", "true", "fuzzy: link only candidates whose true similarity is min_jaccard"},
           {"min_jaccard", "0.7", "of sets of runs of five words"}},
          nullptr};
}

}  // namespace kedge::curate
