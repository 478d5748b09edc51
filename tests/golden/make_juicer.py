#!/usr/bin/env python3
"""Writes juicer.json: texts and pages, and what data-juicer's own operators make of them.

Needs an unpacked wheel of py-data-juicer (1.6.1 was used), emoji, regex and selectolax (1.0.2); the framework around
the operators is a stub:
    python3 make_juicer.py WHEEL_FOLDER > juicer.json
"""
import importlib.util
import json
import random
import sys
import types
from pathlib import Path

import selectolax.lexbor

STOP_WORDS = {"en": ["the", "of", "and", "a"], "de": ["der", "und"]}
FLAGGED_WORDS = {"en": ["rogue", "bad word", "\u65e5\u672c"], "all": ["rogue"]}


class Anything(types.ModuleType):
    """A module in which every name is there: a class that can be a decorator, a base or a bag of names."""
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub


class Meta(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class Stub(metaclass=Meta):
    text_key, min_closed_interval, max_closed_interval, reversed_range = "text", True, True, False

    def __init__(self, *_, **__):
        pass

    @classmethod
    def register_module(cls, _):
        return lambda decorated: decorated

    def get_keep_boolean(self, value, least, most):
        return least <= value <= most


def load(folder):
    root = Path(folder) / "data_juicer"
    for name in ("data_juicer", "data_juicer.utils", "data_juicer.ops", "data_juicer.ops.filter",
                 "data_juicer.ops.mapper", "data_juicer.utils.constant", "data_juicer.utils.model_utils",
                 "data_juicer.utils.asset_utils", "data_juicer.utils.lazy_loader", "data_juicer.ops.base_op",
                 "data_juicer.ops.op_fusion", "loguru"):
        sys.modules[name] = Anything(name)
        sys.modules[name].__path__ = []
    sys.modules["data_juicer.utils.lazy_loader"].LazyLoader = lambda name: selectolax
    sys.modules["data_juicer.utils.model_utils"].get_model = lambda _: None
    sys.modules["data_juicer.utils.asset_utils"].ASSET_DIR = ""
    lists = {"stopwords": STOP_WORDS, "flagged_words": FLAGGED_WORDS}
    sys.modules["data_juicer.utils.asset_utils"].load_words_asset = (
        lambda words_dir, words_type: {language: list(words) for language, words in lists[words_type].items()})
    classes = {}
    for name in ("common.helper_func", "common.special_characters", "common", "filter.special_characters_filter",
                 "filter.word_repetition_filter", "filter.stopwords_filter", "filter.flagged_words_filter",
                 "mapper.clean_html_mapper"):
        path = root / "ops" / (name.replace(".", "/") + ("/__init__.py" if name == "common" else ".py"))
        if name == "common.helper_func":
            sys.modules["data_juicer.ops.common"] = Anything("data_juicer.ops.common")
            sys.modules["data_juicer.ops.common"].__path__ = [str(root / "ops" / "common")]
        spec = importlib.util.spec_from_file_location("data_juicer.ops." + name, path)
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        classes |= {key: value for key, value in vars(module).items() if isinstance(value, type)}
    return classes


def texts():
    chance = random.Random(7)
    words = ["the", "The", "of", "rogue", "bad", "word", "(a)", "\u201cand\u201d", "--", "\U0001F600", "x\U0001F600y",
             "1924", "\u65e5\u672c", "\u00e9t\u00e9", "\u039f\u0394\u039f\u03a3.", "a\rb", "\u00a0the", "und",
             "e\u0301", "\u2764\ufe0f"]
    found = ["", " ", "\n\t", "!!! ??", "the of the of the of", "the\u2028of", "of " * 30]
    for i in range(30):
        part = [chance.choice(words[:4 + i]) for _ in range(chance.randrange(1, 40))]
        found.append("".join(word + chance.choice([" ", " ", "  ", "\n", "\t"]) for word in part))
    return found


def pages():
    return ["", "plain & text &amp; x &nbsp;&copy;", "<ol><li>one</li><li class=x>two</li></ol><p>after",
            "<html><head><title>T</title><style>x{}</style></head><body>a<script>s()</script><p>b</p>"
            "<template>t<b>q</b></template><!-- c --><noscript>no<b>z</b></noscript><textarea>ta</textarea></body>"
            "</html>",
            "<frameset><frame></frameset>x", "<o</li>l>x", "<p>a\r\nb\x00c<p>d", "a<br>b<br/>c", "< li>no tag</ li>",
            "<svg><title>x</title><![CDATA[cd]]></svg><math><mi>m</mi></math>", "<table>x<tr><td>1<td>2</table>",
            "\u65e5\u672c<b>\U0001F600</b>&#128512;&#x41;", "<LI>capital</LI><li >blank</li>", "a < b > c <d"]


def statistic(operator, key, found):
    samples = {"text": found, "stats": [{} for _ in found]}
    if hasattr(operator, "compute_stats_batched"):
        operator.compute_stats_batched(samples)
    else:
        for text, stats in zip(samples["text"], samples["stats"]):
            operator.compute_stats_single({"text": text, "stats": stats})
    return [stats[key] for stats in samples["stats"]]


def main():
    classes = load(sys.argv[1])
    found = texts()
    cases = [["SpecialCharactersFilter", "special_char_ratio", {}],
             ["WordRepetitionFilter", "word_rep_ratio", {}],
             ["WordRepetitionFilter", "word_rep_ratio", {"rep_len": 2}],
             ["StopWordsFilter", "stopwords_ratio", {}], ["StopWordsFilter", "stopwords_ratio", {"lang": "all"}],
             ["FlaggedWordFilter", "flagged_words_ratio",
              {"lang": "en", "use_words_aug": True, "words_aug_group_sizes": [2, 3], "words_aug_join_char": " "}],
             ["FlaggedWordFilter", "flagged_words_ratio", {"lang": "all"}]]
    made = [{"statistic": key, "settings": settings, "values": statistic(classes[name](**settings), key, found)}
            for name, key, settings in cases]
    html = pages()
    plain = classes["CleanHtmlMapper"]().process_batched({"text": list(html)})["text"]
    json.dump({"stopwords": STOP_WORDS, "flagged_words": FLAGGED_WORDS, "texts": found, "made": made, "pages": html,
               "plain": plain}, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
