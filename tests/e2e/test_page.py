"""Goal: the chat page works in a browser: streaming, stopping, settings, markdown, themes, phones, errors.

Method: headless Chromium against fake_openai.py, whose answers are slow, hostile or broken on purpose.
test_page_served.py tries the page on `kedge serve` itself.
"""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from fake_openai import PLAIN, FakeServer, pieces_of
from page_case import PHONE, ROOT, Browser, PageCase, expect, skip


def tearDownModule():
    Browser.stop()


class FakeServerCase(PageCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("esbuild") is None:
            skip("esbuild is missing (apt-get install esbuild), so the chat page could not be built")
        Browser.start()
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        page = pathlib.Path(cls.folder.name) / "index.html"
        subprocess.run([ROOT / "web" / "build.sh", page], check=True)
        cls.server = FakeServer(page).start()
        cls.addClassCleanup(cls.server.close)
        cls.address = cls.server.address

    def setUp(self):
        self.server.reset()


class ConversationTest(FakeServerCase):
    def test_answer_streams_in_and_is_measured(self):
        self.server.pause_s = 0.05
        page = self.open()
        self.send("Hello")
        expect(self.answers.last).to_contain_text("Ahoy! This is")
        # It is shown before it is complete.
        expect(self.button("Stop")).to_be_visible()
        self.assertNotIn("as it grows", self.answers.last.inner_text())
        self.wait_for_answer()
        expect(self.answers.last).to_contain_text("so that the page can show it as it grows.")
        expect(page.locator(".stats")).to_have_text(
            re.compile(rf"^{len(pieces_of(PLAIN))} tokens · [\d.]+ tokens/s · first after [\d.]+ s · "
                       r"prompt 31 tokens$"))
        self.assertEqual(self.server.requests[0]["model"], "demo")
        self.assertIs(self.server.requests[0]["stream"], True)
        self.assertEqual(self.server.requests[0]["messages"], [{"role": "user", "content": "Hello"}])

    def test_the_servers_own_speed_is_preferred(self):
        self.server.timings = {"predicted_per_second": 123.4}
        self.open()
        expect(self.ask("Hello").locator(".stats")).to_contain_text("123 tokens/s")

    def test_stop_keeps_what_was_written_and_ends_the_request(self):
        for press in (lambda: self.button("Stop").click(), lambda: self.page.keyboard.press("Escape")):
            with self.subTest():
                self.server.reset()
                self.open()
                self.send("slow please")
                expect(self.answers.last).to_contain_text("tick tick")
                press()
                expect(self.answers.last).to_contain_text("Stopped")
                expect(self.button("Send")).to_be_visible()
                self.assertTrue(self.server.stopped.wait(10), "the server never saw the connection close")

    def test_keys_send_and_break_lines(self):
        page = self.open()
        message = self.field("Message")
        message.press_sequentially("one")
        message.press("Shift+Enter")
        message.press_sequentially("two")
        message.press("Enter")
        self.wait_for_answer()
        self.assertEqual(self.server.requests[0]["messages"][0]["content"], "one\ntwo")
        expect(page.locator(".bubble")).to_have_text("one\ntwo")
        expect(message).to_have_value("")
        expect(message).to_be_focused()

    def test_regenerate_and_edit_ask_again(self):
        self.open()
        self.ask("First")
        self.ask("Second")
        self.button("Regenerate").click()
        self.wait_for_answer()
        self.button("Edit message").click()
        self.field("Edit your message").fill("Third")
        self.field("Edit your message").press("Enter")
        expect(self.page.locator(".bubble").last).to_have_text("Third")
        self.wait_for_answer()
        asked = [[message["content"] for message in request["messages"] if message["role"] == "user"]
                 for request in self.server.requests]
        self.assertEqual(asked, [["First"], ["First", "Second"], ["First", "Second"], ["First", "Third"]])
        expect(self.answers).to_have_count(2)

    def test_reload_keeps_the_conversation(self):
        page = self.open()
        self.ask("markdown please")
        before = self.answers.last.inner_text()
        page.reload()
        expect(page.locator(".bubble")).to_have_text("markdown please")
        self.assertEqual(self.answers.last.inner_text(), before)
        self.ask("And then?")
        self.assertEqual(len(self.server.requests[-1]["messages"]), 3)

    def test_reload_in_the_middle_keeps_the_part_that_came(self):
        page = self.open()
        self.send("slow please")
        expect(self.answers.last).to_contain_text("tick tick")
        page.reload()
        expect(self.answers.last).to_contain_text("tick tick")
        expect(self.answers.last).to_contain_text("Stopped")
        self.assertTrue(self.server.stopped.wait(10), "the server never saw the connection close")
        # What a browser that was killed leaves behind: an answer without an end.
        page.evaluate("""() => {
          const key = Object.keys(localStorage).find(name => name.startsWith('kedge.conversation.'));
          localStorage.setItem(key, localStorage.getItem(key).replace('"end":"stopped"', '"end":null'));
        }""")
        page.reload()
        expect(self.answers.last).to_contain_text("Interrupted")
        self.button("Regenerate").click()
        expect(self.button("Stop")).to_be_visible()

    def test_conversations_in_the_sidebar(self):
        page = self.open()
        titles = page.locator(".conversations .open")
        self.ask("First topic")
        self.button("New chat").first.click()
        expect(self.answers).to_have_count(0)
        self.ask("Second topic")
        expect(titles).to_have_text(["Second topic", "First topic"])
        titles.last.click()
        expect(page.locator(".bubble")).to_have_text("First topic")
        page.go_back()
        expect(page.locator(".bubble")).to_have_text("Second topic")
        self.button("Delete “Second topic”").click()
        expect(titles).to_have_text(["First topic"])
        expect(self.answers).to_have_count(0)
        self.button("Undo").click()
        expect(titles).to_have_text(["Second topic", "First topic"])
        expect(page.locator(".bubble")).to_have_text("Second topic")

    def test_leaving_a_conversation_stops_its_answer_there(self):
        page = self.open()
        self.send("slow please")
        expect(self.answers.last).to_contain_text("tick tick")
        self.button("New chat").first.click()
        self.ask("Hello")
        expect(page.locator(".bubble")).to_have_text("Hello")
        page.locator(".conversations .open", has_text="slow").click()
        expect(self.answers.last).to_contain_text("tick tick")
        expect(self.answers.last).to_contain_text("Stopped")


class RenderingTest(FakeServerCase):
    def test_markdown_becomes_elements(self):
        self.open()
        answer = self.ask("markdown please")
        for selector, text in (("h2", "A small harbour"), ("em", "kedge"), ("strong", "small anchor"), ("s", "rowing"),
                               ("p > code", "kedging"), ("ol > li", "Drop it"), ("ol > li > ul > li", "and a buoy"),
                               ("blockquote", "No wind"), ("th", "Weight"), ("td.align-right", "400 kg"),
                               ("pre .code-keyword", "while"), ("pre .code-string", '"hemp"')):
            expect(answer.locator(selector).filter(has_text=text).first).to_be_visible()
        link = answer.get_by_role("link", name="the word")
        expect(link).to_have_attribute("href", "https://example.org/kedge")
        expect(link).to_have_attribute("rel", re.compile("noopener"))

    def test_copy_buttons(self):
        page = self.open(permissions=["clipboard-read", "clipboard-write"])
        self.ask("markdown please")
        self.button("Copy code").click()
        expect(self.button("Copied")).to_be_visible()
        self.assertTrue(page.evaluate("navigator.clipboard.readText()").startswith("// Hauls until"))
        self.button("Copy answer").click()
        expect(self.button("Copied").last).to_be_visible()
        self.assertTrue(page.evaluate("navigator.clipboard.readText()").startswith("# A small harbour"))

    def test_hostile_answer_stays_text(self):
        page = self.open()
        answer = self.ask("attack please")
        expect(answer).to_contain_text("<script>window.attacked = 1</script>")
        expect(answer).to_contain_text('<img src=x onerror="window.attacked = 2">')
        expect(answer).to_contain_text("[click](javascript:window.attacked=3)")
        forbidden = "script, img, svg[onload], iframe, object, [onerror], [onmouseover]"
        self.assertEqual(answer.locator(forbidden).count(), 0)
        for link in answer.get_by_role("link").all():
            self.assertRegex(link.get_attribute("href"), "^https?://")
            self.assertEqual(set(link.evaluate("node => node.getAttributeNames()")), {"href", "target", "rel"})
        page.reload()
        expect(self.answers.last).to_contain_text("window.attacked = 1")
        self.assertIsNone(page.evaluate("window.attacked ?? null"))

    def test_the_policy_forbids_foreign_script_and_connections(self):
        page = self.open()
        refused = page.evaluate("""async () => {
          const script = document.createElement('script');
          script.textContent = 'window.attacked = 1';
          document.body.append(script);
          const sent = await fetch('http://localhost:9/').then(() => true, () => false);
          return [window.attacked === undefined, !sent];
        }""")
        self.assertEqual(refused, [True, True])
        self.assertTrue(any("script-src" in error for error in self.errors), self.errors)
        self.assertTrue(any("connect-src" in error for error in self.errors), self.errors)
        self.errors.clear()

    def test_nothing_is_loaded_from_elsewhere(self):
        page = self.open()
        self.ask("Hello")
        names = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
        self.assertEqual({name for name in names if not name.startswith((self.address, "data:"))}, set())

    def test_dark_mode(self):
        page = self.open(color_scheme="dark")

        def lightness():
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

        theme = page.get_by_role("button", name=re.compile("^Theme"))
        self.assertLess(lightness(), 64)
        theme.click()
        self.assertGreater(lightness(), 192)
        page.reload()
        expect(theme).to_have_accessible_name("Theme: light")
        self.assertGreater(lightness(), 192)
        page.emulate_media(color_scheme="light")
        theme.click()
        expect(theme).to_have_accessible_name("Theme: as the system")
        self.assertGreater(lightness(), 192)
        theme.click()
        self.assertLess(lightness(), 64)
        expect(theme).to_have_accessible_name("Theme: dark")

    def test_the_view_follows_an_answer_until_the_reader_scrolls_up(self):
        page = self.open()
        self.server.pause_s = 0.02
        self.send("long please")
        left = "node => node.scrollHeight - node.scrollTop - node.clientHeight"
        transcript = page.locator(".transcript")
        # The page's policy forbids what wait_for_function does in it, so this looks from outside.
        while transcript.evaluate("node => node.scrollTop") < 200:
            page.wait_for_timeout(50)
        self.assertLess(transcript.evaluate(left), 80)
        transcript.hover()
        page.mouse.wheel(0, -3000)
        expect(self.button("Jump to the latest")).to_be_visible()
        self.wait_for_answer()
        self.assertGreater(transcript.evaluate(left), 1000)
        self.button("Jump to the latest").click()
        self.assertLess(transcript.evaluate(left), 80)


class PhoneTest(FakeServerCase):
    def test_no_sideways_scroll_and_panels_slide_over(self):
        page = self.open(**PHONE)
        expect(page.locator(".chip").first).to_be_visible()
        self.assert_no_sideways_scroll()
        self.ask("markdown please")
        self.assert_no_sideways_scroll()
        self.ask("word" * 400)
        self.assert_no_sideways_scroll()
        expect(page.locator(".sidebar")).to_be_hidden()
        self.button("Conversations").tap()
        expect(page.locator(".sidebar")).to_be_visible()
        self.button("Close the list of conversations").tap()
        expect(page.locator(".sidebar")).to_be_hidden()
        self.button("Settings").tap()
        expect(self.field("Temperature")).to_be_visible()
        self.assert_no_sideways_scroll()
        page.locator(".scrim").tap(position={"x": 10, "y": 400})
        expect(page.locator(".settings")).to_be_hidden()

    def test_the_field_stays_in_view(self):
        page = self.open(**PHONE)
        self.ask("markdown please")
        box = page.locator(".composer").bounding_box()
        self.assertLessEqual(box["y"] + box["height"], PHONE["viewport"]["height"])
        expect(page.locator(".transcript")).to_be_visible()


class SettingsTest(FakeServerCase):
    def test_settings_are_sent_and_kept(self):
        page = self.open()
        self.button("Settings").click()
        for label, value in (("System prompt", "Speak like a sailor."), ("Temperature", "0.25"), ("Top p", "0.5"),
                             ("Min p", ""), ("Top k", "7"), ("Max tokens", "33"), ("Seed", "11"),
                             ("Stop strings", "END\n\\n\\n")):
            self.field(label).fill(value)
        self.ask("Hello")
        expected = {"temperature": 0.25, "top_p": 0.5, "top_k": 7, "max_tokens": 33, "seed": 11,
                    "stop": ["END", "\n\n"], "stream_options": {"include_usage": True}}
        request = self.server.requests[-1]
        self.assertEqual({name: request.get(name) for name in expected}, expected)
        self.assertNotIn("min_p", request)
        self.assertEqual(request["messages"][0], {"role": "system", "content": "Speak like a sailor."})

        page.reload()
        self.button("Settings").click()
        expect(self.field("Temperature")).to_have_value("0.25")
        self.button("Reset to defaults").click()
        expect(self.field("Temperature")).to_have_value("0.7")
        expect(self.field("System prompt")).to_have_value("")
        self.ask("Again")
        self.assertEqual(self.server.requests[-1]["temperature"], 0.7)
        self.assertNotIn("seed", self.server.requests[-1])

    def test_a_number_out_of_range_is_not_taken(self):
        self.open()
        self.button("Settings").click()
        self.field("Temperature").fill("9")
        expect(self.field("Temperature")).to_have_attribute("aria-invalid", "true")
        self.field("Top p").focus()
        expect(self.field("Temperature")).to_have_value("0.7")

    def test_the_model_is_chosen_among_several(self):
        self.server.models = ["demo", "other"]
        page = self.open()
        expect(page.locator(".footer")).to_contain_text("demo model")
        page.get_by_role("combobox", name="Model").select_option("other")
        expect(page.locator(".footer")).not_to_contain_text("demo model")
        self.ask("Hello")
        self.assertEqual(self.server.requests[-1]["model"], "other")
        page.reload()
        expect(page.get_by_role("combobox", name="Model")).to_have_value("other")


class FailureTest(FakeServerCase):
    def test_a_refusal_is_shown_and_can_be_retried(self):
        page = self.open()
        self.send("fail please")
        expect(page.get_by_role("alert")).to_contain_text("the model is being loaded")
        self.server.healed = True
        self.button("Retry").click()
        self.wait_for_answer()
        expect(self.answers).to_have_count(1)
        expect(page.get_by_role("alert")).to_have_count(0)

    def test_an_error_in_the_stream_keeps_the_part_that_came(self):
        page = self.open()
        for word, reason in (("cut", "before the answer was complete"), ("broken", "ran out of memory")):
            self.send(f"{word} please")
            expect(page.get_by_role("alert")).to_contain_text(reason)
            expect(self.answers.last).to_contain_text("Ahoy! This is an")
            expect(self.answers.last).to_contain_text("Cut off by an error")

    def test_a_server_that_is_gone_is_named(self):
        page = self.open()
        expect(page.locator(".chip").first).to_be_visible()
        page.context.set_offline(True)
        self.send("Hello")
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        page.context.set_offline(False)
        self.button("Retry").click()
        self.wait_for_answer()

    def test_an_api_key_is_asked_for_kept_and_forgotten(self):
        self.server.api_key = "secret"
        page = self.open()
        expect(page.get_by_role("alert")).to_contain_text("needs an API key")
        self.field("API key").fill("wrong")
        self.button("Use this key").click()
        expect(page.get_by_role("alert")).to_contain_text("needs an API key")
        expect(self.field("API key")).to_have_value("")
        self.field("API key").fill("secret")
        self.button("Use this key").click()
        expect(page.get_by_role("alert")).to_have_count(0)
        self.ask("Hello")
        page.reload()
        self.ask("Again")
        self.button("Settings").click()
        self.button("Forget the key").click()
        self.send("Once more")
        expect(page.get_by_role("alert")).to_contain_text("needs an API key")


if __name__ == "__main__":
    unittest.main()
