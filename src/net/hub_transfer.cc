#include "net/hub_transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

#include "core/printable.h"

namespace kedge::net {
namespace {

constexpr std::chrono::milliseconds kReportInterval{200};
constexpr std::chrono::milliseconds kIdleInterval{50};
constexpr std::chrono::milliseconds kLockInterval{500};
constexpr int kStartsMax = 3;  // of a file from nothing

bool is_whole_file(const std::filesystem::path& path, uint64_t size) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && std::filesystem::file_size(path, error) == size && !error;
}

Error interrupted() {
  return {ErrorKind::cancelled, "interrupted; the same command continues where this one stopped"};
}

}  // namespace

struct HubTransfer::Blob {
  enum class State : uint8_t { waiting, opening, fetching, checking, done };
  struct Part {
    bool taken = false;
    int attempts = 0;  // in a row without a byte
    Clock::time_point not_before;
  };

  std::string etag;
  uint64_t size = 0;
  std::vector<std::string> paths;  // in the snapshot
  State state = State::waiting;
  Clock::time_point not_before;
  std::optional<FileLock> lock;
  std::unique_ptr<PartFile> file;
  std::vector<Part> parts;
  size_t parts_running = 0;
  bool in_one_part = false;  // the server sends whole files only
  bool draining = false;     // starts over as soon as no worker is at its parts
  int started_over = 0;
  bool told_waiting = false;
};

struct HubTransfer::Job {
  enum class Kind : uint8_t { open, part, finish };
  Kind kind;
  Blob* blob;
  size_t part = 0;
};

/// How a job ended. Not `ok`: `retry` says whether another try may help.
struct HubTransfer::Outcome {
  Status status = Done{};
  bool retry = false;
  bool progress = false;       // some bytes came
  bool whole_only = false;     // the server ignored the range
  bool wrong_content = false;  // complete, but not what its checksum says
  bool locked = false;         // another process downloads it
  std::chrono::milliseconds delay{0};
};

HubTransfer::HubTransfer(HubTransferPlan plan) : plan_(std::move(plan)) {}
HubTransfer::~HubTransfer() = default;

void HubTransfer::add(const HubFile& file) {
  const auto same = std::ranges::find_if(blobs_, [&](const auto& blob) { return blob->etag == file.etag; });
  if (same != blobs_.end()) {
    (*same)->paths.push_back(file.path);
    return;
  }
  auto blob = std::make_unique<Blob>();
  blob->etag = file.etag;
  blob->size = file.size;
  blob->paths = {file.path};
  if (is_whole_file(plan_.cache.blob(file.etag), file.size)) blob->state = Blob::State::done;
  blobs_.push_back(std::move(blob));
}

HubProgress HubTransfer::progress() const {
  const std::lock_guard guard(mutex_);
  HubProgress progress{.bytes_received = bytes_received_};
  for (const auto& blob : blobs_) {
    progress.files_total += blob->paths.size();
    progress.bytes_total += blob->size;
    if (blob->state == Blob::State::done) {
      progress.files_done += blob->paths.size();
      progress.bytes_done += blob->size;
    } else if (blob->file != nullptr) {
      progress.bytes_done += blob->file->done();
    }
  }
  return progress;
}

Status HubTransfer::run(const HubEvents& events, const std::stop_token& stop) {
  size_t part_count = 0;
  for (const auto& blob : blobs_) {
    if (blob->state == Blob::State::done) {
      KEDGE_TRY(link_files(*blob));
    } else {
      part_count += 1 + blob->size / plan_.options.part_bytes;
    }
  }
  std::stop_source stop_workers;
  std::vector<std::jthread> workers;
  workers_running_ = std::min<size_t>(std::max(plan_.options.connections, 1U), part_count);
  for (size_t i = workers_running_; i > 0; --i) workers.emplace_back([&] { work(stop_workers.get_token()); });
  for (bool running = true; running;) {
    std::deque<std::string> notices;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kReportInterval, [&] { return workers_running_ == 0; });
      running = workers_running_ > 0;
      notices.swap(notices_);
      // A failure, too, ends the transfers that are under way.
      if (stop.stop_requested() || failure_.has_value()) stop_workers.request_stop();
    }
    if (events.on_notice) std::ranges::for_each(notices, events.on_notice);
    if (events.on_progress) events.on_progress(progress());
  }
  if (failure_.has_value()) return *failure_;
  return Done{};
}

