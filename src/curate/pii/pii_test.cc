// Goal: what is personal is found with exact ends, and what only looks like it is left alone.
// Method: sentences with one value each; check digits and ranges by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "curate/pii/numbers.h"
#include "curate/pii/redact.h"
#include "curate/pii/secrets.h"
#include "curate/pii/spans.h"
#include "curate/pii/surrogate.h"

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
  make_pii_operator({.action = PiiAction::mask})->annotate(document, line);
  EXPECT_EQ(parse_json(line, "line").value(),
            Json::parse(R"({"id":1,"spans":[{"type":"EMAIL","start":4,"end":10}],"text":"é 😀 [EMAIL]!"})"));
}

std::vector<std::string> found_by(const PiiFinder& finder, std::string_view text) {
  std::vector<std::string> values;
  for (const PiiSpan& span : finder.find(text)) {
    values.push_back(std::string(finder.name_of(span)) + ":" +
                     std::string(text.substr(span.begin, span.end - span.begin)));
  }
  return values;
}

std::shared_ptr<const PiiFinder> finder_of_all(bool with_patterns) {
  std::vector<PiiType> types;
  for (size_t i = 0; i < kNamedPiiTypes; ++i) types.push_back(static_cast<PiiType>(i));
  std::vector<PiiPattern> patterns = {{"DE_TAX_ID", "[1-9][0-9]{10}", PiiCheck::mod11_10},
                                      {"AADHAAR", "[2-9][0-9]{3} [0-9]{4} [0-9]{4}", PiiCheck::verhoeff}};
  if (!with_patterns) patterns.clear();
  return PiiFinder::make(types, patterns).value();
}

TEST(Pii, secrets_are_found_when_asked_for_and_only_with_their_checksums) {
  const auto all = finder_of_all(true);
  EXPECT_THAT(found_by(*all, "see ftp://me:s3cret@host.example/x, http://host:80/a@b"),
              ElementsAre("URL_CREDENTIALS:me:s3cret"));
  // The first block's reward, and the examples of BIP 173 and BIP 350.
  EXPECT_THAT(found_by(*all, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"),
              ElementsAre("CRYPTO_ADDRESS:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"));
  EXPECT_THAT(found_by(*all, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4, bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"),
              ElementsAre("CRYPTO_ADDRESS:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"));
  EXPECT_TRUE(is_crypto_address("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"));
  EXPECT_THAT(found_by(*all, "key=AKIAIOSFODNN7EXAMPLE; xAKIAIOSFODNN7EXAMPLE"),
              ElementsAre("API_KEY:AKIAIOSFODNN7EXAMPLE"));
  EXPECT_THAT(found_by(*all, "86095742719 and 86095742718; 2345 6789 0124, 2345 6789 0125"),
              ElementsAre("DE_TAX_ID:86095742719", "AADHAAR:2345 6789 0124"));
  EXPECT_TRUE(passes(PiiCheck::verhoeff, "2363"));
  EXPECT_FALSE(passes(PiiCheck::verhoeff, "2364"));
  const auto emails = PiiFinder::make({PiiType::email}, {}).value();
  EXPECT_THAT(found_by(*emails, "a@b.cd 8.8.8.8"), ElementsAre("EMAIL:a@b.cd"));
  EXPECT_NE(PiiFinder::make({}, {{"X", "(", PiiCheck::none}}).error().message.find("pattern X: found '('"),
            std::string::npos);
  EXPECT_FALSE(PiiFinder::make({}, {{"X", "a*", PiiCheck::none}}).ok());
}

TEST(Pii, patterns_match_whole_characters) {
  const auto finder = PiiFinder::make({PiiType::email}, {{"X", "a.", PiiCheck::none}, {"Y", "b\\C", PiiCheck::none}});
  data::Document document{"1", "a\xC3\xA9 b\xC3\xA9", ""};
  std::string line;
  make_pii_operator({.action = PiiAction::mask, .finder = finder.value()})->annotate(document, line);
  EXPECT_EQ(parse_json(line, "line").value()["text"], "[X] b\xC3\xA9");  // half of a character is left alone
  EXPECT_FALSE(PiiFinder::make({}, {{"X", "\xE9", PiiCheck::none}}).ok());
}

TEST(Pii, many_spans_take_no_more_than_linear_time) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "1.1.1.1 ";  // each against each would be 45 thousand million comparisons
  EXPECT_EQ(find_pii(text).size(), 300'000U);
}

TEST(Pii, surrogates_are_of_the_kind_the_same_each_time_and_others_with_another_key) {
  const auto all = finder_of_all(true), named = finder_of_all(false);
  for (const char* value :
       {"a@b.cd", "(555) 123-4567", "555-123-4567", "+49 30 4869661", "+14155550123", "8.8.8.8", "10.0.0.1",
        "2001:db8::1", "4111-1111-1111-1111", "4111111111111111", "123-45-6789", "GB82 WEST 1234 5698 7654 32",
        "DE89370400440532013000", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "AKIAIOSFODNN7EXAMPLE", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "2345 6789 0124"}) {
    const auto spans = all->find(value);
    ASSERT_EQ(spans.size(), 1U) << value;
    const std::string type(all->name_of(spans[0]));
    for (int key = 0; key < 200; ++key) {
      const std::string made = surrogate_of(*all, spans[0], value, std::to_string(key));
      // A part of another kind's surrogate may be such a number by chance.
      ASSERT_THAT(found_by(type == "AADHAAR" ? *all : *named, made), ElementsAre(type + ":" + made)) << value;
      EXPECT_NE(made, value);
      EXPECT_EQ(made, surrogate_of(*all, spans[0], value, std::to_string(key)));
    }
    EXPECT_NE(surrogate_of(*all, spans[0], value, "1"), surrogate_of(*all, spans[0], value, "2"));
  }
  // HMAC-SHA-256 of "EMAIL:a@b.cd" with the key "salt", by Python's hmac.
  EXPECT_EQ(hash_of("EMAIL", "a@b.cd", "salt"), "[EMAIL:54c627d41c1f3657]");
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
