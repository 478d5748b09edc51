// Filters over lists, dictionaries and whatever else can be iterated.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "text/jinja/filters.h"

namespace kedge::text::jinja {
namespace {

Value length_filter(Runtime&, const Value& input, CallArguments& arguments) {
  bind_arguments("length", arguments, {});
  if (const auto length = length_of(input)) return Value::integer(static_cast<Integer>(*length));
  throw Failure{fmt::format("a '{}' has no length", type_name(input.kind()))};
}

Value default_filter(Runtime&, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("default", arguments, {"default_value", "boolean"});
  const bool replace = input.is_undefined() || (is_true(bound[1]) && !is_true(input));
  if (!replace) return input;
  return bound[0].is(Kind::missing) ? Value::string("") : bound[0];
}

Value list_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("list", arguments, {});
  return runtime.heap.list(items_of(runtime, input));
}

Value first_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("first", arguments, {});
  Value item;
  if (iterate(runtime, input)(item)) return item;
  return Value::undefined_hint("there is no first item, the sequence is empty");
}

bool is_reversible(const Value& value) {
  return value.is_string() || value.is(Kind::list) || value.is(Kind::tuple) || value.is(Kind::dict) ||
         value.is(Kind::view) || value.is(Kind::range);
}

Value last_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("last", arguments, {});
  if (input.is_undefined()) return Value::undefined_hint("there is no last item, the sequence is empty");
  if (!is_reversible(input))
    throw Failure{fmt::format("last: a '{}' cannot be read backwards; make it a list", type_name(input.kind()))};
  if (input.is_string() || input.is(Kind::list) || input.is(Kind::tuple) || input.is(Kind::range)) {
    const Value item = get_item(runtime, input, Value::integer(-1));
    return item.is_undefined() ? Value::undefined_hint("there is no last item, the sequence is empty") : item;
  }
  const std::vector<Value> items = items_of(runtime, input);
  return items.empty() ? Value::undefined_hint("there is no last item, the sequence is empty") : items.back();
}

/// A generator over items that are already there.
Value generator_of(Runtime& runtime, std::vector<Value> items) {
  return runtime.heap.generator([items = std::move(items), index = size_t{0}](Value& item) mutable {
    if (index == items.size()) return false;
    item = items[index++];
    return true;
  });
}

Value reverse_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("reverse", arguments, {});
  if (input.is_string()) return get_slice(runtime, input, Value::none(), Value::none(), Value::integer(-1));
  std::vector<Value> items = items_of(runtime, input);
  std::reverse(items.begin(), items.end());
  return is_reversible(input) ? generator_of(runtime, std::move(items)) : runtime.heap.list(std::move(items));
}

Value items_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  bind_arguments("items", arguments, {});
  if (input.is_undefined()) return generator_of(runtime, {});
  if (!input.is(Kind::dict))
    throw Failure{fmt::format("items: a '{}' has no pairs of keys and values", type_name(input.kind()))};
  std::vector<Value> pairs;
  for (const auto& [key, value] : input.dict().entries) pairs.push_back(runtime.heap.tuple({key, value}));
  return generator_of(runtime, std::move(pairs));
}

/// Sorts `items` by their keys, stably; `reverse` keeps equal ones in order, as Python does.
std::vector<Value> sorted(Runtime& runtime, const std::vector<Value>& items, const std::vector<Value>& keys,
                          bool reverse) {
  runtime.heap.allocate(items.size() * sizeof(size_t));
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    runtime.heap.spend();
    const int comparison = compare(keys[a], keys[b], runtime.heap);
    return reverse ? comparison > 0 : comparison < 0;
  });
  std::vector<Value> result;
  result.reserve(items.size());
  for (const size_t index : order) result.push_back(items[index]);
  return result;
}

/// Two single items are compared too where there is nothing to sort by: Python fails only when it compares.
Value sort_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const auto paths = AttributePath::list(runtime, bound[2]);
  const bool case_sensitive = is_true(bound[1]);
  const std::vector<Value> items = items_of(runtime, input);
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> parts;
    for (const AttributePath& path : paths) {
      const Value part = path.of(runtime, item);
      parts.push_back(case_sensitive ? part : ignore_case(runtime, part));
    }
    keys.push_back(runtime.heap.list(std::move(parts)));
  }
  return runtime.heap.list(sorted(runtime, items, keys, is_true(bound[0])));
}

Value dictsort_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string_view by = bound[1].is(Kind::missing) ? "key" : require_string(bound[1], "the 'by' of dictsort");
  if (by != "key" && by != "value") throw Failure{"dictsort: 'by' is key or value"};
  if (!input.is(Kind::dict)) throw Failure{fmt::format("dictsort needs a dict, not a '{}'", type_name(input.kind()))};
  std::vector<Value> pairs, keys;
  for (const auto& [key, value] : input.dict().entries) {
    pairs.push_back(runtime.heap.tuple({key, value}));
    const Value& chosen = by == "key" ? key : value;
    keys.push_back(is_true(bound[0]) ? chosen : ignore_case(runtime, chosen));
  }
  return runtime.heap.list(sorted(runtime, pairs, keys, is_true(bound[2])));
}

/// A set of values by Python's equality.
class ValueSet {
 public:
  explicit ValueSet(Runtime& runtime) : runtime_(runtime) {}

  bool insert(const Value& value) {
    if (dict_.find(value, runtime_.heap) != nullptr) return false;
    runtime_.heap.set(dict_, value, Value::none());
    return true;
  }

 private:
  Runtime& runtime_;
  DictObject dict_;
};

