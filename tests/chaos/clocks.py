"""
Whose fault a delay is. The machine is shared: a daemon that is runnable but not run, or stopped, or a
probe that is, cannot help it; nor can a loop that waits for a lock of the kernel's or the allocator's while the thread
that holds it is runnable but not run. What is left of a delay after that is the daemon's: it computed, or
it was blocked.
"""

import os
import pathlib
import signal
import time
from typing import NamedTuple

TICK = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """All in seconds, all counting from some time in the past."""

    now: float
    ran: float  # the daemon's loop has used so much CPU
    queued: float  # and has waited so long for a CPU
    helpers_queued: float  # the same of the daemon's other threads, together
    own_queued: float  # the same of the probe
    paused: float  # what the probe overslept without having been in a queue
    stolen: float  # by the hypervisor, of all CPUs
    stopped: float  # the daemon was, by a signal of the probe's


def _scheduled(path):
    ran, queued, _ = path.read_text().split()
    return int(ran) / 1e9, int(queued) / 1e9


class Clocks:
    def __init__(self, pid):
        # The first thread is the loop: helpers may compute or wait as they like.
        self.tasks = pathlib.Path(f"/proc/{pid}/task")
        self.loop = self.tasks / str(pid)
        self.helpers = {}  # by thread: how long it has waited for a CPU
        self.waited = 0.0  # all of them together
        self.own = pathlib.Path("/proc/thread-self/schedstat")
        self.paused = 0.0
        self.asleep = None
        self.stops = 0.0  # seconds of all that are over
        self.stopped_at = None  # monotonic time

    def stop(self):
        os.kill(int(self.loop.name), signal.SIGSTOP)
        self.stopped_at = time.monotonic()

    def go_on(self):
        if self.stopped_at is not None:
            os.kill(int(self.loop.name), signal.SIGCONT)
            self.stops += time.monotonic() - self.stopped_at
            self.stopped_at = None

    def _stopped(self):
        return self.stops + (time.monotonic() - self.stopped_at if self.stopped_at is not None else 0.0)

    def sample(self):
        ran, queued = _scheduled(self.loop / "schedstat")
        return Sample(time.monotonic(), ran, queued, self._helpers_queued(), _scheduled(self.own)[1],
                      self.paused, self._stolen(), self._stopped())

    def _helpers_queued(self):
        """Of those that have ended meanwhile, too, up to when they were last seen."""
        before, self.helpers = self.helpers, {}
        for task in os.listdir(self.tasks):
            if task == self.loop.name:
                continue
            try:
                self.helpers[task] = _scheduled(self.tasks / task / "schedstat")[1]
            except OSError:
                continue  # it has ended
            self.waited += max(0.0, self.helpers[task] - before.get(task, 0.0))
        return self.waited

    def whereabouts(self):
        """The kernel's function that the loop sleeps in; "0" while it runs."""
        return (self.loop / "wchan").read_text()

    @staticmethod
    def _stolen():
        with open("/proc/stat") as stat:
            return int(stat.readline().split()[8]) / TICK

    def sleeps(self, until):
        """The probe is about to sleep until then, unless something comes."""
        self.asleep = until, _scheduled(self.own)[1]

    def slept(self):
        """It slept to the end, nothing came: what it is late by is the machine's."""
        until, queued = self.asleep
        late = time.monotonic() - until - (_scheduled(self.own)[1] - queued)
        self.paused += max(0.0, late)


class Verdict(NamedTuple):
    delay: float
    busy: float  # CPU time of the daemon meanwhile
    machine: float  # what the machine is responsible for
    blocked: float  # neither: it slept though there was something to do
    late: float  # the probe itself, in looking: what the daemon did meanwhile may be after the answer

    @property
    def held(self):
        """Seconds for which the daemon itself held things up."""
        return max(0.0, min(self.delay - self.late, self.busy + self.blocked))


def judge(start, end):
    """What happened between two samples."""
    delay = end.now - start.now - (end.stopped - start.stopped)
    busy = end.ran - start.ran
    late = end.own_queued - start.own_queued + end.paused - start.paused
    machine = late + end.queued - start.queued + end.stolen - start.stolen
    helpers = max(0.0, min(end.helpers_queued - start.helpers_queued, delay - busy - machine))
    machine += helpers
    return Verdict(delay, busy, machine, max(0.0, delay - busy - machine), late)


def be_punctual():
    """Above all others, where that is allowed: then the probe is rarely late itself."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass
