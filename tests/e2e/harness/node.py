"""A WebSocket server with node-ws, in a process of its own."""

import json
import os
import pathlib
import subprocess
import threading

from . import process
from .wait import PATIENCE, wait_until

SCRIPT = pathlib.Path(__file__).with_name("node_server.js")


class NodeServer:
    def __init__(self):
        environment = dict(os.environ, NODE_PATH="/usr/share/nodejs")
        self.process = process.start(
            ["node", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.events = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def url(self, path):
        return f"ws://127.0.0.1:{self.port}{path}"

    def wait_event(self, kind, timeout=PATIENCE):
        """The first event of that kind."""
        return wait_until(
            lambda: next((event for event in self.events if event["event"] == kind), None),
            timeout,
            f"the event '{kind}' at the node server",
        )

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.thread.join()
        process.end(self.process)
