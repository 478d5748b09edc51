#include "text/tokenizer/pipeline.h"

#include <fmt/format.h>

#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/workspace_pool.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

class PipelineTokenizer;

class PipelineStream : public StreamDecoder {
 public:
  PipelineStream(std::shared_ptr<const PipelineTokenizer> tokenizer, const DecoderOptions& options, bool skip_special)
      : tokenizer_(std::move(tokenizer)), state_(options), skip_special_(skip_special) {}

  std::string push(TokenId id) override;
  std::string flush() override { return state_.finish(); }

 private:
  std::shared_ptr<const PipelineTokenizer> tokenizer_;  // owns the options that the state refers to
  DecodeState state_;
  bool skip_special_;
};

class PipelineTokenizer : public Tokenizer, public std::enable_shared_from_this<PipelineTokenizer> {
 public:
  explicit PipelineTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
    id_end_ = parts_.vocabulary->id_end();
    for (const AddedToken& token : parts_.added.tokens()) {
      id_end_ = std::max(id_end_, static_cast<size_t>(token.id) + 1);
      std::string bytes;
      // As the byte-level decoder reads them: through the alphabet where that is possible.
      if (!parts_.vocabulary->byte_level() || !append_spelled_bytes(bytes, token.content)) bytes = token.content;
      added_bytes_.emplace(token.id, std::move(bytes));
    }
  }

  [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text,
                                                    const EncodeOptions& options) const override {
    const SequenceTemplate& sequence = parts_.sequence_template;
    std::vector<TokenId> ids;
    if (!options.add_special) {
      KEDGE_TRY(encode_plain(text, options.parse_special, ids));
      return ids;
    }
    KEDGE_TRY(encode_template(sequence.single, {text, {}}, options.parse_special, ids));
    return ids;
  }

  [[nodiscard]] Result<std::vector<TokenId>> encode_pair(std::string_view a, std::string_view b) const override {
    std::vector<TokenId> ids;
    KEDGE_TRY(encode_template(parts_.sequence_template.pair, {a, b}, true, ids));
    return ids;
  }

  [[nodiscard]] std::string decode(std::span<const TokenId> ids, bool skip_special) const override {
    DecodeState state(parts_.decoder);
    for (const TokenId id : ids) {
      if (has(id) && !(skip_special && is_special(id))) state.push(decoded(id));
    }
    return state.finish();
  }

  [[nodiscard]] std::unique_ptr<StreamDecoder> stream(bool skip_special) const override {
    return std::make_unique<PipelineStream>(shared_from_this(), parts_.decoder, skip_special);
  }

  [[nodiscard]] std::string token_bytes(TokenId id) const override {
    return has(id) ? bytes_of_token(parts_.decoder, decoded(id)) : std::string();
  }

  [[nodiscard]] std::string_view token_text(TokenId id) const override {
    const AddedToken* token = parts_.added.find(id);
    return token != nullptr ? std::string_view(token->content) : parts_.vocabulary->spelled(id);
  }

  [[nodiscard]] std::optional<TokenId> find(std::string_view token) const override {
    if (const auto id = parts_.added.find(token)) return id;
    return parts_.vocabulary->find(token);
  }

  [[nodiscard]] bool is_special(TokenId id) const override { return parts_.added.is_special(id); }
  [[nodiscard]] size_t vocabulary_size() const override { return id_end_; }
  [[nodiscard]] std::optional<TokenId> bos() const override { return parts_.bos; }
  [[nodiscard]] std::optional<TokenId> eos() const override { return parts_.eos; }

  [[nodiscard]] bool has(TokenId id) const {
    return parts_.vocabulary->contains(id) || parts_.added.find(id) != nullptr;
  }

  [[nodiscard]] DecodedToken decoded(TokenId id) const {
    const auto added = added_bytes_.find(id);
    const std::string_view bytes = added != added_bytes_.end()        ? std::string_view(added->second)
                                   : parts_.vocabulary->has_piece(id) ? parts_.vocabulary->piece(id)
                                                                      : parts_.vocabulary->spelled(id);
    return {id, token_text(id), bytes};
  }

 private:
  struct TextPair {
    std::string_view first;
    std::string_view second;
  };

  Status encode_template(const std::vector<SequenceTemplate::Item>& items, const TextPair& texts, bool parse_special,
                         std::vector<TokenId>& ids) const {
    using Kind = SequenceTemplate::Item::Kind;
    for (const SequenceTemplate::Item& item : items) {
      if (item.kind == Kind::token) {
        ids.push_back(item.token);
      } else {
        KEDGE_TRY(encode_plain(item.kind == Kind::first_text ? texts.first : texts.second, parse_special, ids));
      }
    }
    return Done{};
  }

  Status encode_plain(std::string_view text, bool parse_special, std::vector<TokenId>& ids) const {
    if (text.size() > parts_.text_bytes_max) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("a text of {} bytes, the limit is {}", text.size(), parts_.text_bytes_max)};
    }
    WorkspacePool::Lease workspace = workspaces_.borrow();
    constexpr size_t kBytesPerToken = 4;  // a little more than that in most languages: seldom grows twice
    ids.reserve(ids.size() + text.size() / kBytesPerToken + 8);
    Status status = parts_.added.for_each_fragment(text, parse_special, [&](const Fragment& fragment) -> Status {
      if (fragment.token.has_value()) {
        ids.push_back(*fragment.token);
        return Done{};
      }
      return encode_fragment(fragment.text, fragment.text.data() == text.data(), parse_special, *workspace, ids);
    });
    workspaces_.give_back(std::move(workspace));
    return status;
  }

  Status encode_fragment(std::string_view text, bool at_start, bool parse_special, EncodeWorkspace& workspace,
                         std::vector<TokenId>& ids) const {
    KEDGE_ASSIGN(const std::string_view normalized, parts_.normalizer.apply(text, at_start, workspace.normalized));
    if (!parts_.added.any_normalized()) return encode_normalized(normalized, at_start, workspace, ids);
    return parts_.added.for_each_normalized_fragment(
        normalized, parse_special, [&](const Fragment& fragment) -> Status {
          if (fragment.token.has_value()) {
            ids.push_back(*fragment.token);
            return Done{};
          }
          return encode_normalized(fragment.text, at_start && fragment.text.data() == normalized.data(), workspace,
                                   ids);
        });
  }

  Status encode_normalized(std::string_view text, bool at_start, EncodeWorkspace& workspace,
                           std::vector<TokenId>& ids) const {
    return parts_.pre_tokenizer.for_each_word(
        text, at_start, [&](std::string_view word) { parts_.model->encode(word, workspace, ids); });
  }

  TokenizerParts parts_;
  std::unordered_map<TokenId, std::string> added_bytes_;
  size_t id_end_ = 0;
  mutable WorkspacePool workspaces_;
};

