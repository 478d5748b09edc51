// POST /v1/embeddings
#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "serve/answer.h"
#include "serve/answer_schema.h"
#include "serve/completion_request.h"
#include "serve/encoder_input.h"
#include "serve/prompt.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

constexpr size_t kInputsMax = 2048;
constexpr int64_t kDimensionsMax = 1 << 20;

struct EmbeddingRequest {
  std::string model;
  std::vector<Prompt> inputs;
  bool base64 = false;
  std::optional<int64_t> dimensions;
  Truncate truncate = Truncate::none;
};

const Fields<EmbeddingRequest>& embedding_fields() {
  using Request = EmbeddingRequest;
  static const Fields<Request> kFields = {
      string_field<Request>("model", "A name from /v1/models; may be left out when there is only one.",
                            [](Request& r, std::string name) { r.model = std::move(name); }),
      required(Field<Request>{"input", false, prompts_schema(kInputsMax, "A text, token ids, or a list of either."),
                              [](const Json& value, const std::string& path, Request& r) -> ApiStatus {
                                KEDGE_ASSIGN(r.inputs, read_prompts(value, path, kInputsMax));
                                return Done{};
                              }}),
      choice_field<Request>("encoding_format", {"float", "base64"},
                            "Numbers, or the bytes of little-endian float32 in base64.",
                            [](Request& r, const std::string& format) { r.base64 = format == "base64"; }),
      integer_field<Request>("dimensions", 1, kDimensionsMax, "Only the model's own number.",
                             [](Request& r, int64_t count) { r.dimensions = count; }),
      choice_field<Request>("truncate", truncate_names(), "Which end of a text that is too long goes; NONE: an error.",
                            [](Request& r, const std::string& name) { r.truncate = truncate_named(name); }),
      choice_field<Request>("input_type", {"query", "passage"}, "Accepted for models that tell them apart.",
                            [](Request&, const std::string&) {}),
  };
  return kFields;
}

std::string base64_of(const std::vector<float>& values) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (size_t j = 0; j < 4; ++j) text += j <= count ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

ApiResult<EncoderJob<std::vector<float>>> embedding_job(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  EmbeddingRequest request;
  KEDGE_TRY(read_fields(body, embedding_fields(), request));
  EncoderJob<std::vector<float>> job;
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, request.model, *client_of(http)));
  if (choice.adapter != nullptr) {
    return wrong_field("model", fmt::format("'{}' is a LoRA adapter, which only generates; embeddings are made by '{}'",
                                            choice.name, choice.model->name()));
  }
  job.model = choice.model;
  job.model_name = choice.name;
  job.caller = client_of(http);
  const ModelInfo& info = job.model->engine().info();
  if (info.kind == ModelKind::reranker) {
    return wrong_field("model", fmt::format("'{}' is a ranking model: use /v1/ranking", job.model->name()));
  }
  if (request.dimensions && *request.dimensions != info.hidden_size) {
    return wrong_field("dimensions",
                       fmt::format("'dimensions' must be {}, the size of this model's embeddings; found {}",
                                   info.hidden_size, *request.dimensions));
  }
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const std::string path = request.inputs.size() == 1 ? "input" : item_path("input", i);
    if (const auto* text = std::get_if<std::string>(&request.inputs[i])) {
      KEDGE_ASSIGN(std::vector<TokenId> tokens, embedding_tokens(*job.model, *text, request.truncate, path));
      job.sequences.push_back(std::move(tokens));
    } else {
      KEDGE_ASSIGN(PreparedPrompt prompt, prepare_prompt(request.inputs[i], path, *job.model));
      job.sequences.push_back(std::move(prompt.tokens));
    }
  }
  job.compute = [](Engine& engine, std::span<const std::vector<TokenId>> batch) { return engine.embed(batch, {}); };
  job.finish = [name = choice.name, base64 = request.base64](const std::vector<std::vector<float>>& vectors,
                                                             uint64_t token_count) {
    Json data = Json::array();
    for (size_t i = 0; i < vectors.size(); ++i) {
      data.push_back({{"object", "embedding"},
                      {"index", i},
                      {"embedding", base64 ? Json(base64_of(vectors[i])) : Json(vectors[i])}});
    }
    return Json{{"object", "list"},
                {"data", std::move(data)},
                {"model", name},
                {"usage", {{"prompt_tokens", token_count}, {"total_tokens", token_count}}}};
  };
  return job;
}

void handle_embeddings(ServeContext& context, const net::ServerRequest& http,
                       std::shared_ptr<net::Responder> responder) {
  ApiResult<EncoderJob<std::vector<float>>> job = embedding_job(context, http);
  if (!job.ok()) {
    responder->send(error_response(job.error()));
    return;
  }
  start_encoding(context, std::move(job).value(), std::move(responder));
}

Json embedding_answer_schema() {
  const Json vector = {{"anyOf", Json::array({array_schema({{"type", "number"}}), {{"type", "string"}}})}};
  const Json entry =
      object_schema({{"object", {{"const", "embedding"}}}, {"index", {{"type", "integer"}}}, {"embedding", vector}});
  return object_schema({{"object", {{"const", "list"}}},
                        {"data", array_schema(entry)},
                        {"model", {{"type", "string"}}},
                        {"usage", usage_schema()}});
}

}  // namespace

std::vector<RouteSpec> embedding_routes(const ServeContext& context) {
  RouteSpec route;
  route.method = "POST";
  route.pattern = "/v1/embeddings";
  route.id = "create_embeddings";
  route.tag = "embeddings";
  route.summary = "Turns texts into vectors";
  route.kinds = {ModelKind::decoder, ModelKind::embedder};
  route.request_schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(route.request_schema, embedding_fields());
  add_model_property(route.request_schema, route.kinds, context);
  if (!context.store) {
    Json& dimensions = route.request_schema["properties"]["dimensions"];
    dimensions["enum"] = Json::array({nullptr});
    for (ServedModel* model : models_of(route.kinds, context)) {
      dimensions["enum"].push_back(model->info().hidden_size);
    }
  }
  route.response_schema = embedding_answer_schema();
  route.error_statuses = {400, 404, 413, 415, 429, 503};
  route.handle = handle_embeddings;
  return {std::move(route)};
}

}  // namespace kedge::serve
