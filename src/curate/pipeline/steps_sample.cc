// The step that takes a share of the documents.
#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

class SampleStep final : public Step {
 public:
  SampleStep(std::string label, double share, uint64_t seed) : Step(std::move(label)), share_(share), seed_(seed) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const uint64_t hash = XXH3_64bits_withSeed(document.id_json.data(), document.id_json.size(), seed_);
    outcome.keep = static_cast<double>(hash >> 11) * 0x1p-53 < share_;
    if (!outcome.keep) outcome.reason = "not in the sample";
    return outcome;
  }

 private:
  double share_;
  uint64_t seed_;
};

MadeStep make_sample(OptionReader& options, const Folder&) {
  const double share = options.number("share", 1, 0, 1);
  const auto seed = static_cast<uint64_t>(options.whole("seed", 1, 0, INT64_MAX));
  KEDGE_TRY(options.finish());
  return std::unique_ptr<Step>(std::make_unique<SampleStep>(fmt::format("sample {}", share), share, seed));
}

}  // namespace

OperatorInfo sample_operator() {
  return {"sample",
          "a share of the documents, chosen by their ids",
          "XXH3 of the id",
          {{"share", "1", "from 0 to 1"}, {"seed", "1", "another one chooses others"}},
          make_sample};
}

}  // namespace kedge::curate
