// kedge._kedge: what `import kedge` stands on.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include "curate/pipeline/step.h"
#include "python/module/errors.h"
#include "python/module/file_run.h"
#include "python/module/interrupt.h"
#include "python/module/table_runner.h"
#include "python/module/training.h"

namespace nb = nanobind;

namespace kedge::python {
namespace {

constexpr char kSchemaName[] = "arrow_schema", kArrayName[] = "arrow_array", kStreamName[] = "arrow_array_stream";

/// An unused structure in a capsule is released with it.
template <typename Struct>
void destroy(PyObject* capsule) {
  auto* const held = static_cast<Struct*>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
  if (held == nullptr) return PyErr_Clear();
  if (held->release != nullptr) held->release(held);
  delete held;
}

template <typename Struct, typename Export>
nb::object capsule_of(const char* name, const std::shared_ptr<const Table>& table, const Export& fill) {
  auto* const held = new Struct{};
  fill(table, *held);
  PyObject* const capsule = PyCapsule_New(held, name, destroy<Struct>);
  if (capsule == nullptr) throw nb::python_error();
  return nb::steal(capsule);
}

/// A table in Python: it speaks the Arrow PyCapsule protocol.
struct PyTable {
  std::shared_ptr<const Table> table;

  [[nodiscard]] nb::object schema() const { return capsule_of<ArrowSchema>(kSchemaName, table, export_schema); }
  [[nodiscard]] nb::object array() const { return capsule_of<ArrowArray>(kArrayName, table, export_array); }
  [[nodiscard]] nb::object stream() const { return capsule_of<ArrowArrayStream>(kStreamName, table, export_stream); }
  [[nodiscard]] nb::list column_names() const {
    nb::list names;
    for (const OutputColumn& column : table->columns()) names.append(nb::str(column.name().c_str()));
    return names;
  }
};

nb::tuple run_table(const TableRunner& runner, const nb::object& capsule, unsigned threads, bool details,
                    const std::string& spill) {
  auto* const stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), kStreamName));
  if (stream == nullptr) throw nb::python_error();
  if (stream->release == nullptr) throw nb::value_error("the table's stream was read before");
  Interruptible work;
  const auto result = [&] {
    const nb::gil_scoped_release unlocked;
    Owned<ArrowArrayStream> owned(*stream);
    return runner.run(*owned, {threads, details, spill, [&work] { work.check(); }}, work.token());
  }();
  work.raise_if_stopped();
  const TableResult& made = value_or_raise(result);
  return nb::make_tuple(PyTable{made.decisions}, PyTable{made.kept}, made.text_column, made.dropped_column);
}

void bind_tables(nb::module_& module) {
  nb::class_<PyTable>(module, "Table")
      .def("__arrow_c_schema__", &PyTable::schema)
      .def(
          "__arrow_c_array__",
          [](const PyTable& self, const nb::object&) { return nb::make_tuple(self.schema(), self.array()); },
          nb::arg("requested_schema") = nb::none())
      .def(
          "__arrow_c_stream__", [](const PyTable& self, const nb::object&) { return self.stream(); },
          nb::arg("requested_schema") = nb::none())
      .def("__len__", [](const PyTable& self) { return self.table->length(); })
      .def_prop_ro("column_names", &PyTable::column_names);
  nb::class_<TableRunner>(module, "TableRunner")
      .def_static("operator",
                  [](const std::string& name, const std::string& options, const std::string& fields) {
                    return value_or_raise(TableRunner::make_operator(name, options, fields));
                  })
      .def_static("pipeline",
                  [](const std::string& text, const std::string& name, const std::string& folder) {
                    return value_or_raise(TableRunner::make_pipeline({text, name, folder}));
                  })
      .def("run", run_table);
}

}  // namespace
}  // namespace kedge::python

NB_MODULE(_kedge, module) {
  module.attr("__version__") = KEDGE_VERSION;
  module.def("describe_operators", [] { return kedge::to_text(kedge::curate::describe_operators()); });
  kedge::python::bind_tables(module);
  kedge::python::bind_runs(module);
  kedge::python::bind_training(module);
}
