"""Goal: /openapi.json and the server say the same: every status, content type and body of an answer is documented, what
the schemas allow is taken, what they forbid is refused with 4xx, and nothing makes a 5xx.

Method: schemathesis makes requests from the document, good and bad ones, the same each time (a fixed seed).
KEDGE_EXAMPLES sets how many for each route; the suite's few are for a minute, 1000 for a night.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from clients_case import KEY, ClientCase

EXAMPLES = os.environ.get("KEDGE_EXAMPLES", "4")
HERE = pathlib.Path(__file__).parent


class Schemathesis(ClientCase):
    server_options = ("--context", "128")  # requests ask for as much as they may

    def test_no_violation(self):
        program = pathlib.Path(sys.executable).parent / "schemathesis"
        url = self.server.url
        command = [program, "--config-file", HERE / "schemathesis.toml", "run", url + "/openapi.json", "--url", url,
                   "--header", f"Authorization: Bearer {KEY}", "--max-examples", EXAMPLES, "--seed", "1",
                   "--request-timeout", "60", "--continue-on-failure", "--no-color", "--warnings", "off"]
        with tempfile.TemporaryDirectory() as folder:  # it leaves its own files where it runs
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=folder, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr[-2000:])
        self.assertIsNone(self.server.process.poll(), self.server.messages())


if __name__ == "__main__":
    unittest.main()
