"""A headless Chromium and the handles that every test of the chat page uses."""

import os
import pathlib
import sys
import unittest

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    expect = sync_playwright = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
WAIT_MS = 30_000


def skip(reason):
    print(f"\nSKIPPED: {reason}", file=sys.stderr, flush=True)
    raise unittest.SkipTest(reason)


class Browser:
    """One browser for a module's tests; started with the first that needs it."""

    playwright = None
    chromium = None

    @classmethod
    def start(cls):
        if cls.chromium is not None:
            return cls.chromium
        if sync_playwright is None:
            skip("the Python package 'playwright' is missing, so the chat page was not tried in a browser")
        if not os.access(CHROMIUM, os.X_OK):
            skip(f"{CHROMIUM} is missing (apt-get install chromium), so the chat page was not tried in a browser")
        expect.set_options(timeout=WAIT_MS)
        cls.playwright = sync_playwright().start()
        cls.chromium = cls.playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        return cls.chromium

    @classmethod
    def stop(cls):
        if cls.chromium is not None:
            cls.chromium.close()
            cls.playwright.stop()
            cls.chromium = None


class PageCase(unittest.TestCase):
    """Opens the page at `self.address`, with handles for what every test touches."""

    address = ""

    def open(self, **options):
        context = Browser.start().new_context(**{"viewport": DESKTOP, "color_scheme": "light", **options})
        context.set_default_timeout(WAIT_MS)
        self.addCleanup(context.close)
        self.page = context.new_page()
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text) if "Content Security" in line.text else None)
        self.addCleanup(lambda: self.assertEqual(self.errors, []))
        self.page.goto(self.address)
        self.answers = self.page.locator(".answer")
        return self.page

    def button(self, name, **options):
        return self.page.get_by_role("button", name=name, exact=True, **options)

    def field(self, label):
        return self.page.get_by_label(label, exact=True).and_(self.page.locator("textarea, input:not([type=range])"))

    def send(self, text):
        self.field("Message").fill(text)
        self.button("Send").click()

    def ask(self, text):
        """Sends a message and waits for the end of its answer."""
        self.send(text)
        self.wait_for_answer()
        return self.answers.last

    def wait_for_answer(self):
        expect(self.button("Regenerate")).to_be_visible()
        expect(self.button("Send")).to_be_visible()

    def assert_no_sideways_scroll(self):
        widths = self.page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
        self.assertLessEqual(max(widths[:2]), widths[2])
        column = self.page.locator(".transcript").evaluate("node => [node.scrollWidth, node.clientWidth]")
        self.assertLessEqual(column[0], column[1])
