#include "curate/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <array>
#include <utility>

#include "core/check.h"

namespace kedge::curate {
namespace {

constexpr uint32_t kStepsMax = 2'000'000;
constexpr size_t kJitStackBytes = size_t{32} << 10, kJitStackBytesMax = size_t{4} << 20;

struct Scratch {
  std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data{pcre2_match_data_create(1, nullptr),
                                                                      pcre2_match_data_free};
  std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> context{pcre2_match_context_create(nullptr),
                                                                               pcre2_match_context_free};
  std::unique_ptr<pcre2_jit_stack, void (*)(pcre2_jit_stack*)> stack{
      pcre2_jit_stack_create(kJitStackBytes, kJitStackBytesMax, nullptr), pcre2_jit_stack_free};

  Scratch() {
    pcre2_set_match_limit(context.get(), kStepsMax);
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

}  // namespace

struct Pattern::Code {
  std::unique_ptr<pcre2_code, void (*)(pcre2_code*)> code{nullptr, pcre2_code_free};
};

Result<Pattern> Pattern::compile(std::string_view pattern, Unit unit) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const uint32_t options = unit == Unit::characters ? PCRE2_UTF | PCRE2_UCP : 0;
  auto code = std::make_unique<Code>();
  code->code.reset(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error, &offset, nullptr));
  if (code->code == nullptr) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    return Error{ErrorKind::invalid_input, fmt::format("found '{}', expected a regular expression (PCRE2): {} at {}",
                                                       pattern, reinterpret_cast<const char*>(message.data()), offset)};
  }
  pcre2_jit_compile(code->code.get(), PCRE2_JIT_COMPLETE);
  return Pattern(std::move(code));
}

Pattern::Pattern(std::string_view pattern, Unit unit) {
  Result<Pattern> compiled = compile(pattern, unit);
  KEDGE_CHECK(compiled.ok());
  code_ = std::move(compiled.value().code_);
}

Pattern::Pattern(std::unique_ptr<Code> code) : code_(std::move(code)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Pattern::Search Pattern::find(std::string_view text, size_t from) const {
  thread_local Scratch scratch;
  const auto match = [&](uint32_t options) {
    return pcre2_match(code_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                       PCRE2_NO_UTF_CHECK | options, scratch.data.get(), scratch.context.get());
  };
  int found = match(0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(PCRE2_NO_JIT);  // its memory is on the heap
  if (found < 0) return {.match = std::nullopt, .gave_up = found != PCRE2_ERROR_NOMATCH};
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(scratch.data.get());
  return {.match = Match{ends[0], ends[1]}};
}

}  // namespace kedge::curate
