#pragma once
// Runs one request to its end, showing text as it comes.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "kedge/engine.h"

namespace kedge::cli {

struct Answer {
  std::vector<TokenId> ids;
  std::string text;
  FinishReason finish = FinishReason::none;
  Json logprobs = Json::array();  // with Request::top_logprobs: {token, logprob, top} a token
};

struct AnswerSet {
  std::vector<Answer> answers;  // one a sequence
  RequestTimings timings;
  bool interrupted = false;
};

/// Blocks until every sequence has finished. `show` gets the text of the first sequence as it comes; Ctrl-C stops it.
/// Fails when the engine refuses the request or fails on the way.
Result<AnswerSet> run_request(Engine& engine, Request request, const std::function<void(std::string_view)>& show);

/// OpenAI's word: stop, length, cancelled.
const char* finish_name(FinishReason finish);

/// Rates and times of a run, as --json prints them.
Json timings_json(const RequestTimings& timings);

/// "12 prompt tokens in 0.1 s (120/s), 40 new tokens in 1.0 s (40.0/s)".
std::string timings_text(const RequestTimings& timings);

}  // namespace kedge::cli