Value unique_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("unique", arguments, {"case_sensitive", "attribute"});
  auto seen = std::make_shared<ValueSet>(runtime);
  return runtime.heap.generator([&runtime, seen, path = AttributePath(runtime, bound[1]),
                                 case_sensitive = is_true(bound[0]), next = iterate(runtime, input)](Value& item) {
    while (next(item)) {
      runtime.heap.spend();
      const Value key = path.of(runtime, item);
      if (seen->insert(case_sensitive ? key : ignore_case(runtime, key))) return true;
    }
    return false;
  });
}

template <bool maximum>
Value extreme_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments(maximum ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const AttributePath path(runtime, bound[1]);
  Value best, best_key;
  for (const Value& item : items_of(runtime, input)) {
    Value key = path.of(runtime, item);
    if (!is_true(bound[0])) key = ignore_case(runtime, key);
    const bool better = best.is(Kind::missing) ||
                        (maximum ? compare(key, best_key, runtime.heap) > 0 : compare(key, best_key, runtime.heap) < 0);
    if (!better) continue;
    best = item;
    best_key = key;
  }
  return best.is(Kind::missing) ? Value::undefined_hint("nothing to compare, the sequence is empty") : best;
}

Value groupby_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const AttributePath path(runtime, bound[0]);
  const Value fallback = bound[1].is_none() ? Value() : bound[1];
  const std::vector<Value> items = items_of(runtime, input);
  std::vector<Value> keys;
  const auto key_of = [&](const Value& item) {
    const Value key = path.of(runtime, item, fallback);
    return is_true(bound[2]) ? key : ignore_case(runtime, key);
  };
  for (const Value& item : items) keys.push_back(key_of(item));
  std::vector<Value> groups, members;
  Value group_key;
  const auto close = [&] {
    if (members.empty()) return;
    const Value name = path.of(runtime, members[0], fallback);
    const Value group = runtime.heap.tuple({name, runtime.heap.list(std::exchange(members, {}))});
    group.list().is_group = true;
    groups.push_back(group);
  };
  for (const Value& item : sorted(runtime, items, keys, false)) {
    const Value key = key_of(item);
    if (!members.empty() && !equal(key, group_key, runtime.heap)) close();
    group_key = key;
    members.push_back(item);
  }
  close();
  return runtime.heap.list(std::move(groups));
}

Value batch_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("batch", arguments, {"linecount", "fill_with"}, 1);
  require_integer(bound[0], "the length of a batch");
  const int64_t length = clamp_integer(bound[0]);
  const bool fills = !bound[1].is(Kind::missing) && !bound[1].is_none();
  std::vector<Value> batches, batch;
  for (const Value& item : items_of(runtime, input)) {
    if (static_cast<int64_t>(batch.size()) == length) batches.push_back(runtime.heap.list(std::exchange(batch, {})));
    batch.push_back(item);
  }
  if (!batch.empty()) {
    const int64_t missing = fills ? std::max<int64_t>(0, length - static_cast<int64_t>(batch.size())) : 0;
    if (!runtime.heap.affords(static_cast<uint64_t>(missing) * sizeof(Value))) runtime.heap.allocate(UINT64_MAX);
    batch.insert(batch.end(), static_cast<size_t>(missing), bound[1]);
    batches.push_back(runtime.heap.list(std::move(batch)));
  }
  return generator_of(runtime, std::move(batches));
}

Value slice_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("slice", arguments, {"slices", "fill_with"}, 1);
  require_integer(bound[0], "the number of slices");
  const int64_t slices = clamp_integer(bound[0]);
  const std::vector<Value> items = items_of(runtime, input);
  if (slices == 0) throw Failure{"slice: the number of slices is zero"};
  const bool fills = !bound[1].is(Kind::missing) && !bound[1].is_none();
  std::vector<Value> result;
  const auto size = static_cast<int64_t>(items.size());
  int64_t offset = 0;
  for (int64_t i = 0; i < slices; ++i) {
    const int64_t count = size / slices + (i < size % slices ? 1 : 0);
    std::vector<Value> part(items.begin() + offset, items.begin() + offset + count);
    offset += count;
    if (fills && i >= size % slices) part.push_back(bound[1]);
    result.push_back(runtime.heap.list(std::move(part)));
  }
  return generator_of(runtime, std::move(result));
}

Value attr_filter(Runtime& runtime, const Value& input, CallArguments& arguments) {
  const auto bound = bind_arguments("attr", arguments, {"name"}, 1);
  const std::string_view name = require_string(bound[0], "the name of an attribute");
  if (input.is_undefined()) throw Failure{input.undefined_message()};
  if (input.is(Kind::name_space)) return get_attribute(runtime, input, name);
  const Value attribute = find_method(runtime, input, name);
  return attribute.is(Kind::missing) ? Value::undefined_attribute(input, name) : attribute;
}

Value refuse_random(Runtime&, const Value&, CallArguments&) {
  throw Failure{"random: the same conversation must always give the same prompt"};
}

constexpr FilterRow kFilters[] = {
    {"length", length_filter},      {"count", length_filter},      {"default", default_filter},
    {"d", default_filter},          {"list", list_filter},         {"first", first_filter},
    {"last", last_filter},          {"reverse", reverse_filter},   {"items", items_filter},
    {"sort", sort_filter},          {"dictsort", dictsort_filter}, {"unique", unique_filter},
    {"min", extreme_filter<false>}, {"max", extreme_filter<true>}, {"groupby", groupby_filter},
    {"batch", batch_filter},        {"slice", slice_filter},       {"attr", attr_filter},
    {"random", refuse_random},
};

}  // namespace

std::span<const FilterRow> sequence_filters() {
  return kFilters;
}

}  // namespace kedge::text::jinja
