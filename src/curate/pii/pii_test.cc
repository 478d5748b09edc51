// Goal: what is personal is found with exact ends, and what only looks like it is left alone.
// Method: sentences with one value each; check digits and ranges by hand.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <random>

#include "core/json.h"
#include "curate/pii/keccak.h"
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

TEST(Pii, values_are_found_beside_markup_labels_and_other_numbers) {
  EXPECT_THAT(found("_a@b.cd_ and _10.0.0.1_, _123-45-6789_, x_10.0.0.1_y"),
              ElementsAre("EMAIL:a@b.cd", "IPV4_PRIVATE:10.0.0.1", "US_SSN:123-45-6789"));
  EXPECT_THAT(found("(+1.825.106.9932) +49 (30) 4869661, +44 (0)20 8614 4368; +1(415)555-2671"),
              ElementsAre("PHONE:+1.825.106.9932", "PHONE:+49 (30) 4869661", "PHONE:+44 (0)20 8614 4368",
                          "PHONE:+1(415)555-2671"));
  EXPECT_THAT(
      found("row 7 (544) 863-0435 end; 8 555-123-4567 9; 1-800-555-1234, 1 (800) 555-1234"),
      ElementsAre("PHONE:(544) 863-0435", "PHONE:555-123-4567", "PHONE:1-800-555-1234", "PHONE:1 (800) 555-1234"));
  EXPECT_THAT(found("from ::ffff:160.29.157.48, host:fe80::d1cc:1, node:2001:db8::1 and Name::abcd::f1"),
              ElementsAre("IPV6:::ffff:160.29.157.48", "IPV6:fe80::d1cc:1", "IPV6:2001:db8::1"));
  EXPECT_THAT(found("4111 1111 1111 1111 12/25; 7 4111111111111111, card=4111-1111-1111-1111&x"),
              ElementsAre("CREDIT_CARD:4111 1111 1111 1111", "CREDIT_CARD:4111111111111111",
                          "CREDIT_CARD:4111-1111-1111-1111"));
}

TEST(Pii, values_are_found_between_dashes_and_in_fields_but_not_in_addresses) {
  EXPECT_THAT(found("the host--10.0.0.1--and 4111-1111-1111-1111--or 123-45-6789--card=4111111111111111; done"),
              ElementsAre("IPV4_PRIVATE:10.0.0.1", "CREDIT_CARD:4111-1111-1111-1111", "US_SSN:123-45-6789",
                          "CREDIT_CARD:4111111111111111"));
  EXPECT_THAT(found("https://a.b/?id=4111111111111111 x-10.0.0.1 a=1&id=4111111111111111 id=4111111111111111&b"),
              IsEmpty());
}

