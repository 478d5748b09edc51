#include "serve/adapter_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/file.h"
#include "core/json.h"

namespace kedge::serve {

namespace {

constexpr size_t kNameBytesMax = 256;
constexpr size_t kRefusalsMax = 1024;
constexpr size_t kConfigBytesMax = size_t{1} << 20;

int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// As a label's value.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

Status AdapterRegistry::check_name(const std::string& name, bool replace) const {
  if (name.empty() || name.size() > kNameBytesMax) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("an adapter's name has {} bytes, expected 1 to {}", name.size(), kNameBytesMax)};
  }
  if (models_.find(name).ok()) return Error{ErrorKind::invalid_input, fmt::format("'{}' is a model's name", name)};
  const std::scoped_lock lock(mutex_);
  if (adapters_.contains(name)) {
    if (replace) return Done{};
    return Error{ErrorKind::invalid_input, fmt::format("there is an adapter '{}' already; unload it first", name)};
  }
  if (adapters_.size() < count_max_) return Done{};
  return Error{ErrorKind::unavailable,
               fmt::format("{} adapters are loaded, as many as --max-cpu-loras allows; unload one", adapters_.size())};
}

Result<ServedAdapter> AdapterRegistry::load_for_some_model(const std::string& name,
                                                           const std::filesystem::path& folder) const {
  std::optional<Error> first_error;
  for (ServedModel* const model : models_.all()) {
    if (model->info().kind != ModelKind::decoder) continue;
    std::optional<ModelUse> use;
    if (!model->pinned()) {
      std::optional<ModelUse> held = use_ ? use_(*model) : std::nullopt;
      if (!held) continue;
      use.emplace(std::move(*held));
    }
    Result<AdapterPtr> adapter = model->engine().load_adapter(folder);
    if (adapter.ok()) {
      return ServedAdapter{name, folder.string(), unix_seconds(), model, std::move(adapter).value()};
    }
    if (!first_error) first_error = adapter.error();
  }
  if (ServedModel* const base = unloaded_base(folder)) {
    return ServedAdapter{name, folder.string(), unix_seconds(), base, nullptr};
  }
  if (first_error) return *first_error;
  const std::vector<ServedModel*> all = models_.all();
  if (std::all_of(all.begin(), all.end(), [](const ServedModel* model) { return model->pinned(); })) {
    return Error{ErrorKind::unsupported, "no model here generates text, which is what LoRA adapters are for"};
  }
  return Error{
      ErrorKind::unsupported,
      "no model that is loaded here generates text, which is what LoRA adapters are for, and its settings name "
      "none of the others as their base (base_model_name_or_path)"};
}

/// "org/name", or the last part of a path.
ServedModel* AdapterRegistry::unloaded_base(const std::filesystem::path& folder) const {
  const Result<std::string> text = read_file(folder / "adapter_config.json", kConfigBytesMax);
  if (!text.ok()) return nullptr;
  const Result<Json> config = parse_json(text.value(), "adapter_config.json");
  if (!config.ok() || !config.value().is_object()) return nullptr;
  const auto base = config.value().find("base_model_name_or_path");
  if (base == config.value().end() || !base->is_string()) return nullptr;
  const std::string name = base->get<std::string>();
  const std::string last = std::filesystem::path(name).filename().string();
  for (ServedModel* const model : models_.all()) {
    if (!model->pinned() && (model->name() == name || model->name() == last)) return model;
  }
  return nullptr;
}

void AdapterRegistry::reload_for(ServedModel& model) {
  for (const ServedAdapter& known : all()) {
    if (known.model != &model) continue;
    Result<AdapterPtr> adapter = model.engine().load_adapter(known.path);
    const std::scoped_lock lock(mutex_);
    const auto found = adapters_.find(known.name);
    if (found == adapters_.end() || found->second.model != &model) continue;
    if (adapter.ok()) {
      found->second.adapter = std::move(adapter).value();
      refusals_.erase(known.name);
    } else if (refusals_.size() < kRefusalsMax) {
      refusals_[known.name] = adapter.error().message;
    }
  }
}

void AdapterRegistry::drop_for(ServedModel& model) {
  std::vector<AdapterPtr> last;  // go outside of the lock
  const std::scoped_lock lock(mutex_);
  for (auto& [name, adapter] : adapters_) {
    if (adapter.model == &model) last.push_back(std::move(adapter.adapter));
  }
}

Status AdapterRegistry::load(const std::string& name, const std::filesystem::path& folder, bool replace) {
  const std::scoped_lock one_at_a_time(loading_);
  KEDGE_TRY(check_name(name, replace));
  Result<ServedAdapter> loaded = load_for_some_model(name, folder);
  const std::scoped_lock lock(mutex_);
  if (!loaded.ok()) {
    if (refusals_.size() < kRefusalsMax) refusals_[name] = loaded.error().message;
    return loaded.error();
  }
  refusals_.erase(name);
  adapters_[name] = std::move(loaded).value();
  return Done{};
}

bool AdapterRegistry::unload(std::string_view name) {
  AdapterPtr last;  // goes outside of the lock
  const std::scoped_lock lock(mutex_);
  const auto found = adapters_.find(name);
  if (found == adapters_.end()) return false;
  last = std::move(found->second.adapter);
  adapters_.erase(found);
  return true;
}

std::optional<ServedAdapter> AdapterRegistry::find(std::string_view name) const {
  const std::scoped_lock lock(mutex_);
  const auto found = adapters_.find(name);
  if (found == adapters_.end()) return std::nullopt;
  return found->second;
}

std::vector<ServedAdapter> AdapterRegistry::all() const {
  const std::scoped_lock lock(mutex_);
  std::vector<ServedAdapter> list;
  for (const auto& [name, adapter] : adapters_) list.push_back(adapter);
  return list;
}

std::string AdapterRegistry::refusal(std::string_view name) const {
  const std::scoped_lock lock(mutex_);
  const auto found = refusals_.find(name);
  return found == refusals_.end() ? std::string() : found->second;
}

void AdapterRegistry::forget_refusal(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = refusals_.find(name); found != refusals_.end()) refusals_.erase(found);
}

AdapterRegistry::Use::Use(const AdapterRegistry& registry, std::string name)
    : registry_(registry), name_(std::move(name)) {
  const std::scoped_lock lock(registry_.mutex_);
  ++registry_.uses_[name_].waiting;
}

AdapterRegistry::Use::~Use() {
  const std::scoped_lock lock(registry_.mutex_);
  Counts& counts = registry_.uses_[name_];
  --(running_ ? counts.running : counts.waiting);
  if (counts.running + counts.waiting == 0) registry_.uses_.erase(name_);
}

void AdapterRegistry::Use::begin() {
  if (running_) return;
  running_ = true;
  const std::scoped_lock lock(registry_.mutex_);
  Counts& counts = registry_.uses_[name_];
  --counts.waiting;
  ++counts.running;
}

std::string AdapterRegistry::metrics_text() const {
  std::string waiting, running;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, counts] : uses_) {
      if (counts.waiting > 0) waiting += (waiting.empty() ? "" : ",") + escaped(name);
      if (counts.running > 0) running += (running.empty() ? "" : ",") + escaped(name);
    }
  }
  static constexpr const char* kName = "vllm:lora_requests_info";
  return fmt::format(
      "# HELP {0} LoRA adapters that have requests now; the value is the time.\n# TYPE {0} gauge\n"
      "{0}{{max_lora=\"{1}\",running_lora_adapters=\"{2}\",waiting_lora_adapters=\"{3}\"}} {4}\n",
      kName, count_max_, running, waiting, unix_seconds());
}

}  // namespace kedge::serve
