#pragma once
// The settings of the step `pii`, which the command takes too.

#include "curate/pii/redact.h"
#include "curate/pipeline/options.h"

namespace kedge::curate {

/// action, ip, salt, seed, types, patterns. Fails with invalid_input.
Result<PiiOptions> read_pii_options(OptionReader& options);

}  // namespace kedge::curate
