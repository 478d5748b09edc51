#pragma once
// Quantizes a model: from a checkpoint folder or a GGUF file to one with fewer bits, with a report on what it cost.

#include <stop_token>

#include "core/json.h"
#include "kedge/result.h"
#include "quantize/options.h"

namespace kedge::quantize {

/// Writes options.out and returns the report (docs/guide/quantize.md describes it). A folder that an earlier call left
/// unfinished is gone on with. Memory: the states of the calibration text, and one layer of the model at a time.
/// Fails with invalid_input (options), unsupported (a model or a conversion that is not), corrupt_data, out_of_memory,
/// unavailable (disk) or, once `stop` is requested, cancelled.
Result<Json> quantize(const Options& options, const Events& events, const std::stop_token& stop);

/// The report as a table.
std::string report_table(const Json& report);

}  // namespace kedge::quantize
