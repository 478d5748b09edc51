"""Goal: ./kd layers sees every kind of wrong include. Method: small trees with one planted error each."""

import tempfile
import unittest
from pathlib import Path

from kd import layers
from kd.shell import ROOT

LAYERS = "core:\nnet: core\nserve: core net\n"
GOOD = {
    "src/core/a.h": "#include <vector>\n",
    "src/net/b.h": '#include "core/a.h"\n#include "kedge/public.h"\n',
    "src/net/deep/b.cc": '#include "net/b.h"\n',
    "src/serve/c.cc": '#include "core/a.h"\n#include "net/b.h"\n',
    "include/kedge/public.h": '#include "kedge/other.h"\n',
    "include/kedge/other.h": "",
}


def problems_of(changes: dict, text: str = LAYERS) -> list:
    with tempfile.TemporaryDirectory() as name:
        for path, content in {"src/layers.txt": text, **GOOD, **changes}.items():
            file = Path(name, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        return layers.check(Path(name))


class LayersTest(unittest.TestCase):
    def expect_one(self, expected: str, changes: dict, text: str = LAYERS) -> None:
        problems = problems_of(changes, text)
        self.assertEqual(len([problem for problem in problems if expected in problem]), 1, problems)

    def test_good_tree_is_clean(self):
        self.assertEqual(problems_of({}), [])

    def test_upward_include(self):
        self.expect_one("src/core/a.h:2: core must not include net", {"src/core/a.h": '\n#include "net/b.h"\n'})

    def test_include_of_an_unlisted_neighbour(self):
        self.expect_one("net must not include data", {"src/net/x.cc": '#include "data/d.h"\n'},
                        "core:\ndata:\nnet: core\nserve: core net\n")

    def test_nested_folder_belongs_to_its_top_folder(self):
        self.expect_one("net must not include serve", {"src/net/deep/b.cc": '#include "serve/c.h"\n'})

    def test_test_files_obey_too(self):
        self.expect_one("core must not include serve", {"src/core/a_test.cc": '#include "serve/c.h"\n'})

    def test_the_python_module_is_a_layer(self):
        text = LAYERS + "python: core\n"
        self.expect_one("python/module/m.cc:1: python must not include serve",
                        {"python/module/m.cc": '#include "serve/c.h"\n#include "python/module/m.h"\n',
                         "python/module/m.h": '#include "core/a.h"\n'}, text)
        self.expect_one("core must not include python", {"src/core/x.cc": '#include "python/module/m.h"\n'}, text)
        self.expect_one("include cycle between files", {"python/module/m.h": '#include "python/module/n.h"\n',
                                                        "python/module/n.h": '#include "python/module/m.h"\n'}, text)

    def test_public_header_stays_public(self):
        self.expect_one("a public header must not include core", {"include/kedge/other.h": '#include "core/a.h"\n'})

    def test_include_without_a_folder(self):
        self.expect_one("has no folder", {"src/net/x.cc": '#include "b.h"\n'})

    def test_include_that_climbs(self):
        self.expect_one("climbs folders", {"src/net/x.cc": '#include "../serve/c.h"\n'})

    def test_folder_missing_from_the_list(self):
        self.expect_one("src/extra: not in src/layers.txt", {"src/extra/x.cc": ""})

    def test_list_that_is_no_order(self):
        self.expect_one("core uses net, which is not listed above it", {}, "core: net\nnet: core\nserve: core net\n")

    def test_folder_cycle(self):
        self.expect_one("include cycle between folders", {"src/core/a.h": '#include "net/b.h"\n'})

    def test_file_cycle(self):
        self.expect_one("include cycle between files",
                        {"src/net/x.h": '#include "net/y.h"\n', "src/net/y.h": '#include "net/x.h"\n'})

    def test_this_tree_is_clean(self):
        self.assertEqual(layers.check(ROOT), [])
