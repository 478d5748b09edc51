#!/bin/sh
# Bundles the chat page into one self-contained HTML file: web/build.sh OUTPUT.html
set -eu
output=${1:?usage: web/build.sh OUTPUT.html}
esbuild=${ESBUILD:-esbuild}
python=${PYTHON:-python3}
web=$(dirname "$0")
folder=$(dirname "$output")

mkdir -p "$folder"
# What ships is what every browser of the last three years runs.
"$esbuild" "$web/src/main.ts" --bundle --minify --format=iife --target=chrome108,firefox110,safari16 \
  --charset=utf8 --log-level=warning --outfile="$folder/page.js"
"$esbuild" "$web/src/style.css" --bundle --minify --target=chrome108,firefox110,safari16 \
  --charset=utf8 --log-level=warning --outfile="$folder/page.css"
"$python" "$web/assemble.py" "$web/src/index.html" "$folder/page.css" "$folder/page.js" "$output"
