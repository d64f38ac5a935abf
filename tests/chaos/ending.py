"""How a round ends, and what has to hold then."""

import os
import pathlib
import signal
import subprocess
import time

from clocks import Clocks
from harness.control import RpcError
from harness.wait import Timeout, wait_until
from topology import CLOSE, NAME_SERVERS
from verdict import Verdict

MEMORY = 96 << 20  # bytes beside the rings
TRIES = 20  # to connect, when all is over


class Ending:
    """The last part of a Round."""

    def finish(self):
        self.player.settle()
        self.await_control()
        self.servers.say("hurry")  # what is on its way arrives within the limits of the end
        if self.fatal.is_set() or self.daemon.process.poll() is not None:
            return self.give_up()
        if self.ending == "calm":
            self.calm()
        self.peak = self.daemon.peak()
        if self.ending != "term":
            self.empty()
        self.probe.say("end")
        self.probe_reader.join(10)
        self.terminate()
        self.conclude()
        return None

    def await_control(self):
        """The control socket may have been removed just now; the reload after it is under way."""
        path = self.daemon.path("control.sock")
        wait_until(lambda: os.path.exists(path) or self.daemon.process.poll() is not None, 10, "the control socket to be there again")

    def calm(self):
        """All is quiet, and everybody has what there is."""
        self.recover()
        self.servers.say("hold")
        for reader in self.readers.values():
            reader.say("fast")
        before = None
        moved = time.monotonic()
        while True:
            subscribers = self.daemon.call("subscribers")
            now = [[line["messages"] for line in self.daemon.call("outlets") if line["name"] != "probe"],
                   [line["sent"] for line in subscribers if line["outlet"] != "probe"]]
            if now == before and not any(line["behind"] for line in subscribers):
                self.counted = {line["pid"]: line for line in subscribers}
                self.published = {line["name"]: line["messages"] for line in self.daemon.call("outlets")}
                return
            if now != before:
                moved = time.monotonic()
            elif time.monotonic() > moved + 30:
                raise Timeout(f"the readers do not catch up: {subscribers}")
            before = now
            time.sleep(0.3)

    def recover(self):
        """Whatever there was, it is over: sockets are there, what is configured can be connected."""
        self.configure()
        self.daemon.call("reload")
        missing = [name for name in ["control", *self.all_outlets()] if not os.path.exists(self.daemon.path(f"{name}.sock"))]
        if missing:
            self.violations.append(f"a reload leaves sockets missing: {missing}")
        for name, server in self.topology.servers.items():
            if server["kind"] in ("talk", "redirect") and name in self.all_connections():
                self.connect(name)

    def connect(self, name):
        """On a busy machine it may take a server longer to answer than the settings allow."""
        for left in reversed(range(TRIES)):
            try:
                return self.daemon.call("connect", name=name)
            except RpcError:
                if not left:
                    raise

    def open_sessions(self):
        self.servers.say("open")
        return self.servers.read()

    def is_empty(self):
        """Commands that waited for the reload may have added connections."""
        if [line["name"] for line in self.daemon.call("list")] != ["probe"]:
            self.daemon.call("reload")
        return not self.open_sessions()

    def empty(self):
        """Everything is taken away: as many descriptors are open as before it came."""
        limit = self.topology.drain + CLOSE + 5
        self.configure(self.all_connections())
        self.daemon.call("reload")
        wait_until(self.is_empty, limit, lambda: f"the end of {self.open_sessions()}", 0.1)
        self.take_away(self.all_outlets())
        self.configure(self.all_connections() + self.all_outlets())
        self.daemon.call("reload")
        for rpc in self.daemon.rpcs:
            if rpc is not self.commander:
                rpc.close()
        try:
            wait_until(lambda: self.daemon.descriptors() <= self.baseline + self.spare_descriptors(), limit)
        except Timeout:
            pid = self.daemon.process.pid
            open_ = sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
            self.violations.append(f"{len(open_)} descriptors are open, {self.baseline} were: {open_}")

    def spare_descriptors(self):
        """What the first look-up opens may stay: a socket to each name server, or the eventfd of its threads."""
        return NAME_SERVERS if self.topology.resolver == "setting" else 1

    def terminate(self):
        self.daemon.muted.clear()
        if self.daemon.process.poll() is None:
            self.daemon.call("log", level="debug")  # of which no line is held back
        self.removed = {name: list(times) for name, times in self.ends.items()}
        self.take_away(self.all_outlets())
        clocks = Clocks(self.daemon.process.pid)
        began = self.last = clocks.sample()
        self.daemon.signal(signal.SIGTERM)
        try:
            self.wait_end(clocks, self.topology.drain + 20)
        except subprocess.TimeoutExpired:
            self.violations.append("SIGTERM does not end it")
            self.daemon.kill()
            return
        took = self.last.now - began.now
        queued = self.last.queued - began.queued  # the machine's time, not the daemon's
        if took - queued > (self.topology.drain + 0.5) * (3 if self.options.sanitized else 1):
            self.violations.append(f"SIGTERM: took {took:.1f} s, {queued:.1f} s of them in the queue for a CPU; "
                                   f"drain_timeout is {self.topology.drain} s")

    def wait_end(self, clocks, limit):
        """Waits for the daemon to end; `last` is a sample of its last moments."""
        deadline = time.monotonic() + limit
        while self.daemon.process.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("wsgated", limit)
            try:
                self.last = clocks.sample()
            except (FileNotFoundError, ProcessLookupError, ValueError):
                pass
            time.sleep(0.02)

    def conclude(self):
        if self.daemon.process:
            self.daemon.reader.join(10)
            try:
                self.daemon.check()
            except AssertionError as error:
                self.violations.append(str(error)[-3000:])
        for reader in self.readers.values():
            reader.say("report")
        sittings = {name: self.report(name, reader) for name, reader in self.readers.items() if name not in self.player.killed}
        self.servers.say("report")
        sessions = self.report("servers", self.servers)
        steady = [name for name in self.topology.steady() if name not in self.player.killed]
        self.events.finish()
        verdict = Verdict(self.topology, sessions, sittings, steady, self.ends, self.removed, self.daemon.log(), self.events)
        if self.published:
            verdict.check_counts({name: self.counted.get(self.readers[name].process.pid) for name in steady}, self.published)
        self.violations += verdict.check()
        self.check_memory()
        self.delivered = sum(sitting["delivered"] for all_ in sittings.values() for sitting in all_)
        self.made = sum(session["made"] for session in sessions)

    def report(self, name, program):
        report = program.read()
        if report is None:
            self.violations.append(f"{name} has ended by itself, see standard error: the test is at fault")
        return report or []

    def check_memory(self):
        rings = sum(outlet["ring"] for outlet in self.topology.outlets)
        most = MEMORY + 3 * rings
        if self.peak > most and not self.options.sanitized:
            self.violations.append(f"{self.peak >> 20} MiB of memory, {most >> 20} are bound")

    def give_up(self):
        """The daemon hangs or has ended: what can be said of it."""
        status = self.daemon.process.poll()
        if status is not None:
            self.violations.append(f"wsgated has ended by itself: {status}\n{self.daemon.log()[-3000:]}")
            return
        pid = self.daemon.process.pid
        wchan = pathlib.Path(f"/proc/{pid}/wchan").read_text()
        self.violations.append(f"wsgated is given up: {self.daemon.cpu():.1f} s of CPU, waits in {wchan!r}")
        self.daemon.kill()
