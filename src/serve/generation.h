#pragma once
// One answer in the making: submits prompts to the engine, collects or streams what comes back.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http_server.h"
#include "serve/answer.h"
#include "serve/answer_writer.h"
#include "serve/context.h"
#include "serve/reasoning.h"
#include "serve/request_trace.h"
#include "serve/tool_syntax.h"

namespace kedge::serve {

/// What a route asks for.
struct GenerationJob {
  ServedModel* model = nullptr;
  std::string model_name;                             // as the request named it
  std::unique_ptr<AdapterRegistry::Use> adapter_use;  // null: no adapter
  Caller caller;                                      // null: nobody's limits apply
  std::vector<Request> requests;                      // not empty; all with the same sequence_count
  std::vector<std::string> echo_texts;                // empty, or one per request: the answer begins with it
  bool stream = false;
  bool include_usage = false;
  std::optional<ToolSyntax> tool_syntax;  // calls written so become tool_calls
  std::optional<Reasoning> reasoning;     // text marked so becomes reasoning_content
  std::unique_ptr<AnswerFormat> format;
  std::unique_ptr<AnswerWriter> writer;  // instead of `format`; one request with one sequence
  std::chrono::steady_clock::time_point arrival;
};

/// Runs the job; everything, errors included, goes to `responder`. Returns at once.
void start_generation(ServeContext& context, GenerationJob job, std::shared_ptr<net::Responder> responder);

}  // namespace kedge::serve
