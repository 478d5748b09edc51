#pragma once
// The values of a template: Python's, as far as Jinja shows them. A Value is a small handle; what it points to belongs
// to the Heap of one rendering, so handles are copied freely and cycles cost nothing.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/jinja/budget.h"

namespace kedge::text::jinja {

/// Python's integers have no bound; 128 bits hold every integer of a JSON document. Beyond them a Failure.
using Integer = __int128;

enum class Kind : uint8_t {
  missing,  // an unset variable slot; never seen by a template
  undefined,
  none,
  boolean,
  integer,
  number,
  string,
  list,
  tuple,
  dict,
  view,  // dict.keys(), values() and items()
  range,
  generator,
  name_space,
  callable,
  loop,
  cycler,
  joiner
};

struct Object {
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
};

struct ListObject;
struct DictObject;
struct ViewObject;
struct RangeObject;
struct GeneratorObject;
struct NamespaceObject;
struct CallableObject;
struct LoopObject;
struct CyclerObject;
struct JoinerObject;

class Value {
 public:
  Value() = default;  // missing

  static Value none() { return Value(Kind::none); }
  static Value boolean(bool value);
  static Value integer(Integer value);
  static Value number(double value);
  /// REQUIRES: `text` is UTF-8 and outlives the value (the source, the variables or the Heap own it).
  static Value string(std::string_view text, bool markup = false);
  /// What a missing variable, attribute or argument is; `hint` is the message of the error that using it raises.
  static Value undefined_hint(std::string_view hint);
  static Value undefined_name(std::string_view name);
  static Value undefined_attribute(const Value& object, std::string_view name);
  static Value object(Kind kind, Object* object);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is(Kind kind) const { return kind_ == kind; }
  [[nodiscard]] bool is_string() const { return kind_ == Kind::string; }
  [[nodiscard]] bool is_undefined() const { return kind_ == Kind::undefined; }
  [[nodiscard]] bool is_none() const { return kind_ == Kind::none; }
  /// bool or int: Python's bool is an int.
  [[nodiscard]] bool is_integral() const { return kind_ == Kind::integer || kind_ == Kind::boolean; }
  [[nodiscard]] bool is_numeric() const { return is_integral() || kind_ == Kind::number; }
  /// A string that |safe or |escape returned: adding it to another string escapes that one (markupsafe.Markup).
  [[nodiscard]] bool is_markup() const { return kind_ == Kind::string && markup_; }

  // REQUIRES: the value is of that kind.
  [[nodiscard]] bool as_boolean() const { return integer_ != 0; }
  [[nodiscard]] Integer as_integer() const { return integer_; }  // booleans too
  [[nodiscard]] double as_number() const { return number_; }
  [[nodiscard]] std::string_view as_string() const { return {text_.data, text_.size}; }
  [[nodiscard]] ListObject& list() const;  // tuples too
  [[nodiscard]] DictObject& dict() const;
  [[nodiscard]] ViewObject& view() const;
  [[nodiscard]] RangeObject& range() const;
  [[nodiscard]] GeneratorObject& generator() const;
  [[nodiscard]] NamespaceObject& name_space() const;
  [[nodiscard]] CallableObject& callable() const;
  [[nodiscard]] LoopObject& loop() const;
  [[nodiscard]] CyclerObject& cycler() const;
  [[nodiscard]] JoinerObject& joiner() const;
  [[nodiscard]] const Object* identity() const { return object_; }

  /// The message of the error that using this undefined value raises. REQUIRES: is_undefined().
  [[nodiscard]] std::string undefined_message() const;

 private:
  explicit Value(Kind kind) : kind_(kind) {}
  enum class Origin : uint8_t { hint, name, attribute };

  Kind kind_ = Kind::missing;
  bool markup_ = false;
  Origin origin_ = Origin::hint;
  Kind owner_kind_ = Kind::none;  // of an undefined attribute
  struct Text {
    const char* data;
    size_t size;
  };
  union {
    Integer integer_ = 0;
    double number_;
    Text text_;
    Object* object_;
  };
};

struct ListObject : Object {
  std::vector<Value> items;
  bool is_group = false;  // a tuple of |groupby: also .grouper and .list
};

/// Keeps insertion order. Keys are what Python can hash: no list, dict or namespace.
struct DictObject : Object {
  std::vector<std::pair<Value, Value>> entries;

  [[nodiscard]] const Value* find(const Value& key, Budget& budget) const;
  /// For names that the engine itself looks up, or short ones.
  [[nodiscard]] const Value* find(std::string_view key) const;
  void set(const Value& key, const Value& value, Budget& budget);

 private:
  [[nodiscard]] size_t position_of(const Value& key, Budget& budget) const;

  static constexpr size_t kLinearSearchMax = 8;    // entries; beyond that the index is built
  std::unordered_multimap<size_t, size_t> index_;  // hash to position
};

enum class DictPart : uint8_t { keys, values, items };

struct ViewObject : Object {
  const DictObject* dict = nullptr;
  DictPart part = DictPart::keys;
};

struct RangeObject : Object {
  Integer start = 0, stop = 0, step = 1;
  [[nodiscard]] Integer length() const;
};

/// A Python generator or iterator: runs once, has no length and cannot be indexed.
struct GeneratorObject : Object {
  std::function<bool(Value&)> next;  // false at the end
};

struct NamespaceObject : Object {
  DictObject attributes;
};

struct CyclerObject : Object {
  std::vector<Value> items;
  size_t position = 0;
};

struct JoinerObject : Object {
  Value separator;
  bool used = false;
};

/// The `loop` variable: pulls items one ahead only when asked about what follows, as Jinja does.
struct LoopObject : Object {
  std::function<bool(Value&)> pull;  // the next item that passes the loop's test
  std::vector<Value> ahead;          // pulled, not yet visited (in order from `ahead_position`)
  size_t ahead_position = 0;
  std::optional<Integer> total;  // once known
  Integer index0 = -1;
  Integer depth0 = 0;
  Value current, before;
  std::vector<Value> last_changed;
  bool changed_before = false;
  std::function<Value(const Value& items)> recurse;  // of a recursive loop

  bool advance(Value& item);
  [[nodiscard]] const Value* peek();
  [[nodiscard]] Integer length();
};

/// "str", "dict", ...: Python's name of the type, for messages.
std::string_view type_name(Kind kind);

bool is_true(const Value& value);

/// Python's ==. Fails when the values nest too deeply.
bool equal(const Value& a, const Value& b, Budget& budget);

/// Negative, zero or positive, as Python orders numbers, strings, lists and tuples. Fails for anything else.
int compare(const Value& a, const Value& b, Budget& budget);

/// Equal values (1 and 1.0 too) have equal hashes. Fails for what Python cannot hash: lists, dictionaries.
size_t hash_of(const Value& value, Budget& budget);

/// len(value), or nothing where Python has none (numbers, none, generators).
std::optional<size_t> length_of(const Value& value);

/// int or bool as a machine number, clamped to the range of int64_t. REQUIRES: is_integral().
int64_t clamp_integer(const Value& value);

}  // namespace kedge::text::jinja
