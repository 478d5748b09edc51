// The chat page at /.
#include <fmt/format.h>

#include <functional>
#include <string_view>

#include "serve/routes.h"

namespace kedge::serve {

extern const std::string_view kChatPage;  // made by the build from web/

namespace {

const std::string& page_tag() {
  static const std::string kTag =
      fmt::format("\"{:x}-{:x}\"", kChatPage.size(), std::hash<std::string_view>()(kChatPage));
  return kTag;
}

// The page itself pins its script and style by hash; what only a header can say is that nothing may frame it.
net::ServerHeaders page_headers() {
  return {{"Content-Type", "text/html; charset=utf-8"},
          {"Cache-Control", "no-cache"},
          {"ETag", page_tag()},
          {"Content-Security-Policy", "frame-ancestors 'none'"},
          {"Referrer-Policy", "no-referrer"}};
}

void handle_page(ServeContext&, const net::ServerRequest& http, const std::shared_ptr<net::Responder>& responder) {
  const std::string* known = net::find_header(http.headers, "If-None-Match");
  if (known != nullptr && (*known == "*" || known->find(page_tag()) != std::string::npos)) {
    responder->send({304, page_headers(), ""});
  } else {
    responder->send({200, page_headers(), std::string(kChatPage)});
  }
}

void handle_icon(ServeContext&, const net::ServerRequest&, const std::shared_ptr<net::Responder>& responder) {
  responder->send({204, {{"Cache-Control", "max-age=86400"}}, ""});  // the page brings its own
}

}  // namespace

std::vector<RouteSpec> page_routes(const ServeContext& /*context*/) {
  RouteSpec page;
  page.method = "GET";
  page.pattern = "/";
  page.id = "chat_page";
  page.tag = "page";
  page.summary = "The chat page";
  page.needs_key = false;
  page.response_type = "text/html";
  page.handle = handle_page;
  RouteSpec icon;
  icon.method = "GET";
  icon.pattern = "/favicon.ico";
  icon.id = "favicon";
  icon.tag = "page";
  icon.summary = "Nothing: the page brings its own icon";
  icon.needs_key = false;
  icon.response_type = "";
  icon.handle = handle_icon;
  return {std::move(page), std::move(icon)};
}

}  // namespace kedge::serve
