#include "curate/pipeline/dedup_step.h"

namespace kedge::curate {

OperatorInfo dedup_operator() {
  return {"dedup",
          "keeps the first of documents that are equal or nearly so, across all inputs",
          "MinHash: Broder 1997; parameters of DataTrove 0.10 and NeMo Curator 1.4; url: RFC 3986, 6.2",
          {{"method", "fuzzy", "exact or fuzzy"},
           {"normalize", "none",
            "exact: none (bytes), text (normal form, case and white space do not count) or url (of the page)"},
           {"params", "kedge",
            "fuzzy: kedge (words, 20 bands of 5), datatrove (words, 14 of 8) or nemo (24 characters, "
            "20 of 13)"},
           {"verify", "true", "fuzzy: link only candidates whose true similarity is min_jaccard"},
           {"min_jaccard", "0.7", "of sets of runs of five words"}},
          nullptr};
}

Result<DedupOptions> read_dedup(OptionReader& options) {
  DedupOptions dedup;
  const std::string method = options.choice("method", "fuzzy", {"exact", "fuzzy"});
  const std::string form = options.choice("normalize", "none", {"none", "text", "url"});
  const std::string parameters = options.choice("params", "kedge", {"kedge", "datatrove", "nemo"});
  dedup.method = method == "exact" ? DedupMethod::exact : DedupMethod::fuzzy;
  dedup.normalization = form == "text" ? Normalization::text : form == "url" ? Normalization::url : Normalization::none;
  dedup.parameters = parameters == "datatrove" ? FuzzyParameters::datatrove
                     : parameters == "nemo"    ? FuzzyParameters::nemo
                                               : FuzzyParameters::kedge;
  dedup.verify = options.flag("verify", true) && dedup.method == DedupMethod::fuzzy;
  dedup.jaccard_min = options.number("min_jaccard", 0.7, 0, 1);
  KEDGE_TRY(options.finish());
  return dedup;
}

std::string label_of(const DedupOptions& dedup) {
  return dedup.method == DedupMethod::exact ? "dedup exact" : "dedup fuzzy";
}

}  // namespace kedge::curate
