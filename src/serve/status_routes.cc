// Health, metrics and version.
#include "serve/answer_schema.h"
#include "serve/routes.h"
#include "serve/version.h"

namespace kedge::serve {

namespace {

net::ServerResponse health_response(int status, std::string_view message, std::string_view state) {
  net::ServerResponse response =
      json_response({{"object", "health.response"}, {"message", message}, {"status", state}});
  response.status = status;
  if (status != 200) response.headers.push_back({"Retry-After", "1"});
  return response;
}

void handle_live(ServeContext&, const net::ServerRequest&, const std::shared_ptr<net::Responder>& responder) {
  responder->send(health_response(200, "The server runs.", "live"));
}

void handle_ready(ServeContext& context, const net::ServerRequest&, const std::shared_ptr<net::Responder>& responder) {
  if (context.draining) {
    responder->send(health_response(503, "The server finishes its last requests.", "draining"));
  } else if (!context.ready) {
    responder->send(health_response(503, "The models are being tried.", "starting"));
  } else if (context.stalled && context.stalled()) {
    responder->send(health_response(503, "An engine does not go on; the log names it.", "stalled"));
  } else {
    responder->send(health_response(200, "Every model has computed.", "ready"));
  }
}

void handle_metrics(ServeContext& context, const net::ServerRequest&,
                    const std::shared_ptr<net::Responder>& responder) {
  std::string text = context.metrics.prometheus_text();
  if (context.takes_adapters) text += context.adapters.metrics_text();
  responder->send({200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, std::move(text)});
}

void handle_version(ServeContext&, const net::ServerRequest&, const std::shared_ptr<net::Responder>& responder) {
  responder->send(json_response({{"release", kVersion}, {"version", kVersion}, {"api", "v1"}}));
}

RouteSpec get(std::string pattern, std::string id, std::string summary, decltype(RouteSpec::handle) handle) {
  RouteSpec route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.id = std::move(id);
  route.tag = "operations";
  route.summary = std::move(summary);
  route.needs_key = false;
  route.handle = std::move(handle);
  return route;
}

}  // namespace

std::vector<RouteSpec> status_routes(const ServeContext& /*context*/) {
  const Json text = {{"type", "string"}};
  const Json health = object_schema({{"object", {{"const", "health.response"}}}, {"message", text}, {"status", text}});
  std::vector<RouteSpec> routes;
  routes.push_back(get("/v1/health/live", "health_live", "Whether the process runs", handle_live));
  routes.back().response_schema = health;
  routes.push_back(get("/v1/health/ready", "health_ready", "Whether requests are answered now", handle_ready));
  routes.back().response_schema = health;
  routes.back().error_statuses = {503};
  for (const auto& [pattern, id] : {std::pair("/metrics", "metrics"), std::pair("/v1/metrics", "metrics_v1")}) {
    routes.push_back(get(pattern, id, "Prometheus metrics", handle_metrics));
    routes.back().needs_key = true;
    routes.back().response_type = "text/plain";
  }
  for (const auto& [pattern, id] : {std::pair("/version", "version"), std::pair("/v1/version", "version_v1")}) {
    routes.push_back(get(pattern, id, "The version of the server", handle_version));
    routes.back().response_schema = object_schema({{"release", text}, {"version", text}, {"api", text}});
  }
  return routes;
}

}  // namespace kedge::serve
