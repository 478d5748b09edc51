#include "text/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

constexpr int kNestingMax = 300;  // of values that are compared or hashed; parsed JSON nests less

int compare_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) {
    return a.as_integer() < b.as_integer() ? -1 : static_cast<int>(a.as_integer() > b.as_integer());
  }
  const auto wide = [](const Value& value) {
    return value.is(Kind::number) ? static_cast<long double>(value.as_number())
                                  : static_cast<long double>(value.as_integer());
  };
  const long double left = wide(a), right = wide(b);
  return left < right ? -1 : static_cast<int>(left > right);
}

bool equal_at(const Value& a, const Value& b, int depth, Budget& budget);

bool equal_items(const std::vector<Value>& a, const std::vector<Value>& b, int depth, Budget& budget) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!equal_at(a[i], b[i], depth, budget)) return false;
  }
  return true;
}

bool equal_dicts(const DictObject& a, const DictObject& b, int depth, Budget& budget) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(key, budget);
    if (other == nullptr || !equal_at(value, *other, depth, budget)) return false;
  }
  return true;
}

bool equal_ranges(const RangeObject& a, const RangeObject& b) {
  const Integer length = a.length();
  if (length != b.length()) return false;
  return length == 0 || (a.start == b.start && (length == 1 || a.step == b.step));
}

bool is_nan(const Value& value) {
  return value.is(Kind::number) && std::isnan(value.as_number());
}

bool equal_at(const Value& a, const Value& b, int depth, Budget& budget) {
  if (depth > kNestingMax) throw Failure{"values nest too deeply to be compared"};
  budget.spend();
  if (a.is_numeric() && b.is_numeric()) return !is_nan(a) && !is_nan(b) && compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::missing:
    case Kind::undefined:
    case Kind::none:
      return true;
    case Kind::string:
      if (a.as_string().size() == b.as_string().size()) budget.spend_on(a.as_string());
      return a.as_string() == b.as_string();
    case Kind::list:
    case Kind::tuple:
      return a.identity() == b.identity() || equal_items(a.list().items, b.list().items, depth + 1, budget);
    case Kind::dict:
      return a.identity() == b.identity() || equal_dicts(a.dict(), b.dict(), depth + 1, budget);
    case Kind::range:
      return equal_ranges(a.range(), b.range());
    default:
      return a.identity() == b.identity();
  }
}

int compare_at(const Value& a, const Value& b, int depth, Budget& budget) {
  if (depth > kNestingMax) throw Failure{"values nest too deeply to be compared"};
  budget.spend();
  if (a.is_numeric() && b.is_numeric()) return compare_numbers(a, b);
  if (a.is_string() && b.is_string()) {
    const int order = a.as_string().compare(b.as_string());  // UTF-8 sorts as code points do
    return order < 0 ? -1 : static_cast<int>(order > 0);
  }
  if (a.kind() == b.kind() && (a.is(Kind::list) || a.is(Kind::tuple))) {
    const auto &left = a.list().items, &right = b.list().items;
    for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      if (!equal_at(left[i], right[i], depth + 1, budget)) return compare_at(left[i], right[i], depth + 1, budget);
    }
    return left.size() < right.size() ? -1 : static_cast<int>(left.size() > right.size());
  }
  if (a.is_undefined()) throw Failure{a.undefined_message()};
  if (b.is_undefined()) throw Failure{b.undefined_message()};
  throw Failure{fmt::format("'{}' and '{}' cannot be ordered (<, >, sort)", type_name(a.kind()), type_name(b.kind()))};
}

