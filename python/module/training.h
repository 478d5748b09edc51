#pragma once

#include <nanobind/nanobind.h>

namespace kedge::python {

/// Adds `train_classifier`.
void bind_training(nanobind::module_& module);

}  // namespace kedge::python
