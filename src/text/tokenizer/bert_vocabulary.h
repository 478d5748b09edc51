#pragma once
// vocab.txt of BERT: one token a line, the line number is the id.

#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"
#include "text/tokenizer/pipeline.h"
#include "text/tokenizer/tokenizer_config.h"

namespace kedge::text {

/// `name` begins the messages. Fails with corrupt_data: no [UNK] token, a token twice.
Result<std::shared_ptr<const Tokenizer>> load_bert_vocabulary(std::string_view text, std::string_view name,
                                                              const TokenizerConfig& config);

struct BertTokens {
  TokenId unknown = 0;
  std::optional<TokenId> cls;
  std::optional<TokenId> sep;
};

/// The whole pipeline of BERT around a vocabulary that spells continuations with "##".
TokenizerParts make_bert_parts(std::shared_ptr<const Vocabulary> vocabulary, const BertTokens& tokens, bool lower_case);

}  // namespace kedge::text
