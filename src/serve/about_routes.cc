// GET /v1/metadata, /v1/license and /v1/manifest, in NIM's form: what runs here, and under which terms.
#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>

#include "serve/answer_schema.h"
#include "serve/routes.h"
#include "serve/version.h"

namespace kedge::serve {

extern const std::string_view kLicense;  // made by the build from LICENSE

namespace {

std::string sha1(std::string_view text) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

/// NIM asks for SHA-1 here: it names the text, and guards nothing.
const Json& license_json() {
  static const Json kJson = {{"name", "Apache-2.0"},
                             {"path", "LICENSE"},
                             {"sha", sha1(kLicense)},
                             {"size", kLicense.size()},
                             {"url", "https://www.apache.org/licenses/LICENSE-2.0"},
                             {"type", "file"},
                             {"content", kLicense}};
  return kJson;
}

/// A profile of NIM's: which of the ways to compute a model was chosen.
std::string profile_of(ServedModel& model) {
  const ModelInfo info = model.info();
  return fmt::format("{}-{}-{}", info.architecture, info.compute, info.isa);
}

Json metadata_json(const ServeContext& context) {
  Json assets = Json::array();
  Json models = Json::array();
  for (ServedModel* const model : context.models.all()) {
    assets.push_back(fmt::format("{} ({})", model->name(), model->info().format));
    models.push_back({{"shortName", model->name()}, {"modelUrl", ""}});
  }
  const std::vector<ServedModel*> all = context.models.all();
  const std::string profile = all.empty() ? "" : profile_of(*all.front());
  return {{"version", kVersion},           {"assetInfo", std::move(assets)}, {"modelInfo", std::move(models)},
          {"licenseInfo", license_json()}, {"repository_override", ""},      {"selectedModelProfileId", profile}};
}

/// YAML; JSON's strings are YAML's.
std::string manifest_text(const ServeContext& context) {
  std::string text = "profiles:\n";
  for (ServedModel* const model : context.models.all()) {
    const ModelInfo info = model->info();
    text +=
        fmt::format("  - id: {}\n    model: {}\n    architecture: {}\n    format: {}\n", to_text(profile_of(*model)),
                    to_text(model->name()), to_text(info.architecture), to_text(info.format));
    text += fmt::format("    compute: {}\n    isa: {}\n    parameters: {}\n    context_tokens: {}\n",
                        to_text(info.compute), to_text(info.isa), info.parameter_count, model->context_tokens());
  }
  return text;
}

RouteSpec about_route(const std::string& name, const std::string& summary, Json schema,
                      std::function<Json(const ServeContext&)> json) {
  RouteSpec route;
  route.method = "GET";
  route.pattern = "/v1/" + name;
  route.id = name;
  route.tag = "operations";
  route.summary = summary;
  route.response_schema = std::move(schema);
  route.handle = [json = std::move(json)](ServeContext& context, const net::ServerRequest&,
                                          const std::shared_ptr<net::Responder>& responder) {
    responder->send(json_response(json(context)));
  };
  return route;
}

}  // namespace

std::vector<RouteSpec> about_routes(const ServeContext& /*context*/) {
  const Json text = {{"type", "string"}};
  const Json license = object_schema({{"name", text},
                                      {"path", text},
                                      {"sha", text},
                                      {"size", {{"type", "integer"}}},
                                      {"url", text},
                                      {"type", {{"const", "file"}}},
                                      {"content", text}});
  const Json model = object_schema({{"shortName", text}, {"modelUrl", text}});
  const Json metadata = object_schema({{"version", text},
                                       {"assetInfo", array_schema(text)},
                                       {"modelInfo", array_schema(model)},
                                       {"licenseInfo", license},
                                       {"repository_override", text},
                                       {"selectedModelProfileId", text}});
  std::vector<RouteSpec> routes;
  routes.push_back(about_route("metadata", "What runs here", metadata, metadata_json));
  routes.push_back(
      about_route("license", "The server's license", license, [](const ServeContext&) { return license_json(); }));
  routes.push_back(about_route("manifest", "How each model is computed, in YAML",
                               object_schema({{"manifest_file", text}, {"repository", text}}),
                               [](const ServeContext& context) -> Json {
                                 return {{"manifest_file", manifest_text(context)}, {"repository", ""}};
                               }));
  return routes;
}

}  // namespace kedge::serve
