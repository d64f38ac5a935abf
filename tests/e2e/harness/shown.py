"""All that a daemon shows about a connection, for the search for secrets."""

import base64
import json

COMMANDS = (
    ("list",), ("status",), ("status", "feed"), ("stats", "feed"), ("warnings",), ("outlets",),
    ("subscribers",), ("version",),
)


class Watch:
    """Gathers the events of a running daemon from now on."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.rpc = daemon.rpc()
        self.rpc.call("events")
        self.seen = []

    def wait(self, kind):
        while True:
            event = self.rpc.event(lambda _: True)
            self.seen.append(event)
            if event["type"] == kind:
                return event

    def everything(self, *more):
        """
        What every command prints for people and for programs, the log at the level debug, the events
        so far, and what the test has `more`, such as errors: one text.
        """
        shown = [self.daemon.log(), json.dumps(self.seen), *map(repr, more)]
        for command in COMMANDS:
            for options in ((), ("--json",)):
                done = self.daemon.ctl(*options, *command)
                shown += [done.stdout, done.stderr]
        return "\n".join(shown)

    def check_hidden(self, *secrets, more=()):
        """That none of the secrets is shown anywhere, nor its usual encodings."""
        text = self.everything(*more)
        assert "feed" in text
        for secret in secrets:
            assert secret not in text
            assert base64.b64encode(secret.encode()).decode().rstrip("=") not in text
