#pragma once
// A checkpoint folder to one with fewer bits, layer by layer.

#include <stop_token>

#include "core/json.h"
#include "kedge/result.h"
#include "quantize/options.h"

namespace kedge::quantize {

/// As quantize(), for targets that are folders.
Result<Json> quantize_folder(const Options& options, const Target& target, Method method, const Events& events,
                             const std::stop_token& stop);

}  // namespace kedge::quantize
