// Goal: targets, routes and server-sent events are read and written as their standards say.
// Method: tables of inputs and expected outputs, broken ones included.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http_server_message.h"
#include "net/http_server_router.h"
#include "net/http_server_sse.h"

namespace kedge::net {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(RequestTarget, path_and_query_are_decoded) {
  const auto target = parse_request_target("/v1/models/org%2Fname/a%20b?x=1+2&y&=z&x=%26#part");
  ASSERT_TRUE(target.ok());
  EXPECT_THAT(target.value().path, ElementsAre("v1", "models", "org/name", "a b"));
  EXPECT_THAT(target.value().query, ElementsAre(Pair("x", "1 2"), Pair("y", ""), Pair("", "z"), Pair("x", "&")));
  EXPECT_EQ(*find_value(target.value().query, "x"), "1 2");
  EXPECT_EQ(find_value(target.value().query, "none"), nullptr);
}

TEST(RequestTarget, other_forms) {
  EXPECT_THAT(parse_request_target("/").value().path, IsEmpty());
  EXPECT_THAT(parse_request_target("*").value().path, IsEmpty());
  EXPECT_THAT(parse_request_target("http://host:80/a?b").value().path, ElementsAre("a"));
  EXPECT_THAT(parse_request_target("HTTP://host").value().path, IsEmpty());
  EXPECT_THAT(parse_request_target("/a/").value().path, ElementsAre("a", ""));
}

TEST(RequestTarget, broken_targets_fail) {
  std::string deep;
  for (size_t i = 0; i <= kPathSegmentsMax; ++i) deep += "/a";
  std::string wide = "/?";
  for (size_t i = 0; i <= kQueryValuesMax; ++i) wide += "a&";
  for (const std::string& target :
       {std::string(), std::string("a"), std::string("host:80"), std::string("/%"), std::string("/%4"),
        std::string("/%g0"), std::string("/?a=%0a"), std::string("/a%00b"), deep, wide}) {
    EXPECT_FALSE(parse_request_target(target).ok()) << target;
  }
}

TEST(Headers, names_ignore_case) {
  const ServerHeaders headers{{"Content-Type", "a"}, {"content-type", "b"}};
  EXPECT_EQ(*find_header(headers, "CONTENT-TYPE"), "a");
  EXPECT_EQ(find_header(headers, "Content"), nullptr);
}

// Handlers can't be compared, so the pattern of the match tells which one it was.
class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    for (const char* pattern :
         {"/v1/{rest+}", "/v1/models", "/v1/models/{model+}", "/v1/retrieval/{model+}/reranking", "/v1/{one}/x", "/"}) {
      router_.add("GET", pattern, [](const ServerRequest&, const std::shared_ptr<Responder>&) {});
    }
    router_.add("POST", "/v1/models", [](const ServerRequest&, const std::shared_ptr<Responder>&) {});
  }
  std::string pattern_of(const std::string& target) {
    return router_.match("GET", parse_request_target(target).value().path).pattern;
  }
  Router router_;
};

TEST_F(RouterTest, the_most_literal_route_wins) {
  EXPECT_EQ(pattern_of("/"), "/");
  EXPECT_EQ(pattern_of("/v1/models"), "/v1/models");
  EXPECT_EQ(pattern_of("/v1/models/a"), "/v1/models/{model+}");
  EXPECT_EQ(pattern_of("/v1/a/x"), "/v1/{one}/x");
  EXPECT_EQ(pattern_of("/v1/a/y"), "/v1/{rest+}");
  EXPECT_EQ(pattern_of("/v1/models/"), "");
  EXPECT_EQ(pattern_of("/v2"), "");
}

TEST_F(RouterTest, parameters_take_one_or_more_segments) {
  const auto match = router_.match("GET", {"v1", "retrieval", "org", "name", "reranking"});
  EXPECT_EQ(match.pattern, "/v1/retrieval/{model+}/reranking");
  EXPECT_THAT(match.parameters, ElementsAre(Pair("model", "org/name")));
  EXPECT_THAT(router_.match("GET", {"v1", "models", "org/name"}).parameters, ElementsAre(Pair("model", "org/name")));
}

TEST_F(RouterTest, methods_of_a_path) {
  EXPECT_NE(router_.match("HEAD", {"v1", "models"}).handler, nullptr);
  const auto match = router_.match("DELETE", {"v1", "models"});
  EXPECT_EQ(match.handler, nullptr);
  EXPECT_THAT(match.methods, testing::IsSupersetOf({"GET", "HEAD", "POST"}));
  EXPECT_THAT(router_.match("GET", {"v2"}).methods, IsEmpty());
}

TEST(LiteralRoutes, have_their_path_for_themselves) {
  Router router;
  const auto nothing = [](ServerRequest, const std::shared_ptr<Responder>&) {};
  router.add("GET", "/items/{id}", nothing);
  router.add("POST", "/items/count", nothing);
  EXPECT_EQ(router.match("GET", {"items", "count"}).handler, nullptr);
  EXPECT_THAT(router.match("GET", {"items", "count"}).methods, testing::ElementsAre("POST"));
  EXPECT_NE(router.match("GET", {"items", "7"}).handler, nullptr);
}

TEST(ServerSentEvents, every_line_gets_its_field) {
  EXPECT_EQ(sse_event("{}"), "data: {}\n\n");
  EXPECT_EQ(sse_event(""), "data: \n\n");
  EXPECT_EQ(sse_event("a\nb\r\nc\rd\n"), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
}

}  // namespace
}  // namespace kedge::net
