#!/usr/bin/env python3
"""Writes clean_text.json: texts, and what the peers' own code makes of each.

Needs ftfy (6.3.1 was used) and the sources of NeMo Curator (1.4) and DataTrove (0.10):
    python3 make_clean_text.py CURATOR_FOLDER DATATROVE_FOLDER > clean_text.json
"""
import importlib.util
import json
import random
import sys
import types
import unicodedata
from pathlib import Path

import ftfy
from ftfy import fixes

SWITCHES = {
    "defaults": {},
    "nemo": {"fix_latin_ligatures": False, "fix_character_width": False, "uncurl_quotes": False,
             "fix_line_breaks": False, "normalization": None},
    "no_encoding": {"fix_encoding": False, "normalization": "NFKC"},
    "no_a0": {"restore_byte_a0": False, "unescape_html": True},
    "no_lossy": {"replace_lossy_sequences": False, "unescape_html": False},
    "no_embedded": {"decode_inconsistent_utf8": False, "fix_c1_controls": False, "normalization": "NFD"},
    "no_controls": {"remove_control_chars": False, "remove_terminal_escapes": False, "normalization": "NFKD"},
}
TEXTS = [
    "", " ", '"', '""', '"a"', '"quoted text"', '"two\nlines"', '"a"\n"b"', ' "a b" ', '"\n"', '"x',
    "a\n\n\n\nb\n\n\nc\n\nd", "a\r\n\r\n\r\n\r\nb\r\n\r\nc", "a\r\n\n\n\r\n\nb", "\n\n\n",
    "a\rb\u2028c\u2029d\x85e\r\n", "see http://a.b/c?d=e, HTTPS://X.y and www.z.org! wwww.a www. http:// httpſ://x a",
    "**bold** *it* _under_ [words](http://a.b) ** ***x*** a*b*c snake_case_name [a](b [c](d) [e] (f)",
    "**a\nb** [x\n](y) __init__ * one * two", "[a](b)](c) ![img](p.png) [](u) [[n]](v)",
    "Terms of Use apply.\n\nReal text.\n\nMore text.", "Real.\n\nPRIVACY POLICY here\n\nReal too.",
    "Real.\n\nWe use cookies.\n\nCookie policy", "terms of use\n\nprivacy policy", "Lorem Ipsum dolor\n\nx",
    "use cookies", "use cookies\n\nreal\n\nuses cookies", "title\n=====\ntext\n--- ***\n\n!!!\nend",
    "———\n   \n+-+-+\n.,;\ta\n", "\u201cCurly\u201d \u2018single\u2019 \u02bcn \u201e\u201f \u2039x\u203a",
    "\ufb01 \ufb03 \u0132 \u01c6 \ufb06 \ufb05 \u0149",
    "\uff2c\uff2f\uff35\uff24\u3000\uff15\uff01 \uff76\uff9e \uffa1 \uffe6 \uff61",
    "e\u0301 \u00e9 \u00b5 10\u00b3 \u2126 \uac00 \u1100\u1161",
    "a\x00b\x0bc\x1b[31mred\x1b[0m\x7f\ufeff\u206a\ufffc\ufff9",
    "caf\u00c3\u00a9 na\u00c3\u00afve \u00e2\u20ac\u0153x\u00e2\u20ac\ufffd",
    "&lt;b&gt; &amp;amp; &EACUTE; &#233; &nope; &", "<i>&amp;</i>\n&amp; &lt;", "&amp; before\n<b> &amp; after",
    "voil\u00c3 le travail \u00c3 la mode", "\u00c2\u00a9 2020 \u2018caf\u00c3\u00a9\u2019 \u65e5\u672c",
    "\x80uro \x93quoted\x94 caf\xe9",
    "We have 3 items. See [12] and [edit] it [citation needed].\nToo short\nTwo words.\nNo end mark here\nDots end...\n"
    "Please enable javascript to read this.\nOur privacy policy has changed today.\n  Kept \"line here\"  ",
]


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def nemo_modifiers(folder):
    text = Path(folder) / "nemo_curator/stages/text"
    for name in ("", ".stages", ".stages.text", ".stages.text.modifiers", ".stages.text.utils"):
        name = "nemo_curator" + name
        sys.modules[name] = types.ModuleType(name)
    load(text / "modifiers/doc_modifier.py", "nemo_curator.stages.text.modifiers.doc_modifier")
    load(text / "utils/constants.py", "nemo_curator.stages.text.utils.constants")
    load(text / "utils/text_utils.py", "nemo_curator.stages.text.utils.text_utils")
    parts = {name: load(text / f"modifiers/string/{name}.py", name) for name in
             ("c4", "line_remover", "markdown_remover", "newline_normalizer", "quotation_remover", "slicer",
              "url_remover")}
    slicer = parts["slicer"].Slicer
    return {
        "newline_runs": parts["newline_normalizer"].NewlineNormalizer().modify_document,
        "quotation": parts["quotation_remover"].QuotationRemover().modify_document,
        "urls": parts["url_remover"].UrlRemover().modify_document,
        "markdown": parts["markdown_remover"].MarkdownRemover().modify_document,
        "boilerplate": lambda text: parts["c4"].BoilerPlateStringModifier().modify_document(text),
        "boilerplate_everywhere": lambda text: parts["c4"].BoilerPlateStringModifier(False).modify_document(text),
        "remove_lines": parts["line_remover"].LineRemover(["b", "", "use cookies"]).modify_document,
        "slice_indices": slicer(left=2, right=-3).modify_document,
        "slice_texts": slicer(left="a", right="e", include_left=False, include_right=False).modify_document,
        "slice_kept": slicer(left="a", right="e", strip=False).modify_document,
    }


