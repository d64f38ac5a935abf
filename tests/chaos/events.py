"""What the daemon tells of itself while a round goes on: its events, which nothing limits as it does the log."""

import collections
import re
import threading
import time
from typing import NamedTuple

from harness.control import Rpc
from harness.wait import Timeout

SILENCE = "sign of life|no message for"
OVER = f"did not end in time|held up for too long|{SILENCE}"  # why the daemon cuts a session off


class Close(NamedTuple):
    connection: str
    at: float  # monotonic time when it was read here
    code: int
    why: str  # "": in order

    @property
    def cut(self):
        return re.search(OVER, self.why)

    @property
    def silent(self):
        return re.search(SILENCE, self.why)


class Events:
    def __init__(self, path):
        self.undelivered = collections.Counter()  # by outlet: messages
        self.closes = []
        self.missed = 0  # events
        self.rpc = Rpc(path)
        self.rpc.call("events")
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            try:
                notification = self.rpc.read(timeout=3600)
            except (OSError, Timeout, ValueError):
                return
            if notification is None:
                return
            if notification.get("method") == "lost":
                self.missed += notification["params"]["count"]
            else:
                self._take(notification["params"])

    def _take(self, event):
        if event["type"] == "undelivered":
            self.undelivered[event["outlet"]] += event["messages"]
        elif event["type"] == "close":
            self.closes.append(Close(event["connection"], time.monotonic(), event["code"], event.get("desc", "")))

    def closes_of(self, name):
        return [close for close in self.closes if close.connection == name]

    def finish(self):
        """The daemon has ended: nothing more comes."""
        self.thread.join(5)
        self.rpc.close()
