"""Goal: the chat page works as the binary serves it, with the demo model inside it.

Method: `kedge serve demo` (KEDGE or build/release/kedge) and headless Chromium.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from page_case import PHONE, ROOT, Browser, PageCase, expect, skip


def tearDownModule():
    Browser.stop()


class KedgeServeTest(PageCase):
    @classmethod
    def setUpClass(cls):
        kedge = pathlib.Path(os.environ.get("KEDGE", ROOT / "build" / "release" / "kedge"))
        if not os.access(kedge, os.X_OK):
            skip(f"{kedge} is missing (./kd build), so the chat page was not tried on `kedge serve`")
        Browser.start()
        cls.log = tempfile.TemporaryFile()
        cls.addClassCleanup(cls.log.close)
        cls.server = subprocess.Popen([kedge, "serve", "demo", "--port", "0", "--json"],
                                      stdout=subprocess.PIPE, stderr=cls.log, text=True)
        cls.addClassCleanup(cls.stop_server)
        # It tells its address when it is ready, or ends.
        ready = cls.server.stdout.readline()
        if not ready:
            cls.log.seek(0)
            raise RuntimeError("`kedge serve demo` ended:\n" + cls.log.read().decode(errors="replace"))
        cls.address = json.loads(ready)["url"].rstrip("/") + "/"

    @classmethod
    def stop_server(cls):
        cls.server.terminate()
        cls.server.wait(60)
        cls.server.stdout.close()

    def answer_text(self):
        return self.page.locator(".answer > .markdown").last.inner_text()

    def test_a_conversation(self):
        page = self.open()
        expect(page.locator(".footer")).to_contain_text("demo model")
        answer = self.ask("Who are you?")
        self.assertGreater(len(self.answer_text().split()), 2)
        numbers = re.compile(r"^\d+ tokens · [\d.,]+ tokens/s · .* prompt \d+ tokens$")
        expect(answer.locator(".stats")).to_have_text(numbers)
        self.ask("Tell me a story.")
        page.reload()
        expect(self.answers).to_have_count(2)

    def test_a_seed_gives_the_same_answer_again(self):
        self.open()
        self.button("Settings").click()
        self.field("Seed").fill("5")
        self.ask("Tell me a story about a boat.")
        before = self.answer_text()
        self.button("Regenerate").click()
        self.wait_for_answer()
        self.assertEqual(self.answer_text(), before)

    def test_the_token_limit_is_told(self):
        self.open()
        self.button("Settings").click()
        self.field("Max tokens").fill("3")
        expect(self.ask("Tell me a story.").locator(".stats")).to_contain_text("Reached the token limit · 3 tokens")

    def test_the_activity_is_drawn_while_it_happens(self):
        page = self.open()
        self.button("Activity").click()
        panel = page.get_by_role("complementary", name="Activity")
        expect(panel.locator(".chart-line")).to_have_count(6)
        written = panel.get_by_role("region", name="Tokens per second", exact=True)
        expect(written.locator(".chart-value")).to_have_text("0")
        self.ask("Tell me a story about a boat.")
        expect(written).to_contain_text(re.compile(r"top: ([2-9]\d|\d{3,})"))  # it began as 10
        expect(written.locator(".chart-line")).to_have_attribute("d", re.compile(r" [0-4]?\d\.\d"))
        self.button("Close the activity").click()
        expect(panel).to_be_hidden()

    def test_a_phone(self):
        self.open(**PHONE)
        self.ask("Hello")
        self.assert_no_sideways_scroll()


if __name__ == "__main__":
    unittest.main()
