// The normalizer, pre-tokenizer, post-processor and decoder of a tokenizer.json.

#include <fmt/format.h>

#include "text/tokenizer/base64.h"
#include "text/tokenizer/sentencepiece_normalizer.h"
#include "text/tokenizer/tokenizer_json.h"

namespace kedge::text {
namespace {

Error too_deep(std::string_view part) {
  return Error{ErrorKind::unsupported,
               fmt::format("{}: more than {} levels or {} steps", part, kPipelineDepthMax, kPipelineStepsMax)};
}

// ---- normalizer ----

Status load_replace_normalizer(const JsonView& normalizer, NormalizerChain& chain) {
  KEDGE_ASSIGN(const JsonPattern pattern, load_json_pattern(normalizer["pattern"], "normalizer Replace"));
  std::string content(normalizer.text("content"));
  if (pattern.regex) {
    KEDGE_ASSIGN(auto step, make_regex_replace_normalizer(pattern.text, std::move(content)));
    chain.add(std::move(step));
  } else if (!pattern.text.empty()) {
    chain.add(make_replace_normalizer(std::string(pattern.text), std::move(content)));
  }
  return Done{};
}

Status load_precompiled_normalizer(const JsonView& normalizer, NormalizerChain& chain) {
  const auto encoded = normalizer["precompiled_charsmap"].string();
  std::string bytes;
  if (!encoded.has_value() || !append_base64(bytes, *encoded)) {
    return Error{ErrorKind::corrupt_data, "normalizer Precompiled: precompiled_charsmap is not base64"};
  }
  KEDGE_ASSIGN(auto charsmap, Charsmap::parse(bytes));
  chain.add(make_precompiled_normalizer(std::move(charsmap)));
  return Done{};
}

void load_bert_normalizer(const JsonView& normalizer, NormalizerChain& chain) {
  BertNormalizerOptions options;
  options.clean_text = normalizer.flag("clean_text", true);
  options.separate_ideographs = normalizer.flag("handle_chinese_chars", true);
  options.lower_case = normalizer.flag("lowercase", true);
  options.strip_accents = normalizer.flag("strip_accents", options.lower_case);
  chain.add(make_bert_normalizer(options));
}

// ---- pre-tokenizer ----

Result<SplitBehavior> load_behavior(const JsonView& step) {
  const std::string_view name = step.text("behavior", "Isolated");
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  return unsupported_part("split behavior", name);
}

/// Reads the steps of a pre-tokenizer in order. The last one that only cuts words off becomes the scanner.
class PreTokenizerLoader {
 public:
  Status load(const JsonView& step, size_t depth) {
    if (depth > kPipelineDepthMax || ++count_ > kPipelineStepsMax) return too_deep("pre_tokenizer");
    const std::string_view type = step.text("type");
    if (type == "Sequence") {
      return step["pretokenizers"].for_each_element([&](const JsonView& inner) { return load(inner, depth + 1); });
    }
    if (type == "ByteLevel") return load_byte_level(step);
    if (type == "Split") return load_split(step);
    if (type == "Metaspace") return load_metaspace(step);
    if (type == "Digits") {
      const bool individual = step.flag("individual_digits", false);
      return add(
          make_character_split(CharacterKind::digit, individual ? SplitBehavior::isolated : SplitBehavior::contiguous));
    }
    if (type == "Punctuation") {
      KEDGE_ASSIGN(const SplitBehavior behavior, load_behavior(step));
      return add(make_character_split(CharacterKind::punctuation, behavior));
    }
    if (type == "Whitespace") return add(make_word_split());
    if (type == "WhitespaceSplit") return add(make_character_split(CharacterKind::white_space, SplitBehavior::removed));
    if (type == "BertPreTokenizer") {
      KEDGE_TRY(add(make_character_split(CharacterKind::white_space, SplitBehavior::removed)));
      return add(make_character_split(CharacterKind::punctuation, SplitBehavior::isolated));
    }
    return unsupported_part("pre_tokenizer", type);
  }

  PreTokenizer finish() {
    if (spelled_) {
      settle_scanner();
      result_.add(make_byte_unspeller());
    } else {
      result_.set_scanner(pending_scanner_);
    }
    return std::move(result_);
  }

 private:
  /// A scanner that is not the last step after all is a step like others.
  void settle_scanner() {
    if (pending_scanner_ != nullptr) result_.add(make_scanner_split(pending_scanner_));
    pending_scanner_ = nullptr;
  }