size_t hash_at(const Value& value, int depth, Budget& budget) {
  if (depth > kNestingMax) throw Failure{"values nest too deeply to be hashed"};
  budget.spend();
  switch (value.kind()) {
    case Kind::list:
    case Kind::dict:
    case Kind::name_space:
      throw Failure{fmt::format("a '{}' cannot be a dictionary key or a member of a set", type_name(value.kind()))};
    case Kind::boolean:
    case Kind::integer:
      return std::hash<int64_t>()(static_cast<int64_t>(value.as_integer()));
    case Kind::number: {
      const double number = value.as_number();
      if (std::abs(number) < 9e18 && number == std::floor(number)) {
        return std::hash<int64_t>()(static_cast<int64_t>(number));  // 1.0 and 1 are one key
      }
      return std::hash<double>()(number);
    }
    case Kind::string:
      budget.spend_on(value.as_string());
      return std::hash<std::string_view>()(value.as_string());
    case Kind::tuple: {
      size_t hash = 0x345678;
      for (const Value& item : value.list().items) hash = hash * 1000003 ^ hash_at(item, depth + 1, budget);
      return hash;
    }
    case Kind::missing:
    case Kind::undefined:
    case Kind::none:
      return static_cast<size_t>(value.kind());
    default:
      return std::hash<const void*>()(value.identity());
  }
}

}  // namespace

Value Value::boolean(bool value) {
  Value result(Kind::boolean);
  result.integer_ = static_cast<Integer>(value);
  return result;
}

Value Value::integer(Integer value) {
  Value result(Kind::integer);
  result.integer_ = value;
  return result;
}

Value Value::number(double value) {
  Value result(Kind::number);
  result.number_ = value;
  return result;
}

Value Value::string(std::string_view text, bool markup) {
  Value result(Kind::string);
  result.markup_ = markup;
  result.text_ = {text.data(), text.size()};
  return result;
}

Value Value::undefined_hint(std::string_view hint) {
  Value result(Kind::undefined);
  result.text_ = {hint.data(), hint.size()};
  return result;
}

Value Value::undefined_name(std::string_view name) {
  Value result = undefined_hint(name);
  result.origin_ = Origin::name;
  return result;
}

Value Value::undefined_attribute(const Value& object, std::string_view name) {
  Value result = undefined_hint(name);
  result.origin_ = Origin::attribute;
  result.owner_kind_ = object.kind();
  return result;
}

Value Value::object(Kind kind, Object* object) {
  Value result(kind);
  result.object_ = object;
  return result;
}

ListObject& Value::list() const {
  return static_cast<ListObject&>(*object_);
}
DictObject& Value::dict() const {
  return static_cast<DictObject&>(*object_);
}
ViewObject& Value::view() const {
  return static_cast<ViewObject&>(*object_);
}
RangeObject& Value::range() const {
  return static_cast<RangeObject&>(*object_);
}
GeneratorObject& Value::generator() const {
  return static_cast<GeneratorObject&>(*object_);
}
NamespaceObject& Value::name_space() const {
  return static_cast<NamespaceObject&>(*object_);
}
LoopObject& Value::loop() const {
  return static_cast<LoopObject&>(*object_);
}
CyclerObject& Value::cycler() const {
  return static_cast<CyclerObject&>(*object_);
}
JoinerObject& Value::joiner() const {
  return static_cast<JoinerObject&>(*object_);
}

std::string Value::undefined_message() const {
  switch (origin_) {
    case Origin::hint:
      return std::string(as_string());
    case Origin::name:
      return fmt::format("'{}' is undefined", as_string());
    case Origin::attribute:
      return fmt::format("'{}' has no attribute or element '{}'", type_name(owner_kind_), as_string());
  }
  return {};
}

size_t DictObject::position_of(const Value& key, Budget& budget) const {
  if (entries.size() <= kLinearSearchMax) {
    size_t position = 0;
    while (position < entries.size() && !equal(entries[position].first, key, budget)) ++position;
    return position;
  }
  const auto [begin, end] = index_.equal_range(hash_of(key, budget));
  for (auto it = begin; it != end; ++it) {
    if (equal(entries[it->second].first, key, budget)) return it->second;
  }
  return entries.size();
}

