#include "formats/safetensors_index.h"

#include <fmt/format.h>

#include <utility>

#include "core/json.h"
#include "formats/json_sax.h"
#include "formats/message.h"
#include "formats/safetensors.h"

namespace kedge::formats {
namespace {

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

/// Reads {"weight_map": {NAME: FILE, ...}, anything else}.
class IndexEvents final : public JsonEvents {
 public:
  explicit IndexEvents(std::map<std::string, std::string>& weight_map) : weight_map_(weight_map) {}
  [[nodiscard]] bool complete() const { return seen_; }

  bool start_object(size_t /*size*/) override {
    if (depth_ == 1 && expecting_map_) {
      inside_map_ = true;
      seen_ = true;
      expecting_map_ = false;
    }
    return deeper();
  }
  bool start_array(size_t /*size*/) override { return value() && deeper(); }

  bool key(std::string& name) override {
    if (inside_map_) {
      name_ = std::move(name);
      if (weight_map_.contains(name_)) return refuse("weight_map has tensor " + printable(name_) + " twice");
      if (weight_map_.size() >= kTensorCountMax) {
        return refuse(fmt::format("weight_map has more than {} tensors, the limit", kTensorCountMax));
      }
      return true;
    }
    expecting_map_ = depth_ == 1 && name == "weight_map";
    if (expecting_map_ && seen_) return refuse("weight_map is there twice");
    return true;
  }

  bool string(std::string& text) override {
    if (!inside_map_) return value();
    if (!is_plain_file_name(text)) {
      return refuse("weight_map puts tensor " + printable(name_) + " into " + printable(text) +
                    ", expected the name of a file in the same folder");
    }
    weight_map_.emplace(std::move(name_), std::move(text));
    return true;
  }

  bool end_object() override {
    inside_map_ = false;
    --depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool null() override { return value(); }
  bool boolean(bool /*unused*/) override { return value(); }
  bool number_integer(int64_t /*unused*/) override { return value(); }
  bool number_unsigned(uint64_t /*unused*/) override { return value(); }
  bool number_float(double /*unused*/, const std::string& /*text*/) override { return value(); }

 private:
  bool deeper() {
    if (inside_map_ && depth_ > 1) return value();
    if (++depth_ > kJsonDepthMax) return refuse(fmt::format("nested deeper than {} levels", kJsonDepthMax));
    return true;
  }

  /// A value that is not a string in the map, or the document itself.
  bool value() {
    if (depth_ == 0) return refuse("not a JSON object");
    if (expecting_map_) return refuse("weight_map is not an object");
    if (inside_map_) return refuse("weight_map has no file name for tensor " + printable(name_));
    return true;
  }

  std::map<std::string, std::string>& weight_map_;
  std::string name_;
  size_t depth_ = 0;
  bool expecting_map_ = false;
  bool inside_map_ = false;
  bool seen_ = false;
};

}  // namespace

Result<std::map<std::string, std::string>> parse_safetensors_index(std::string_view json, std::string_view file) {
  std::map<std::string, std::string> weight_map;
  IndexEvents events(weight_map);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &events)) return corrupt(file, events.error());
  if (!events.complete()) return corrupt(file, "no weight_map, expected {\"weight_map\": {tensor: file}}");
  return weight_map;
}

}  // namespace kedge::formats
