#include "curate/filters/profiles.h"

#include <fmt/format.h>

namespace kedge::curate {

Result<std::unique_ptr<Operator>> make_profile(std::string_view name) {
  if (name == "nemo") return make_nemo_profile();
  if (name == "nemo-code") return make_nemo_code_profile();
  if (name == "datatrove") return make_datatrove_profile();
  if (name == "dolma") return make_dolma_profile();
  return Error{ErrorKind::invalid_input,
               fmt::format("--profile: found '{}', expected nemo, nemo-code, datatrove or dolma", name)};
}

}  // namespace kedge::curate
