#include "grammar/json_formats.h"

#include <algorithm>
#include <array>
#include <utility>

namespace kedge::grammar {
namespace {

// RFC 3339. February ends with its 28th: which years have a 29th is not told by a pattern this short.
#define KEDGE_DATE                                                                                          \
  "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])" \
  "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
#define KEDGE_TIME \
  "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define KEDGE_LABEL "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?"
#define KEDGE_HOST KEDGE_LABEL "(?:\\." KEDGE_LABEL "){0,3}\\.[a-zA-Z]{2,12}"
#define KEDGE_IPV4 \
  "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}"
#define KEDGE_HEX "[0-9a-fA-F]{1,4}"
// RFC 4291: all eight groups, or one "::" for at least two of them.
#define KEDGE_IPV6                                                                                              \
  "(?:" KEDGE_HEX ":){7}" KEDGE_HEX "|::(?:" KEDGE_HEX "(?::" KEDGE_HEX "){0,5})?|" KEDGE_HEX "::(?:" KEDGE_HEX \
  "(?::" KEDGE_HEX "){0,4})?|(?:" KEDGE_HEX ":){2}:(?:" KEDGE_HEX "(?::" KEDGE_HEX "){0,3})?|(?:" KEDGE_HEX     \
  ":){3}:(?:" KEDGE_HEX "(?::" KEDGE_HEX "){0,2})?|(?:" KEDGE_HEX ":){4}:(?:" KEDGE_HEX "(?::" KEDGE_HEX        \
  ")?)?|(?:" KEDGE_HEX ":){5}:(?:" KEDGE_HEX ")?"
#define KEDGE_URI_CHARACTER "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})"
#define KEDGE_SPAN "[0-9]{1,6}"

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kFormats = {{
    {"date", KEDGE_DATE},
    {"date-time", KEDGE_DATE "T" KEDGE_TIME},
    // ISO 8601, RFC 3339 appendix A: larger units first, none left out between two that are there.
    {"duration", "P(?:" KEDGE_SPAN "W|(?:" KEDGE_SPAN "Y(?:" KEDGE_SPAN "M(?:" KEDGE_SPAN "D)?)?|" KEDGE_SPAN
                 "M(?:" KEDGE_SPAN "D)?|" KEDGE_SPAN "D)(?:T(?:" KEDGE_SPAN "H(?:" KEDGE_SPAN "M(?:" KEDGE_SPAN
                 "S)?)?|" KEDGE_SPAN "M(?:" KEDGE_SPAN "S)?|" KEDGE_SPAN "S))?|T(?:" KEDGE_SPAN "H(?:" KEDGE_SPAN
                 "M(?:" KEDGE_SPAN "S)?)?|" KEDGE_SPAN "M(?:" KEDGE_SPAN "S)?|" KEDGE_SPAN "S))"},
    {"email", "[a-zA-Z0-9_+-]{1,32}(?:\\.[a-zA-Z0-9_+-]{1,16}){0,2}@" KEDGE_HOST},
    {"hostname", KEDGE_LABEL "(?:\\." KEDGE_LABEL "){0,4}"},
    {"ipv4", KEDGE_IPV4},
    {"ipv6", KEDGE_IPV6},
    {"time", KEDGE_TIME},
    {"uri", "[a-z][a-z0-9+.-]{1,15}://" KEDGE_HOST "(?::[0-9]{1,4})?(?:/" KEDGE_URI_CHARACTER
            "*)*(?:\\?(?:" KEDGE_URI_CHARACTER "|[/?])*)?(?:#(?:" KEDGE_URI_CHARACTER "|[/?])*)?"},
    {"uuid", "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"},
}};

}  // namespace

std::string_view format_pattern(std::string_view name) {
  const auto it = std::ranges::find(kFormats, name, [](const auto& format) { return format.first; });
  return it == kFormats.end() ? std::string_view() : it->second;
}

const std::string& format_names() {
  static const std::string kNames = [] {
    std::string names;
    for (const auto& [name, pattern] : kFormats) names += (names.empty() ? "" : ", ") + std::string(name);
    return names;
  }();
  return kNames;
}

}  // namespace kedge::grammar
