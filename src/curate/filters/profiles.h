#pragma once
// The filter profiles: the peers' heuristic filters, each with the peer's own numbers.

#include <memory>
#include <string_view>

#include "curate/operator.h"

namespace kedge::curate {

std::unique_ptr<Operator> make_nemo_profile();
std::unique_ptr<Operator> make_nemo_code_profile();
std::unique_ptr<Operator> make_datatrove_profile();
std::unique_ptr<Operator> make_dolma_profile();

/// "nemo", "nemo-code", "datatrove" or "dolma". Fails with invalid_input.
Result<std::unique_ptr<Operator>> make_profile(std::string_view name);

}  // namespace kedge::curate
