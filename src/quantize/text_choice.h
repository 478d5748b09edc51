#pragma once
// Which text a quantization is fitted to, and which it is judged by.

#include <memory>
#include <string>

#include "models/spec.h"
#include "models/weight_source.h"
#include "quantize/layer_runner.h"
#include "quantize/options.h"

namespace kedge::quantize {

struct Texts {
  TokenSequences calibration, held;
  std::string calibration_name, held_name;  // for the report
};

/// What the options say of files is here the contents, so that a changed file is another identity: "NAME, HASH".
Result<std::string> text_identity(const std::filesystem::path& file);

/// Files' text, or what the model writes (other documents for `held`). Where a calibration file is given and no held
/// one, a fifth of it, at most, is held back. No text to fit to where options.sequences is 0.
Result<Texts> choose_texts(WorkerPool& pool, const Options& options, const Events& events, const std::stop_token& stop,
                           const std::shared_ptr<const models::WeightSource>& source, const models::DecoderSpec& spec);

}  // namespace kedge::quantize
