#pragma once
// What embeddings and ranking share: inputs cut to what an encoder takes, and running it off the request's thread.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/http_server.h"
#include "serve/context.h"
#include "serve/request_trace.h"

namespace kedge::serve {

/// What happens to a text that is too long for the model. NIM's names.
enum class Truncate : uint8_t {
  none,   // an error
  start,  // the start goes
  end     // the end goes
};

const std::vector<std::string>& truncate_names();
Truncate truncate_named(std::string_view name);

/// `whole`: the ids of the full text; `longest`: how many the model takes. Special tokens at both ends stay.
std::vector<TokenId> drop_start(const std::vector<TokenId>& whole, size_t longest, const Tokenizer& tokenizer);

/// The ids of one text for /v1/embeddings.
ApiResult<std::vector<TokenId>> embedding_tokens(ServedModel& model, const std::string& text, Truncate truncate,
                                                 const std::string& param);

/// Runs `compute` on the model's lane, batch by batch, until all of `sequences` are done or the client has left.
/// `finish` makes the response of all results. Takes a place in the model's queue; answers 429 when there is none.
template <typename Value>
struct EncoderJob {
  ServedModel* model = nullptr;
  std::string model_name;  // as the request named it
  Caller caller;           // null: nobody's limits apply
  std::vector<std::vector<TokenId>> sequences;
  std::function<Result<std::vector<Value>>(Engine&, std::span<const std::vector<TokenId>>)> compute;
  std::function<Json(const std::vector<Value>& values, uint64_t token_count)> finish;
};

/// A query beside each of `passages`, to be scored; `finish` is left to the caller. `param` names the passages in
/// errors.
ApiResult<EncoderJob<float>> scoring_job(const ModelChoice& choice, const std::string& query,
                                         const std::vector<std::string>& passages, std::string_view param);
/// Indices of scores, best first; of equal ones the first.
std::vector<size_t> ranked(const std::vector<float>& scores);

void start_encoding(ServeContext& context, EncoderJob<std::vector<float>> job,
                    std::shared_ptr<net::Responder> responder);
void start_encoding(ServeContext& context, EncoderJob<float> job, std::shared_ptr<net::Responder> responder);

}  // namespace kedge::serve
