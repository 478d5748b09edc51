#include "net/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/printable.h"
#include "net/http_client_connection.h"

namespace kedge::net {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c;
}

bool equal_names(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// A line break in a header would let its value begin another one.
Status check_headers(const ClientRequest& request) {
  for (const ClientHeader& header : request.headers) {
    const bool broken = std::ranges::any_of(header.name + header.value, [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte < 0x20 || byte == 0x7F;
    });
    if (broken) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("the value for the HTTP header {} holds a control character", header.name)};
    }
  }
  return Done{};
}

/// The request that a redirect leads to. Credentials stay with the origin they were given for.
Result<ClientRequest> redirected(const ClientRequest& request, const Url& target) {
  if (request.url.secure && !target.secure) {
    return Error{ErrorKind::unavailable, fmt::format("{}: refused a redirect from https to http ({})",
                                                     host_and_port(request.url), printable(url_text(target)))};
  }
  ClientRequest next = request;
  if (!same_origin(request.url, target)) {
    std::erase_if(next.headers, [](const ClientHeader& header) {
      return equal_names(header.name, "authorization") || equal_names(header.name, "cookie");
    });
  }
  next.url = target;
  return next;
}

}  // namespace

const std::string* ClientResponse::header(std::string_view name) const {
  for (const ClientHeader& each : headers) {
    if (equal_names(each.name, name)) return &each.value;
  }
  return nullptr;
}

class HttpClient::Implementation {
 public:
  explicit Implementation(HttpClientOptions options) : options_(std::move(options)) {}

  Result<ClientResponse> send(ClientRequest request, const ClientSink& sink, const std::stop_token& stop) {
    KEDGE_TRY(check_headers(request));
    for (int redirects = 0; redirects <= options_.redirects_max; ++redirects) {
      KEDGE_ASSIGN(ClientResponse response, ask(request, stop));
      const std::string* location = is_redirect(response.status) ? response.header("location") : nullptr;
      if (location != nullptr) {
        Result<Url> target = resolve_reference(request.url, *location);
        if (!target.ok()) {
          return Error{ErrorKind::corrupt_data,
                       fmt::format("{}: redirects to nowhere: {}", host_and_port(request.url), target.error().message)};
        }
        if (request.redirects == Redirects::follow || same_origin(request.url, target.value())) {
          KEDGE_ASSIGN(request, redirected(request, target.value()));
          connection_.reset();  // its body is not worth reading
          continue;
        }
      }
      KEDGE_TRY(deliver(response, sink, stop));
      return response;
    }
    connection_.reset();
    return Error{ErrorKind::unavailable, fmt::format("{}: more than {} redirects, the limit",
                                                     host_and_port(request.url), options_.redirects_max)};
  }

 private:
  /// The head of the answer, over the kept connection if it leads there and still lives.
  Result<ClientResponse> ask(const ClientRequest& request, const std::stop_token& stop) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "interrupted"};
    if (connection_ != nullptr && connection_->reusable() && same_origin(origin_, request.url)) {
      Result<ClientResponse> response = connection_->ask(request, stop);
      if (response.ok() || !connection_->silent() || stop.stop_requested()) return named(std::move(response), request);
    }
    connection_.reset();
    KEDGE_ASSIGN(connection_, client::ClientConnection::open(request.url, options_, stop));
    origin_ = request.url;
    return named(connection_->ask(request, stop), request);
  }

  static Result<ClientResponse> named(Result<ClientResponse> response, const ClientRequest& request) {
    if (response.ok()) response.value().url = request.url;
    return response;
  }

  Status deliver(const ClientResponse& response, const ClientSink& sink, const std::stop_token& stop) {
    const Status result = deliver_pieces(response, sink, stop);
    if (!result.ok()) connection_.reset();
    return result;
  }

  Status deliver_pieces(const ClientResponse& response, const ClientSink& sink, const std::stop_token& stop) {
    if (sink.on_head) KEDGE_TRY(sink.on_head(response));
    for (;;) {
      KEDGE_ASSIGN(const std::string_view piece, connection_->read(stop));
      if (piece.empty()) return Done{};
      if (sink.on_body) KEDGE_TRY(sink.on_body(piece));
      if (stop.stop_requested()) return Error{ErrorKind::cancelled, "interrupted"};
    }
  }

  HttpClientOptions options_;
  std::unique_ptr<client::ClientConnection> connection_;
  Url origin_;  // where it leads
};

HttpClient::HttpClient(HttpClientOptions options)
    : implementation_(std::make_unique<Implementation>(std::move(options))) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<ClientResponse> HttpClient::send(const ClientRequest& request, const ClientSink& sink,
                                        const std::stop_token& stop) {
  return implementation_->send(request, sink, stop);
}

Result<ClientText> HttpClient::fetch(const ClientRequest& request, size_t bytes_max, const std::stop_token& stop) {
  ClientText text;
  const ClientSink sink{.on_body = [&](std::string_view piece) -> Status {
    if (piece.size() > bytes_max - text.body.size()) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("{}: answered with more than {} bytes, the limit", url_text(request.url), bytes_max)};
    }
    text.body += piece;
    return Done{};
  }};
  KEDGE_ASSIGN(text.response, send(request, sink, stop));
  return text;
}

}  // namespace kedge::net
