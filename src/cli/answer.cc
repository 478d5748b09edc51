#include "cli/answer.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <future>
#include <utility>

#include "cli/interrupt.h"

namespace kedge::cli {
namespace {

Json logprob_json(const TokenEvent& event) {
  Json top = Json::array();
  for (const TokenLogprob& entry : event.top_logprobs) top.push_back({{"id", entry.token}, {"logprob", entry.logprob}});
  return {{"id", *event.token}, {"logprob", event.logprob->logprob}, {"top", top}};
}

double per_second(uint64_t count, double ms) {
  return ms > 0 ? static_cast<double>(count) * 1000.0 / ms : 0.0;
}

}  // namespace

Result<AnswerSet> run_request(Engine& engine, Request request, const std::function<void(std::string_view)>& show) {
  AnswerSet set;
  set.answers.resize(request.sequence_count);
  std::string failure;
  std::promise<void> done;
  const InterruptGuard guard;
  const auto on_token = [&](const TokenEvent& event) {
    if (event.is_prompt) return;
    Answer& answer = set.answers[event.sequence_index];
    if (event.token) answer.ids.push_back(*event.token);
    answer.text += event.text;
    if (event.token && event.logprob) answer.logprobs.push_back(logprob_json(event));
    if (event.finish != FinishReason::none) answer.finish = event.finish;
    if (event.finish == FinishReason::error) failure = event.error;
    if (event.sequence_index == 0 && show && !event.text.empty()) show(event.text);
  };
  const auto on_done = [&](const RequestTimings& timings) {
    set.timings = timings;
    done.set_value();
  };
  KEDGE_ASSIGN(const RequestId id, engine.submit(std::move(request), on_token, on_done));
  std::future<void> finished = done.get_future();
  while (finished.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
    if (!guard.interrupted() || set.interrupted) continue;
    set.interrupted = true;
    engine.cancel(id);
  }
  if (!failure.empty()) return Error{ErrorKind::internal, failure};
  return set;
}

const char* finish_name(FinishReason finish) {
  switch (finish) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
    case FinishReason::error:
      return "error";
    case FinishReason::none:
      break;
  }
  return "";
}

Json timings_json(const RequestTimings& timings) {
  return {{"prompt_tokens", timings.prompt_tokens},
          {"prompt_ms", timings.prefill_ms},
          {"prompt_per_second", per_second(timings.prompt_tokens, timings.prefill_ms)},
          {"new_tokens", timings.new_tokens},
          {"decode_ms", timings.decode_ms},
          {"new_per_second", per_second(timings.new_tokens, timings.decode_ms)}};
}

std::string timings_text(const RequestTimings& timings) {
  return fmt::format("{} prompt tokens in {:.2f} s ({:.1f}/s), {} new tokens in {:.2f} s ({:.1f}/s)",
                     timings.prompt_tokens, timings.prefill_ms / 1000.0,
                     per_second(timings.prompt_tokens, timings.prefill_ms), timings.new_tokens,
                     timings.decode_ms / 1000.0, per_second(timings.new_tokens, timings.decode_ms));
}

}  // namespace kedge::cli
