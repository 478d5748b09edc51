// Goal: documents come out as they lie in the files, whatever the compression, and bad records are named.
// Method: small files written by the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "data/byte_stream.h"
#include "data/json_text.h"
#include "data/reader.h"
#include "data/test_support.h"

namespace kedge::data {
namespace {

using Files = FilesTest;

const std::string kTwo = "{\"id\":\"a\",\"text\":\"x\"}\n{\"text\":\"y\\u00e9\",\"id\":7}\n";

TEST_F(Files, every_compression_gives_the_same) {
  const auto expected = testing::ElementsAre("\"a\"=x", "7=y\xC3\xA9");
  EXPECT_THAT(read({write("plain", kTwo)}), expected);
  EXPECT_THAT(read({write("gz", gzip(kTwo.substr(0, 22)) + gzip(kTwo.substr(22)))}), expected);
  EXPECT_THAT(read({write("zst", zstd(kTwo.substr(0, 22)) + zstd(kTwo.substr(22)))}), expected);
  EXPECT_THAT(read({write("tail", kTwo.substr(0, kTwo.size() - 1))}), expected);
}

TEST_F(Files, bad_records_are_named_and_the_rest_is_read) {
  const auto path = write("bad", "{\"id\":1,\"text\":\"x\"}\n{\"id\":2}\n\nnonsense\n{\"id\":3,\"text\":\"\"}\n");
  EXPECT_THAT(read({path}), testing::ElementsAre("1=x", "bad: line 2", "bad: line 4", "3="));
}

TEST_F(Files, a_stream_that_breaks_off_gives_what_came_before) {
  std::string many;
  for (int i = 0; i < 20000; ++i) many += "{\"id\":" + std::to_string(i) + ",\"text\":\"some text\"}\n";
  const std::string packed = gzip(many);
  const auto found = read({write("half", packed.substr(0, packed.size() / 2)), write("whole", kTwo)});
  EXPECT_GT(found.size(), 3U);
  EXPECT_EQ(found[found.size() - 3].substr(0, 4), "half");
  EXPECT_EQ(found.back(), "7=y\xC3\xA9");
}

/// What a stream gives, read in pieces, and whether it ended well.
std::pair<std::string, bool> drain(const std::filesystem::path& path, size_t piece) {
  const auto stream = ByteStream::open(path);
  std::string all, buffer(piece, '\0');
  for (;;) {
    const Result<size_t> count = stream.value()->read(buffer);
    if (!count.ok() || count.value() == 0) return {all, count.ok()};
    all.append(buffer, 0, count.value());
  }
}

TEST_F(Files, gzip_is_read_in_pieces_of_any_size_and_wherever_it_breaks_off) {
  std::mt19937 random(5);
  std::string plain, packed;
  std::vector<size_t> ends = {0};  // of members
  for (const size_t size : {0, 1, 700, 5000, 3}) {
    std::string member(size, '\0');
    for (char& c : member) c = static_cast<char>('a' + random() % 3);
    plain += member;
    packed += gzip(member);
    ends.push_back(packed.size());
  }
  for (const size_t piece : {1, 7, 4096, 100'000}) {
    EXPECT_EQ(drain(write("whole.gz", packed), piece), std::pair(plain, true)) << piece;
    EXPECT_EQ(drain(write("padded.gz", packed + std::string(9, '\0')), piece), std::pair(plain, true)) << piece;
  }
  for (size_t size = 3; size < packed.size(); size += 11) {
    const auto [text, whole] = drain(write("cut.gz", packed.substr(0, size)), 512);
    EXPECT_TRUE(plain.starts_with(text)) << size;
    EXPECT_EQ(whole, std::ranges::find(ends, size) != ends.end()) << size;
  }
  std::string forged = packed;
  forged[ends[3] - 5] ^= 1;  // of the checksum
  EXPECT_FALSE(drain(write("forged.gz", forged), 512).second);
}

TEST_F(Files, damage_loses_nothing_that_stands_well_before_it) {
  std::mt19937 random(9);
  std::string plain;
  while (plain.size() < 2'000'000) plain += "{\"id\":" + std::to_string(random()) + ",\"text\":\"some text\"}\n";
  for (const auto pack : {gzip, +[](const std::string& bytes) { return zstd(bytes); },
                          +[](const std::string& bytes) { return bzip2(bytes); }}) {
    std::string packed = pack(plain);
    EXPECT_EQ(drain(write("whole", packed), 1 << 20), std::pair(plain, true));
    packed.replace(packed.size() * 9 / 10, 64, std::string(64, '\xFF'));
    for (const size_t piece : {size_t{5000}, size_t{1} << 22}) {
      const auto [text, whole] = drain(write("damaged", packed), piece);
      EXPECT_FALSE(whole);
      const size_t right = static_cast<size_t>(std::ranges::mismatch(text, plain).in1 - text.begin());
      EXPECT_GT(right, plain.size() * 8 / 10) << packed.substr(0, 2) << piece;
    }
  }
}

TEST_F(Files, a_missing_file_is_said_before_anything_is_read) {
  const auto reader = Reader::open({write("there", kTwo), folder_ / "absent"}, {});
  ASSERT_FALSE(reader.ok());
  EXPECT_EQ(reader.error().kind, ErrorKind::not_found);
}

TEST_F(Files, web_archives_give_their_responses) {
  const std::string body = "HTTP/1.1 200 OK\r\n\r\n<p>x";
  const auto path = write("warc", gzip("WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n") +
                                      gzip("WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:1>\r\n"
                                           "WARC-Target-URI: http://x/\r\nContent-Length: " +
                                           std::to_string(body.size()) + "\r\n\r\n" + body + "\r\n\r\n"));
  auto source = Source::open(path, {});
  Batch batch;
  ASSERT_TRUE(source.value()->read(batch, 1000).value());
  ASSERT_EQ(batch.records.size(), 1U);
  EXPECT_EQ(batch.records[0].bytes, body);
  EXPECT_EQ(batch.records[0].document.id_json, "\"<urn:1>\"");
  EXPECT_EQ(batch.records[0].document.url, "http://x/");
}

/// A response of a web archive; `length`: what its header says.
std::string response(const std::string& body, const std::string& length) {
  return "WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <" + body.substr(0, 1) + ">\r\nContent-Length: " + length +
         "\r\n\r\n" + body + "\r\n\r\n";
}
std::string response(const std::string& body) {
  return response(body, std::to_string(body.size()));
}

/// Bodies of the responses, and reasons of what is none.
std::vector<std::string> read_archive(const std::filesystem::path& path) {
  auto source = Source::open(path, {});
  std::vector<std::string> found;
  Batch batch;
  for (bool more = true; more;) {
    batch.clear();
    const Result<bool> got = source.value()->read(batch, 1000);
    for (const Record& record : batch.records) {
      found.push_back(record.kind == RecordKind::broken ? record.reason : std::string(record.bytes));
    }
    if (!got.ok()) found.push_back(got.error().message);
    more = got.ok() && got.value();
  }
  return found;
}

TEST_F(Files, a_wrong_length_in_a_web_archive_costs_one_record) {
  using testing::ElementsAre, testing::HasSubstr;
  const std::string a = response("a one"), c = response("c three");
  EXPECT_THAT(read_archive(write("short", a + response("b two", "2") + c)),
              ElementsAre("a one", "its Content-Length is 2, but no record follows there", "c three"));
  EXPECT_THAT(read_archive(write("long", a + response("b two", "60") + c + a)),
              ElementsAre("a one", HasSubstr("is 60"), "c three", "a one"));
  EXPECT_THAT(read_archive(write("beyond", a + response("b two", "9999") + c)),
              ElementsAre("a one", HasSubstr("beyond the end"), "c three"));
  EXPECT_THAT(read_archive(write("huge", a + response("b two", "99999999999") + c)),
              ElementsAre("a one", HasSubstr("beyond the next"), "c three"));
  EXPECT_THAT(read_archive(write("none", a + response("b two", "x") + c)),
              ElementsAre("a one", "no valid Content-Length", "c three"));
  EXPECT_THAT(read_archive(write("garbage", a + "garbage\r\n\r\n" + c)),
              ElementsAre("a one", HasSubstr("no header"), "c three"));
  EXPECT_THAT(read_archive(write("cut", a + c.substr(0, c.size() - 9))),
              ElementsAre("a one", "the web archive breaks off in a record"));
  EXPECT_THAT(read_archive(write("cut2", a + "WAR")), ElementsAre("a one", HasSubstr("no header")));
}

TEST_F(Files, wrong_lengths_and_headers_take_linear_time) {
  std::string many;
  for (int i = 0; i < 30'000; ++i) many += response("b", "90000000");  // each as if it reached beyond the end
  EXPECT_EQ(read_archive(write("wrong", many)).size(), 30'000U);
}

TEST(JsonText, writes_what_reads_back) {
  std::string out;
  append_json_string(out, "a\"\\\n\x01\xC3\xA9");
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001\xC3\xA9\"");
  out.clear();
  append_json_number(out, 0.1);
  EXPECT_EQ(out, "0.1");
}

TEST(JsonText, escapes_bytes_wherever_they_stand) {
  constexpr size_t kSize = 40;  // some whole vectors, and a rest
  for (int byte = 0; byte < 0x80; ++byte) {
    std::string alone;
    append_json_string(alone, std::string(1, static_cast<char>(byte)));
    EXPECT_EQ(nlohmann::json::parse(alone), std::string(1, static_cast<char>(byte)));
    for (size_t at = 0; at < kSize; ++at) {
      std::string text(kSize, 'x'), out;
      text[at] = static_cast<char>(byte);
      append_json_string(out, text);
      const std::string before(at, 'x'), after(kSize - 1 - at, 'x');
      EXPECT_EQ(out, "\"" + before + alone.substr(1, alone.size() - 2) + after + "\"");
    }
  }
}

}  // namespace
}  // namespace kedge::data
