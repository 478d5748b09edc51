#!/bin/sh
# One streamed answer with nothing but curl. Usage: chat_curl.sh [http://127.0.0.1:8080]
set -eu
address=${1:-http://127.0.0.1:8080}

curl --silent --show-error --fail-with-body --no-buffer "$address/v1/chat/completions" \
  --header 'Content-Type: application/json' \
  --data '{"model": "demo", "stream": true, "max_tokens": 64, "seed": 1,
           "messages": [{"role": "user", "content": "Tell me a story about a ship."}]}'