def datatrove_symbol_lines(folder):
    text = (Path(folder) / "src/datatrove/utils/text.py").read_text()
    space = {}
    start = text.index("PUNCTUATION = ")
    exec(text[start:text.index("}", text.index("TERMINAL_PUNCTUATION = {")) + 1], space)
    symbols = set(space["PUNCTUATION"]) | space["TERMINAL_PUNCTUATION"]
    source = (Path(folder) / "src/datatrove/pipeline/formatters/symbol_lines_remover.py").read_text()
    source = "class BaseFormatter:\n    def __init__(self): pass\n" + source[source.index("\n\nclass "):]
    space = {"PUNCTUATION_SET": symbols}
    exec(source, space)
    made = space["SymbolLinesFormatter"]
    return {"symbol_lines": made().format, "symbol_lines_marked": made(replace_char="#").format}


def random_texts():
    chance = random.Random(20261127)
    pieces = ["a", "é", "Ã©", "â€™", "&amp;", "<", "\n", "\r\n", " ", "*", "**", "_", "[", "](", ")", '"', "“", "ﬁ",
              "Ａ",
              "http://x", "www.y", "\x85", "\u2028", "\x1b[1m", "\ufeff", "---", "!", "日本", "e\u0301", "Ã",
              "use cookies", "\n\n"]
    return ["".join(chance.choice(pieces) for _ in range(chance.randrange(1, 24))) for _ in range(120)]


def main():
    ops = nemo_modifiers(sys.argv[1]) | datatrove_symbol_lines(sys.argv[2])
    ops |= {"quotes": fixes.uncurl_quotes, "ligatures": fixes.fix_latin_ligatures, "widths": fixes.fix_character_width,
            "line_breaks": fixes.fix_line_breaks, "control_characters": fixes.remove_control_chars,
            "terminal_codes": fixes.remove_terminal_escapes}
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        ops[form.lower()] = lambda text, form=form: unicodedata.normalize(form, text)
    for name, switches in SWITCHES.items():
        ops["ftfy_" + name] = lambda text, switches=switches: ftfy.fix_text(text, explain=True, **switches)
    texts = TEXTS + random_texts()
    made = {"switches": SWITCHES, "texts": texts, "made": {}}
    for name, op in ops.items():
        # Only what differs from the text is written.
        made["made"][name] = {str(i): out for i, text in enumerate(texts) if (out := op(text)) != text}
    json.dump(made, sys.stdout, ensure_ascii=True, indent=0)
    print()


if __name__ == "__main__":
    main()
