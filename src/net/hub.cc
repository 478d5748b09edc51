#include "net/hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <utility>

#include "net/hub_api.h"
#include "net/hub_cache.h"
#include "net/hub_transfer.h"

namespace kedge::net {
namespace {

// Someone without a network should not wait long to learn it.
constexpr int kConnectAttemptsMax = 3;

/// Sleeps unless stopped.
void pause(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

/// Small questions to the hub, asked again when its answer may change.
class HubQuestions {
 public:
  HubQuestions(const HubOptions& options, const HubApi& api, const HubRepository& repository, const HubEvents& events,
               const std::stop_token& stop)
      : options_(options), api_(api), repository_(repository), events_(events), stop_(stop), client_(options.http) {}

  Result<HubListing> listing() {
    KEDGE_ASSIGN(const ClientText text, ask(api_.listing_request(repository_), ""));
    return parse_hub_listing(text.body, fmt::format("the hub's answer about {}", repository_.name));
  }

  /// Size and checksum of a file about which the listing says nothing.
  Result<HubFile> description(const std::string& commit, const std::string& path) {
    ClientRequest request = api_.file_request(repository_.name, commit, path);
    request.method = "HEAD";
    request.redirects = Redirects::same_origin;  // the checksum is in the hub's own answer
    KEDGE_ASSIGN(const ClientText text, ask(request, path));
    return describe_file(text.response, path);
  }

 private:
  Result<ClientText> ask(const ClientRequest& request, const std::string& path) {
    std::chrono::milliseconds delay = options_.retry_delay;
    for (int attempt = 1;; ++attempt, delay *= 2) {
      Result<ClientText> text = client_.fetch(request, kHubListingBytesMax, stop_);
      Error error;
      std::chrono::milliseconds asked_delay{0};
      int attempts_max = options_.attempts_max;
      if (text.ok()) {
        if (text.value().response.status < 400) return text;
        HubRefusal refusal = api_.refusal(text.value().response, repository_, path);
        if (!refusal.temporary) return std::move(refusal.error);
        error = std::move(refusal.error);
        asked_delay = refusal.delay;
      } else {
        error = text.error();
        if (error.kind != ErrorKind::unavailable) return error;
        attempts_max = std::min(attempts_max, kConnectAttemptsMax);
      }
      if (attempt >= attempts_max) return error;
      if (events_.on_notice) events_.on_notice(error.message + "; trying again");
      pause(std::max(delay, asked_delay), stop_);
    }
  }

  const HubOptions& options_;
  const HubApi& api_;
  const HubRepository& repository_;
  const HubEvents& events_;
  const std::stop_token& stop_;
  HttpClient client_;
};

std::string gigabytes(uint64_t bytes) {
  return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
}

/// Better refused at once than after an hour. A little is left for everything else on the disk.
Status check_space(const std::filesystem::path& folder, const HubProgress& progress) {
  constexpr uint64_t kReserveBytes = uint64_t{16} << 20;
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  const uint64_t needed = progress.bytes_total - progress.bytes_done;
  if (error || needed == 0 || needed + kReserveBytes <= space.available) return Done{};
  return Error{ErrorKind::unavailable, fmt::format("{}: {} are missing, but the disk has only {} free; make room, or "
                                                   "choose another folder with HF_HOME",
                                                   folder.string(), gigabytes(needed), gigabytes(space.available))};
}

void tell_skipped(const HubSelected& selected, const HubEvents& events) {
  if (selected.skipped.empty() || !events.on_notice) return;
  uint64_t bytes = 0;
  for (const HubFile& file : selected.skipped) bytes += file.size;
  events.on_notice(
      fmt::format("skipping {} files ({}): the same weights in formats that kedge does not need (--all "
                  "fetches them too)",
                  selected.skipped.size(), gigabytes(bytes)));
}

Result<HubPulled> cached_only(const HubOptions& options, const HubRepository& repository) {
  const HubCache cache(options.cache_root, repository.name);
  const auto snapshot = cache.find_snapshot(repository.revision);
  if (!snapshot.has_value()) {
    return Error{ErrorKind::unavailable,
                 fmt::format("{}@{} is not in {}, and HF_HUB_OFFLINE forbids to fetch it", repository.name,
                             repository.revision, options.cache_root.string())};
  }
  return HubPulled{.snapshot = *snapshot, .commit = snapshot->filename().string()};
}

}  // namespace

Result<HubPulled> pull(const HubOptions& options, const HubRepository& repository, const HubSelection& selection,
                       const HubEvents& events, const std::stop_token& stop) {
  if (options.offline) return cached_only(options, repository);
  KEDGE_ASSIGN(const HubApi api, HubApi::create(options.endpoint, options.token));
  HubQuestions questions(options, api, repository, events, stop);
  KEDGE_ASSIGN(HubListing listing, questions.listing());
  KEDGE_ASSIGN(HubSelected selected, select_files(listing.files, selection, repository.name));
  tell_skipped(selected, events);

  const HubCache cache(options.cache_root, repository.name);
  KEDGE_TRY(cache.create_folders());
  HubTransfer transfer({options, api, cache, repository, listing.commit});
  for (HubFile& file : selected.files) {
    if (file.etag.empty()) {
      KEDGE_ASSIGN(file, questions.description(listing.commit, file.path));
    }
    transfer.add(file);
  }
  KEDGE_TRY(check_space(options.cache_root, transfer.progress()));
  KEDGE_TRY(transfer.run(events, stop));
  KEDGE_TRY(cache.write_ref(repository.revision, listing.commit));
  return HubPulled{
      .snapshot = cache.snapshot(listing.commit), .commit = listing.commit, .progress = transfer.progress()};
}

Result<std::filesystem::path> find_cached_model(const std::filesystem::path& cache_root,
                                                const HubRepository& repository) {
  const auto snapshot = HubCache(cache_root, repository.name).find_snapshot(repository.revision);
  if (snapshot.has_value()) return *snapshot;
  const std::string revision = repository.revision == "main" ? "" : "@" + repository.revision;
  return Error{ErrorKind::not_found,
               fmt::format("{}{} is not in the cache ({}); fetch it with: kedge pull {}{}", repository.name, revision,
                           cache_root.string(), repository.name, revision)};
}

}  // namespace kedge::net
