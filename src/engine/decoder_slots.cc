// Slots of DecoderEngine: what a prompt left, to a file and back.

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <utility>

#include "core/checksum.h"
#include "core/file.h"
#include "engine/decoder_engine.h"

namespace kedge::engine {
namespace {

constexpr size_t kPagesAStep = 16;  // copied between two steps of requests
constexpr size_t kSaltMax = 1 << 15;

/// Copies pages of a file into the pool, some at a time. The engine thread's.
class PageReader {
 public:
  PageReader(KvPool& pool, const SlotFile& file, std::span<const BlockHash> hashes, std::string name)
      : pool_(pool), file_(file), hashes_(hashes), name_(std::move(name)) {}

  /// True when nothing is left to do.
  bool step() {
    for (size_t i = 0; i < kPagesAStep && next_ < file_.pages.size() && status_.ok() && !full_; ++i) {
      read(file_.pages[next_++]);
    }
    const bool over = next_ == file_.pages.size() || !status_.ok() || full_;
    if (over) end();
    return over;
  }

  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] int64_t tokens() const { return tokens_; }

 private:
  void read(const SlotPage& page) {
    const int32_t taken = pool_.take(page.group);
    if (taken < 0) {
      full_ = true;
      return;
    }
    held_.emplace_back(page.group, taken);
    std::byte* const out = pool_.address(page.group, taken);
    std::memcpy(out, page.bytes.data(), page.bytes.size());
    if (checksum({out, page.bytes.size()}) != page.checksum) {
      status_ = Error{ErrorKind::corrupt_data, fmt::format("{}: the page of group {} and block {} is damaged; save the "
                                                           "slot again",
                                                           name_, page.group, page.block)};
      return;
    }
    pool_.publish(page.group, hashes_[page.block], taken);
  }

  void end() {
    if (status_.ok()) tokens_ = pool_.match(hashes_).tokens;
    for (; !held_.empty(); held_.pop_back()) pool_.drop(held_.back().first, held_.back().second);
  }

  KvPool& pool_;
  const SlotFile& file_;
  const std::span<const BlockHash> hashes_;
  const std::string name_;
  std::vector<std::pair<size_t, int32_t>> held_;
  size_t next_ = 0;
  bool full_ = false;
  Status status_ = Done{};
  int64_t tokens_ = 0;
};

}  // namespace

Status DecoderEngine::check_slot(size_t slot) const {
  if (slot < slots_->size()) return Done{};
  return Error{ErrorKind::invalid_input,
               fmt::format("there is no slot {}, expected less than {}", slot, slots_->size())};
}

SlotReader DecoderEngine::slot_reader() const {
  const ModelInfo& info = model_.info;
  return {.model = fmt::format("{} {} {}, {} by {} on {}{}, keys and values in {}, files {:016x}", info.name,
                               info.family, info.format, info.compute, info.gemm, info.isa,
                               options_.quantize_activations ? " with quantized activations" : "", info.kv_cache,
                               checksum(std::as_bytes(std::span(model_.source_key)))),
          .page_bytes = page_bytes(),
          .vocabulary_size = spec().vocabulary_size};
}

Result<SlotTransfer> DecoderEngine::save_slot(size_t slot, const std::filesystem::path& file) {
  KEDGE_TRY(check_slot(slot));
  SlotPrompt prompt = slots_->prompt(slot);
  if (prompt.tokens.empty()) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("slot {} remembers no prompt of {} tokens or more", slot, kPageTokens)};
  }
  if (prompt.has_adapter) {
    return Error{
        ErrorKind::invalid_input,
        fmt::format("the last prompt of slot {} ran with an adapter, and only those of the model itself are saved",
                    slot)};
  }
  if (prompt.salt.size() > kSaltMax) {
    return Error{ErrorKind::invalid_input, fmt::format("the cache_salt of slot {} has {} bytes, expected {} at most",
                                                       slot, prompt.salt.size(), kSaltMax)};
  }
  // Pages that are held are not written to: the file is written beside the steps.
  PrefixMatch match;
  std::optional<SequenceKv> kv;
  thread_->run_task(TaskKind::between_steps, [&](int64_t) {
    match = kv_pool_->match(prompt.hashes);
    kv.emplace(*kv_pool_).share_from(match);
    return true;
  });
  SlotFile saved{.model = slot_reader().model, .salt = prompt.salt, .rope = prompt.rope, .tokens = {}, .pages = {}};
  saved.tokens.assign(prompt.tokens.begin(), prompt.tokens.begin() + match.tokens);
  for (size_t block = 0; block < static_cast<size_t>(match.tokens / kPageTokens); ++block) {
    for (size_t group = 0; group < match.pages.size(); ++group) {
      const int32_t page = match.pages[group][block];
      if (page < 0) continue;
      saved.pages.push_back({.group = static_cast<uint32_t>(group),
                             .block = static_cast<uint32_t>(block),
                             .checksum = 0,
                             .bytes = {kv_pool_->address(group, page), layout_.page_bytes(group)}});
    }
  }
  Result<uint64_t> written =
      Error{ErrorKind::invalid_input, fmt::format("the keys and values of slot {} are not in memory any more", slot)};
  if (match.tokens > 0) written = write_slot_file(file, std::move(saved));
  thread_->run_task(TaskKind::between_steps, [&](int64_t) {
    kv.reset();
    return true;
  });
  KEDGE_ASSIGN(const uint64_t bytes, std::move(written));
  return SlotTransfer{static_cast<uint64_t>(match.tokens), bytes};
}

Result<SlotTransfer> DecoderEngine::restore_slot(size_t slot, const std::filesystem::path& file) {
  KEDGE_TRY(check_slot(slot));
  if (!options_.prefix_cache) {
    return Error{ErrorKind::invalid_input, "without the prefix cache (--no-prefix-cache) no slot can be restored"};
  }
  KEDGE_ASSIGN(const auto mapped, MappedFile::open(file));
  const std::string name = file.filename().string();
  KEDGE_ASSIGN(SlotFile saved, parse_slot_file(mapped->bytes(), slot_reader(), name));
  SlotPrompt prompt{.tokens = std::move(saved.tokens), .hashes = {}, .salt = std::move(saved.salt), .rope = saved.rope};
  prompt.hashes = hash_blocks(hash_key_, prompt.tokens, kPageTokens,
                              {.rope = prompt.rope, .text = prompt.salt, .adapter = BlockHash{}});
  PageReader reader(*kv_pool_, saved, prompt.hashes, name);
  thread_->run_task(TaskKind::between_steps, [&](int64_t) { return reader.step(); });
  KEDGE_TRY(Status(reader.status()));
  const SlotTransfer transfer{static_cast<uint64_t>(reader.tokens()), mapped->bytes().size()};
  slots_->remember(slot, std::move(prompt));
  return transfer;
}

Result<uint64_t> DecoderEngine::erase_slot(size_t slot) {
  KEDGE_TRY(check_slot(slot));
  const SlotPrompt prompt = slots_->prompt(slot);
  int64_t blocks = 0;
  thread_->run_task(TaskKind::between_steps, [&](int64_t) {
    blocks = kv_pool_->forget(prompt.hashes);
    return true;
  });
  slots_->remember(slot, {});
  return static_cast<uint64_t>(blocks * kPageTokens);
}

}  // namespace kedge::engine
