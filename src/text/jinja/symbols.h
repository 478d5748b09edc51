#pragma once
// The variables of one scope while a template is bound, by the rules of jinja2's idtracking.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "text/jinja/ast.h"

namespace kedge::text::jinja {

/// A function of the running template: the template itself, a macro, a recursive loop, a block.
struct FunctionLayout {
  uint32_t depth = 0;
  uint32_t slot_count = 0;
};

class Symbols {
 public:
  /// `outer` (may be null) and `function` outlive this.
  Symbols(FunctionLayout& function, const Symbols* outer)
      : function_(&function), outer_(outer), slots_(std::make_shared<std::map<std::string, uint32_t>>()) {}

  /// One branch of an `if` in the scope `base`, to be given back to `merge`.
  static Symbols branch_of(const Symbols& base);

  void load(const std::string& name);
  void store(const std::string& name);
  uint32_t declare_parameter(const std::string& name);

  /// A name that any branch stores may hold what it held outside when the branch did not run.
  void merge(std::span<const Symbols> branches);

  /// The slot of a name, seen from `function_depth`. REQUIRES: loaded or stored here or outside.
  [[nodiscard]] Slot slot_of(const std::string& name, uint32_t function_depth) const;

  [[nodiscard]] Scope scope() const;
  [[nodiscard]] FunctionLayout& function() const { return *function_; }

 private:
  struct Place {
    uint32_t function_depth;
    uint32_t index;
  };

  [[nodiscard]] bool defines(const std::string& name) const;
  [[nodiscard]] bool stores(const std::string& name) const;
  [[nodiscard]] std::optional<Place> find(const std::string& name) const;
  void define(const std::string& name, Scope::Load load);

  FunctionLayout* function_;
  const Symbols* outer_;
  const Symbols* base_ = nullptr;                           // of a branch
  std::shared_ptr<std::map<std::string, uint32_t>> slots_;  // of the scope, shared by its branches
  std::map<std::string, Scope::Load> loads_;
  std::set<std::string> stores_;
};

}  // namespace kedge::text::jinja
