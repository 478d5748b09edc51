#include "curate/pii/numbers.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

namespace kedge::curate {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

struct Country {
  std::string_view code;
  size_t length;
};

// The register of SWIFT, ISO 13616.
constexpr Country kCountries[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22},
    {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DJ", 27},
    {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FK", 18}, {"FO", 18}, {"FR", 27},
    {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22},
    {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32},
    {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19},
    {"MN", 20}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24},
    {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24}, {"SC", 31},
    {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25}, {"SV", 28}, {"TL", 23},
    {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20}, {"YE", 30}};

struct Network {
  uint32_t address;
  int bits;
};

constexpr Network kPrivate[] = {{0x0A000000, 8}, {0xAC100000, 12}, {0xC0A80000, 16}, {0x7F000000, 8}, {0xA9FE0000, 16}};
// This network, shared space, protocol assignments, documentation, benchmarks, multicast and reserved.
constexpr Network kNobody[] = {{0x00000000, 8},  {0x64400000, 10}, {0xC0000000, 24}, {0xC0000200, 24},
                               {0xC6120000, 15}, {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 3}};

/// Digits [begin, end) of a row of numbers.
struct Group {
  size_t begin, end;

  [[nodiscard]] size_t size() const { return end - begin; }
};

std::vector<Group> groups_of(std::string_view row) {
  std::vector<Group> groups;
  for (size_t i = 0; i < row.size(); ++i) {
    if (!is_digit(row[i])) continue;
    if (i == 0 || !is_digit(row[i - 1])) groups.push_back({i, i});
    groups.back().end = i + 1;
  }
  return groups;
}

/// Digits in a row, or in the groups that cards are printed in, one separator throughout.
bool is_card_shape(std::string_view row, std::span<const Group> groups) {
  constexpr std::array<std::string_view, 5> kPrinted = {"4444", "465", "464", "44443", "445"};
  std::string sizes;
  for (const Group& group : groups) {
    if (group.end < groups.back().end && row[group.end] != row[groups[0].end]) return false;
    sizes += static_cast<char>('0' + std::min<size_t>(group.size(), 9));
  }
  return groups.size() == 1 || std::find(kPrinted.begin(), kPrinted.end(), sizes) != kPrinted.end();
}

/// Whether a number of so many digits may begin so: travel, banking; the rest is airlines, dates and nobody.
bool has_issuer(std::string_view digits, size_t count) {
  if (count < 13 || count > 19) return false;
  switch (digits[0]) {
    case '2':
      return count == 16;  // Mastercard
    case '3':
      return count >= 14;  // Diners Club, American Express, JCB
    case '4':
    case '5':
    case '6':
      return true;
    default:
      return false;
  }
}

bool is_in(uint32_t address, const Network& network) {
  return (address ^ network.address) >> (32 - network.bits) == 0;
}

/// The four numbers as one; nothing when one is too large or begins with a needless zero.
std::optional<uint32_t> parse_ipv4(std::string_view text) {
  uint32_t address = 0;
  for (int i = 0; i < 4; ++i) {
    uint32_t part = 0;
    size_t size = 0;
    while (size < text.size() && is_digit(text[size])) part = part * 10 + static_cast<uint32_t>(text[size++] - '0');
    if (size == 0 || size > 3 || part > 255 || (size > 1 && text[0] == '0')) return std::nullopt;
    address = address << 8 | part;
    text.remove_prefix(std::min(text.size(), size + 1));
  }
  return address;
}

}  // namespace

bool passes_luhn(std::string_view digits) {
  int sum = 0;
  bool twice = false;
  for (size_t i = digits.size(); i-- > 0;) {
    if (!is_digit(digits[i])) continue;
    const int value = (digits[i] - '0') * (twice ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
    twice = !twice;
  }
  return sum % 10 == 0;
}

bool passes_mod97(std::string_view iban) {
  std::string turned;
  for (const char c : iban) {
    if (c != ' ') turned += c;
  }
  if (turned.size() < 5) return false;
  std::rotate(turned.begin(), turned.begin() + 4, turned.end());
  int rest = 0;
  for (const char c : turned) {
    rest = is_digit(c) ? (rest * 10 + (c - '0')) % 97 : (rest * 100 + (c - 'A' + 10)) % 97;
  }
  return rest == 1;
}

std::optional<CardPlace> find_card(std::string_view row) {
  const std::vector<Group> groups = groups_of(row);
  constexpr size_t kGroupsMax = 5;
  constexpr size_t kAside = 3;  // digits: a row's number before it, the month of expiry or the code behind it
  const auto stands_apart = [&](size_t first, size_t last) {
    const bool left = first == 0 || (row[groups[first].begin - 1] == ' ' && groups[first - 1].size() <= kAside);
    const bool right = last + 1 == groups.size() || (row[groups[last].end] == ' ' && groups[last + 1].size() <= kAside);
    return left && right;
  };
  const bool one_number = is_card_shape(row, groups);
  const size_t most = std::min(groups.size(), kGroupsMax), least = one_number ? groups.size() : 1;
  for (size_t count = most; count >= least; --count) {
    for (size_t first = 0; first + count <= groups.size(); ++first) {
      const auto part = std::span(groups).subspan(first, count);
      const std::string_view value = row.substr(part[0].begin, part.back().end - part[0].begin);
      const size_t digits = value.size() - (count - 1);
      if (has_issuer(value, digits) && is_card_shape(row, part) && stands_apart(first, first + count - 1) &&
          passes_luhn(value)) {
        return CardPlace{part[0].begin, part.back().end};
      }
    }
  }
  return std::nullopt;
}

size_t iban_length(std::string_view country) {
  const auto found =
      std::find_if(std::begin(kCountries), std::end(kCountries), [&](const Country& c) { return c.code == country; });
  return found == std::end(kCountries) ? 0 : found->length;
}

std::optional<PiiType> classify_ipv4(std::string_view address) {
  const auto parsed = parse_ipv4(address);
  if (!parsed) return std::nullopt;
  const auto within = [&](const Network& network) { return is_in(*parsed, network); };
  if (std::any_of(std::begin(kPrivate), std::end(kPrivate), within)) return PiiType::ipv4_private;
  if (std::any_of(std::begin(kNobody), std::end(kNobody), within)) return std::nullopt;
  return PiiType::ipv4;
}

bool is_telling_ipv6(std::string_view address) {
  std::array<unsigned char, 16> parsed{};
  if (inet_pton(AF_INET6, std::string(address).c_str(), parsed.data()) != 1) return false;
  if (address.find("::") == std::string_view::npos) return true;
  if (address == "::1" || address.find('.') != std::string_view::npos) return true;
  // With few groups a short form may as well be a slice or a name in a program: "1::2", "::add".
  size_t groups = 0, longest = 0, size = 0;
  bool digit = false;
  for (size_t i = 0; i <= address.size(); ++i) {
    if (i < address.size() && address[i] != ':') {
      ++size;
      digit = digit || is_digit(address[i]);
      continue;
    }
    if (size > 0) ++groups;
    longest = std::max(longest, size);
    size = 0;
  }
  return digit && (groups >= 3 || (longest >= 3 && address[0] != ':'));
}

}  // namespace kedge::curate
