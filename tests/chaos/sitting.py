"""What one reader got between connecting to an outlet and the end: counted and checked as it comes."""

import time

from message import Broken, parse

MOST_ERRORS = 10


class Sitting:
    """`lossless`: nothing may be missing but what is larger than the ring, which the verdict finds out."""

    def __init__(self, spec):
        self.outlet = spec["outlet"]
        self.numbered = spec["format"] in ("json", "frames")
        self.lossless = spec["on_lag"] != "skip" and not spec.get("mapped")
        self.began = time.monotonic()
        self.ended = None  # monotonic time
        self.how = "open"  # eof, reset, left; "open" at the end of the round
        self.torn = 0  # bytes of a record that did not come whole
        self.delivered = 0
        self.blanks = 0  # of them
        self.due = 0  # blanks that came before a message that has been delivered
        self.missing = 0  # messages, by their numbers
        self.told = 0  # records lost, as the gaps say
        self.next_seq = None  # of the outlet's records
        self.gaps = 0  # how many gaps were told
        self.sessions = {}  # session: [first number, last number, blanks by the last, gaps told before it]
        self.connections = {}  # session: name
        self.holes = {}  # session: [first, last] number of what a lossless outlet has left out
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
        self.told += last - first + 1
        self.gaps += 1
        self.next_seq = last + 1

    def message(self, payload, binary=None):
        """`binary`: as the format says, where it does."""
        if not payload:
            self.delivered += 1
            self.blanks += 1
            return
        try:
            message = parse(payload)
        except Broken as broken:
            self.error(str(broken))
            return
        self.delivered += 1
        if binary not in (None, message.binary):
            self.error(f"{message}: came as {'binary' if binary else 'text'}")
        seen = self.sessions.get(message.session)
        if seen:
            self.follow(message, seen)
        else:
            self.sessions[message.session] = [message.number, message.number, message.blanks, self.gaps]
            self.connections[message.session] = message.source

    def follow(self, message, seen):
        what = f"{message.source} session {message.session:x}: message {message.number} after {seen[1]}"
        skipped = message.number - seen[1] - 1
        if skipped < 0:
            self.error(what)
        elif skipped:
            self.missing += skipped
            if self.numbered and seen[3] == self.gaps:
                self.error(f"{what}, and nothing said of those between")
            if self.lossless:
                self.holes.setdefault(message.session, []).append([seen[1] + 1, message.number - 1])
        self.due += message.blanks - seen[2]
        if self.lossless and self.blanks < self.due:
            self.error(f"{what}: {self.due - self.blanks} empty messages are missing")
        seen[1:] = max(message.number, seen[1]), message.blanks, self.gaps

    def end(self, how, torn=0):
        self.ended = time.monotonic()
        self.how = how
        self.torn = torn

    def report(self):
        missing = self.missing + max(0, self.due - self.blanks)
        if self.numbered and missing > self.told:
            self.error(f"{missing} messages are missing, {self.told} were told")
        return {name: value for name, value in vars(self).items()}
