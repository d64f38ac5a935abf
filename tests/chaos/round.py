"""One round: a topology, its schedule, its end, and what there is to say of it."""

import json
import random
import threading
import time

import schedule
from daemon import ChaosDaemon
from ending import Ending
from events import Events
from harness.control import Rpc
from harness.namespace import Namespace, available
from harness.wait import Timeout, wait_until
from programs import Program
from topology import EXTRA, NAME_SERVERS, Topology, names


class Round(Ending):
    """`options`: limit (seconds), sanitized, without, authority, certificate, key."""

    def __init__(self, seed, seconds, options):
        self.options = options
        self.seconds = seconds
        self.topology = Topology(random.Random(seed), options.without)
        self.seed = seed
        self.steps = schedule.make(self.topology, seconds, options.without)
        self.ending = self.topology.random.choice(["calm", "reload", "term"])
        self.namespace = None
        self.daemon = ChaosDaemon()
        self.violations = []
        self.fatal = threading.Event()
        self.timers = []
        self.counted = {}  # at a calm end: pid of a reader: what the daemon says of it
        self.published = {}  # then too: outlet: messages
        self.ends = {}  # outlet: when it was taken away
        self.readers = {}
        self.programs = []
        self.summary = {}
        self.commander = self.events = None

    def make_namespace(self):
        """For rounds in which the C library asks name servers of the round's."""
        if self.topology.resolver == "setting":
            return None
        if available()[1]:
            self.topology.resolver = "setting"
            return None
        resolv_conf = "".join(f"nameserver 127.0.0.{number + 1}\n" for number in range(NAME_SERVERS))
        return Namespace(etc={"resolv.conf": resolv_conf + "options timeout:1\n"})

    def wrapper(self):
        return self.namespace.command if self.namespace else []

    def start(self, *arguments, wrapper=()):
        program = Program(*arguments, wrapper=wrapper)
        self.programs.append(program)
        return program

    # The daemon's configuration.

    def configure(self, leave_out=()):
        settings = self.topology.configuration(self.ports, self.options.authority.ca_file, leave_out)
        settings["connections"].insert(0, {"name": "probe", "url": f"ws://127.0.0.1:{self.probe_port}/", "ping": {"interval": "0"}})
        settings["outlets"].insert(0, {"name": "probe", "from": ["probe"]})
        settings["gateway"] = {"drain_timeout": f"{self.topology.drain}s", "log": {"level": "info"}}
        if not self.namespace:
            settings["gateway"]["dns"] = self.name_servers
        self.daemon.configure(settings)

    def take_away(self, outlets):
        """Notes that it is about to be done."""
        for outlet in outlets:
            self.ends.setdefault(outlet, []).append(time.monotonic())

    def all_connections(self):
        return [settings["name"] for settings in self.topology.connections]

    def all_outlets(self):
        return [outlet["name"] for outlet in self.topology.outlets]

    def extra_url(self, name):
        return f"ws://127.0.0.1:{self.ports['plain']}/{name}"

    def command(self, method, **params):
        """Starts a command without waiting for its end; answers are read and dropped."""
        try:
            self.commander.start(method, **params)
        except OSError:
            if self.daemon.process.poll() is not None:
                raise Timeout(f"wsgated has ended: {self.daemon.process.returncode}") from None
            self.open_commander()

    def open_commander(self):
        self.commander = Rpc(self.daemon.path("control.sock"))
        self.commander.socket.settimeout(5)
        self.daemon.rpcs.append(self.commander)

        def drain(sock):
            try:
                while sock.recv(1 << 16):
                    pass
            except OSError:
                pass

        own = self.commander.socket.dup()
        own.settimeout(None)
        threading.Thread(target=drain, args=[own], daemon=True).start()

    # The beginning.

    def begin(self):
        self.namespace = self.make_namespace()
        self.daemon.wrapper = self.wrapper()
        self.start_names()
        self.start_servers()
        self.start_probe()
        self.configure(self.all_connections() + self.all_outlets())
        self.daemon.start()
        pid = self.daemon.process.pid
        self.probe.say(f"{pid} {self.daemon.path('control.sock')} {self.daemon.path('probe.sock')}")
        wait_until(lambda: self.probing or self.fatal.is_set(), what="the probe")
        self.open_commander()
        self.events = Events(self.daemon.path("control.sock"))
        self.baseline = self.settled_descriptors()
        self.configure()
        self.daemon.call("reload")
        self.start_readers()
        self.servers.say("go")

    def start_readers(self):
        """Until each has subscribed: one of frames has only connected before its hello is read."""
        with Rpc(self.daemon.path("control.sock")) as events:
            events.call("events")
            for spec in self.topology.readers:
                spec["path"] = self.daemon.path(f"{spec['outlet']}.sock")
                self.readers[spec["name"]] = self.start("readers.py", json.dumps(spec))
            missing = {reader.process.pid for reader in self.readers.values()}
            while missing:
                missing.discard(events.event("subscribed", 30)["pid"])

    def settled_descriptors(self):
        """How many the daemon has when nobody is about to come or to go."""
        self.daemon.call("version")  # by now it has accepted who came before
        before = None
        while (now := self.daemon.descriptors()) != before:
            before = now
            time.sleep(0.2)
        return now

    def start_names(self):
        hosts = [(f"127.0.0.{number + 1}", 53) if self.namespace else ("127.0.0.1", 0) for number in range(NAME_SERVERS)]
        self.names = self.start("names.py", json.dumps({"names": names(), "listen": hosts}), wrapper=self.wrapper())
        self.name_servers = self.names.read()

    def start_servers(self):
        for name, sizes in EXTRA.items():
            self.topology.servers[name] = {"kind": "talk", "rate": 100, "sizes": sizes}
        self.servers = self.start("servers.py", json.dumps({
            "seed": self.seed, "servers": self.topology.servers, "long": self.topology.long(),
            "certificate": str(self.options.certificate), "key": str(self.options.key)}), wrapper=self.wrapper())
        self.ports = self.servers.read()

    def start_probe(self):
        self.probing = False
        self.probe = self.start("probe.py", str(self.options.limit), wrapper=self.wrapper())
        self.probe_port = self.probe.read()["port"]
        self.probe_reader = threading.Thread(target=self.read_probe, daemon=True)
        self.probe_reader.start()

    def read_probe(self):
        while (told := self.probe.read()) is not None:
            if "failure" in told:
                self.violations.append(told["failure"] + self.where(told.get("at")))
                if told.get("fatal"):
                    self.fatal.set()
            self.probing = self.probing or "ready" in told
            self.summary = told.get("summary", self.summary)

    def where(self, at):
        return f" (at {at - self.went:.2f} s)" if at and hasattr(self, "went") else ""

    # The middle.

    def play(self):
        self.player = schedule.Player(self)
        self.went = time.monotonic()
        for step in self.steps:
            while (left := self.went + step[0] - time.monotonic()) > 0:
                if self.fatal.wait(min(left, 0.1)) or self.daemon.process.poll() is not None:
                    return
            self.player.play(step)
        self.fatal.wait(max(0.0, self.went + self.seconds - time.monotonic()))

    def clean(self):
        self.daemon.muted.clear()
        for timer in self.timers:
            timer.cancel()
        for program in self.programs:
            program.stop()
        self.daemon.kill() if self.daemon.process else None
        self.daemon.discard()
        if self.namespace:
            self.namespace.close()

    def run(self):
        """The violations."""
        self.made = self.delivered = 0
        try:
            self.begin()
            self.play()
            self.finish()
        except Exception as error:  # whatever it is, the seed has to be told
            self.violations.append(f"{type(error).__name__}: {error}")
        finally:
            self.log = self.daemon.log()
            self.clean()
        return self.violations

    def describe(self):
        steps = "\n".join(f"{step[0]:6.2f} s  {' '.join(map(str, step[1:]))}" for step in self.steps)
        return f"{self.topology.describe()}\n{steps}\nend: {self.ending}"
