// A pattern finds candidates, in linear time; what surrounds one, and its check digits, decide.
#include "curate/pii/spans.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "curate/pii/numbers.h"
#include "curate/pii/secrets.h"

namespace kedge::curate {
namespace {

constexpr std::array<std::string_view, kNamedPiiTypes> kNames = {
    "EMAIL", "PHONE",           "IPV4",           "IPV4_PRIVATE", "IPV6", "CREDIT_CARD", "US_SSN",
    "IBAN",  "URL_CREDENTIALS", "CRYPTO_ADDRESS", "API_KEY"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_word(char c) {
  return is_alphanumeric(c) || c == '_';
}

/// A stretch of the text, and what stands beside it.
struct Place {
  std::string_view text;
  size_t begin, end;

  [[nodiscard]] std::string_view value() const { return text.substr(begin, end - begin); }
  /// The nth character before or after; 0 beyond the text.
  [[nodiscard]] char before(size_t n = 1) const { return begin >= n ? text[begin - n] : '\0'; }
  [[nodiscard]] char after(size_t n = 1) const { return end + n <= text.size() ? text[end + n - 1] : '\0'; }

  /// Something, and no part of a character: RE2's \C is a byte even in UTF-8.
  [[nodiscard]] bool is_whole_characters() const {
    const auto within = [this](size_t at) {
      return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
    };
    return begin < end && !within(begin) && !within(end);
  }

  /// A word goes on there; an underscore with none beyond it is a mark of emphasis ("_10.0.0.1_").
  [[nodiscard]] bool follows_word() const { return before() == '_' ? is_word(before(2)) : is_word(before()); }
  [[nodiscard]] bool leads_word() const { return after() == '_' ? is_word(after(2)) : is_word(after()); }

  /// A hyphen joins what is before it to this; two are a dash.
  [[nodiscard]] bool follows_hyphen() const { return before() == '-' && before(2) != '-'; }
  [[nodiscard]] bool leads_hyphen() const { return after() == '-' && after(2) != '-'; }
  /// The value of an address's query, not of a form's field: "https://a.b/?id=" before it.
  [[nodiscard]] bool is_in_query() const {
    const std::string_view lead = text.substr(begin - std::min<size_t>(begin, 200), std::min<size_t>(begin, 200));
    return before() == '=' &&
           (after() == '&' || lead.find_first_of("/?&", lead.find_last_of(" \n\t\"'") + 1) != lead.npos);
  }

  /// A number goes on: "1.2" after "...", "-3" and the like.
  [[nodiscard]] bool number_goes_on(std::string_view joints) const {
    const bool left = follows_word() || (joints.find(before()) != std::string_view::npos && is_digit(before(2)));
    const bool right = leads_word() || (joints.find(after()) != std::string_view::npos && is_digit(after(2)));
    return left || right;
  }
};

using Found = std::vector<PiiSpan>;

/// A pattern, and what makes spans of its matches. Patterns are of bytes: what they look for is ASCII.
struct Rule {
  std::unique_ptr<RE2> pattern;
  /// Appends a span or none; returns where to look on.
  size_t (*take)(const Place& place, Found& found);
};

size_t count_digits(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), is_digit));
}

size_t take_email(const Place& place, Found& found) {
  const std::string_view value = place.value();
  const size_t dot = value.rfind('.');
  const std::string_view top = value.substr(dot + 1);
  const bool letters = top.size() >= 2 && std::none_of(top.begin(), top.end(), is_digit) && !value.starts_with("_@");
  if (letters && value.find("..") == std::string_view::npos && place.before() != '@' && !place.leads_word()) {
    const bool emphasised = value[0] == '_' && place.after() == '_' && is_alphanumeric(value[1]);
    found.push_back({PiiType::email, place.begin + (emphasised ? 1 : 0), place.end});
  }
  return place.end;
}

/// What stands before a number of four parts that counts versions or sections, in small letters.
constexpr std::array<std::string_view, 20> kNumberingLeads = {
    "version ",  "version: ", "ver. ",    "release ",        "revision ",      "rev. ",     "build ",
    "firmware ", "kernel ",   "patch ",   "versi\xC3\xB3n ", "vers\xC3\xA3o ", "versione ", "versie ",
    "wersja ",   "section ",  "chapter ", "table ",          "figure ",        "clause "};

