#!/usr/bin/env python3
"""Takes the picture of the chat page that the documents show: take_screenshot.py KEDGE OUTPUT.png"""

import json
import subprocess
import sys

from page_case import CHROMIUM, DESKTOP, FLAGS
from playwright.sync_api import sync_playwright

QUESTIONS = ["Hello! Who are you?", "What can you do?", "Tell me a story about a fox."]
# The likeliest words, so that the same model gives the same picture.
SETTINGS = {"temperature": 0}


def take(address, output):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=DESKTOP, color_scheme="light")
        page.goto(address)
        page.evaluate("text => localStorage.setItem('kedge.settings', text)", json.dumps(SETTINGS))
        page.reload()
        for question in QUESTIONS:
            page.get_by_label("Message", exact=True).fill(question)
            page.get_by_role("button", name="Send", exact=True).click()
            page.get_by_role("button", name="Regenerate", exact=True).wait_for()
        page.mouse.move(0, 0)
        page.screenshot(path=output)
        browser.close()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    kedge, output = sys.argv[1:]
    command = [kedge, "serve", "demo", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            take(json.loads(server.stdout.readline())["url"], output)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
