#include "cli/layered_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <numeric>

#include "core/file.h"
#include "core/printable.h"
#include "curate/pipeline/yaml.h"

namespace kedge::cli {
namespace {

constexpr size_t kValueWidthMax = 40;  // of the table: a longer value moves only its own row
constexpr size_t kFileBytesMax = size_t{1} << 20;
constexpr const char* kHidden = "(hidden)";

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string variable_of(const std::string& prefix, std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return prefix + name;
}

/// "--cors" is "cors", MODEL is "model"; empty: an option that has only a letter.
std::string name_of(const CLI::Option& option) {
  if (!option.get_lnames().empty()) return option.get_lnames().front();
  return option.get_positional() ? lower(option.get_name(true)) : std::string();
}

bool takes_list(const CLI::Option& option) {
  return option.get_items_expected_max() > 1;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    const size_t first = text.find_first_not_of(' ', start);
    if (first < end) {
      const size_t last = text.find_last_not_of(' ', end - 1);
      parts.push_back(text.substr(first, last - first + 1));
    }
    start = end + 1;
  }
  return parts;
}

std::optional<std::string> scalar_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean() || value.is_number()) return kedge::to_text(value);
  return std::nullopt;
}

}  // namespace

Variables process_variables() {
  Variables variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  size_t best = name.size() / 2 + 1;  // more edits than that is another word
  std::string nearest;
  for (const std::string& candidate : candidates) {
    // Levenshtein's distance, one row at a time.
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < name.size(); ++i) {
      size_t diagonal = std::exchange(row[0], i + 1);
      for (size_t j = 0; j < candidate.size(); ++j) {
        const size_t replaced = diagonal + (name[i] == candidate[j] ? 0 : 1);
        diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
      }
    }
    if (row.back() < best) {
      best = row.back();
      nearest = candidate;
    }
  }
  return nearest;
}

LayeredOptions::LayeredOptions(CLI::App& command, LayeredSettings settings) : settings_(std::move(settings)) {
  for (CLI::Option* option : command.get_options()) {
    const std::string name = name_of(*option);
    if (name.empty() || name == "help" || holds(settings_.excluded, name)) continue;
    entries_.push_back({option, name, variable_of(settings_.prefix, name), option->get_envname()});
    option->envname("");  // read in `fill`, which knows that it was no flag
  }
}

const LayeredOptions::Entry* LayeredOptions::entry_of(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

Status LayeredOptions::read_file(const std::filesystem::path& file) {
  KEDGE_ASSIGN(const std::string text, kedge::read_file(file, kFileBytesMax));
  KEDGE_ASSIGN(const Json json, curate::parse_yaml(text, file.string()));
  const auto refuse = [&](const std::string& what) {
    return Error{ErrorKind::invalid_input, fmt::format("{}: {}", file.string(), what)};
  };
  if (json.is_null()) return Done{};  // nothing but comments
  if (!json.is_object()) return refuse("found no mapping, expected lines like `port: 8080`");
  for (const auto& [key, value] : json.items()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', '-');
    if (entry_of(name) == nullptr) {
      std::vector<std::string> names;
      for (const Entry& entry : entries_) names.push_back(entry.name);
      const std::string nearest = nearest_name(name, names);
      return refuse(fmt::format("there is no option {}{}", printable(key),
                                nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest)));
    }
    if (file_values_.contains(name)) return refuse(fmt::format("'{}' is there twice", name));
    Found& found = file_values_[name];
    found.layer = "file";
    found.from = file.string();
    for (const Json& item : value.is_array() ? value : Json::array({value})) {
      const std::optional<std::string> scalar = scalar_text(item);
      if (!scalar) return refuse(fmt::format("'{}' is {}, expected a value", name, kedge::to_text(item)));
      found.values.push_back(*scalar);
    }
  }
  return Done{};
}

Result<std::optional<LayeredOptions::Found>> LayeredOptions::find(const Entry& entry,
                                                                  const Variables& variables) const {
  const auto value_of = [&](const std::string& name) -> const std::string* {
    const auto found = variables.find(name);
    return found == variables.end() || found->second.empty() ? nullptr : &found->second;
  };
  const auto values_in = [&](const std::string& text) {
    return takes_list(*entry.option) ? split(text) : std::vector<std::string>{text};
  };
  for (const std::string& name : {entry.variable, entry.older_variable}) {
    if (const std::string* value = value_of(name)) return std::optional(Found{values_in(*value), "environment", name});
  }
  for (const ForeignVariable& foreign : settings_.foreign) {
    const std::string* value = entry.name == foreign.option ? value_of(foreign.name) : nullptr;
    if (value == nullptr) continue;
    const std::optional<std::string> here = foreign.translate == nullptr ? *value : foreign.translate(*value);
    if (here) return std::optional(Found{values_in(*here), "foreign", foreign.name});
  }
  const auto in_file = file_values_.find(entry.name);
  if (in_file != file_values_.end()) return std::optional(in_file->second);
  return std::optional<Found>();
}

