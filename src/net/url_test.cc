// Goal: addresses are taken apart as RFC 3986 says, and nothing that could change a request's meaning gets through.
// Method: tables, among them the reference resolutions of RFC 3986 section 5.4.

#include "net/url.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace kedge::net {
namespace {

TEST(Url, good_addresses) {
  const std::pair<std::string, std::string> cases[] = {
      {"https://huggingface.co", "https://huggingface.co/"},
      {"HTTPS://HuggingFace.CO:443/a?b=c#d", "https://huggingface.co/a?b=c"},
      {"http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"},
      {"http://[::1]:80/x", "http://[::1]/x"},
      {"https://[2001:DB8::1]:8443?q", "https://[2001:db8::1]:8443/?q"},
      {"https://h/a b/\xc3\xa9", "https://h/a%20b/%C3%A9"},
      {"http://h:65535", "http://h:65535/"},
      {"http://h#@x", "http://h/"},
  };
  for (const auto& [text, expected] : cases) {
    const auto url = parse_url(text);
    ASSERT_TRUE(url.ok()) << url.error().message;
    EXPECT_EQ(url_text(url.value()), expected);
  }
  EXPECT_EQ(parse_url("https://[::1]:8443/").value().host, "::1");
  EXPECT_EQ(host_and_port(parse_url("https://[::1]:8443/").value()), "[::1]:8443");
  EXPECT_EQ(host_and_port(parse_url("https://h:443/").value()), "h");
}

TEST(Url, bad_addresses) {
  for (const std::string text : {"",
                                 "huggingface.co",
                                 "ftp://h/",
                                 "file:///etc/passwd",
                                 "https:///x",
                                 "https://",
                                 "https://user@h/",
                                 "https://user:secret@h/",
                                 "https://h:0/",
                                 "https://h:65536/",
                                 "https://h:/",
                                 "https://h:8a/",
                                 "https://[::1/",
                                 "https://[::1]x/",
                                 "https://[h]/",
                                 "https://h h/",
                                 "https://h\r\n/",
                                 "https://h/a\r\nb",
                                 "https://h/\x7f",
                                 "https://h\xc3\xa9/",
                                 "https://h_<>/",
                                 "://h/"}) {
    const auto url = parse_url(text);
    EXPECT_FALSE(url.ok()) << text;
    if (!url.ok()) {
      EXPECT_EQ(url.error().kind, ErrorKind::invalid_input);
    }
  }
  EXPECT_FALSE(parse_url("https://h/" + std::string(kUrlBytesMax, 'a')).ok());
  EXPECT_FALSE(parse_url("https://" + std::string(254, 'a')).ok());
}

TEST(Url, references_resolve_as_in_the_rfc) {
  const Url base = parse_url("http://a/b/c/d?q").value();
  const std::pair<std::string, std::string> cases[] = {
      {"http://g/x", "http://g/x"},  {"g", "http://a/b/c/g"},        {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},     {"/g", "http://a/g"},           {"//g", "http://g/"},
      {"?y", "http://a/b/c/d?y"},    {"g?y", "http://a/b/c/g?y"},    {"#s", "http://a/b/c/d?q"},
      {"g#s", "http://a/b/c/g"},     {"g?y#s", "http://a/b/c/g?y"},  {"", "http://a/b/c/d?q"},
      {".", "http://a/b/c/"},        {"./", "http://a/b/c/"},        {"..", "http://a/b/"},
      {"../", "http://a/b/"},        {"../g", "http://a/b/g"},       {"../..", "http://a/"},
      {"../../", "http://a/"},       {"../../g", "http://a/g"},      {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},        {"/../g", "http://a/g"},        {"g.", "http://a/b/c/g."},
      {"..g", "http://a/b/c/..g"},   {"./../g", "http://a/b/g"},     {"./g/.", "http://a/b/c/g/"},
      {"g/./h", "http://a/b/c/g/h"}, {"g/../h", "http://a/b/c/h"},   {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"/x:y", "http://a/x:y"},      {"?a:b", "http://a/b/c/d?a:b"}, {"/g//h", "http://a/g//h"},
  };
  for (const auto& [reference, expected] : cases) {
    const auto url = resolve_reference(base, reference);
    ASSERT_TRUE(url.ok()) << reference << ": " << url.error().message;
    EXPECT_EQ(url_text(url.value()), expected) << reference;
  }
  EXPECT_FALSE(resolve_reference(base, "javascript:alert(1)").ok());
  EXPECT_FALSE(resolve_reference(base, "/a\r\nX: y").ok());
  EXPECT_FALSE(resolve_reference(base, "//user@h/").ok());
  EXPECT_FALSE(resolve_reference(base, "/" + std::string(kUrlBytesMax, 'a')).ok());
}

TEST(Url, origins) {
  const auto same = [](const char* a, const char* b) {
    return same_origin(parse_url(a).value(), parse_url(b).value());
  };
  EXPECT_TRUE(same("https://h/a", "https://H:443/b?c"));
  EXPECT_FALSE(same("https://h/", "http://h/"));
  EXPECT_FALSE(same("https://h/", "https://h:444/"));
  EXPECT_FALSE(same("https://h/", "https://h.evil/"));
}

TEST(Url, percent_encoding) {
  EXPECT_EQ(percent_encode("a-b._~/c d"), "a-b._~%2Fc%20d");
  EXPECT_EQ(percent_encode("a/b#?%", "/"), "a/b%23%3F%25");
  EXPECT_EQ(percent_encode("\xff\n"), "%FF%0A");
}

}  // namespace
}  // namespace kedge::net
