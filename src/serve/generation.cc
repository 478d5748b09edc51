#include "serve/generation.h"

#include <fmt/format.h>

#include <mutex>

#include "net/http_server_sse.h"
#include "serve/tool_parser.h"

namespace kedge::serve {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

size_t character_count(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

void refuse(const GenerationJob& job, net::Responder& responder, const ApiError& error) {
  responder.send(job.writer ? job.writer->error(error) : error_response(error));
}

/// The engine's callbacks only queue; a worker thread turns what they queued into JSON. The engine never waits, and a
/// client that reads slowly gets its tokens in fewer, larger writes.
class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(ServeContext& context, GenerationJob job, ServedModel::Place place,
             std::shared_ptr<net::Responder> responder)
      : active_(context.active.enter()),
        post_(context.post),
        job_(std::move(job)),
        place_(std::move(place)),
        responder_(std::move(responder)),
        sequences_(job_.requests.front().sequence_count),
        choices_(job_.requests.size() * sequences_),
        prompt_tokens_(job_.requests.size()),
        open_choices_(choices_.size()),
        open_requests_(job_.requests.size()) {
    for (size_t i = 0; i < choices_.size(); ++i) {
      choices_[i].whole.choice = static_cast<uint32_t>(i);
      if (job_.reasoning) choices_[i].reasoning.emplace(*job_.reasoning);
      if (job_.tool_syntax) choices_[i].tools.emplace(*job_.tool_syntax);
    }
  }

  ~Generation() {
    if (job_.caller) job_.caller->let_go_of_model();
  }
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  void start();

 private:
  struct Arrived {
    size_t request = 0;
    Clock::time_point time;
    TokenEvent event;
    std::optional<RequestTimings> done;  // instead of an event
  };
  struct Choice {
    AnswerPart whole;  // its text and tokens are kept only when the answer is sent whole
    bool begun = false;
    size_t characters = 0;
    uint64_t token_count = 0;
    Clock::time_point first_token, last_token;
    std::optional<ReasoningSplitter> reasoning;
    std::optional<ToolCallParser> tools;
  };

  // On the engine's thread.
  void arrive(Arrived arrived);
  void schedule_drain();  // REQUIRES: mutex_ held
  void cancel();

  // On a worker thread, one at a time.
  void drain();
  void handle(Arrived& arrived);
  void handle_prompt_token(const Arrived& arrived);
  void begin_choice(Choice& choice, size_t request);
  void handle_token(Choice& choice, Arrived& arrived);
  static void part_reasoning(ReasoningSplitter& splitter, AnswerPart& part);
  static void find_calls(ToolCallParser& parser, AnswerPart& part);
  void deliver(Choice& choice, AnswerPart part, bool first);
  void finish_request(const RequestTimings& timings);
  void finish_answer();
  void fail(const ApiError& error);
  void send_event(const Json& json) { responder_->write(net::sse_event(to_text(json))); }
  [[nodiscard]] AnswerToken answer_token(const TokenEvent& event, size_t offset) const;

  const ActiveRequests::Guard active_;  // first: released last
  const std::function<void(std::function<void()>)> post_;
  GenerationJob job_;
  const ServedModel::Place place_;
  const std::shared_ptr<net::Responder> responder_;
  const uint32_t sequences_;

  std::mutex mutex_;
  std::vector<Arrived> arrived_;
  std::vector<RequestId> ids_;
  bool opened_ = false;
  bool drain_scheduled_ = false;

  // Only the drain touches these.
  std::vector<Choice> choices_;
  std::vector<std::vector<AnswerToken>> prompt_tokens_;  // of each request, for echo
  size_t open_choices_;
  size_t open_requests_;
  bool first_token_seen_ = false;
  bool over_ = false;
  Json last_chunk_;  // of the choice that finished last: it waits for the timings
  AnswerTotals totals_;
};

void Generation::start() {
  const auto self = shared_from_this();
  for (size_t i = 0; i < job_.requests.size(); ++i) {
    Result<RequestId> id = job_.model->engine().submit(
        std::move(job_.requests[i]),
        [self, i](const TokenEvent& event) { self->arrive({i, Clock::now(), event, std::nullopt}); },
        [self, i](const RequestTimings& timings) { self->arrive({i, Clock::now(), {}, timings}); });
    if (!id.ok()) {
      cancel();
      job_.model->metrics().failures.add();
      refuse(job_, *responder_, api_error(id.error()));
      return;
    }
    const std::scoped_lock lock(mutex_);
    ids_.push_back(id.value());
  }
  if (job_.stream) responder_->start_stream(net::sse_stream_head());
  if (job_.stream && job_.writer) responder_->write(job_.writer->begin());
  responder_->on_gone([weak = weak_from_this()] {
    if (const auto generation = weak.lock()) generation->cancel();
  });
  const std::scoped_lock lock(mutex_);
  opened_ = true;
  if (!arrived_.empty()) schedule_drain();
}

void Generation::cancel() {
  std::vector<RequestId> ids;
  {
    const std::scoped_lock lock(mutex_);
    ids = ids_;
  }
  for (const RequestId id : ids) job_.model->engine().cancel(id);
}

void Generation::arrive(Arrived arrived) {
  const std::scoped_lock lock(mutex_);
  arrived_.push_back(std::move(arrived));
  if (opened_) schedule_drain();
}

void Generation::schedule_drain() {
  if (drain_scheduled_) return;
  drain_scheduled_ = true;
  post_([self = shared_from_this()] { self->drain(); });
}

void Generation::drain() {
  while (true) {
    std::vector<Arrived> batch;
    {
      const std::scoped_lock lock(mutex_);
      drain_scheduled_ = !arrived_.empty();
      if (!drain_scheduled_) return;
      batch.swap(arrived_);
    }
    for (Arrived& arrived : batch) handle(arrived);
  }
}

void Generation::handle(Arrived& arrived) {
  if (arrived.done) {
    finish_request(*arrived.done);
    return;
  }
  if (over_) return;
  const TokenEvent& event = arrived.event;
  if (event.is_prompt) {
    handle_prompt_token(arrived);
    return;
  }
  if (event.finish == FinishReason::error) {
    fail(api_error(500, event.error.empty() ? "the engine failed" : event.error));
    return;
  }
  if (event.finish == FinishReason::cancelled) {
    fail(api_error(503, "the request was stopped before its answer was complete"));
    return;
  }
  const size_t index = arrived.request * sequences_ + event.sequence_index;
  if (index >= choices_.size()) return;
  Choice& choice = choices_[index];
  begin_choice(choice, arrived.request);
  handle_token(choice, arrived);
}

AnswerToken Generation::answer_token(const TokenEvent& event, size_t offset) const {
  AnswerToken token{*event.token, std::nullopt, event.top_logprobs, offset};
  if (event.logprob) token.logprob = event.logprob->logprob;
  return token;
}

void Generation::handle_prompt_token(const Arrived& arrived) {
  const TokenEvent& event = arrived.event;
  if (!event.token || event.sequence_index != 0) return;  // every sequence has the same prompt
  std::vector<AnswerToken>& tokens = prompt_tokens_[arrived.request];
  const Tokenizer& tokenizer = *job_.model->engine().tokenizer();
  size_t offset = 0;
  if (!tokens.empty()) {
    const TokenId before = tokens.back().token;
    offset = tokens.back().text_offset;
    if (!tokenizer.is_special(before)) offset += character_count(tokenizer.token_bytes(before));
  }
  tokens.push_back(answer_token(event, offset));
}

// The echo of the prompt, where one was asked for.
void Generation::begin_choice(Choice& choice, size_t request) {
  if (choice.begun || job_.echo_texts.empty()) return;
  AnswerPart part;
  part.choice = choice.whole.choice;
  part.text = job_.echo_texts[request];
  part.tokens = prompt_tokens_[request];
  choice.characters = character_count(part.text);
  deliver(choice, std::move(part), true);
}

void Generation::handle_token(Choice& choice, Arrived& arrived) {
  TokenEvent& event = arrived.event;
  if (event.token) {
    if (!first_token_seen_) {
      first_token_seen_ = true;
      if (job_.adapter_use) job_.adapter_use->begin();
      job_.model->metrics().first_token_seconds.observe(seconds_between(job_.arrival, arrived.time));
    }
    job_.model->metrics().generation_tokens.add();
    if (choice.token_count++ == 0) choice.first_token = arrived.time;
    choice.last_token = arrived.time;
  }
  AnswerPart part;
  part.choice = choice.whole.choice;
  if (event.token && event.logprob) part.tokens.push_back(answer_token(event, choice.characters));
  choice.characters += character_count(event.text);
  part.text = std::move(event.text);
  part.finish = event.finish;
  if (choice.reasoning) {
    if (event.token && choice.reasoning->inside()) ++totals_.reasoning_tokens;
    part_reasoning(*choice.reasoning, part);
  }
  if (choice.tools) find_calls(*choice.tools, part);
  if (event.finish != FinishReason::none) {
    --open_choices_;
    ModelMetrics& metrics = job_.model->metrics();
    (event.finish == FinishReason::length ? metrics.finished_by_length : metrics.finished_by_stop).add();
    if (choice.token_count > 1) {
      const double seconds = seconds_between(choice.first_token, choice.last_token);
      job_.model->metrics().output_token_seconds.observe(seconds / static_cast<double>(choice.token_count - 1));
    }
  }
  deliver(choice, std::move(part), !choice.begun);
}

void Generation::part_reasoning(ReasoningSplitter& splitter, AnswerPart& part) {
  ReasoningSplitter::Pieces pieces = splitter.push(part.text);
  if (part.finish != FinishReason::none) {
    const ReasoningSplitter::Pieces last = splitter.finish();
    pieces.reasoning += last.reasoning;
    pieces.text += last.text;
  }
  part.reasoning = std::move(pieces.reasoning);
  part.text = std::move(pieces.text);
}

/// What the text says in calls moves out of it.
void Generation::find_calls(ToolCallParser& parser, AnswerPart& part) {
  AnswerPieces pieces = parser.push(part.text);
  if (part.finish != FinishReason::none) {
    AnswerPieces last = parser.finish();
    pieces.text += last.text;
    pieces.calls.insert(pieces.calls.end(), last.calls.begin(), last.calls.end());
  }
  part.text = std::move(pieces.text);
  part.calls = std::move(pieces.calls);
  part.has_called = parser.call_count() > 0;
}

void Generation::deliver(Choice& choice, AnswerPart part, bool first) {
  choice.begun = true;
  if (!job_.stream) {
    choice.whole.text += part.text;
    choice.whole.finish = part.finish;
    choice.whole.has_called = part.has_called;
    choice.whole.reasoning += part.reasoning;
    choice.whole.calls.insert(choice.whole.calls.end(), part.calls.begin(), part.calls.end());
    choice.whole.tokens.insert(choice.whole.tokens.end(), part.tokens.begin(), part.tokens.end());
    return;
  }
  // Half of a character makes no chunk of its own.
  const bool silent = part.text.empty() && part.reasoning.empty() && part.tokens.empty() && part.calls.empty();
  if (!first && silent && part.finish == FinishReason::none) return;
  if (job_.writer) {
    const std::string events = job_.writer->part(std::move(part));
    if (!events.empty()) responder_->write(events);
    return;
  }
  Json chunk = job_.format->chunk(part, first, job_.include_usage);
  if (part.finish != FinishReason::none && open_choices_ == 0) {
    last_chunk_ = std::move(chunk);
  } else {
    send_event(chunk);
  }
}

void Generation::finish_request(const RequestTimings& timings) {
  RequestTimings& sum = totals_.timings;
  sum.queue_ms += timings.queue_ms;
  sum.prefill_ms += timings.prefill_ms;
  sum.decode_ms += timings.decode_ms;
  sum.prompt_tokens += timings.prompt_tokens;
  sum.new_tokens += timings.new_tokens;
  sum.cached_tokens += timings.cached_tokens;
  sum.pinned_tokens += timings.pinned_tokens;
  ModelMetrics& metrics = job_.model->metrics();
  metrics.queue_seconds.observe(timings.queue_ms / 1000);
  metrics.prompt_tokens.add(timings.prompt_tokens);
  metrics.request_prompt_tokens.observe(static_cast<double>(timings.prompt_tokens));
  metrics.request_generation_tokens.observe(static_cast<double>(timings.new_tokens));
  if (--open_requests_ > 0) return;
  if (job_.caller) job_.caller->finish(sum);
  metrics.request_seconds.observe(seconds_between(job_.arrival, Clock::now()));
  job_.adapter_use.reset();
  if (over_) return;
  over_ = true;
  if (responder_->gone()) {
    metrics.failures.add();
    return;
  }
  metrics.successes.add();
  finish_answer();
}

void Generation::finish_answer() {
  if (job_.writer) {
    if (job_.stream) {
      responder_->write(job_.writer->end(totals_));
      responder_->finish();
    } else {
      responder_->send(json_response(job_.writer->whole(std::move(choices_.front().whole), totals_)));
    }
    return;
  }
  if (!job_.stream) {
    std::vector<AnswerPart> parts;
    parts.reserve(choices_.size());
    for (Choice& choice : choices_) parts.push_back(std::move(choice.whole));
    responder_->send(json_response(job_.format->whole(parts, totals_)));
    return;
  }
  last_chunk_["timings"] = timings_json(totals_.timings);
  send_event(last_chunk_);
  if (job_.include_usage) send_event(job_.format->usage_chunk(totals_));
  responder_->write(net::sse_event("[DONE]"));
  responder_->finish();
}

void Generation::fail(const ApiError& error) {
  over_ = true;
  job_.model->metrics().failures.add();
  if (job_.stream && job_.writer) {
    responder_->write(job_.writer->failure(error));
    responder_->finish();
  } else if (job_.stream) {
    send_event(error_json(error));
    responder_->write(net::sse_event("[DONE]"));
    responder_->finish();
  } else {
    refuse(job_, *responder_, error);
  }
  cancel();
}

/// What the caller's key allows.
ApiStatus admit_caller(const GenerationJob& job) {
  if (!job.caller) return Done{};
  uint64_t prompt_tokens = 0;
  for (const Request& request : job.requests) prompt_tokens += request.prompt_tokens.size();
  return job.caller->admit(job.model_name, job.requests.front().priority, prompt_tokens);
}

}  // namespace

void start_generation(ServeContext& context, GenerationJob job, std::shared_ptr<net::Responder> responder) {
  if (job.caller) job.caller->set_streams(job.stream);
  ApiResult<ServedModel::Place> place = job.model->admit();
  if (!place.ok()) {
    refuse(job, *responder, place.error());
    return;
  }
  if (const ApiStatus allowed = admit_caller(job); !allowed.ok()) {
    refuse(job, *responder, allowed.error());
    return;
  }
  std::make_shared<Generation>(context, std::move(job), std::move(place).value(), std::move(responder))->start();
}

}  // namespace kedge::serve
