#include "curate/dedup/bloom_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/checksum.h"
#include "core/file.h"

namespace kedge::curate {
namespace {

constexpr uint64_t kMagic = 0x314D4F4F4C42454BULL;  // "KEBLOOM1"
constexpr uint64_t kHashesMax = 64;

/// Magic, bits, hashes, entries, kind, checksum of what goes before and of the words.
using Head = std::array<uint64_t, 6>;

uint64_t checksum_of(const Head& head, std::span<const std::byte> words) {
  const std::array<uint64_t, 2> parts = {checksum(std::as_bytes(std::span(head).first(5))), checksum(words)};
  return checksum(std::as_bytes(std::span(parts)));
}

uint64_t number_of(BloomKind kind) {
  return uint64_t{kind.by} << 32 | kind.words;
}

}  // namespace

Result<double> bloom_bits(uint64_t expected, double false_positive_rate) {
  const auto count = static_cast<double>(std::max<uint64_t>(expected, 1));
  const double log2 = std::log(2.0);
  const double bits = std::max(64.0, std::ceil(-count * std::log(false_positive_rate) / (log2 * log2)));
  if (bits <= static_cast<double>(kBloomBitsMax)) return bits;
  return Error{ErrorKind::out_of_memory,
               fmt::format("a Bloom filter of {} entries at {} takes {:.0f} GB, at most {} are possible; expect fewer "
                           "or allow more false positives",
                           expected, false_positive_rate, bits / 8e9, kBloomBitsMax / 8'000'000'000)};
}

Result<BloomFilter> BloomFilter::create(uint64_t expected, double false_positive_rate, BloomKind kind) {
  KEDGE_ASSIGN(const double bits, bloom_bits(expected, false_positive_rate));
  const auto hashes =
      static_cast<uint64_t>(std::lround(bits / static_cast<double>(std::max<uint64_t>(expected, 1)) * std::log(2.0)));
  return BloomFilter(static_cast<uint64_t>(bits), std::clamp<uint64_t>(hashes, 1, kHashesMax), kind);
}

Result<BloomFilter> BloomFilter::load(const std::filesystem::path& path, BloomKind kind) {
  KEDGE_ASSIGN(const auto file, MappedFile::open(path));
  const auto bytes = file->bytes();
  Head head{};
  if (bytes.size() < sizeof head) return Error{ErrorKind::corrupt_data, path.string() + ": is no Bloom filter"};
  std::memcpy(head.data(), bytes.data(), sizeof head);
  const auto words = bytes.subspan(sizeof head);
  const auto& [magic, bits, hashes, entries, number, sum] = head;
  if (magic != kMagic || bits == 0 || bits > kBloomBitsMax || hashes == 0 || hashes > kHashesMax) {
    return Error{ErrorKind::corrupt_data, path.string() + ": is no Bloom filter"};
  }
  if (words.size() != (bits + 63) / 64 * 8 || checksum_of(head, words) != sum) {
    return Error{ErrorKind::corrupt_data, path.string() + ": is damaged; make it again or take a copy"};
  }
  if (number != number_of(kind)) {
    return Error{ErrorKind::invalid_input, path.string() + ": was made by another choice of `by` or `words`"};
  }
  BloomFilter filter(bits, hashes, kind);
  filter.entries_ = entries;
  std::memcpy(filter.words_.data(), words.data(), words.size());
  return filter;
}

Status BloomFilter::save(const std::filesystem::path& path) const {
  Head head = {kMagic, bits_, hashes_, entries_, number_of(kind_), 0};
  const auto words = std::as_bytes(std::span(words_));
  head[5] = checksum_of(head, words);
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path));
  KEDGE_TRY(file.write(std::as_bytes(std::span(head))));
  KEDGE_TRY(file.write(words));
  return file.commit();
}

bool BloomFilter::contains(uint64_t high, uint64_t low) const {
  for (uint64_t i = 0; i < hashes_; ++i, high += low | 1) {
    const uint64_t bit = high % bits_;
    if ((words_[bit / 64] >> (bit % 64) & 1) == 0) return false;
  }
  return true;
}

void BloomFilter::insert(uint64_t high, uint64_t low) {
  ++entries_;
  for (uint64_t i = 0; i < hashes_; ++i, high += low | 1) {
    const uint64_t bit = high % bits_;
    words_[bit / 64] |= uint64_t{1} << (bit % 64);
  }
}

}  // namespace kedge::curate
