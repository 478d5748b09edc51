// kedge curate synthesize: new documents from a model behind an OpenAI-compatible endpoint.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "cli/curate_commands.h"
#include "core/json.h"
#include "curate/synthesize.h"
#include "net/http_client.h"

namespace kedge::cli {
namespace {

constexpr size_t kAnswerBytesMax = size_t{16} << 20;
constexpr std::chrono::milliseconds kFirstPause{500};

struct SynthesizeCommand {
  CurateOptions common;
  std::string endpoint, task = "diverse_qa";
  curate::SynthesisOptions settings;
  int new_tokens_max = 0;  // 0: the task's
  std::string tokenizer;
  double temperature = 0.5, top_p = 0.9;
  unsigned retries = 4;
  int64_t seed = 0;
};

bool is_passing(int status) {
  return status == 408 || status == 429 || status >= 500;
}

/// Requests to one endpoint, one connection a thread.
class Endpoint {
 public:
  Endpoint(net::Url url, const SynthesizeCommand& command, std::stop_token stop)
      : url_(std::move(url)), command_(command), stop_(std::move(stop)) {
    if (const char* key = std::getenv("KEDGE_API_KEY"); key != nullptr) key_ = key;
  }

  Result<std::string> complete(std::string_view system, std::string_view user) const {
    thread_local net::HttpClient client({.idle_timeout = std::chrono::minutes(10)});
    const net::ClientRequest request = request_of(system, user);
    auto pause = kFirstPause;
    for (unsigned tries = 0;; ++tries) {
      const auto answer = client.fetch(request, kAnswerBytesMax, stop_);
      const bool again =
          answer.ok() ? is_passing(answer.value().response.status) : answer.error().kind == ErrorKind::unavailable;
      if (!again) return answer.ok() ? text_of(answer.value()) : Result<std::string>(answer.error());
      if (tries >= command_.retries || stop_.stop_requested()) {
        gave_up_ = true;
        return Error{ErrorKind::unavailable,
                     fmt::format("{}: {} ({} tries); the same command goes on from here", command_.endpoint,
                                 answer.ok() ? fmt::format("answered {}", answer.value().response.status)
                                             : answer.error().message,
                                 tries + 1)};
      }
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::milliseconds(20'000));
    }
  }

  /// Nobody answered, or was able to, until the tries ran out.
  [[nodiscard]] bool gave_up() const { return gave_up_; }

 private:
  [[nodiscard]] net::ClientRequest request_of(std::string_view system, std::string_view user) const {
    const int most = command_.new_tokens_max > 0 ? command_.new_tokens_max : command_.settings.task->new_tokens_max;
    Json body = {{"model", command_.settings.model},
                 {"messages", {{{"role", "system"}, {"content", system}}, {{"role", "user"}, {"content", user}}}},
                 {"temperature", command_.temperature},
                 {"top_p", command_.top_p},
                 {"max_tokens", most},
                 {"seed", command_.seed}};
    net::ClientRequest request{.method = "POST", .url = url_, .headers = {{"Content-Type", "application/json"}}};
    if (!key_.empty()) request.headers.push_back({"Authorization", "Bearer " + key_});
    request.body = to_text(body);
    return request;
  }

  [[nodiscard]] Result<std::string> text_of(const net::ClientText& answer) const {
    if (answer.response.status != 200) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("the endpoint answered {}: {}", answer.response.status, answer.body.substr(0, 200))};
    }
    KEDGE_ASSIGN(const Json json, parse_json(answer.body, "the endpoint's answer"));
    const Json::json_pointer where("/choices/0/message/content");
    if (json.is_object() && json.contains(where) && json[where].is_string()) {
      auto text = json[where].get<std::string>();
      if (text.find_first_not_of(" \t\r\n") != std::string::npos) return text;
    }
    return Error{ErrorKind::invalid_input, "the model's answer has no text"};
  }

  net::Url url_;
  const SynthesizeCommand& command_;
  std::stop_token stop_;
  std::string key_;
  mutable std::atomic<bool> gave_up_ = false;
};

Status synthesize(SynthesizeCommand& command) {
  std::string address = command.endpoint;
  while (address.ends_with('/')) address.pop_back();
  KEDGE_ASSIGN(net::Url url, net::parse_url(address + "/chat/completions"));
  for (const curate::SynthesisTask& task : curate::synthesis_tasks()) {
    if (task.name == command.task) command.settings.task = &task;
  }
  command.settings.seed = static_cast<uint64_t>(command.seed);
  if (!command.tokenizer.empty()) {
    KEDGE_ASSIGN(command.settings.tokenizer, Tokenizer::open(command.tokenizer));
  }
  return run_curate(command.common, [&](const curate::Job& job, WorkerPool& pool, const curate::Events& events,
                                        const std::stop_token& stop) {
    const Endpoint endpoint(std::move(url), command, stop);
    const auto complete = [&](std::string_view system, std::string_view user) {
      return endpoint.complete(system, user);
    };
    Result<curate::Counts> done = curate::synthesize(job, command.settings, complete, pool, events, stop);
    // The address is the caller's: where it leads nowhere that is bad input, and no fault of ours.
    const bool caller = !done.ok() && done.error().kind == ErrorKind::unavailable && endpoint.gave_up();
    return caller ? Result<curate::Counts>(Error{ErrorKind::not_found, done.error().message}) : std::move(done);
  });
}

void add_post_processing(CLI::App& command, SynthesizeCommand& options) {
  command.add_flag("--post-process", options.settings.post_process,
                   "diverse_qa: the text and some of the questions; knowledge_list: without bullets; malformed answers "
                   "are left out (NeMo Curator's)");
  command.add_option("--max-pairs", options.settings.pairs_max, "questions of a text at most")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--tokenizer", options.tokenizer, "texts get --max-pairs for each 150 of its tokens");
}

}  // namespace

void register_curate_synthesize(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<SynthesizeCommand>();
  CLI::App* command =
      commands.add_to(curate, "synthesize", "new documents out of given ones, by a model that is served",
                      [options] { return synthesize(*options); });
  std::vector<std::string> names;
  for (const curate::SynthesisTask& task : curate::synthesis_tasks()) names.emplace_back(task.name);
  command
      ->add_option("--endpoint", options->endpoint,
                   "an OpenAI-compatible API, as http://127.0.0.1:8080/v1; KEDGE_API_KEY has its key, if it wants one")
      ->required();
  command->add_option("--task", options->task, "what the model writes")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  command->add_option("--model", options->settings.model, "the model's name at the endpoint")->required();
  command->add_option("--concurrency", options->settings.concurrency, "requests at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--segment-bytes", options->settings.segment_bytes,
                   "longer texts are asked about in parts, cut at line ends")
      ->check(CLI::Range(100, 1 << 20))
      ->capture_default_str();
  command->add_option("--max-tokens", options->new_tokens_max, "of an answer; 0: as the task has it")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("--temperature", options->temperature, "of sampling")
      ->check(CLI::Range(0.0, 2.0))
      ->capture_default_str();
  command->add_option("--top-p", options->top_p, "of sampling")->check(CLI::Range(0.0, 1.0))->capture_default_str();
  command->add_option("--seed", options->seed, "of sampling")->capture_default_str();
  command->add_option("--retries", options->retries, "after no answer, 408, 429 or 5xx, with longer pauses each time")
      ->check(CLI::Range(0, 20))
      ->capture_default_str();
  add_post_processing(*command, *options);
  options->common.add_to(*command);
}

}  // namespace kedge::cli
