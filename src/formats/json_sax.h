#pragma once
// Base of the event readers for JSON in weight files. Events instead of a document, because a document hides duplicate
// names and costs many times the text's size.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace kedge::formats {

/// Refuses every event with a message; a reader overrides those that its format has. `error()` says why reading
/// stopped.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  [[nodiscard]] const std::string& error() const { return error_; }

  // The names of the library's interface.
  bool null() override { return refuse("unexpected null"); }
  bool boolean(bool /*value*/) override { return refuse("unexpected true or false"); }
  bool number_integer(int64_t value) override { return refuse("unexpected number " + std::to_string(value)); }
  bool number_unsigned(uint64_t value) override { return refuse("unexpected number " + std::to_string(value)); }
  bool number_float(double /*value*/, const std::string& text) override {
    return refuse("unexpected number " + text.substr(0, 40));
  }
  bool string(std::string& /*value*/) override { return refuse("unexpected string"); }
  bool binary(binary_t& /*value*/) override { return refuse("unexpected binary value"); }
  bool start_object(size_t /*size*/) override { return refuse("unexpected object"); }
  bool key(std::string& /*name*/) override { return refuse("unexpected key"); }
  bool end_object() override { return refuse("unexpected end of an object"); }
  bool start_array(size_t /*size*/) override { return refuse("unexpected array"); }
  bool end_array() override { return refuse("unexpected end of an array"); }
  bool parse_error(size_t position, const std::string& /*token*/, const nlohmann::detail::exception& cause) override {
    return refuse("not valid JSON near byte " + std::to_string(position) + ": " + cause.what());
  }

 protected:
  /// Stops reading; the first reason is kept.
  bool refuse(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }

 private:
  std::string error_;
};

}  // namespace kedge::formats
