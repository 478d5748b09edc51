#include "serve/context.h"

#include <fmt/format.h>

#include <optional>

namespace kedge::serve {

namespace {

/// 404, with all names that there are, or why the adapter of that name is none of them.
ApiError unknown_model(const ServeContext& context, std::string_view name, const std::string& target, ApiError error) {
  if (const std::string refusal = context.adapters.refusal(target); !refusal.empty()) {
    error.message = fmt::format("the adapter '{}' could not be loaded: {}", target, refusal);
  } else if (error.status == 404) {
    for (const ServedAdapter& adapter : context.adapters.all()) error.message += fmt::format(", '{}'", adapter.name);
  }
  if (target != name) error.message = fmt::format("'{}' is an alias of '{}', but {}", name, target, error.message);
  return error;
}

/// So that the model stays while the request runs.
ApiStatus hold_model(const ServeContext& context, ServedModel& model, RequestTrace& caller) {
  if (model.pinned() || caller.holds(model)) return Done{};
  std::optional<ModelUse> use = context.store ? context.store->use_if_loaded(model) : std::nullopt;
  if (!use) return api_error(503, fmt::format("the model '{}' is not loaded now; try again", model.name()));
  caller.hold(std::move(*use));
  return Done{};
}

struct Behind {
  ServedModel* model = nullptr;
  bool is_adapter = false;
};

ApiResult<Behind> what_is_behind(const ServeContext& context, std::string_view name, const std::string& target) {
  if (const std::optional<ServedAdapter> adapter = context.adapters.find(target)) return Behind{adapter->model, true};
  ApiResult<ServedModel*> model = context.models.find(target);
  if (model.ok()) return Behind{model.value(), false};
  return unknown_model(context, name, target, std::move(model).error());
}

}  // namespace

ApiResult<ServedModel*> model_behind(const ServeContext& context, std::string_view name) {
  KEDGE_ASSIGN(const Behind behind, what_is_behind(context, name, context.models.target_of(name)));
  return behind.model;
}

ApiResult<ModelChoice> choose_model(const ServeContext& context, std::string_view name, RequestTrace& caller) {
  const std::string target = context.models.target_of(name);
  KEDGE_ASSIGN(const Behind behind, what_is_behind(context, name, target));
  const std::string shown = name.empty() ? behind.model->name() : std::string(name);
  KEDGE_TRY(caller.allow(shown, name.empty() ? shown : target));
  KEDGE_TRY(hold_model(context, *behind.model, caller));
  if (!behind.is_adapter) return ModelChoice{behind.model, shown, nullptr};
  std::optional<ServedAdapter> adapter = context.adapters.find(target);  // again: it is loaded with its model
  if (adapter && adapter->adapter != nullptr) return ModelChoice{behind.model, shown, std::move(adapter->adapter)};
  ApiError error = api_error(404, fmt::format("the adapter '{}' is gone", target));
  error.param = "model";
  error.code = "model_not_found";
  return unknown_model(context, name, target, std::move(error));
}

}  // namespace kedge::serve
