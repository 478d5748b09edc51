#include "serve/context.h"

#include <fmt/format.h>

namespace kedge::serve {

ApiResult<ModelChoice> choose_model(const ServeContext& context, std::string_view name) {
  if (std::optional<ServedAdapter> adapter = context.adapters.find(name)) {
    return ModelChoice{adapter->model, std::move(adapter->name), std::move(adapter->adapter)};
  }
  ApiResult<ServedModel*> model = context.models.find(name);
  if (model.ok()) return ModelChoice{model.value(), model.value()->name(), nullptr};
  ApiError error = std::move(model).error();
  if (const std::string refusal = context.adapters.refusal(name); !refusal.empty()) {
    error.message = fmt::format("the adapter '{}' could not be loaded: {}", name, refusal);
  } else if (error.status == 404) {
    for (const ServedAdapter& adapter : context.adapters.all()) error.message += fmt::format(", '{}'", adapter.name);
  }
  return error;
}

}  // namespace kedge::serve
