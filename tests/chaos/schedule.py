"""What happens in a round, and when: made up from the seed before it begins."""

import os
import resource
import signal
import threading
import time

from harness.dns import MOODS
from message import largest
from topology import EXTRA, NAME_SERVERS

SIGNALS = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGHUP"]
CHATTER = ["list", "outlets", "subscribers", "stats", "warnings"]


def make(topology, seconds, without):
    """[(second, action, argument…)], in order; "end" is how the round ends."""
    random = topology.random
    connections = [settings["name"] for settings in topology.connections]
    outlets = [outlet["name"] for outlet in topology.outlets]
    readers = [reader["name"] for reader in topology.readers]
    makers = {
        "disconnect": lambda: [random.choice(connections), random.choice([1000, 1001, 4000])],
        "connect": lambda: [random.choice(connections)],
        "bounce": lambda: [random.choice(connections)],
        "reload": lambda: [random.sample(connections, random.randint(0, max(1, len(connections) // 3))),
                           random.sample(outlets, random.randint(0, max(1, len(outlets) // 3))),
                           random.choice(["reload", "SIGHUP"])],
        "add": lambda: [random.choice(list(EXTRA))],
        "remove": lambda: [random.choice([*EXTRA, random.choice(connections)])],
        "signal": lambda: [random.choice(SIGNALS)],
        "freeze": lambda: [random.choice(readers), random.uniform(0.1, 3)],
        "kill": lambda: [random.choice(readers)],
        "descriptors": lambda: [random.randint(0, 3), random.uniform(0.3, 2)],
        "mute": lambda: [random.uniform(0.5, 3)],
        "chatter": lambda: [random.choice(CHATTER), random.choice([1, 5, 200])],
        "send": lambda: [random.choice(connections), random.choice([10, 1000, 100_000])],
        "log": lambda: [random.choice(["debug", "info", "warning"])],
        "half": lambda: [],
        "stop": lambda: [random.choice([0.5, 3])],
        "names": lambda: [random.randrange(NAME_SERVERS), random.choice(MOODS), random.uniform(0.5, 4)],
        "unlink": lambda: [random.choice(["control", *outlets])],
        "churn": lambda: [random.choice([10, 100])],
    }
    names = sorted(set(makers) - set(without))
    times = sorted(random.uniform(0.2, seconds) for _ in range(int(seconds * random.choice([0.5, 2, 5]))))
    steps = []
    for at in times:
        name = random.choice(names)
        steps.append((at, name, *makers[name]()))
    return steps


class Player:
    """Does what the schedule says. `round` has the daemon, the topology and the readers' processes."""

    def __init__(self, round_):
        self.round = round_
        self.daemon = round_.daemon
        self.killed = set()
        self.churned = 0  # connections that have come and gone

    def play(self, step):
        _, name, *arguments = step
        getattr(self, f"do_{name}")(*arguments)

    def later(self, seconds, function):
        timer = threading.Timer(seconds, function)
        timer.daemon = True
        timer.start()
        self.round.timers.append(timer)

    def do_disconnect(self, name, code):
        self.round.command("disconnect", name=name, code=code)

    def do_connect(self, name):
        self.round.command("connect", name=name)

    def do_bounce(self, name):
        self.round.command("disconnect", name=name)
        self.round.command("connect", name=name)

    def do_reload(self, connections, outlets, how):
        self.round.take_away(outlets)
        self.round.configure(set(connections) | set(outlets))
        if how == "SIGHUP":
            self.daemon.signal(signal.SIGHUP)
        else:
            self.round.command("reload")

    def do_add(self, name):
        self.round.command("add", name=name, url=self.round.extra_url(name), reconnect={"min": "50ms", "max": "300ms"},
                           max_message=str(largest(EXTRA[name])))

    def do_remove(self, name):
        self.round.command("remove", name=name)

    def do_signal(self, name):
        self.daemon.signal(getattr(signal, name))

    def do_freeze(self, name, seconds):
        reader = self.round.readers[name]
        reader.send_signal(signal.SIGSTOP)
        self.later(seconds, lambda: reader.send_signal(signal.SIGCONT))

    def do_kill(self, name):
        if name in self.round.topology.steady()[::2]:
            return  # the verdict wants some that stay
        self.killed.add(name)
        self.round.readers[name].kill()

    def do_descriptors(self, spare, seconds):
        """As good as none left: the limit is where the daemon is, for a while."""
        pid = self.daemon.process.pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        soft = max(soft, 1024)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + spare, hard))
        self.later(seconds, lambda: self.restore(pid, soft, hard))

    @staticmethod
    def restore(pid, soft, hard):
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        except ProcessLookupError:
            pass

    def do_mute(self, seconds):
        self.daemon.muted.set()
        self.later(seconds, self.daemon.muted.clear)

    def do_chatter(self, method, count):
        for _ in range(count):
            self.round.command(method)

    def do_send(self, name, size):
        self.round.command("send", name=name, text="u" * size)

    def do_log(self, level):
        self.round.command("log", level=level)

    def do_half(self):
        """A control client that goes in the middle of a line."""
        try:
            with self.daemon.rpc() as rpc:
                rpc.send_raw(b'{"half')
        except FileNotFoundError:
            return  # the socket has been removed, and is not back yet
        self.daemon.rpcs.remove(rpc)

    def do_stop(self, seconds):
        self.round.probe.say(f"stop {seconds}")

    def do_names(self, number, mood, seconds):
        self.round.names.say(f"{number} {mood}")
        self.later(seconds, lambda: self.round.names.say(f"{number} well"))

    def do_unlink(self, name):
        """Somebody clears the runtime directory; a reload brings the socket back."""
        try:
            os.unlink(self.daemon.path(f"{name}.sock"))
        except FileNotFoundError:
            return  # an earlier one, or it has been taken away by a reload
        self.daemon.signal(signal.SIGHUP)

    def do_churn(self, count):
        """Names that come and go, and that the patterns of outlets match."""
        for _ in range(count):
            self.churned += 1
            self.round.command("add", name=f"y{self.churned}", url=self.round.extra_url(f"y{self.churned}"))
        for number in range(self.churned - count, self.churned):
            self.round.command("remove", name=f"y{number + 1}")

    def settle(self):
        """Undoes all that was to be undone later."""
        self.round.probe.say("go")
        for timer in self.round.timers:
            if timer.is_alive():
                timer.cancel()
                timer.function()
        self.round.timers.clear()
        time.sleep(0.05)
