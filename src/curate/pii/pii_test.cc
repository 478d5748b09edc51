// Goal: what is personal is found with exact ends, and what only looks like it is left alone.
// Method: sentences with one value each; check digits and ranges by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "curate/pii/numbers.h"
#include "curate/pii/redact.h"
#include "curate/pii/spans.h"

namespace kedge::curate {
namespace {

std::vector<std::string> found(std::string_view text) {
  std::vector<std::string> values;
  for (const PiiSpan& span : find_pii(text)) {
    values.push_back(std::string(name_of(span.type)) + ":" +
                     std::string(text.substr(span.begin, span.end - span.begin)));
  }
  return values;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Pii, values_are_found_without_what_is_around_them) {
  EXPECT_THAT(found("Write to <a.b+c@mail.example>, or d@e.co.uk."),
              ElementsAre("EMAIL:a.b+c@mail.example", "EMAIL:d@e.co.uk"));
  EXPECT_THAT(found("(tel. (555) 123-4567, +49 30 4869661; 555-123-4567)"),
              ElementsAre("PHONE:(555) 123-4567", "PHONE:+49 30 4869661", "PHONE:555-123-4567"));
  EXPECT_THAT(found("8.8.8.8, 10.0.0.1."), ElementsAre("IPV4:8.8.8.8", "IPV4_PRIVATE:10.0.0.1"));
  EXPECT_THAT(found("at 2001:db8::1, [fe80::1:2]."), ElementsAre("IPV6:2001:db8::1", "IPV6:fe80::1:2"));
  EXPECT_THAT(found("4111 1111 1111 1111 4111111111111111"), IsEmpty());  // one number that is too long
  EXPECT_THAT(found("card 4111-1111-1111-1111, ssn 123-45-6789."),
              ElementsAre("CREDIT_CARD:4111-1111-1111-1111", "US_SSN:123-45-6789"));
  EXPECT_THAT(found("GB82 WEST 1234 5698 7654 32 and DE89370400440532013000"),
              ElementsAre("IBAN:GB82 WEST 1234 5698 7654 32", "IBAN:DE89370400440532013000"));
}

TEST(Pii, what_only_looks_like_it_is_left_alone) {
  for (const char* text : {"version 2.10.7.305",
                           "300.1.2.3",
                           "1.2.3.4.5",
                           "::",
                           "std::vector",
                           "a[1::2]",
                           "12:30:45",
                           "2024-08-25 10:33",
                           "978-3-16-148410-0",
                           "order #300308399873",
                           "4111-1111-1111-1112",
                           "666-22-2960",
                           "950-21-0158",
                           "000-31-6461",
                           "@decorator",
                           "GB82 WEST 1234 5698 7654 33",
                           "1d4b7339319a985fe9e0ea3d6f8a2e575f571fa3",
                           "192.0.2.1",
                           "34.1.1.2. Connecting",
                           "see Section 7.4.1.2",
                           "+000000120",
                           "x-activity-4111111111111111-y"}) {
    EXPECT_THAT(found(text), IsEmpty()) << text;
  }
}

TEST(Pii, offsets_count_code_points_and_masks_replace_values) {
  data::Document document{"1", "\xC3\xA9 \xF0\x9F\x98\x80 a@b.cd!", ""};
  std::string line;
  make_pii_operator({.mask = true})->annotate(document, line);
  EXPECT_EQ(parse_json(line, "line").value(),
            Json::parse(R"({"id":1,"spans":[{"type":"EMAIL","start":4,"end":10}],"text":"é 😀 [EMAIL]!"})"));
}

TEST(Pii, check_digits) {
  EXPECT_TRUE(passes_luhn("79927398713"));
  EXPECT_FALSE(passes_luhn("79927398710"));
  EXPECT_TRUE(passes_mod97("GB82 WEST 1234 5698 7654 32"));
  EXPECT_EQ(iban_length("DE"), 22U);
  EXPECT_FALSE(classify_ipv4("01.2.3.4"));
}

}  // namespace
}  // namespace kedge::curate