TEST(Pii, what_only_looks_like_it_is_left_alone) {
  for (const char* text : {"version 2.10.7.305",
                           "Firmware 8.10.7.5",
                           "vers\xC3\xA3o 8.10.7.5",
                           "20090212133539",
                           "6212 3338 0736 3250 885",
                           "_@pytest.mark.skip_",
                           "DE13 7004 3664 9606 1559 04",
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

// Goal of this one: each newer kind is found nearly always, with nearly nothing else. Method: 400 values of each kind
// made from a seed, between words, and as many values that look alike.
struct MadeSet {
  std::vector<std::string> values, decoys;
};

class Maker {
 public:
  std::string of(std::string_view letters, size_t count) {
    std::string made;
    for (size_t i = 0; i < count; ++i) made += letters[draw_() % letters.size()];
    return made;
  }
  uint32_t below(uint32_t count) { return static_cast<uint32_t>(draw_() % count); }
  std::string bytes(size_t count) {
    std::string made;
    for (size_t i = 0; i < count; ++i) made += static_cast<char>(draw_());
    return made;
  }

 private:
  std::mt19937 draw_{7};
};

constexpr std::string_view kHex = "0123456789abcdef", kCapitalHex = "0123456789ABCDEF";
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

MadeSet crypto_set(Maker& maker) {
  MadeSet set;
  for (int i = 0; i < 100; ++i) {
    constexpr std::string_view kVersions("\x00\x05\x1E\x30\x32", 5);
    set.values.push_back(base58check(kVersions[i % 5] + maker.bytes(20)));
    std::string data(1, i % 2 == 0 ? '\0' : '\1');
    for (int k = 0; k < (i % 2 == 0 ? 32 : 52); ++k) data += static_cast<char>(maker.below(32));
    data.back() = static_cast<char>(data.back() & 0x10);
    set.values.push_back(bech32(i % 3 == 0 ? "ltc" : "bc", data));
    set.values.push_back(ethereum_address("a" + maker.of(kHex, 39)));
    set.values.push_back("0x" + maker.of(i % 2 == 0 ? kHex : kCapitalHex, 38) + (i % 2 == 0 ? "ab" : "AB"));
    std::string changed = set.values[set.values.size() - 2];
    for (size_t k = 2, changes = 0; k < changed.size() && changes < 3; ++k) {  // letters of the wrong case
      if (std::isalpha(static_cast<unsigned char>(changed[k])) == 0) continue;
      changed[k] = static_cast<char>(changed[k] ^ 0x20);
      ++changes;
    }
    set.decoys.push_back(changed);
    set.decoys.push_back(maker.of(kHex, i % 2 == 0 ? 40 : 64));  // of Git and SHA-256
    set.decoys.push_back("0x" + maker.of(kHex, 64));             // a transaction
    set.decoys.push_back(maker.of(kHex, 8) + "-" + maker.of(kHex, 4) + "-4" + maker.of(kHex, 3) + "-a" +
                         maker.of(kHex, 3) + "-" + maker.of(kHex, 12));  // a UUID
    set.decoys.push_back("1" + maker.of("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 32));
  }
  return set;
}

MadeSet api_key_set(Maker& maker) {
  MadeSet set;
  for (int i = 0; i < 80; ++i) {
    set.values.push_back("AKIA" + maker.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 16));
    set.values.push_back("ghp_" + maker.of(kLetters, 36));
    set.values.push_back("sk-" + maker.of(kLetters, 48));
    set.values.push_back("AIza" + maker.of(kLetters, 35));
    set.values.push_back("hf_" + maker.of(kLetters, 34));
    set.decoys.push_back(maker.of(kHex, 40));
    set.decoys.push_back("task-" + maker.of(kLetters, 40));
    set.decoys.push_back("ghp_" + maker.of(kLetters, 8));
    set.decoys.push_back("AKIA" + maker.of("abcdef", 16));
    set.decoys.push_back(maker.of(kLetters, 43) + "=");
  }
  return set;
}

MadeSet credential_set(Maker& maker) {
  MadeSet set;
  for (int i = 0; i < 400; ++i) {
    const std::string user = maker.of("abcdefgh", 6), password = maker.of(kLetters, 10);
    const std::string host = maker.of("klmnop", 7) + ".example/x";
    set.values.push_back(user + ":" + password);
    set.decoys.push_back(i % 2 == 0 ? "https://" + host + "?at=" + user + "@" + host : "http://" + host + ":8080/a@b");
  }
  return set;
}

void expect_precise(PiiType type, const MadeSet& set, std::string_view before, std::string_view after) {
  const auto finder = PiiFinder::make({type}, {}).value();
  size_t right = 0, wrong = 0;
  for (const std::string& value : set.values) {
    const std::string text = fmt::format("see {}{}{} there", before, value, after);
    for (const PiiSpan& span : finder->find(text)) {
      (text.substr(span.begin, span.end - span.begin) == value ? right : wrong) += 1;
    }
  }
  for (const std::string& decoy : set.decoys) wrong += finder->find("see " + decoy + ", there").size();
  EXPECT_GE(set.values.size(), 400U);
  EXPECT_GE(static_cast<double>(right), 0.99 * static_cast<double>(set.values.size())) << name_of(type);
  EXPECT_EQ(wrong, 0U) << name_of(type);
}

TEST(Pii, newer_kinds_are_found_and_nothing_that_looks_alike) {
  Maker maker;
  expect_precise(PiiType::crypto_address, crypto_set(maker), "", ".");
  expect_precise(PiiType::api_key, api_key_set(maker), "key=", "");
  expect_precise(PiiType::url_credentials, credential_set(maker), "ftp://", "@host.example/");
}

TEST(Pii, ethereum_addresses_have_eip_55s_checksum_or_one_case) {
  // The examples of EIP-55, and Keccak-256 of nothing.
  for (const char* address :
       {"0x52908400098527886E0F7030069857D2E4169EE7", "0xde709f2102306220921060314715629080e2fb77",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb"}) {
    EXPECT_TRUE(is_crypto_address(address)) << address;
  }
  EXPECT_FALSE(is_crypto_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed"));
  EXPECT_FALSE(is_crypto_address("0x0000000000000000000000000000000000000000"));
  EXPECT_EQ(static_cast<unsigned char>(keccak256("")[0]), 0xC5);
  EXPECT_EQ(static_cast<unsigned char>(keccak256(std::string(136, 'a'))[0]), 0xA6);
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
  for (const char* value : {"a@b.cd",
                            "(555) 123-4567",
                            "555-123-4567",
                            "+49 30 4869661",
                            "+14155550123",
                            "8.8.8.8",
                            "10.0.0.1",
                            "2001:db8::1",
                            "4111-1111-1111-1111",
                            "4111111111111111",
                            "123-45-6789",
                            "GB82 WEST 1234 5698 7654 32",
                            "DE89370400440532013000",
                            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
                            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                            "0xde709f2102306220921060314715629080e2fb77",
                            "AKIAIOSFODNN7EXAMPLE",
                            "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
                            "2345 6789 0124"}) {
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