void HubTransfer::work(const std::stop_token& stop) {
  HttpClient client(plan_.options.http);
  std::unique_lock lock(mutex_);
  while (!failure_.has_value() && !finished()) {
    if (stop.stop_requested()) {
      failure_ = interrupted();
      break;
    }
    std::optional<Job> job = take();
    if (!job.has_value()) {
      changed_.wait_for(lock, kIdleInterval);
      continue;
    }
    lock.unlock();
    Outcome outcome = carry_out(*job, client, stop);
    lock.lock();
    settle(*job, std::move(outcome));
  }
  --workers_running_;
  changed_.notify_all();
}

bool HubTransfer::finished() const {
  return std::ranges::all_of(blobs_, [](const auto& blob) { return blob->state == Blob::State::done; });
}

std::optional<HubTransfer::Job> HubTransfer::take() {
  for (const auto& blob : blobs_) {
    if (std::optional<Job> job = take_from(*blob)) return job;
  }
  return std::nullopt;
}

std::optional<HubTransfer::Job> HubTransfer::take_from(Blob& blob) {
  const Clock::time_point now = Clock::now();
  if (blob.state == Blob::State::waiting && now >= blob.not_before) {
    blob.state = Blob::State::opening;
    return Job{Job::Kind::open, &blob};
  }
  if (blob.state != Blob::State::fetching || blob.draining) return std::nullopt;
  bool complete = true;
  for (size_t part = 0; part < blob.parts.size(); ++part) {
    if (blob.file->complete(part)) continue;
    complete = false;
    if (blob.parts[part].taken || now < blob.parts[part].not_before) continue;
    blob.parts[part].taken = true;
    ++blob.parts_running;
    return Job{Job::Kind::part, &blob, part};
  }
  if (!complete || blob.parts_running > 0) return std::nullopt;
  blob.state = Blob::State::checking;
  return Job{Job::Kind::finish, &blob};
}

HubTransfer::Outcome HubTransfer::carry_out(const Job& job, HttpClient& client, const std::stop_token& stop) {
  switch (job.kind) {
    case Job::Kind::open:
      return open_blob(*job.blob);
    case Job::Kind::part:
      return fetch_part(*job.blob, job.part, client, stop);
    case Job::Kind::finish:
      return finish_blob(*job.blob, stop);
  }
  return {};
}

void HubTransfer::settle(const Job& job, Outcome outcome) {
  Blob& blob = *job.blob;
  if (job.kind == Job::Kind::part) {
    blob.parts[job.part].taken = false;
    --blob.parts_running;
    if (outcome.progress) blob.parts[job.part].attempts = 0;
  }
  if (outcome.locked) {
    if (!std::exchange(blob.told_waiting, true)) {
      notices_.push_back(blob.paths.front() + ": another program is downloading it; waiting for that");
    }
    blob.state = Blob::State::waiting;
    blob.not_before = Clock::now() + kLockInterval;
  } else if (!outcome.status.ok()) {
    settle_failure(job, std::move(outcome));
  } else if (job.kind == Job::Kind::open) {
    const bool appeared = blob.file == nullptr;  // downloaded by someone else meanwhile
    blob.state = appeared ? Blob::State::done : Blob::State::fetching;
    if (!appeared) blob.parts.assign(blob.file->part_count(), {});
  } else if (job.kind == Job::Kind::finish) {
    blob.state = Blob::State::done;
    blob.file.reset();
    blob.lock.reset();
  }
  if (blob.draining && blob.parts_running == 0) {
    start_over(blob, "the server sends whole files only",
               {ErrorKind::unavailable, blob.paths.front() + ": the server sends whole files only, and cuts them"});
  }
  changed_.notify_all();
}