Status LayeredOptions::apply(const Entry& entry, const Found& found) const {
  try {
    entry.option->clear();
    for (const std::string& value : found.values) entry.option->add_result(value);
    entry.option->run_callback();
    return Done{};
  } catch (const CLI::Error& error) {  // CLI11's way to refuse a value; it names the option
    const bool is_secret = holds(settings_.secrets, entry.name);
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}: {}", found.from, is_secret ? "not a value of " + entry.name : error.what())};
  }
}

OptionValue LayeredOptions::shown(const Entry& entry, const std::optional<Found>& found) const {
  const CLI::Option& option = *entry.option;
  OptionValue value{entry.name, {}, takes_list(option), "default", "default"};
  if (found) {
    value.values = found->values;
    value.layer = found->layer;
    value.from = found->from;
  } else if (option.count() > 0) {
    value.values = option.results();
    value.layer = value.from = "flag";
  } else if (const std::string text = option.get_default_str(); !text.empty() && text != "[]") {
    value.values = {text};
  } else if (option.get_items_expected_max() == 0) {
    value.values = {"false"};
  }
  const bool has_text = !value.values.empty() && !value.values.front().empty();
  if (holds(settings_.secrets, entry.name) && has_text) value.values = {kHidden};
  return value;
}

void LayeredOptions::note_unused(const Variables& variables) {
  const auto is_read = [&](const std::string& name) {
    const bool own = std::any_of(entries_.begin(), entries_.end(),
                                 [&](const Entry& e) { return e.variable == name || e.older_variable == name; });
    return own || std::any_of(settings_.foreign.begin(), settings_.foreign.end(),
                              [&](const ForeignVariable& row) { return row.name == name && entry_of(row.option); });
  };
  for (const auto& [name, value] : variables) {
    const bool ours = name.starts_with(settings_.prefix) || name.starts_with(settings_.foreign_prefix);
    const bool excluded = std::any_of(settings_.excluded.begin(), settings_.excluded.end(), [&](const auto& option) {
      return variable_of(settings_.prefix, option) == name;
    });
    if (ours && !value.empty() && !excluded && !is_read(name)) unused_.push_back(name);
  }
}

Status LayeredOptions::fill(const Variables& variables, const std::filesystem::path& file) {
  if (!file.empty()) KEDGE_TRY(read_file(file));
  note_unused(variables);
  for (const Entry& entry : entries_) {
    std::optional<Found> found;
    if (entry.option->count() == 0) {
      KEDGE_ASSIGN(found, find(entry, variables));
      if (found) KEDGE_TRY(apply(entry, *found));
    }
    values_.push_back(shown(entry, found));
  }
  return Done{};
}

std::string LayeredOptions::to_text() const {
  std::vector<std::string> texts;
  size_t name_width = 6;
  size_t value_width = 5;
  for (const OptionValue& value : values_) {
    texts.push_back(one_line(fmt::format("{}", fmt::join(value.values, ", "))));
    name_width = std::max(name_width, value.name.size());
    value_width = std::max(value_width, std::min(texts.back().size(), kValueWidthMax));
  }
  std::string text = fmt::format("{:<{}}  {:<{}}  from\n", "option", name_width, "value", value_width);
  for (size_t i = 0; i < values_.size(); ++i) {
    text += fmt::format("{:<{}}  {:<{}}  {}\n", values_[i].name, name_width, texts[i], value_width, values_[i].from);
  }
  for (const std::string& name : unused_) text += fmt::format("not used: {}\n", name);
  return text;
}

Json LayeredOptions::to_json() const {
  Json options = Json::object();
  for (const OptionValue& value : values_) {
    Json shown = value.values.empty() ? Json(nullptr) : Json(value.values.front());
    if (value.is_list) shown = value.values;
    options[value.name] = {{"value", std::move(shown)}, {"layer", value.layer}, {"from", value.from}};
  }
  return {{"options", std::move(options)}, {"unused", unused_}};
}

}  // namespace kedge::cli
