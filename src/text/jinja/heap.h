#pragma once
// Owns every value that one rendering makes, and its budget. Freed whole, so values may share and form cycles.

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace kedge::text::jinja {

class Heap : public Budget {
 public:
  using Budget::Budget;

  template <typename T>
  T* make() {
    allocate(sizeof(T) + kObjectOverhead);
    auto object = std::make_unique<T>();
    T* pointer = object.get();
    objects_.push_back(std::move(object));
    return pointer;
  }

  /// Text that lives as long as the rendering.
  std::string_view keep(std::string text) {
    spend_on(text);
    allocate(text.size() + sizeof(std::string));
    texts_.push_back(std::move(text));
    return texts_.back();
  }

  Value string(std::string text, bool markup = false) { return Value::string(keep(std::move(text)), markup); }

  Value list(std::vector<Value> items) { return sequence(Kind::list, std::move(items)); }
  Value tuple(std::vector<Value> items) { return sequence(Kind::tuple, std::move(items)); }

  Value generator(std::function<bool(Value&)> next) {
    auto* object = make<GeneratorObject>();
    object->next = std::move(next);
    return Value::object(Kind::generator, object);
  }

  std::pair<Value, DictObject*> dict() {
    auto* object = make<DictObject>();
    return {Value::object(Kind::dict, object), object};
  }

  /// Adds to a dictionary of this heap, and pays for it.
  void set(DictObject& dict, const Value& key, const Value& value) {
    allocate(2 * sizeof(Value));
    dict.set(key, value, *this);
  }

 private:
  static constexpr size_t kObjectOverhead = 32;  // the pointer here and the allocator's header

  Value sequence(Kind kind, std::vector<Value> items) {
    spend(items.size());
    allocate(items.size() * sizeof(Value));
    auto* object = make<ListObject>();
    object->items = std::move(items);
    return Value::object(kind, object);
  }

  std::vector<std::unique_ptr<Object>> objects_;
  std::deque<std::string> texts_;
};

}  // namespace kedge::text::jinja
