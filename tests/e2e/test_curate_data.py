"""kedge curate from outside: what goes in and what comes out, format by format."""

import bz2
import gzip
import http.server
import io
import json
import os
import random
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest
from pathlib import Path

KEDGE = os.environ.get("KEDGE", "build/release/kedge")
ROOT = Path(__file__).resolve().parents[2]
ARROW = ROOT / ".arrow" / "bin" / "python"
PDF = Path(KEDGE).resolve().with_name("libkedge_pdf.so").is_file()
PARQUET = Path(KEDGE).resolve().with_name("libkedge_parquet.so").is_file()

MIX_KILLS = 12

MAKE_ROWS = """
import datetime, decimal, sys
import pyarrow as pa, pyarrow.parquet as pq
n = 3000
pq.write_table(pa.table({
    "id": [f"d{i}" for i in range(n)],
    "text": pa.array([None if i % 100 == 7 else f"ship {i} mail a{i}@b.com" if i % 3 else f"short {i}"
                      for i in range(n)], pa.large_string()),
    "score": pa.array([i / 7 for i in range(n)], pa.float32()),
    "when": pa.array([datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=i) for i in range(n)]),
    "price": pa.array([decimal.Decimal(i) / 100 for i in range(n)], pa.decimal128(12, 2)),
    "meta": [{"a": i, "b": {"c": None if i % 2 else "q"}} for i in range(n)],
    "bytes": [bytes([i % 256, 255]) for i in range(n)],
    "category": pa.array(["u", "v", "w"] * (n // 3)).dictionary_encode(),
    "vector": pa.array([[i, float("nan")] for i in range(n)], pa.list_(pa.float32(), 2)),
}), sys.argv[1], row_group_size=700)
"""
COMPARE_ROWS = """
import sys
import pyarrow.parquet as pq
before, after = pq.read_table(sys.argv[1]), pq.read_table(sys.argv[2])
assert after.column_names == [*before.column_names, "lang", "lang_score"], after.column_names
row = {value: i for i, value in enumerate(before["id"].to_pylist())}
chosen = before.take([row[value] for value in after["id"].to_pylist()])
for name in before.column_names:
    assert before.schema.field(name).type == after.schema.field(name).type, name
    if name != "text":
        assert str(chosen[name].to_pylist()) == str(after[name].to_pylist()), name
assert after["text"][0].as_py() == "ship 1 mail [EMAIL]", after["text"][0]
assert pq.ParquetFile(sys.argv[2]).metadata.row_group(0).column(0).compression == "ZSTD"
print(after.num_rows)
"""
STEPS = """
steps:
  - language: {}
  - dedup: {method: exact}
  - pii: {}
  - filter: {only: [word_count], limits: {word_count: {min: 3}}}
"""


