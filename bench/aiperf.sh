#!/bin/sh
# The load of NVIDIA's aiperf, a generator that was not written here, on a server of OpenAI's API.
#
# usage: bench/aiperf.sh URL MODEL TOKENIZER [CLIENTS [REQUESTS [PROMPT_TOKENS [OUTPUT_TOKENS]]]]
#        bench/aiperf.sh http://127.0.0.1:8080 demo demo/model 8
#
# TOKENIZER: a folder with tokenizer.json, or the model's name on the hub. aiperf is installed under build/ the first time
# (138 packages; no GPU). Its table has the times to the first token and between tokens, and tokens per second; its files
# go to build/aiperf/. Tokens are counted by the server's `usage`, and ignore_eos makes every answer as long as asked for.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
if [ $# -lt 3 ]; then
  sed -n '4,5s/^# //p' "$0" >&2
  exit 2
fi
url=$1 model=$2 tokenizer=$3 clients=${4:-8} requests=${5:-80} prompt=${6:-128} output=${7:-128}
venv=$root/build/aiperf/venv
if [ ! -x "$venv/bin/aiperf" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check aiperf==0.13.0
fi
exec "$venv/bin/aiperf" profile --model "$model" --url "$url" --endpoint-type chat --streaming \
  --tokenizer "$tokenizer" --use-server-token-count --concurrency "$clients" --request-count "$requests" \
  --synthetic-input-tokens-mean "$prompt" --synthetic-input-tokens-stddev 0 \
  --output-tokens-mean "$output" --output-tokens-stddev 0 --extra-inputs ignore_eos:true \
  --ui simple --artifact-dir "$root/build/aiperf/results"