std::string PipelineStream::push(TokenId id) {
  if (tokenizer_->has(id) && !(skip_special_ && tokenizer_->is_special(id))) state_.push(tokenizer_->decoded(id));
  return state_.take();
}

}  // namespace

SequenceTemplate SequenceTemplate::around(const std::vector<TokenId>& before, const std::vector<TokenId>& after) {
  SequenceTemplate result;
  const auto add = [&](std::vector<Item>& items, Item::Kind text) {
    for (const TokenId id : before) items.push_back({Item::Kind::token, id});
    items.push_back({text, 0});
    for (const TokenId id : after) items.push_back({Item::Kind::token, id});
  };
  result.single.clear();
  result.pair.clear();
  add(result.single, Item::Kind::first_text);
  add(result.pair, Item::Kind::first_text);
  add(result.pair, Item::Kind::second_text);
  return result;
}

namespace {

/// A template names its tokens by id; one that the vocabulary lacks would reach the model as a row it does not have.
Status check_template(const std::vector<SequenceTemplate::Item>& items, const TokenizerParts& parts) {
  for (const SequenceTemplate::Item& item : items) {
    if (item.kind != SequenceTemplate::Item::Kind::token) continue;
    if (parts.vocabulary->contains(item.token) || parts.added.find(item.token) != nullptr) continue;
    return Error{ErrorKind::corrupt_data,
                 fmt::format("the post-processor adds token {}, which the vocabulary does not have", item.token)};
  }
  return Done{};
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_tokenizer(TokenizerParts parts) {
  KEDGE_TRY(check_template(parts.sequence_template.single, parts));
  KEDGE_TRY(check_template(parts.sequence_template.pair, parts));
  for (const AddedToken& token : parts.added.tokens()) {
    if (!token.normalized) continue;
    std::string storage;
    KEDGE_ASSIGN(const std::string_view content, parts.normalizer.apply(token.content, true, storage));
    parts.added.index_normalized(content, token.id);
  }
  return std::shared_ptr<const Tokenizer>(std::make_shared<PipelineTokenizer>(std::move(parts)));
}

}  // namespace kedge::text