  Status add(std::unique_ptr<const PreTokenizerStep> step) {
    settle_scanner();
    if (bytes_follow_) {  // steps after ByteLevel see the spelled bytes
      result_.add(make_byte_speller());
      spelled_ = true;
      bytes_follow_ = false;
    }
    result_.add(std::move(step));
    return Done{};
  }

  Status load_byte_level(const JsonView& step) {
    if (step.flag("add_prefix_space", true)) KEDGE_TRY(add(make_prefix_space()));
    if (step.flag("use_regex", true)) {
      settle_scanner();
      pending_scanner_ = gpt2_word_scanner();
    }
    bytes_follow_ = true;
    return Done{};
  }

  Status load_split(const JsonView& step) {
    KEDGE_ASSIGN(const JsonPattern pattern, load_json_pattern(step["pattern"], "pre_tokenizer Split"));
    KEDGE_ASSIGN(const SplitBehavior behavior, load_behavior(step));
    const bool invert = step.flag("invert", false);
    if (!pattern.regex) {
      if (pattern.text.empty()) return Done{};
      return add(make_string_split(std::string(pattern.text), behavior, invert));
    }
    // These patterns cover every text, so that isolating the matches and removing all else are the same.
    const bool cuts_words = invert ? behavior == SplitBehavior::removed : behavior == SplitBehavior::isolated;
    if (const WordScanner scanner = find_word_scanner(pattern.text);
        scanner != nullptr && cuts_words && !bytes_follow_) {
      settle_scanner();
      pending_scanner_ = scanner;
      return Done{};
    }
    KEDGE_ASSIGN(auto split, make_regex_split(pattern.text, behavior, invert));
    return add(std::move(split));
  }

  Status load_metaspace(const JsonView& step) {
    PrependScheme scheme = step.flag("add_prefix_space", true) ? PrependScheme::always : PrependScheme::never;
    if (const auto name = step["prepend_scheme"].string()) {
      if (*name != "always" && *name != "first" && *name != "never") return unsupported_part("prepend_scheme", *name);
      scheme = *name == "always"  ? PrependScheme::always
               : *name == "first" ? PrependScheme::first
                                  : PrependScheme::never;
    }
    const std::string_view replacement = step.text("replacement", "\xE2\x96\x81");
    if (replacement.empty()) return Error{ErrorKind::corrupt_data, "pre_tokenizer Metaspace: replacement is empty"};
    return add(make_metaspace(std::string(replacement), scheme, step.flag("split", true)));
  }

  PreTokenizer result_;
  WordScanner pending_scanner_ = nullptr;
  bool bytes_follow_ = false;  // a ByteLevel step has passed, and no step after it yet
  bool spelled_ = false;
  size_t count_ = 0;
};

// ---- post-processor ----

using Item = SequenceTemplate::Item;

Result<TokenId> read_token_id(const JsonView& value, std::string_view part) {
  const auto id = value.integer();
  if (!id.has_value() || *id < 0 || *id >= static_cast<int64_t>(kTokenCountMax)) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: a token has no id between 0 and {}", part, kTokenCountMax - 1)};
  }
  return static_cast<TokenId>(*id);
}

Result<std::vector<Item>> load_template_items(const JsonView& items, const JsonView& special_tokens) {
  std::vector<Item> result;
  KEDGE_TRY(items.for_each_element([&](const JsonView& item) -> Status {
    if (result.size() > kPipelineStepsMax) return too_deep("post_processor");
    if (const auto sequence = item["Sequence"]["id"].string()) {
      result.push_back({*sequence == "A" ? Item::Kind::first_text : Item::Kind::second_text, 0});
      return Done{};
    }
    const JsonView ids = special_tokens[item["SpecialToken"].text("id")]["ids"];
    if (ids.size() == 0) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("post_processor: special token '{}' has no ids", item["SpecialToken"].text("id"))};
    }
    return ids.for_each_element([&](const JsonView& value) -> Status {
      KEDGE_ASSIGN(const TokenId id, read_token_id(value, "post_processor"));
      result.push_back({Item::Kind::token, id});
      return Done{};
    });
  }));
  return result;
}

/// ["[SEP]", 102]
Result<TokenId> read_named_id(const JsonView& pair) {
  JsonView last;
  KEDGE_TRY(pair.for_each_element([&](const JsonView& element) -> Status {
    last = element;
    return Done{};
  }));
  return read_token_id(last, "post_processor");
}

