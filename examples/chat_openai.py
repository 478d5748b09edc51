#!/usr/bin/env python3
"""A conversation through OpenAI's Python client, streamed. Usage: chat_openai.py [http://127.0.0.1:8080]"""

import sys

from openai import OpenAI

QUESTIONS = ["What is kedge?", "Tell me a story about a ship."]


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    client = OpenAI(base_url=f"{address}/v1", api_key="none")
    model = client.models.list().data[0].id
    messages = []
    for question in QUESTIONS:
        print(f"> {question}")
        messages.append({"role": "user", "content": question})
        answer = ""
        with client.chat.completions.create(model=model, messages=messages, max_tokens=128, seed=1,
                                            stream=True) as stream:
            for chunk in stream:
                piece = chunk.choices[0].delta.content if chunk.choices else None
                answer += piece or ""
                print(piece or "", end="", flush=True)
        print("\n")
        messages.append({"role": "assistant", "content": answer})


if __name__ == "__main__":
    main()
