"""Goal: ./kd up never mistakes another program for its server. Method: real processes and a really taken port."""

import os
import socket
import subprocess
import unittest

from kd import server
from kd.shell import Failure


class ServerTest(unittest.TestCase):
    def test_taken_port_is_refused_and_named(self):
        with socket.socket() as taken:
            taken.bind((server.HOST, 0))
            taken.listen()
            port = taken.getsockname()[1]
            with self.assertRaisesRegex(Failure, rf"port {port} .* taken by process {os.getpid()} .*--port {port + 1}"):
                server.refuse_taken_port(port)
        server.refuse_taken_port(port)

    def test_a_pid_used_again_is_not_our_server(self):
        with subprocess.Popen(["sleep", "60"]) as process:
            started = server.start_time(process.pid)
            self.assertTrue(server.is_running({"pid": process.pid, "started": started}))
            self.assertFalse(server.is_running({"pid": process.pid, "started": str(int(started) - 1)}))
            server.stop({"pid": process.pid, "started": started})
        self.assertFalse(server.is_running({"pid": process.pid, "started": started}))
