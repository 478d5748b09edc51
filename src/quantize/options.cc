#include "quantize/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace kedge::quantize {
namespace {

constexpr std::string_view kTargets =
    "int4, int4-g32, int4-g64, int4-g128, int8, int8-g32, int8-g64, int8-g128, w8a8, mixed, q8_0, q4_0, q4_k or q6_k";

constexpr std::pair<std::string_view, DType> kGgufTypes[] = {
    {"q8_0", DType::q8_0}, {"q4_0", DType::q4_0}, {"q4_k", DType::q4_k}, {"q6_k", DType::q6_k}};

constexpr std::pair<std::string_view, int64_t> kGroups[] = {{"", 128}, {"-g32", 32}, {"-g64", 64}, {"-g128", 128}};

constexpr std::pair<std::string_view, Method> kMethods[] = {
    {"rtn", Method::round_to_nearest}, {"awq", Method::awq}, {"gptq", Method::gptq}, {"smooth", Method::smooth}};

bool suits(Method method, TargetKind kind) {
  if (method == Method::round_to_nearest) return true;
  if (kind == TargetKind::gguf) return false;
  if (kind == TargetKind::w8a8) return method != Method::awq;
  return method != Method::smooth;
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
  if (text == "w8a8") return Target{.kind = TargetKind::w8a8, .format = {.bits = 8, .group = 0}};
  if (text == "mixed") return Target{.kind = TargetKind::mixed};
  for (const auto& [name, type] : kGgufTypes) {
    if (text == name) return Target{.kind = TargetKind::gguf, .gguf_type = type};
  }
  for (const int bits : {4, 8}) {
    for (const auto& [suffix, group] : kGroups) {
      if (text == fmt::format("int{}{}", bits, suffix)) return Target{.format = {.bits = bits, .group = group}};
    }
  }
  return Error{ErrorKind::invalid_input, fmt::format("--to {}: expected {}", text, kTargets)};
}

std::string_view default_method(const Target& target) {
  switch (target.kind) {
    case TargetKind::packed:
      return target.format.bits == 8 ? "rtn" : "gptq";
    case TargetKind::w8a8:
      return "smooth";
    case TargetKind::mixed:
      return "gptq";
    case TargetKind::gguf:
      return "rtn";
  }
  return "rtn";
}

Result<Method> parse_method(std::string_view text, const Target& target) {
  std::string known;
  for (const auto& [name, method] : kMethods) {
    if (!suits(method, target.kind)) continue;
    if (name == text) return method;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
  }
  return Error{ErrorKind::invalid_input, fmt::format("--method {}: expected {} for this format", text, known)};
}

}  // namespace kedge::quantize
