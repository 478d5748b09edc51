#include "text/jinja/symbols.h"

#include "core/check.h"

namespace kedge::text::jinja {

Symbols Symbols::branch_of(const Symbols& base) {
  Symbols branch(*base.function_, base.outer_);
  branch.base_ = &base;
  branch.slots_ = base.slots_;
  return branch;
}

bool Symbols::defines(const std::string& name) const {
  return loads_.contains(name) || (base_ != nullptr && base_->defines(name));
}

bool Symbols::stores(const std::string& name) const {
  return stores_.contains(name) || (base_ != nullptr && base_->stores(name));
}

std::optional<Symbols::Place> Symbols::find(const std::string& name) const {
  for (const Symbols* scope = this; scope != nullptr; scope = scope->outer_) {
    if (scope->defines(name)) return Place{scope->function_->depth, scope->slots_->at(name)};
  }
  return std::nullopt;
}

void Symbols::define(const std::string& name, Scope::Load load) {
  if (slots_->try_emplace(name, function_->slot_count).second) ++function_->slot_count;
  loads_[name] = load;
}

void Symbols::load(const std::string& name) {
  if (!find(name)) define(name, Scope::Load::resolve);
}

void Symbols::store(const std::string& name) {
  stores_.insert(name);
  if (defines(name)) return;
  const bool is_outside = outer_ != nullptr && outer_->find(name);
  define(name, is_outside ? Scope::Load::copy : Scope::Load::unset);
}

uint32_t Symbols::declare_parameter(const std::string& name) {
  stores_.insert(name);
  define(name, Scope::Load::parameter);
  return slots_->at(name);
}

void Symbols::merge(std::span<const Symbols> branches) {
  std::set<std::string> stored;
  for (const Symbols& branch : branches) {
    for (const std::string& name : branch.stores_) {
      if (!stores(name)) stored.insert(name);
    }
  }
  for (const Symbols& branch : branches) {
    for (const auto& [name, load] : branch.loads_) loads_[name] = load;
    stores_.insert(branch.stores_.begin(), branch.stores_.end());
  }
  for (const std::string& name : stored) {
    const bool is_outside = outer_ != nullptr && outer_->find(name);
    loads_[name] = is_outside ? Scope::Load::copy : Scope::Load::resolve;
  }
}

Slot Symbols::slot_of(const std::string& name, uint32_t function_depth) const {
  const std::optional<Place> place = find(name);
  KEDGE_CHECK(place.has_value());
  return {function_depth - place->function_depth, place->index};
}

Scope Symbols::scope() const {
  Scope scope;
  for (const auto& [name, load] : loads_) {
    Scope::Entry entry{load, slots_->at(name), {}, {}};
    if (load == Scope::Load::copy) entry.source = outer_->slot_of(name, function_->depth);
    if (load == Scope::Load::resolve) entry.name = name;
    scope.entries.push_back(std::move(entry));
  }
  return scope;
}

}  // namespace kedge::text::jinja