/// A number of four parts that counts versions or sections.
bool is_numbering(const Place& place) {
  constexpr size_t kLeadMax = 10;
  std::string lead(place.text.substr(place.begin - std::min(place.begin, kLeadMax), std::min(place.begin, kLeadMax)));
  std::transform(lead.begin(), lead.end(), lead.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const auto leads = [&lead](std::string_view word) { return lead.ends_with(word); };
  if (std::any_of(kNumberingLeads.begin(), kNumberingLeads.end(), leads)) return true;
  const bool line_start = place.begin == 0 || place.before() == '\n';
  return line_start && place.after() == '.' && (place.after(2) == ' ' || place.after(2) == '\xC2');  // "1.2.3.4. Title"
}

size_t take_ipv4(const Place& place, Found& found) {
  const auto type = classify_ipv4(place.value());
  const bool goes_on = place.number_goes_on(".-") || place.before() == '.' || place.follows_hyphen();
  if (type && !goes_on && !is_numbering(place)) found.push_back({*type, place.begin, place.end});
  return place.end;
}

size_t take_ipv6(const Place& place, Found& found) {
  Place here = place;
  while (here.end > here.begin &&
         (here.text[here.end - 1] == '.' || (here.text[here.end - 1] == ':' && !here.value().ends_with("::")))) {
    --here.end;  // punctuation after the address
  }
  bool labelled = false;  // "host:fe80::1": the label's end may look like the first group
  const bool stray_colon = here.value().starts_with(":") && !here.value().starts_with("::");
  if (here.follows_word() || stray_colon) {
    here.begin += here.value().find(':') + 1;
    labelled = here.text[here.begin] != ':';
  }
  const bool bounded =
      !here.leads_word() && (labelled || (!here.follows_word() && here.before() != ':' && here.before() != '.'));
  const bool slice =
      here.before() == '[' && (is_word(here.before(2)) || here.before(2) == ')' || here.before(2) == ']');
  if (bounded && !slice && is_telling_ipv6(here.value())) found.push_back({PiiType::ipv6, here.begin, here.end});
  return place.end;
}

size_t take_card(const Place& place, Found& found) {
  if (place.follows_word() || place.leads_word()) return place.end;
  const auto card = find_card(place.value());
  if (!card) return place.end;
  const Place here{place.text, place.begin + card->begin, place.begin + card->end};
  const bool in_path = here.follows_hyphen() || here.leads_hyphen() || here.before() == '/' || here.before() == '#' ||
                       here.after() == '/';  // an address or a key goes on there
  const bool grouped = here.value().size() != count_digits(here.value());
  if (!in_path && (grouped || !here.is_in_query()) && !here.number_goes_on(".-,/"))
    found.push_back({PiiType::credit_card, here.begin, here.end});
  return place.end;
}

size_t take_ssn(const Place& place, Found& found) {
  const std::string_view value = place.value();
  const std::string_view area = value.substr(0, 3);
  const bool valid =
      area != "000" && area != "666" && area[0] != '9' && value.substr(4, 2) != "00" && value.substr(7) != "0000";
  if (valid && !place.number_goes_on(".-,/") && !place.follows_hyphen()) {
    found.push_back({PiiType::us_ssn, place.begin, place.end});
  }
  return place.end;
}

size_t take_us_phone(const Place& place, Found& found) {
  Place here = place;
  const std::string_view value = place.value();
  const bool bracket = value[0] == '(';
  // Without brackets one separator throughout: 3-3-4, and before it, if any, the country's 1.
  const bool even = bracket || value[3] == value[7];
  const bool joint = bracket ? here.before() == ' ' || here.before() == '-' : here.before() == value[3];
  if (joint && here.before(2) == '1') here.begin -= 2;
  const std::string_view joints = value.find_first_of("-.()") == std::string_view::npos ? ".-,/ " : ".-,/";
  if (even && !here.number_goes_on(joints) && !here.follows_hyphen() && here.before() != '+') {
    found.push_back({PiiType::phone, here.begin, here.end});
  }
  return place.begin + 1;
}

size_t take_international_phone(const Place& place, Found& found) {
  const size_t digits = count_digits(place.value());
  const bool bounded = !place.follows_word() && place.before() != '+' && !place.leads_word();
  if (digits >= 8 && digits <= 15 && bounded) found.push_back({PiiType::phone, place.begin, place.end});
  return place.end;
}

/// The pattern finds the first four characters; the country says how many follow.
size_t take_iban(const Place& place, Found& found) {
  const size_t length = iban_length(place.value().substr(0, 2));
  if (length == 0 || place.follows_word()) return place.end;
  Place here = place;
  size_t taken = 4;
  while (taken < length && here.after() != '\0') {
    const bool space = here.after() == ' ' && taken % 4 == 0;
    const char c = space ? here.after(2) : here.after();
    if (!is_digit(c) && !(c >= 'A' && c <= 'Z')) break;
    here.end += space ? 2 : 1;
    ++taken;
  }
  if (taken != length || here.leads_word() || !passes_mod97(here.value())) return place.end;
  found.push_back({PiiType::iban, here.begin, here.end});
  return here.end;
}

size_t take_credentials(const Place& place, Found& found) {
  const size_t begin = place.begin + place.value().find("://") + 3;
  found.push_back({PiiType::url_credentials, begin, place.end - 1});
  return place.end;
}

size_t take_crypto(const Place& place, Found& found) {
  if (!is_word(place.before()) && !is_word(place.after()) && is_crypto_address(place.value())) {
    found.push_back({PiiType::crypto_address, place.begin, place.end});
  }
  return place.end;
}

size_t take_api_key(const Place& place, Found& found) {
  if (!is_word(place.before()) && place.before() != '-' && !is_word(place.after())) {
    found.push_back({PiiType::api_key, place.begin, place.end});
  }
  return place.end;
}

Rule make_rule(const char* pattern, decltype(Rule::take) take) {
  RE2::Options bytes(RE2::Latin1);
  bytes.set_never_capture(true);
  bytes.set_longest_match(true);
  return {std::make_unique<RE2>(pattern, bytes), take};
}

/// Those that are looked for when asked; before the others, since an address with a password looks like an e-mail's.
std::vector<Rule> make_secret_rules(const std::vector<PiiType>& types) {
  const auto wanted = [&](PiiType type) { return std::find(types.begin(), types.end(), type) != types.end(); };
  std::vector<Rule> rules;
  if (wanted(PiiType::url_credentials)) {
    rules.push_back(
        make_rule(R"([A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/?#@:"'<>]{1,200}:[^\s/?#@"'<>]{1,200}@)", take_credentials));
  }
  if (wanted(PiiType::api_key)) rules.push_back(make_rule(kApiKeys, take_api_key));
  if (wanted(PiiType::crypto_address)) {
    rules.push_back(
        make_rule(R"(0x[0-9a-fA-F]{40}|[1-9A-HJ-NP-Za-km-z]{26,35}|(bc|ltc|tb)1[02-9ac-hj-np-z]{11,87})", take_crypto));
  }
  return rules;
}

std::vector<Rule> make_rules() {
  const auto rule = make_rule;
  // In order of precedence: of two that overlap, the one that comes first here stays.
  std::vector<Rule> rules;
  rules.push_back(
      rule(R"([A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]+)", take_email));
  rules.push_back(rule(R"([A-Z][A-Z][0-9][0-9])", take_iban));
  rules.push_back(rule(R"([0-9]([ -]?[0-9]){12,40})", take_card));
  rules.push_back(
      rule(R"([0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,40}([0-9]{1,3}\.[0-9.]{5,11})?)", take_ipv6));
  rules.push_back(rule(R"([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})", take_ipv4));
  rules.push_back(rule(R"([0-9]{3}-[0-9]{2}-[0-9]{4})", take_ssn));
  rules.push_back(rule(R"(\+[1-9][0-9]{0,2}(([ .-]?\([0-9]{1,4}\)[ .-]?|[ .-])[0-9]{1,8}){1,5}|\+[1-9][0-9]{7,14})",
                       take_international_phone));
  rules.push_back(rule(R"((\([0-9]{3}\) ?|[0-9]{3}[ .-])[0-9]{3}[ .-][0-9]{4})", take_us_phone));
  return rules;
}

/// Adds what a rule finds, where nothing of an earlier one stands. Both are in order of their begin.
void add_free(const Found& found, std::vector<PiiSpan>& spans) {
  std::vector<PiiSpan> merged;
  merged.reserve(spans.size() + found.size());
  size_t next = 0;
  for (const PiiSpan& span : found) {
    while (next < spans.size() && spans[next].end <= span.begin) merged.push_back(spans[next++]);
    const bool taken =
        (next < spans.size() && spans[next].begin < span.end) || (!merged.empty() && merged.back().end > span.begin);
    if (!taken) merged.push_back(span);
  }
  merged.insert(merged.end(), spans.begin() + static_cast<ptrdiff_t>(next), spans.end());
  spans = std::move(merged);
}

/// Calls `use` with each match; it returns where to look on.
template <typename Use>
void for_each_match(const RE2& pattern, std::string_view text, const Use& use) {
  re2::StringPiece match;
  const re2::StringPiece whole(text.data(), text.size());
  for (size_t at = 0; at < text.size();) {
    if (!pattern.Match(whole, at, text.size(), RE2::UNANCHORED, &match, 1)) break;
    const auto begin = static_cast<size_t>(match.data() - text.data());
    at = std::max(use(Place{text, begin, begin + match.size()}), begin + 1);
  }
}

void find_by(const std::vector<Rule>& rules, std::string_view text, std::vector<PiiSpan>& spans) {
  for (const Rule& rule : rules) {
    Found found;
    for_each_match(*rule.pattern, text, [&](const Place& place) { return rule.take(place, found); });
    add_free(found, spans);
  }
}

const std::vector<Rule>& usual_rules() {
  static const auto* rules = new std::vector<Rule>(make_rules());  // lives as long as the program
  return *rules;
}

std::vector<PiiSpan> in_order(std::vector<PiiSpan> spans) {
  std::sort(spans.begin(), spans.end(), [](const PiiSpan& a, const PiiSpan& b) { return a.begin < b.begin; });
  return spans;
}

class Finder final : public PiiFinder {
 public:
  explicit Finder(std::vector<PiiType> types) : types_(std::move(types)), secrets_(make_secret_rules(types_)) {}

  Status add(const PiiPattern& pattern) {
    RE2::Options characters(RE2::DefaultOptions);  // UTF-8
    characters.set_log_errors(false);
    characters.set_never_capture(true);
    auto compiled = std::make_unique<RE2>(pattern.regex, characters);
    if (!compiled->ok() || RE2::FullMatch("", *compiled)) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("pattern {}: found '{}', expected a regular expression that matches some text: {}",
                               pattern.name, pattern.regex, compiled->ok() ? "it matches none" : compiled->error())};
    }
    patterns_.push_back({pattern, std::move(compiled)});
    return Done{};
  }

  [[nodiscard]] std::vector<PiiSpan> find(std::string_view text) const override {
    std::vector<PiiSpan> spans;
    for (size_t i = 0; i < patterns_.size(); ++i) {
      Found found;
      for_each_match(*patterns_[i].compiled, text, [&](const Place& place) {
        const bool bounded = !is_word(place.before()) && !is_word(place.after()) && place.is_whole_characters();
        if (bounded && passes(patterns_[i].pattern.check, place.value())) {
          found.push_back({PiiType::custom, place.begin, place.end, i});
        }
        return place.end;
      });
      add_free(found, spans);
    }
    find_by(secrets_, text, spans);
    find_by(usual_rules(), text, spans);
    std::erase_if(spans, [&](const PiiSpan& span) {
      return span.type != PiiType::custom && std::find(types_.begin(), types_.end(), span.type) == types_.end();
    });
    return in_order(std::move(spans));
  }
  [[nodiscard]] std::string_view name_of(const PiiSpan& span) const override {
    return span.type == PiiType::custom ? patterns_[span.pattern].pattern.name : curate::name_of(span.type);
  }
  [[nodiscard]] bool matches(size_t pattern, std::string_view value) const override {
    return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *patterns_[pattern].compiled) &&
           passes(patterns_[pattern].pattern.check, value);
  }

 private:
  struct Custom {
    PiiPattern pattern;
    std::unique_ptr<RE2> compiled;
  };

  std::vector<PiiType> types_;
  std::vector<Rule> secrets_;
  std::vector<Custom> patterns_;
};

}  // namespace

std::string_view name_of(PiiType type) {
  return kNames[static_cast<size_t>(type)];
}

std::optional<PiiType> pii_type_of(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<PiiType>(found - kNames.begin());
}

Result<std::shared_ptr<const PiiFinder>> PiiFinder::make(const std::vector<PiiType>& types,
                                                         const std::vector<PiiPattern>& patterns) {
  std::vector<PiiType> wanted = types;
  if (wanted.empty()) {
    for (size_t i = 0; i < kUsualPiiTypes; ++i) wanted.push_back(static_cast<PiiType>(i));
  }
  auto finder = std::make_shared<Finder>(std::move(wanted));
  for (const PiiPattern& pattern : patterns) KEDGE_TRY(finder->add(pattern));
  return std::shared_ptr<const PiiFinder>(std::move(finder));
}

std::vector<PiiSpan> find_pii(std::string_view text) {
  std::vector<PiiSpan> spans;
  find_by(usual_rules(), text, spans);
  return in_order(std::move(spans));
}

}  // namespace kedge::curate
