#include "serve/version.h"

namespace kedge::serve {

constinit const std::string_view kVersion = KEDGE_VERSION;

}  // namespace kedge::serve