Result<SequenceTemplate> load_bert_template(const JsonView& processor, bool roberta) {
  KEDGE_ASSIGN(const TokenId cls, read_named_id(processor["cls"]));
  KEDGE_ASSIGN(const TokenId sep, read_named_id(processor["sep"]));
  SequenceTemplate result = SequenceTemplate::around({cls}, {sep});
  result.pair = result.single;
  if (roberta) result.pair.push_back({Item::Kind::token, sep});
  result.pair.push_back({Item::Kind::second_text, 0});
  result.pair.push_back({Item::Kind::token, sep});
  return result;
}

Result<std::optional<SequenceTemplate>> load_processor_sequence(const JsonView& processor, size_t depth) {
  std::optional<SequenceTemplate> result;
  KEDGE_TRY(processor["processors"].for_each_element([&](const JsonView& inner) -> Status {
    KEDGE_ASSIGN(std::optional<SequenceTemplate> part, load_json_post_processor(inner, depth + 1));
    if (part.has_value() && result.has_value()) return unsupported_part("post_processor", "Sequence of two templates");
    if (part.has_value()) result = std::move(part);
    return Done{};
  }));
  return result;
}

}  // namespace

Status load_json_normalizer(const JsonView& normalizer, NormalizerChain& chain, size_t depth) {
  if (!normalizer.exists()) return Done{};
  if (depth > kPipelineDepthMax || chain.size() > kPipelineStepsMax) return too_deep("normalizer");
  const std::string_view type = normalizer.text("type");
  if (type == "Sequence") {
    return normalizer["normalizers"].for_each_element(
        [&](const JsonView& inner) { return load_json_normalizer(inner, chain, depth + 1); });
  }
  if (type == "Replace") return load_replace_normalizer(normalizer, chain);
  if (type == "Precompiled") return load_precompiled_normalizer(normalizer, chain);
  if (type == "BertNormalizer") {
    load_bert_normalizer(normalizer, chain);
  } else if (type == "Prepend") {
    chain.add(make_prepend_normalizer(std::string(normalizer.text("prepend"))));
  } else if (type == "Strip") {
    chain.add(make_strip_normalizer(normalizer.flag("strip_left", true), normalizer.flag("strip_right", true)));
  } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    chain.add(make_form_normalizer(type == "NFC"    ? NormalizationForm::nfc
                                   : type == "NFD"  ? NormalizationForm::nfd
                                   : type == "NFKC" ? NormalizationForm::nfkc
                                                    : NormalizationForm::nfkd));
  } else if (type == "Lowercase") {
    chain.add(make_lower_case_normalizer());
  } else if (type == "StripAccents") {
    chain.add(make_strip_accents_normalizer());
  } else if (type == "Nmt") {
    chain.add(make_nmt_normalizer());
  } else {
    return unsupported_part("normalizer", type);
  }
  return Done{};
}

bool has_byte_level(const JsonView& pre_tokenizer, size_t depth) {
  if (depth > kPipelineDepthMax) return false;
  if (pre_tokenizer.text("type") == "ByteLevel") return true;
  bool found = false;
  const Status ignored = pre_tokenizer["pretokenizers"].for_each_element([&](const JsonView& inner) -> Status {
    found |= has_byte_level(inner, depth + 1);
    return Done{};
  });
  return ignored.ok() && found;
}

Result<PreTokenizer> load_json_pre_tokenizer(const JsonView& pre_tokenizer) {
  PreTokenizerLoader loader;
  if (pre_tokenizer.exists()) KEDGE_TRY(loader.load(pre_tokenizer, 0));
  return loader.finish();
}

Result<std::optional<SequenceTemplate>> load_json_post_processor(const JsonView& post_processor, size_t depth) {
  std::optional<SequenceTemplate> nothing;
  if (!post_processor.exists()) return nothing;
  if (depth > kPipelineDepthMax) return too_deep("post_processor");
  const std::string_view type = post_processor.text("type");
  if (type == "ByteLevel") return nothing;  // it moves offsets, not ids
  if (type == "Sequence") return load_processor_sequence(post_processor, depth);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    KEDGE_ASSIGN(SequenceTemplate result, load_bert_template(post_processor, type == "RobertaProcessing"));
    return std::optional<SequenceTemplate>(std::move(result));
  }
  if (type == "TemplateProcessing") {
    SequenceTemplate result;
    KEDGE_ASSIGN(result.single, load_template_items(post_processor["single"], post_processor["special_tokens"]));
    KEDGE_ASSIGN(result.pair, load_template_items(post_processor["pair"], post_processor["special_tokens"]));
    return std::optional<SequenceTemplate>(std::move(result));
  }
  return unsupported_part("post_processor", type);
}

}  // namespace kedge::text
