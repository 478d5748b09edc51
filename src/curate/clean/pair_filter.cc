#include "curate/clean/pair_filter.h"

#include <algorithm>
#include <map>

#include "core/check.h"

namespace kedge::curate {
namespace {

struct Range {
  char32_t first, last;
};

/// The characters that one place of a pattern takes.
struct Place {
  std::vector<Range> ranges;
  bool negated = false;
  bool optional = false;

  /// How little it says: ASCII is in every text.
  [[nodiscard]] uint64_t weight() const {
    constexpr uint64_t kOfAscii = 1000;
    uint64_t sum = negated ? 0x10000 : 0;
    for (const Range& range : ranges) sum += (range.last - range.first + 1) * (range.first < 0x80 ? kOfAscii : 1);
    return sum;
  }
};

/// More than Python's and PCRE's, which does no harm.
const std::vector<Range> kSpaces = {{0x09, 0x0D},     {0x1C, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},
                                    {0x1680, 0x1680}, {0x180E, 0x180E}, {0x2000, 0x200A}, {0x2028, 0x2029},
                                    {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
const std::vector<Range> kWord = {{U'0', U'9'}, {U'A', U'Z'}, {U'_', U'_'}, {U'a', U'z'}, {0x80, 0x10FFFF}};

class Reader {
 public:
  explicit Reader(CodeView pattern) : left_(pattern) {}

  std::vector<Place> places() {
    std::vector<Place> all;
    if (!left_.empty() && left_[0] == U'^') left_.remove_prefix(1);
    while (!left_.empty()) {
      if (left_[0] == U'?') {
        KEDGE_CHECK(!all.empty());
        all.back().optional = true;
        left_.remove_prefix(1);
      } else if (left_[0] == U'[') {
        all.push_back(bracket());
      } else {
        KEDGE_CHECK(CodeView(U"*+{}()|$").find(left_[0]) == CodeView::npos);
        Place place;
        element(place);
        all.push_back(place);
      }
    }
    return all;
  }

 private:
  Place bracket() {
    Place place;
    left_.remove_prefix(1);
    place.negated = !left_.empty() && left_[0] == U'^';
    if (place.negated) left_.remove_prefix(1);
    while (!left_.empty() && left_[0] != U']') element(place);
    KEDGE_CHECK(!left_.empty());
    left_.remove_prefix(1);
    return place;
  }

  /// A character, a range of them or a class of its own.
  void element(Place& place) {
    if (left_.starts_with(U"\\s") || left_.starts_with(U"\\w")) {
      const std::vector<Range>& ranges = left_[1] == U's' ? kSpaces : kWord;
      place.ranges.insert(place.ranges.end(), ranges.begin(), ranges.end());
      left_.remove_prefix(2);
      return;
    }
    const bool any = left_[0] == U'.';
    const char32_t first = character();
    char32_t last = first;
    if (left_.size() > 1 && left_[0] == U'-' && left_[1] != U']') {
      left_.remove_prefix(1);
      last = character();
    }
    place.ranges.push_back(any ? Range{0, 0x10FFFF} : Range{first, last});
  }

  /// As it stands, \xHH or \x{H...}.
  char32_t character() {
    const bool escaped = left_.starts_with(U"\\x");
    if (!escaped) {
      KEDGE_CHECK(left_[0] != U'\\');
      const char32_t c = left_[0];
      left_.remove_prefix(1);
      return c;
    }
    const bool braces = left_.starts_with(U"\\x{");
    left_.remove_prefix(braces ? 3 : 2);
    const size_t digits = braces ? left_.find(U'}') : 2;
    KEDGE_CHECK(digits <= left_.size());
    const auto value = static_cast<char32_t>(std::stoul(to_utf8(left_.substr(0, digits)), nullptr, 16));
    left_.remove_prefix(braces ? digits + 1 : digits);
    return value;
  }

  CodeView left_;
};

/// Of the two places side by side that say the most, the first; places.size() where a single one is all there is.
size_t pair_of(const std::vector<Place>& places) {
  size_t best = places.size();
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i + 1 < places.size(); ++i) {
    if (places[i].optional || places[i + 1].optional) continue;
    const uint64_t weight = places[i].weight() * places[i + 1].weight();
    if (weight < least) {
      least = weight;
      best = i;
    }
  }
  return best;
}

template <typename Function>
void for_each_in(const Place& place, char32_t end, Function function) {
  std::vector<bool> in(end);
  for (const Range& range : place.ranges) {
    for (char32_t c = range.first; c <= range.last && c < end; ++c) in[c] = true;
  }
  for (char32_t c = 0; c < end; ++c) {
    if (in[c] != place.negated) function(c);
  }
}

/// Whether it takes characters from `begin` on; all of them where it takes some.
bool takes_others(const Place& place, char32_t begin) {
  return place.negated || std::ranges::any_of(place.ranges, [&](const Range& range) { return range.last >= begin; });
}

}  // namespace

PairFilter::PairFilter(std::span<const std::string> patterns) : kinds_(kKnown) {
  KEDGE_CHECK(patterns.size() <= 64);
  std::vector<Roles> all(kKnown);
  for (size_t i = 0; i < patterns.size(); ++i) {
    const uint64_t bit = uint64_t{1} << i;
    const std::u32string codes = to_codes(patterns[i]);
    const std::vector<Place> places = Reader(codes).places();
    const size_t pair = pair_of(places);
    const auto mark = [&](const Place& place, uint64_t Roles::*role) {
      for_each_in(place, kKnown, [&](char32_t c) { all[c].*role |= bit; });
      if (takes_others(place, kKnown)) others_.*role |= bit;
    };
    if (pair < places.size()) {
      mark(places[pair], &Roles::first);
      mark(places[pair + 1], &Roles::second);
    } else {
      KEDGE_CHECK(places.size() == 1);
      mark(places[0], &Roles::alone);
    }
  }
  std::map<Roles, uint8_t> kinds;
  for (char32_t c = 0; c < kKnown; ++c) {
    const auto [kind, added] = kinds.try_emplace(all[c], static_cast<uint8_t>(roles_.size()));
    if (added) roles_.push_back(all[c]);
    KEDGE_CHECK(roles_.size() <= 256);
    kinds_[c] = kind->second;
  }
}

bool PairFilter::may_match(CodeView text) const {
  uint64_t before = 0;
  for (const char32_t c : text) {
    const Roles& roles = c < kKnown ? roles_[kinds_[c]] : others_;
    if (((before & roles.second) | roles.alone) != 0) return true;
    before = roles.first;
  }
  return false;
}

}  // namespace kedge::curate
