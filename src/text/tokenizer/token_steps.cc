#include "text/tokenizer/token_steps.h"

#include <utility>

namespace kedge::text {
namespace {

void strip(const TokenStep& step, std::string& text) {
  size_t begin = 0;
  for (size_t i = 0; i < step.left && std::string_view(text).substr(begin).starts_with(step.from); ++i) {
    begin += step.from.size();
  }
  text.erase(0, begin);
  for (size_t i = 0; i < step.right && text.ends_with(step.from); ++i) text.resize(text.size() - step.from.size());
}

/// English spacing as BERT's decoder restores it; the order matters.
void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

void join_wordpiece(const TokenStep& step, size_t index, std::string& text) {
  if (index > 0) {
    if (text.starts_with(step.from)) {
      text.erase(0, step.from.size());
    } else {
      text.insert(0, " ");
    }
  }
  if (step.clean_up) clean_up(text);
}

}  // namespace

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  size_t hit = text.find(from);
  if (hit == std::string::npos) return;
  std::string out;
  size_t copied = 0;
  for (; hit != std::string::npos; hit = text.find(from, copied)) {
    out.append(text, copied, hit - copied);
    out.append(to);
    copied = hit + from.size();
  }
  out.append(text, copied);
  text = std::move(out);
}

void apply_step(const TokenStep& step, size_t index, std::string& text) {
  switch (step.kind) {
    case TokenStep::Kind::replace:
      replace_all(text, step.from, step.to);
      break;
    case TokenStep::Kind::strip:
      strip(step, text);
      break;
    case TokenStep::Kind::metaspace:
      replace_all(text, step.from, index == 0 && step.drop_first ? "" : " ");
      break;
    case TokenStep::Kind::wordpiece:
      join_wordpiece(step, index, text);
      break;
    case TokenStep::Kind::suffix:
      if (text.ends_with(step.from)) text.replace(text.size() - step.from.size(), step.from.size(), " ");
      break;
    case TokenStep::Kind::join:
      if (index > 0) text.insert(0, " ");
      break;
  }
}

}  // namespace kedge::text