void HubTransfer::settle_failure(const Job& job, Outcome outcome) {
  Blob& blob = *job.blob;
  if (outcome.wrong_content) {
    start_over(blob, "its content does not match its checksum", outcome.status.error());
    return;
  }
  if (outcome.whole_only) {
    blob.in_one_part = true;
    blob.draining = true;
    return;
  }
  if (outcome.status.error().kind == ErrorKind::cancelled) {
    if (!failure_.has_value()) failure_ = interrupted();
    return;
  }
  if (!outcome.retry || job.kind != Job::Kind::part) {
    if (!failure_.has_value()) failure_ = outcome.status.error();
    return;
  }
  Blob::Part& part = blob.parts[job.part];
  if (++part.attempts >= plan_.options.attempts_max) {
    if (!failure_.has_value()) {
      failure_ = outcome.status.error();
      failure_->message +=
          fmt::format(" ({} attempts); the same command continues where this one stopped", part.attempts);
    }
    return;
  }
  part.not_before = retry_time(part.attempts, outcome);
  notices_.push_back(fmt::format("{}: {}; trying again", blob.paths.front(), outcome.status.error().message));
}

void HubTransfer::start_over(Blob& blob, std::string_view why, Error in_the_end) {
  if (++blob.started_over >= kStartsMax) {
    if (!failure_.has_value()) failure_ = std::move(in_the_end);
    return;
  }
  notices_.push_back(fmt::format("{}: {}; fetching it again", blob.paths.front(), why));
  blob.file->discard();
  blob.file.reset();
  blob.lock.reset();
  blob.parts.clear();
  blob.draining = false;
  blob.state = Blob::State::waiting;
}

HubTransfer::Clock::time_point HubTransfer::retry_time(int attempts, const Outcome& outcome) const {
  constexpr int kDoublingsMax = 6;
  const auto delay = plan_.options.retry_delay * (1 << std::min(attempts - 1, kDoublingsMax));
  return Clock::now() + std::max<Clock::duration>(delay, outcome.delay);
}

HubTransfer::Outcome HubTransfer::open_blob(Blob& blob) {
  Result<std::optional<FileLock>> lock = FileLock::try_lock(plan_.cache.lock_file(blob.etag));
  if (!lock.ok()) return {.status = lock.error()};
  if (!lock.value().has_value()) return {.locked = true};
  const std::filesystem::path path = plan_.cache.blob(blob.etag);
  if (is_whole_file(path, blob.size)) return {.status = link_files(blob)};
  const uint64_t part_bytes = blob.in_one_part ? std::max<uint64_t>(blob.size, 1) : plan_.options.part_bytes;
  // Not huggingface_hub's ETAG.incomplete: that one is a prefix of the file, this one has holes.
  Result<std::unique_ptr<PartFile>> file = PartFile::open(path.string() + ".kedge.incomplete", blob.size, part_bytes);
  if (!file.ok()) return {.status = file.error()};
  const std::lock_guard guard(mutex_);  // `progress` reads the pointer
  blob.lock = std::move(lock).value();
  blob.file = std::move(file).value();
  return {};
}

