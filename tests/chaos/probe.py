#!/usr/bin/python3
"""
The probe, as a program: the invariant that the loop always comes back to the poll. It asks the control
socket for the version again and again, and measures how long messages take through a connection and an
outlet that are its own. Says its server's port first; then, for "PID CONTROL OUTLET" on standard input,
probes until "end". It stops the daemon with a signal for "stop SECONDS", at most until "go". Each hold and each failure is a line of JSON on standard output, the last a summary.
"""

import json
import os
import select
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../e2e")]

from clocks import Clocks, be_punctual, judge  # noqa: E402
from harness.frame import TEXT, frame  # noqa: E402
from harness.misbehave import Exchange  # noqa: E402

TICK = 0.01  # seconds between two messages
PAUSE = 0.02  # between an answer and the next question
HANG = 5.0  # seconds of the daemon's own
STARVED = 60.0  # whosever they are
# Share of the machine's time by which the limit is more: who is put off the CPU comes back to cold caches.
STRAINED = 0.05


def say(**what):
    print(json.dumps(what), flush=True)


class Failure(Exception):
    pass


class Probe:
    """`limit`: seconds for which the daemon may hold anything up."""

    def __init__(self, limit):
        self.limit = limit
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.asked = None  # the sample when the question was asked
        self.answered = 0.0
        self.pending = b""
        self.worst = {"answer": 0.0, "delivery": 0.0}  # seconds of the daemon's own
        self.slowest = {"answer": 0.0, "delivery": 0.0}  # seconds, whosever fault
        self.count = {"answer": 0, "delivery": 0}
        self.sent = {}  # message: the sample when it was sent
        self.number = 0
        self.told = 0.0  # until when all holds are told
        self.go_on_at = None  # when the daemon is to go on that has been stopped
        self.orders = b""  # from standard input, not a whole line yet
        self.whereabouts = []  # of the loop, at each tick while it owes something for long

    def open(self, pid, control, outlet):
        self.clocks = Clocks(pid)
        self.listener.settimeout(15)
        self.server = Exchange(None, self.listener.accept()[0])
        self.server.read_request()
        self.server.answer()
        self.control = socket.socket(socket.AF_UNIX)
        self.control.connect(control)
        self.outlet = socket.socket(socket.AF_UNIX)
        self.outlet.connect(outlet)
        self.ready()

    def ready(self):
        """Waits until the outlet delivers: before that, messages go to nobody."""
        for _ in range(500):
            self.server.send(frame(TEXT, b"0"))
            if select.select([self.outlet], [], [], 0.05)[0]:
                break
        else:
            raise Failure("the probe's outlet does not deliver")
        self.server.send(frame(TEXT, b"go"))
        while not self.pending.endswith(b"go\n"):
            self.pending += self.outlet.recv(1 << 16)
        self.pending = b""

    def judge(self, kind, start, end):
        verdict = judge(start, end)
        self.count[kind] += 1
        self.slowest[kind] = max(self.slowest[kind], verdict.delay)
        self.worst[kind] = max(self.worst[kind], verdict.held if verdict.delay > self.limit else 0.0)
        if verdict.held > self.limit + STRAINED * verdict.machine and start.now > self.told:
            self.told = end.now  # each hold once, not for every message that it held up
            say(failure=f"{kind} held up for {verdict.held * 1000:.0f} ms: took {verdict.delay * 1000:.0f} ms, "
                f"{verdict.busy * 1000:.0f} ms computing, {verdict.blocked * 1000:.0f} ms blocked, "
                f"{verdict.machine * 1000:.0f} ms the machine's; in {', '.join(self.whereabouts)}", at=end.now)

    def ask(self):
        self.control.send(b'{"jsonrpc":"2.0","id":1,"method":"version"}\n')

    def hear_answer(self):
        data = self.control.recv(1 << 16)
        if not data:
            raise Failure("the control socket was closed")
        if b"\n" in data:
            self.judge("answer", self.asked, self.clocks.sample())
            self.asked = None
            self.answered = time.monotonic()

    def post(self):
        self.number += 1
        self.sent[self.number] = self.clocks.sample()
        self.server.sock.send(frame(TEXT, b"%d" % self.number), socket.MSG_DONTWAIT)

    def hear_delivery(self):
        data = self.outlet.recv(1 << 16)
        if not data:
            raise Failure("the probe's subscriber was closed")
        now = self.clocks.sample()
        *lines, self.pending = (self.pending + data).split(b"\n")
        for line in lines:
            number = int(line)
            if min(self.sent, default=0) != number:
                raise Failure(f"the probe got message {number} where {min(self.sent, default=0)} was due")
            self.judge("delivery", self.sent.pop(number), now)

    def hear_server(self):
        data = self.server.sock.recv(1 << 16)
        raise Failure(f"the probe's connection was ended: {data[:40]!r}")

    def look(self):
        """Looks where the loop is that owes something for long, and for how long it does."""
        now = self.clocks.sample()
        oldest = min([*self.sent.values(), self.asked or now], key=lambda sample: sample.now, default=now)
        delay, held = now.now - oldest.now, judge(oldest, now).held
        if delay > self.limit / 2:
            self.whereabouts.append(self.clocks.whereabouts())
        else:
            self.whereabouts.clear()
        if held > HANG or delay > STARVED:
            raise Failure(f"no answer or no delivery for {delay:.1f} s, {held:.1f} s of it the daemon's: it hangs")

    def obey(self):
        """Does what standard input says; False at the end."""
        *lines, self.orders = (self.orders + (os.read(0, 4096) or b"end\n")).split(b"\n")
        for line in lines:
            order, *seconds = line.split()
            if order == b"stop" and self.go_on_at is None:
                self.go_on_at = time.monotonic() + float(seconds[0])
                self.clocks.stop()
            elif order == b"go":
                self.go_on_at = time.monotonic()
            elif order == b"end":
                return False
        return True

    def mind_the_stop(self):
        if self.go_on_at is not None and time.monotonic() >= self.go_on_at:
            self.go_on_at = None
            self.clocks.go_on()

    def turn(self, due):
        """Sends what is due, and hears what comes until the next tick."""
        now = time.monotonic()
        self.mind_the_stop()
        self.look()
        self.post()
        if not self.asked and now - self.answered >= PAUSE:
            self.asked = self.clocks.sample()
            self.ask()
        hearers = {self.control: self.hear_answer, self.outlet: self.hear_delivery,
                   self.server.sock: self.hear_server, sys.stdin: None}
        while True:
            self.clocks.sleeps(due)
            readable, _, _ = select.select(list(hearers), [], [], max(0.0, due - time.monotonic()))
            if not readable:
                self.clocks.slept()
                return True
            for sock in readable:
                if sock is sys.stdin:
                    if not self.obey():
                        return False
                    continue
                hearers[sock]()
            if time.monotonic() >= due:
                return True

    def run(self):
        due = time.monotonic()
        while True:
            due = max(due + TICK, time.monotonic())
            if not self.turn(due):
                return

    def summary(self):
        milliseconds = lambda values: {kind: round(value * 1000, 1) for kind, value in values.items()}  # noqa: E731
        say(summary={"held_ms": milliseconds(self.worst), "took_ms": milliseconds(self.slowest), "count": self.count})


def first_order():
    """A line of standard input, and no more: the others are read as they come."""
    line = b""
    while not line.endswith(b"\n"):
        if not (piece := os.read(0, 1)):
            sys.exit("the round has ended")
        line += piece
    return line.decode()


def main():
    probe = Probe(float(sys.argv[1]))
    say(port=probe.listener.getsockname()[1])
    pid, control, outlet = first_order().split()
    try:
        probe.open(int(pid), control, outlet)
        be_punctual()
        say(ready=True)
        probe.run()
    except (Failure, OSError) as failure:
        say(failure=str(failure), fatal=True)
    finally:
        probe.clocks.go_on()
    probe.summary()


if __name__ == "__main__":
    main()
