#!/usr/bin/env python3
"""Puts style and script into the page and pins both by hash: assemble.py TEMPLATE CSS JS OUTPUT."""

import base64
import hashlib
import pathlib
import sys


def source_hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def replace_once(page: str, mark: str, text: str) -> str:
    if page.count(mark) != 1:
        sys.exit(f"assemble.py: the template has {page.count(mark)} of '{mark}', expected 1")
    return page.replace(mark, text)


def main() -> None:
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    template, style_file, script_file, output = map(pathlib.Path, sys.argv[1:])
    style = style_file.read_text(encoding="utf-8").strip()
    script = script_file.read_text(encoding="utf-8").strip()
    if "</script" in script.lower() or "</style" in style.lower():
        sys.exit("assemble.py: script or style holds its own closing tag and can't stand inline")
    if "@import" in style:
        sys.exit("assemble.py: the style still imports another file: it was not bundled")

    # Nothing but these two inline blocks may run, and the page may talk to its own origin alone: an answer that
    # slipped past the renderer could still neither run nor send anything anywhere.
    policy = "; ".join([
        "default-src 'none'",
        f"script-src {source_hash(script)}",
        f"style-src {source_hash(style)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ])
    page = template.read_text(encoding="utf-8")
    page = replace_once(page, "{{policy}}", policy)
    page = replace_once(page, "{{style}}", style)
    page = replace_once(page, "{{script}}", script)
    output.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