/// Is the answer the bytes that were asked for?
HubTransfer::Outcome HubTransfer::judge_head(const ClientResponse& response, const Blob& blob, size_t part) const {
  const uint64_t first = blob.file->begin(part) + blob.file->done(part);
  const uint64_t end = blob.file->begin(part) + blob.file->size(part);
  const auto unexpected = [&](std::string found) {
    return Outcome{.status = Error{ErrorKind::unavailable,
                                   fmt::format("{} answered {}, expected bytes {} to {} of {}",
                                               host_and_port(response.url), found, first, end - 1, blob.size)},
                   .retry = true};
  };
  if (response.status == 206) {
    const std::string* header = response.header("content-range");
    const std::optional<ContentRange> range = header == nullptr ? std::nullopt : parse_content_range(*header);
    if (range.has_value() && range->first == first && range->last + 1 == end && range->size == blob.size) return {};
    return unexpected(header == nullptr ? "206 without a range" : printable(*header));
  }
  if (response.status == 200) {
    if (response.content_length.value_or(blob.size) != blob.size) {
      return unexpected(fmt::format("a file of {} bytes", *response.content_length));
    }
    if (first == 0 && end == blob.size) return {};
    Outcome outcome = unexpected("the whole file");
    outcome.whole_only = true;
    return outcome;
  }
  if (response.status == 416) return unexpected("that there is no such range (HTTP 416)");
  HubRefusal refusal = plan_.api.refusal(response, plan_.repository, blob.paths.front());
  // An address that the hub redirected to is signed for a short time: another try gets a fresh one.
  const bool elsewhere = !same_origin(response.url, plan_.api.file_request("x", "x", "x").url);
  return {.status = std::move(refusal.error), .retry = refusal.temporary || elsewhere, .delay = refusal.delay};
}

HubTransfer::Outcome HubTransfer::fetch_part(Blob& blob, size_t part, HttpClient& client, const std::stop_token& stop) {
  PartFile& file = *blob.file;
  ClientRequest request = plan_.api.file_request(plan_.repository.name, plan_.commit, blob.paths.front());
  const uint64_t first = file.begin(part) + file.done(part);
  const uint64_t end = file.begin(part) + file.size(part);
  if (first > 0 || end < blob.size) request.headers.push_back({"Range", fmt::format("bytes={}-{}", first, end - 1)});

  Outcome outcome;
  bool judged_bad = false;
  const ClientSink sink{.on_head = [&](const ClientResponse& response) -> Status {
                          outcome = judge_head(response, blob, part);
                          judged_bad = !outcome.status.ok();
                          return outcome.status;
                        },
                        .on_body = [&](std::string_view piece) -> Status {
                          if (piece.size() > file.size(part) - file.done(part)) {
                            return Error{ErrorKind::unavailable, "the server sent more bytes than the file has"};
                          }
                          Status written = file.append(part, piece);
                          judged_bad = !written.ok();  // the disk's fault, not the network's: no retry
                          outcome.progress = true;
                          bytes_received_ += piece.size();
                          return written;
                        }};
  Result<ClientResponse> response = client.send(request, sink, stop);
  if (response.ok()) {
    if (!file.complete(part)) {
      outcome.status = Error{ErrorKind::unavailable, "the answer was shorter than the file"};
      outcome.retry = true;
    }
    return outcome;
  }
  outcome.status = response.error();
  if (!judged_bad) outcome.retry = response.error().kind == ErrorKind::unavailable;
  return outcome;
}

HubTransfer::Outcome HubTransfer::finish_blob(Blob& blob, const std::stop_token& stop) {
  const std::filesystem::path path = plan_.cache.blob(blob.etag);
  if (const std::optional<DigestKind> kind = digest_kind_of(blob.etag)) {
    Result<std::string> digest =
        digest_of_file(path.string() + ".kedge.incomplete", *kind, [&] { return !stop.stop_requested(); });
    if (!digest.ok()) return {.status = digest.error()};
    if (digest.value() != blob.etag) {
      return {.status = Error{ErrorKind::corrupt_data,
                              fmt::format("{}: its {} is {}, expected {}; fetched {} times, it stays refused",
                                          blob.paths.front(), *kind == DigestKind::sha1 ? "git SHA-1" : "SHA-256",
                                          digest.value(), blob.etag, blob.started_over + 1)},
              .wrong_content = true};
    }
  }
  Status published = blob.file->publish(path);
  if (!published.ok()) return {.status = std::move(published)};
  return {.status = link_files(blob)};
}

Status HubTransfer::link_files(const Blob& blob) const {
  for (const std::string& path : blob.paths) KEDGE_TRY(plan_.cache.link(plan_.commit, path, blob.etag));
  return Done{};
}

}  // namespace kedge::net
