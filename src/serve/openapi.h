#pragma once
// /openapi.json, from the table of routes.

#include <vector>

#include "serve/routes.h"

namespace kedge::serve {

/// An OpenAPI 3.1 document of exactly these routes.
Json openapi_document(const std::vector<RouteSpec>& routes, bool asks_for_key);

}  // namespace kedge::serve