def pdf_of(*pages):
    """A PDF with one line of text a page."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for text in pages:
        content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
        objects.append(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
                       b"/Contents %d 0 R>>" % len(objects))
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, len(objects) + 1, len(out))


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def call(self, *arguments, **options):
        return subprocess.run([KEDGE, "curate", *map(str, arguments)], capture_output=True, check=False, **options)

    def run_pipeline(self, text, name, *arguments):
        """A run whose counts balance: its report."""
        (self.folder / "p.yaml").write_text(text, encoding="utf-8")
        done = self.call("run", self.folder / "p.yaml", "--output", self.folder / name, "--quiet", "--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        counts = report["counts"]
        self.assertEqual(counts["in"], counts["kept"] + counts["dropped"] + counts["rejected"])
        return report

    def write_lines(self, name, count, begin=0):
        lines = "".join(json.dumps({"id": i, "text": f"document number {i} of the harbour " + "x" * (i % 37), "n": i})
                        + "\n" for i in range(begin, begin + count))
        (self.folder / name).write_text(lines, encoding="utf-8")
        return self.folder / name

    def rows(self, path):
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


@unittest.skipUnless(PARQUET and ARROW.exists(), "built without Apache Arrow: Parquet is NOT TESTED")
class Parquet(Case):
    def setUp(self):
        super().setUp()
        self.source = self.folder / "in.parquet"
        subprocess.run([ARROW, "-c", MAKE_ROWS, self.source], check=True)

    def test_other_columns_pass_through_with_their_types(self):
        report = self.run_pipeline("format: parquet" + STEPS, "out", "--input", self.source)
        self.assertEqual(report["counts"], {"in": 3000, "kept": 1980, "dropped": 990, "rejected": 30})
        compared = subprocess.run([ARROW, "-c", COMPARE_ROWS, self.source, self.folder / "out" / "shard-00000.parquet"],
                                  capture_output=True, check=False, text=True)
        self.assertEqual((compared.returncode, compared.stdout), (0, "1980\n"), compared.stderr)

    def test_rows_become_lines_and_lines_rows(self):
        self.run_pipeline("format: jsonl" + STEPS, "lines", "--input", self.source)
        lines = self.rows(self.folder / "lines" / "shard-00000.jsonl")
        self.assertEqual(lines[0]["meta"], {"a": 1, "b": {"c": None}})
        self.assertEqual((lines[0]["price"], lines[0]["vector"], lines[0]["category"], lines[0]["bytes"]),
                         ("0.01", [1, None], "v", "01ff"))
        odd = self.folder / "odd.jsonl"
        odd.write_text('{"id":1,"text":"a","n":1,"mixed":[1],"o":{}}\n'
                       '{"id":"b","text":"c","n":2.5,"mixed":"x","z":[]}\n')
        for source in (self.folder / "lines" / "shard-00000.jsonl", odd):
            self.run_pipeline("format: parquet\nsteps: [pii]", f"rows-{source.stem}", "--input", source)
            self.run_pipeline("format: jsonl\nsteps: [pii]", f"back-{source.stem}", "--input",
                              self.folder / f"rows-{source.stem}" / "shard-00000.parquet")
        self.assertEqual(self.rows(self.folder / "back-shard-00000" / "shard-00000.jsonl"), lines)
        self.assertEqual(self.rows(self.folder / "back-odd" / "shard-00000.jsonl"),
                         [{"id": "1", "text": "a", "n": 1, "mixed": "[1]", "o": "{}", "z": None},
                          {"id": "b", "text": "c", "n": 2.5, "mixed": "x", "o": None, "z": []}])

    def test_killed_it_ends_with_the_same_bytes(self):
        begin = time.monotonic()
        self.run_pipeline("format: parquet" + STEPS, "whole", "--input", self.source, "--threads", "1")
        seconds = time.monotonic() - begin
        expected = (self.folder / "whole" / "shard-00000.parquet").read_bytes()
        chance = random.Random(5)
        for _ in range(8):
            process = subprocess.Popen([KEDGE, "curate", "run", self.folder / "p.yaml", "--input", self.source,
                                        "--output", self.folder / "killed", "--quiet", "--threads", "2"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, seconds))
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.run_pipeline("format: parquet" + STEPS, "killed", "--input", self.source)
        self.assertEqual((self.folder / "killed" / "shard-00000.parquet").read_bytes(), expected)
        self.assertEqual([path.name for path in (self.folder / "killed").rglob("*.tmp-*")], [])


class Inputs(Case):
    def test_folders_of_texts_are_documents_named_by_their_paths(self):
        for name in ("b.md", "a/one.txt", "a/two.md"):
            path = self.folder / "docs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"text of {name}", encoding="utf-8")
        (self.folder / "docs" / "latin.txt").write_bytes(b"caf\xe9")
        report = self.run_pipeline("format: jsonl\nsteps: [pii]", "out", "--input", self.folder / "docs")
        self.assertEqual(report["counts"], {"in": 4, "kept": 3, "dropped": 0, "rejected": 1})
        self.assertEqual([(row["id"], row["text"]) for row in self.rows(self.folder / "out" / "shard-00000.jsonl")],
                         [(name, f"text of {name}") for name in ("a/one.txt", "a/two.md", "b.md")])
        done = self.call("langid", "--input", self.folder / "docs", "--output", self.folder / "l.jsonl", "--json")
        self.assertEqual(json.loads(done.stdout), {"in": 4, "out": 3, "rejected": 1})

    def test_folders_of_pages_become_texts(self):
        story = "The story of the harbour, the ships and the wind, as it was told in the evening. " * 3
        pages = {"site/a.html": f"<nav>Home</nav><main><p>{story} Write to me@example.org.</p></main>".encode(),
                 "site/b.htm": ('<!doctype html><meta charset="windows-1251"><main><p>'
                                + "Повесть о гавани и кораблях. " * 9 + "</p></main>").encode("cp1251"),
                 "page": f"  <HTML><body><main><p>{story}</p></main>".encode(), "note.md": b"no page"}
        for name, page in pages.items():
            path = self.folder / "docs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(page)
        report = self.run_pipeline("format: jsonl\nsteps: [extract, {dedup: {method: fuzzy}}, pii]", "out",
                                   "--input", self.folder / "docs", "--input", self.folder / "docs" / "page")
        self.assertEqual(report["counts"]["in"], 4)
        rows = [row for shard in sorted((self.folder / "out").glob("shard-*.jsonl")) for row in self.rows(shard)]
        texts = {row["id"]: row["text"] for row in rows}
        self.assertEqual(texts["site/a.html"], f"{story}Write to [EMAIL].")
        self.assertEqual(texts["site/b.htm"], ("Повесть о гавани и кораблях. " * 9).strip())
        done = self.call("extract", "--input", self.folder / "docs" / "page", "--output", self.folder / "e.jsonl")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.rows(self.folder / "e.jsonl"), [{"id": "page", "url": "", "text": story.strip()}])
        done = self.call("langid", "--input", self.folder / "docs" / "site", "--output", self.folder / "l.jsonl",
                         "--json")
        self.assertEqual(json.loads(done.stdout), {"in": 2, "out": 0, "rejected": 2})

    def test_standard_input_is_read_whatever_its_format(self):
        lines = self.write_lines("a.jsonl", 50)
        for data in (lines.read_bytes(), bz2.compress(lines.read_bytes())):
            done = self.call("dedup", "--method", "exact", "--input", "-", "--output", self.folder / "d.jsonl",
                             "--json", "--quiet", input=data)
            self.assertEqual(json.loads(done.stdout)["out"], 50, done.stderr)
        done = self.call("langid", "--input", "-", "--output", self.folder / "l.jsonl", "--json", "--quiet",
                         input=b"nonsense\n")
        self.assertIn(b"standard input: line 1", done.stderr)
        (self.folder / "p.yaml").write_text("format: jsonl\nsteps: [pii]")
        done = self.call("run", self.folder / "p.yaml", "--input", "-", "--output", self.folder / "out", "--json",
                         "--quiet", input=lines.read_bytes())
        self.assertEqual(json.loads(done.stdout)["counts"]["kept"], 50, done.stderr)

    def test_a_large_file_is_several_shards_and_gives_the_same_documents(self):
        lines = self.write_lines("a.jsonl", 3000)
        text = "format: jsonl\nsteps: [{dedup: {method: exact}}]\n"
        self.run_pipeline(text, "whole", "--input", lines)
        whole = (self.folder / "whole" / "shard-00000.jsonl").read_text(encoding="utf-8")
        self.run_pipeline(text + "shard_bytes: 50000\n", "parts", "--input", lines)
        shards = sorted((self.folder / "parts").glob("shard-*.jsonl"))
        self.assertEqual(len(shards), -(-lines.stat().st_size // 50000))
        self.assertEqual("".join(path.read_text(encoding="utf-8") for path in shards), whole)
        for part in ("0/2", "1/2", "0/2", "1/2"):
            self.call("run", self.folder / "p.yaml", "--input", lines, "--output", self.folder / "array", "--quiet",
                      "--shard", part)
        self.assertEqual([path.read_bytes() for path in sorted((self.folder / "array").glob("shard-*.jsonl"))],
                         [path.read_bytes() for path in shards])

    def test_output_is_cut_by_size_and_repaired(self):
        lines = self.write_lines("a.jsonl", 3000)
        for form in ("jsonl", "jsonl.zst") + (("parquet",) if PARQUET else ()):
            text = f"format: {form}\nsteps: [pii]\noutput_shard_bytes: 60000\n"
            self.run_pipeline(text, form, "--input", lines)
            files = sorted((self.folder / form).glob(f"shard-00000-*.{form}"))
            self.assertGreater(len(files), 3)
            before = [path.read_bytes() for path in files]
            files[1].write_bytes(before[1] + b"x")
            files[2].unlink()
            self.run_pipeline(text, form, "--input", lines)
            self.assertEqual([path.read_bytes() for path in files], before)
            back = self.call("langid", *(part for path in files for part in ("--input", path)), "--output",
                             self.folder / "back.jsonl", "--json", "--quiet")
            self.assertEqual(json.loads(back.stdout)["out"], 3000)
            self.assertEqual([row["id"] for row in self.rows(self.folder / "back.jsonl")], list(range(3000)))
        parts = sorted((self.folder / "jsonl").glob("shard-*.jsonl"))
        self.assertEqual("".join(path.read_text(encoding="utf-8") for path in parts), lines.read_text(encoding="utf-8"))

    @unittest.skipUnless(PDF, "built without poppler: PDF is NOT TESTED")
    def test_pdf_files_are_documents(self):
        (self.folder / "docs").mkdir()
        (self.folder / "docs" / "a.pdf").write_bytes(pdf_of("The ship left the harbour", "and came back"))
        (self.folder / "docs" / "b.pdf").write_bytes(b"%PDF-1.4 nothing else")
        report = self.run_pipeline("format: jsonl\nsteps: [pii]", "out", "--input", self.folder / "docs")
        self.assertEqual(report["counts"], {"in": 2, "kept": 1, "dropped": 0, "rejected": 1})
        self.assertEqual(self.rows(self.folder / "out" / "shard-00000.jsonl"),
                         [{"id": "a.pdf", "text": "The ship left the harbour\n\nand came back"}])
        self.assertIn("b.pdf", (self.folder / "out" / "rejects" / "shard-00000.jsonl").read_text())

    def test_articles_and_papers_go_through_a_pipeline(self):
        pages = "".join(f"<page><title>Ship {i}</title><ns>{i % 3}</ns><id>{i}</id><revision><text>A '''ship''' of "
                        f"[[wood|timber]] {i}{{{{cite}}}}</text></revision></page>\n" for i in range(9))
        (self.folder / "wiki.xml.bz2").write_bytes(bz2.compress(
            f"<mediawiki><siteinfo><base>https://en.wikipedia.org/wiki/Main_Page</base></siteinfo>{pages}</mediawiki>"
            .encode()))
        with tarfile.open(self.folder / "papers.tar", "w") as tar:
            source = gzip.compress(b"\\def\\x{y}\n\\section{A}\nText \\x here. % no\n")
            header = tarfile.TarInfo("2001/2001.00001.gz")
            header.size = len(source)
            tar.addfile(header, io.BytesIO(source))
        report = self.run_pipeline("format: jsonl\nsteps: [pii]", "out", "--input", self.folder / "wiki.xml.bz2",
                                   "--input", self.folder / "papers.tar")
        self.assertEqual(report["counts"], {"in": 10, "kept": 4, "dropped": 0, "rejected": 6})
        self.assertEqual(self.rows(self.folder / "out" / "shard-00000.jsonl")[1],
                         {"id": "3", "url": "https://en.wikipedia.org/wiki/Ship_3", "title": "Ship 3",
                          "text": "A ship of timber 3"})
        self.assertEqual(self.rows(self.folder / "out" / "shard-00001.jsonl"),
                         [{"id": "2001.00001", "url": "https://arxiv.org/abs/2001.00001",
                           "text": "\\section{A}\nText y here.\n"}])


class Mixing(Case):
    def test_blends_by_weight_and_repeats_what_is_short(self):
        long, short = self.write_lines("long.jsonl", 100), self.write_lines("short.jsonl", 3, 1000)
        done = self.call("blend", "--input", long, "--weight", "3", "--input", short, "--weight", "1", "--documents",
                         "21", "--output", self.folder / "out.jsonl", "--json", "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([row["id"] for row in self.rows(self.folder / "out.jsonl")],
                         [*range(16), 1000, 1001, 1002, 1000, 1001, 1002])  # ceil(15.75), ceil(5.25)
        self.assertEqual(json.loads(done.stdout)["sources"][1],
                         {"input": str(short), "out": 6, "available": 3, "rejected": 0})
        (self.folder / "empty.jsonl").write_text("")
        for arguments, message in (([], b"expected a weight for each"), (["--weight", "1"], b"holds no documents")):
            bad = self.call("blend", "--input", long, "--weight", "1", "--input", self.folder / "empty.jsonl",
                            *arguments, "--documents", "9", "--output", self.folder / "bad.jsonl")
            self.assertEqual(bad.returncode, 3, bad.stderr)
            self.assertIn(message, bad.stderr)
            self.assertFalse((self.folder / "bad.jsonl").exists())

    def test_shuffles_the_same_way_whatever_the_memory(self):
        lines = self.write_lines("a.jsonl", 5000)
        found = []
        for seed, memory, threads in (("1", "512mb", "1"), ("1", "20kb", "2"), ("2", "512mb", "2")):
            out = self.folder / f"s{len(found)}.jsonl"
            done = self.call("shuffle", "--input", lines, "--seed", seed, "--max-memory", memory, "--threads", threads,
                             "--output", out, "--json", "--quiet")
            self.assertEqual(json.loads(done.stdout), {"in": 5000, "out": 5000, "rejected": 0}, done.stderr)
            found.append(out.read_text(encoding="utf-8").splitlines())
        self.assertEqual(found[0], found[1])
        self.assertNotEqual(found[0], found[2])
        ids = [json.loads(line)["id"] for line in found[0]]
        self.assertEqual(sorted(found[0]), sorted(lines.read_text(encoding="utf-8").splitlines()))
        moved = sum(abs(place - number) for place, number in enumerate(ids)) / 5000
        self.assertAlmostEqual(moved, 5000 / 3, delta=80)  # of a uniform order: a third, 5 standard deviations
        self.assertEqual(list(self.folder.glob("*.tmp-*")), [])


    def kill_and_finish(self, out, arguments, seconds, chance):
        """Kills the command at random instants until it ends by itself; how often, and whether a full file stayed."""
        kills, stayed = 0, False
        while True:
            before = {path.name: path.stat().st_mtime_ns for path in out.glob("mix-*.jsonl.zst")}
            process = subprocess.Popen([KEDGE, "curate", *map(str, arguments)], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            try:
                told, errors = process.communicate(timeout=chance.uniform(0, seconds) if kills < MIX_KILLS else 600)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                continue
            self.assertEqual(process.returncode, 0, errors)
            kept = [name for name, when in before.items() if (out / name).stat().st_mtime_ns == when]
            return kills, bool(kept), json.loads(told)

    def test_killed_at_any_instant_a_mix_goes_on_and_ends_with_the_same_bytes(self):
        lines = [self.write_lines(f"{name}.jsonl", 30000, first) for name, first in (("a", 0), ("b", 10**6))]
        shuffle = ["shuffle", "--input", lines[0], "--input", lines[1], "--max-memory", "256kb"]
        blend = ["blend", "--input", lines[0], "--weight", "1", "--input", lines[1], "--weight", "2", "--documents",
                 "120000"]
        chance = random.Random(7)
        for name, command in (("shuffle", shuffle), ("blend", blend)):
            command += ["--output-shard-bytes", "300kb", "--json", "--quiet", "--threads", "1", "--output"]
            whole = self.folder / f"{name}-whole"
            whole.mkdir()
            begin = time.monotonic()
            done = self.call(*command, whole / "mix.jsonl.zst")
            seconds = time.monotonic() - begin
            self.assertEqual(done.returncode, 0, done.stderr)
            expected = {path.name: path.read_bytes() for path in whole.iterdir()}
            self.assertGreater(len(expected), 8)
            kills = stayed = rounds = 0
            while kills < MIX_KILLS:
                out = self.folder / f"{name}-{rounds}"
                out.mkdir()
                rounds += 1
                more, kept, told = self.kill_and_finish(out, [*command, out / "mix.jsonl.zst"], seconds, chance)
                kills += more
                stayed += kept
                self.assertEqual(told, json.loads(done.stdout))
                found = {path.name: path.read_bytes() for path in out.iterdir()}
                self.assertEqual(sorted(found), sorted(expected))
                self.assertTrue(found == expected, "the bytes differ")
            self.assertGreater(stayed, 0, "no file was kept: every run began anew")

    def test_what_another_mix_left_is_not_taken(self):
        lines = self.write_lines("a.jsonl", 3000)
        out = self.folder / "mix.jsonl"
        left = self.folder / "mix.jsonl.tmp-mix"
        left.mkdir()
        (left / "run.json").write_text('{"mix":"shuffle","seed":9}')
        (left / "spread.json").write_text('{"in":1}')
        (self.folder / "mix-00000.jsonl.tmp-AbCdEf").write_text("torn")
        done = self.call("shuffle", "--input", lines, "--output-shard-bytes", "20kb", "--max-memory", "20kb", "--quiet",
                         "--output", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [row for path in sorted(self.folder.glob("mix-*.jsonl")) for row in self.rows(path)]
        self.assertEqual(sorted(row["id"] for row in rows), list(range(3000)))
        self.assertEqual(list(self.folder.glob("*.tmp-*")), [])


class Synthesis(Case):
    """Against an endpoint that fails now and then, whose answers are known."""

    def serve(self):
        seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                user = body["messages"][1]["content"]
                seen.append(user)
                status = 503 if len(seen) == 2 else 400 if "number 7 " in user else 200
                text = "about " + user.split("document ")[1].split(" of")[0]
                answer = json.dumps({"choices": [{"message": {"content": text}}]} if status == 200 else {}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}/v1", seen

    def test_answers_come_in_order_and_a_run_goes_on(self):
        lines = self.write_lines("a.jsonl", 20)
        out = self.folder / "out.jsonl"
        arguments = ["synthesize", "--task", "distill", "--model", "m", "--concurrency", "2", "--retries", "1",
                     "--input", lines, "--output", out, "--json", "--quiet", "--endpoint"]
        down = self.call(*arguments, "http://127.0.0.1:9/v1")
        self.assertEqual(down.returncode, 3, down.stderr)
        self.assertFalse(out.exists())
        endpoint, seen = self.serve()
        done = self.call(*arguments, endpoint)
        self.assertEqual(json.loads(done.stdout), {"in": 20, "out": 19, "rejected": 1}, done.stderr)
        self.assertEqual(len(seen), 21)
        self.assertEqual([(row["id"], row["text"]) for row in self.rows(out)],
                         [(i, f"about number {i}") for i in range(20) if i != 7])
        whole = out.read_bytes().splitlines(keepends=True)
        header = json.dumps({"task": "distill", "model": "m", "inputs": [str(lines)]}, separators=(",", ":"))
        out.with_name("out.jsonl.part").write_bytes(
            header.encode() + b"\n" + b"".join(b'{"lines":1}\n' + line for line in whole[:5]) + b'{"lines":1}\n{"id":')
        seen.clear()
        done = self.call(*arguments, endpoint)
        self.assertEqual((len(seen), out.read_bytes()), (16, b"".join(whole)), done.stderr)


if __name__ == "__main__":
    unittest.main()
