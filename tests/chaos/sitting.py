"""What one reader got between connecting to an outlet and the end: counted and checked as it comes."""

import time

from message import Broken, parse

MOST_ERRORS = 10


class Sitting:
    """`lossless`: a number that is missing without a gap that was told is an error at once."""

    def __init__(self, spec):
        self.outlet = spec["outlet"]
        self.numbered = spec["format"] in ("json", "frames")
        self.lossless = spec["on_lag"] != "skip" and not spec.get("mapped")
        self.began = time.monotonic()
        self.ended = None  # monotonic time
        self.how = "open"  # eof, reset, left; "open" at the end of the round
        self.torn = 0  # bytes of a record that did not come whole
        self.delivered = 0
        self.missing = 0  # messages, by their numbers
        self.told = 0  # records lost, as the gaps say
        self.next_seq = None  # of the outlet's records
        self.gaps = 0  # how many gaps were told
        self.sessions = {}  # session: [first number, last number, delivered, gaps told before the last]
        self.connections = {}  # session: name
        self.errors = []

    def error(self, text):
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(text)

    def record(self, seq):
        """A record of the outlet, whatever it is."""
        if self.next_seq is not None and seq != self.next_seq:
            self.error(f"record {seq} where {self.next_seq} was due")
        self.next_seq = seq + 1

    def gap(self, first, last):
        if self.next_seq is not None and first != self.next_seq:
            self.error(f"a gap from {first} where {self.next_seq} was due")
        if last < first:
            self.error(f"a gap from {first} to {last}")
        if self.lossless:
            self.error(f"a gap from {first} to {last}: the outlet promises that there is none")
        self.told += last - first + 1
        self.gaps += 1
        self.next_seq = last + 1

    def message(self, payload):
        try:
            connection, session, number = parse(payload)
        except Broken as broken:
            self.error(str(broken))
            return
        self.delivered += 1
        seen = self.sessions.get(session)
        if not seen:
            self.sessions[session] = [number, number, 1, self.gaps]
            self.connections[session] = connection
            return
        self.follow(f"{connection} session {session:x}", seen, number)

    def follow(self, what, seen, number):
        skipped = number - seen[1] - 1
        if skipped < 0:
            self.error(f"{what}: message {number} after {seen[1]}")
        elif skipped:
            self.missing += skipped
            if self.lossless or self.numbered and seen[3] == self.gaps:
                self.error(f"{what}: message {number} after {seen[1]}, and nothing said of those between")
        seen[1] = max(number, seen[1])
        seen[2] += 1
        seen[3] = self.gaps

    def end(self, how, torn=0):
        self.ended = time.monotonic()
        self.how = how
        self.torn = torn

    def report(self):
        if self.numbered and self.missing > self.told:
            self.error(f"{self.missing} messages are missing, {self.told} were told")
        return {name: value for name, value in vars(self).items()}
