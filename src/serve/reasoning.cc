#include "serve/reasoning.h"

#include <algorithm>
#include <array>
#include <utility>

#include "serve/tool_syntax.h"

namespace kedge::serve {

namespace {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::array<std::pair<const char*, const char*>, 2> kMarks = {
    {{"<think>", "</think>"}, {"[THINK]", "[/THINK]"}}};

size_t without_spaces_at_end(std::string_view text) {
  const size_t last = text.find_last_not_of(kSpaces);
  return last == std::string_view::npos ? 0 : last + 1;
}

}  // namespace

std::optional<Reasoning> detect_reasoning(std::string_view template_source, std::string_view prompt) {
  for (const auto& [begin, end] : kMarks) {
    if (template_source.find(end) == std::string_view::npos) continue;
    return Reasoning{begin, end, prompt.substr(0, without_spaces_at_end(prompt)).ends_with(begin)};
  }
  return std::nullopt;
}

Constraint behind_reasoning(const Constraint& constraint, const Reasoning& reasoning) {
  const auto mark = [](const std::string& text) { return Json{{"type", "token"}, {"token", text}}; };
  const Json format = format_of(constraint);
  const Json thought = {{"type", "tag"},
                        {"begin", reasoning.begun ? Json("") : mark(reasoning.begin)},
                        {"content", {{"type", "any_text"}}},
                        {"end", mark(reasoning.end)}};
  const Json gap = {{"type", "regex"}, {"pattern", "\\n{0,2}"}};
  Json whole = {{"type", "sequence"}, {"elements", Json::array({thought, gap, format})}};
  if (!reasoning.begun) whole = {{"type", "or"}, {"elements", Json::array({whole, format})}};
  return {ConstraintKind::structural_tag, to_text({{"type", "structural_tag"}, {"format", whole}})};
}

ReasoningSplitter::Pieces ReasoningSplitter::push(std::string_view text) {
  pending_ += text;
  Pieces out;
  while (!pending_.empty() && advance(out, false)) {
  }
  return out;
}

ReasoningSplitter::Pieces ReasoningSplitter::finish() {
  Pieces out;
  while (!pending_.empty() && advance(out, true)) {
  }
  return out;
}

/// False when more text is needed.
bool ReasoningSplitter::advance(Pieces& out, bool final) {
  const size_t start = std::min(pending_.find_first_not_of(kSpaces), pending_.size());
  const std::string_view rest = std::string_view(pending_).substr(start);
  switch (state_) {
    case State::start:
      if (rest.starts_with(marks_.begin)) {
        pending_.erase(0, start + marks_.begin.size());
        state_ = State::inside;
        return true;
      }
      if (!final && std::string_view(marks_.begin).starts_with(rest)) return false;
      state_ = State::text;
      return true;
    case State::behind:
      pending_.erase(0, start);
      if (!pending_.empty()) state_ = State::text;
      return !pending_.empty();
    case State::text:
      out.text += std::exchange(pending_, {});
      return false;
    case State::inside:
      break;
  }
  if (!trimmed_) {
    pending_.erase(0, start);
    trimmed_ = !pending_.empty();
    if (!trimmed_) return false;
  }
  const size_t found = pending_.find(marks_.end);
  if (found != std::string::npos) {
    out.reasoning += pending_.substr(0, without_spaces_at_end(std::string_view(pending_).substr(0, found)));
    pending_.erase(0, found + marks_.end.size());
    state_ = State::behind;
    return true;
  }
  // White space and the beginning of the mark wait for what follows.
  size_t kept = pending_.size();
  for (size_t i = 0; i < pending_.size() && kept == pending_.size(); ++i) {
    const size_t behind = std::min(pending_.find_first_not_of(kSpaces, i), pending_.size());
    if (std::string_view(marks_.end).starts_with(std::string_view(pending_).substr(behind))) kept = i;
  }
  if (final) kept = without_spaces_at_end(pending_);
  out.reasoning += pending_.substr(0, kept);
  pending_.erase(0, final ? pending_.size() : kept);
  return false;
}

}  // namespace kedge::serve
