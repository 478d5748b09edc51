// Logits of llama.cpp, for bench/quantized_elsewhere.py. usage: llama_logits MODEL.gguf IDS OUT
// IDS has the token ids of one prompt a line; OUT gets the logits of every position as float32, prompt after prompt.
// The tree does not build it; with llama.cpp at $L, built without shared libraries into $B:
//   g++ -O1 -fopenmp -I$L/include -I$L/ggml/include bench/support/llama_logits.cc $B/src/libllama.a
//       $B/ggml/src/libggml.a $B/ggml/src/libggml-cpu.a $B/ggml/src/libggml-base.a -ldl -o llama_logits

#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

/// Keys and values in F32 and no flash attention, so that only the weights' types differ from float32.
bool write_logits(llama_model* model, const std::vector<llama_token>& ids, std::ostream& out) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = static_cast<uint32_t>(std::max<size_t>(ids.size(), 64));
  params.n_threads = params.n_threads_batch = 1;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.swa_full = true;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) return false;
  const auto count = static_cast<int32_t>(ids.size());
  llama_batch batch = llama_batch_init(count, 0, 1);
  batch.n_tokens = count;
  for (int32_t i = 0; i < count; ++i) {
    batch.token[i] = ids[static_cast<size_t>(i)];
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  const bool done = llama_decode(context, batch) == 0;
  const auto bytes = sizeof(float) * static_cast<size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  for (int32_t i = 0; done && i < count; ++i) {
    out.write(reinterpret_cast<const char*>(llama_get_logits_ith(context, i)), static_cast<std::streamsize>(bytes));
  }
  llama_batch_free(batch);
  llama_free(context);
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  llama_log_set(
      [](ggml_log_level level, const char* text, void*) {
        if (level >= GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
      },
      nullptr);
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = 0;
  llama_model* model = llama_model_load_from_file(argv[1], params);
  if (model == nullptr) return 1;
  std::ifstream prompts(argv[2]);
  std::ofstream out(argv[3], std::ios::binary);
  std::string line;
  while (std::getline(prompts, line)) {
    std::istringstream words(line);
    std::vector<llama_token> ids;
    for (llama_token id = 0; words >> id;) ids.push_back(id);
    if (!ids.empty() && !write_logits(model, ids, out)) return 1;
  }
  return out.good() ? 0 : 1;
}
