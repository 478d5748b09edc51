#pragma once
// Work outside of the interpreter's lock that Ctrl-C ends.

#include <nanobind/nanobind.h>

#include <stop_token>

namespace kedge::python {

/// While it lives other Python threads run. `check` is called now and then by the thread that made it: a signal that
/// Python has an exception for asks the work to stop.
class Interruptible {
 public:
  void check() {
    const nanobind::gil_scoped_acquire locked;
    if (PyErr_CheckSignals() != 0) keep_exception();
  }
  /// Calls `function` with the lock held; an exception of its own stops the work likewise.
  template <typename Function>
  void call(const Function& function) {
    const nanobind::gil_scoped_acquire locked;
    if (raised_) return;
    try {
      function();
    } catch (nanobind::python_error& error) {
      error.restore();
      keep_exception();
    }
  }
  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

  /// Raises what was kept. REQUIRES: the lock is held.
  void raise_if_stopped() {
    if (!raised_) return;
    PyErr_Restore(type_, value_, trace_);
    throw nanobind::python_error();
  }

 private:
  void keep_exception() {
    PyErr_Fetch(&type_, &value_, &trace_);
    raised_ = true;
    stop_.request_stop();
  }

  std::stop_source stop_;
  bool raised_ = false;
  PyObject *type_ = nullptr, *value_ = nullptr, *trace_ = nullptr;
};

}  // namespace kedge::python