const Value* DictObject::find(const Value& key, Budget& budget) const {
  const size_t position = position_of(key, budget);
  return position == entries.size() ? nullptr : &entries[position].second;
}

const Value* DictObject::find(std::string_view key) const {
  Budget budget(UINT64_MAX, 0);
  return find(Value::string(key), budget);
}

void DictObject::set(const Value& key, const Value& value, Budget& budget) {
  const size_t hash = hash_of(key, budget);
  const size_t position = position_of(key, budget);
  if (position < entries.size()) {
    entries[position].second = value;
    return;
  }
  entries.emplace_back(key, value);
  if (entries.size() <= kLinearSearchMax) return;
  if (index_.empty()) {
    for (size_t i = 0; i + 1 < entries.size(); ++i) index_.emplace(hash_of(entries[i].first, budget), i);
  }
  index_.emplace(hash, entries.size() - 1);
}

Integer RangeObject::length() const {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

bool LoopObject::advance(Value& item) {
  if (ahead_position < ahead.size()) {
    item = ahead[ahead_position++];
  } else if (!pull(item)) {
    return false;
  }
  ++index0;
  before = current;
  current = item;
  return true;
}

const Value* LoopObject::peek() {
  if (ahead_position == ahead.size()) {
    Value item;
    if (!pull(item)) return nullptr;
    ahead.assign(1, item);
    ahead_position = 0;
  }
  return &ahead[ahead_position];
}

Integer LoopObject::length() {
  if (!total) {
    ahead.erase(ahead.begin(), ahead.begin() + static_cast<std::ptrdiff_t>(ahead_position));
    ahead_position = 0;
    for (Value item; pull(item);) ahead.push_back(item);
    total = index0 + 1 + static_cast<Integer>(ahead.size());
  }
  return *total;
}

std::string_view type_name(Kind kind) {
  switch (kind) {
    case Kind::missing:
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "None";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::number:
      return "float";
    case Kind::string:
      return "str";
    case Kind::list:
      return "list";
    case Kind::tuple:
      return "tuple";
    case Kind::dict:
      return "dict";
    case Kind::view:
      return "dict view";
    case Kind::range:
      return "range";
    case Kind::generator:
      return "generator";
    case Kind::name_space:
      return "Namespace";
    case Kind::callable:
      return "function";
    case Kind::loop:
      return "LoopContext";
    case Kind::cycler:
      return "Cycler";
    case Kind::joiner:
      return "Joiner";
  }
  return "object";
}

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Kind::missing:
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return value.as_integer() != 0;
    case Kind::number:
      return value.as_number() != 0;
    case Kind::loop:  // LoopContext has a __len__, so an empty loop would be false; inside one it never is
      return true;
    default: {
      const std::optional<size_t> length = value.is_string() ? value.as_string().size() : length_of(value);
      return !length || *length != 0;
    }
  }
}

bool equal(const Value& a, const Value& b, Budget& budget) {
  return equal_at(a, b, 0, budget);
}
int compare(const Value& a, const Value& b, Budget& budget) {
  return compare_at(a, b, 0, budget);
}
size_t hash_of(const Value& value, Budget& budget) {
  return hash_at(value, 0, budget);
}

std::optional<size_t> length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return 0;
    case Kind::string:
      return code_point_count(value.as_string());
    case Kind::list:
    case Kind::tuple:
      return value.list().items.size();
    case Kind::dict:
      return value.dict().entries.size();
    case Kind::view:
      return value.view().dict->entries.size();
    case Kind::range:
      return static_cast<size_t>(value.range().length());
    case Kind::loop:
      return static_cast<size_t>(value.loop().length());
    default:
      return std::nullopt;
  }
}

int64_t clamp_integer(const Value& value) {
  constexpr Integer kLowest = std::numeric_limits<int64_t>::min(), kHighest = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::clamp(value.as_integer(), kLowest, kHighest));
}

}  // namespace kedge::text::jinja
