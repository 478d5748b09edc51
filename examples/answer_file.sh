#!/bin/sh
# Asks a model every line of a file and writes "question <tab> answer". Usage: answer_file.sh FILE [MODEL]
set -eu
kedge=${KEDGE:-build/release/kedge}
file=${1:?usage: answer_file.sh FILE [MODEL]}
model=${2:-demo}

while IFS= read -r question || [ -n "$question" ]; do
  [ -n "$question" ] || continue
  answer=$("$kedge" run "$model" --prompt "$question" --max-tokens 64 --seed 1 --quiet </dev/null | tr '\n' ' ')
  printf '%s\t%s\n' "$question" "$answer"
done <"$file"
