#!/bin/sh
# Checks the chat page's types and runs the tests of its pure parts (Node 18 or newer): web/test.sh
set -eu
web=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

tsc -p "$web"
esbuild "$web"/test/*_test.ts --bundle --platform=node --target=node18 --sourcemap=inline --log-level=warning \
  --out-extension:.js=.cjs --outdir="$folder"
timeout 120 node --enable-source-maps --test "$folder"/*.cjs
