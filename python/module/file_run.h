#pragma once
// `kedge curate run` for Python: whole, or shard by shard for a cluster.

#include <nanobind/nanobind.h>

namespace kedge::python {

/// Adds the class FileRun.
void bind_runs(nanobind::module_& module);

}  // namespace kedge::python
