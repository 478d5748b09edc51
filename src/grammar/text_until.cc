#include "grammar/text_until.h"

#include <array>

namespace kedge::grammar {
namespace {

struct Node {
  std::array<uint32_t, 256> next;
  uint32_t found = kNone;  // the string that ends here
};

/// All strings in one machine: a node for each beginning of one, the longest that the text so far ends with.
std::vector<Node> make_machine(const std::vector<std::string>& strings) {
  std::vector<Node> nodes(1);
  nodes[0].next.fill(kNone);
  for (size_t i = 0; i < strings.size(); ++i) {
    uint32_t at = 0;
    for (const char c : strings[i]) {
      const auto byte = static_cast<uint8_t>(c);
      if (nodes[at].next[byte] == kNone) {
        nodes[at].next[byte] = static_cast<uint32_t>(nodes.size());
        nodes.emplace_back();
        nodes.back().next.fill(kNone);
      }
      at = nodes[at].next[byte];
    }
    if (nodes[at].found == kNone) nodes[at].found = static_cast<uint32_t>(i);
  }
  std::vector<uint32_t> failure(nodes.size(), 0), order = {0};
  for (size_t i = 0; i < order.size(); ++i) {
    const uint32_t at = order[i];
    if (nodes[at].found == kNone) nodes[at].found = nodes[failure[at]].found;
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t fallback = at == 0 ? 0 : nodes[failure[at]].next[byte];
      uint32_t& next = nodes[at].next[byte];
      if (next == kNone) {
        next = fallback;
      } else {
        failure[next] = fallback;
        order.push_back(next);
      }
    }
  }
  return nodes;
}

Dfa to_dfa(const std::vector<Node>& nodes, uint32_t accepted) {
  Dfa dfa;
  dfa.states.resize(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    DfaState& state = dfa.states[i];
    state.alike = static_cast<uint32_t>(i);
    state.accepting = nodes[i].found == accepted;
    if (nodes[i].found != kNone) continue;  // the first one found ends the text
    for (int byte = 0; byte < 256; ++byte) {
      const uint32_t target = nodes[i].next[static_cast<size_t>(byte)];
      if (!state.bytes.empty() && state.bytes.back().target == target) {
        state.bytes.back().last = static_cast<uint8_t>(byte);
      } else {
        state.bytes.push_back({static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), target});
      }
    }
  }
  trim(dfa, {});
  minimize(dfa);
  return dfa;
}

}  // namespace

Dfa text_until(const std::vector<std::string>& strings, size_t index) {
  return to_dfa(make_machine(strings), static_cast<uint32_t>(index));
}

Dfa text_without(const std::vector<std::string>& strings) {
  return to_dfa(make_machine(strings), kNone);
}

}  // namespace kedge::grammar
