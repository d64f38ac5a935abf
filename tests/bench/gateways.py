"""What is measured: each kind of gateway, how it is started, and what its subscribers get."""

import os
import subprocess

import bench

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")


def frame_header_bytes(size):
    """Of an unmasked frame: RFC 6455, section 5.2."""
    return 2 if size < 126 else 4 if size < 65536 else 10


class Kind:
    """A gateway, together with the program that plays its subscribers.

    name           in tables and options
    is_floor       what the others are compared with
    opens_first    it connects to the servers before it has subscribers
    """

    is_floor = False
    opens_first = False

    def __init__(self, name):
        self.name = name

    def prepare(self, build):
        """Raises BenchError with the reason if it cannot run on this machine."""

    def supports(self, case):
        return not case.deflate

    def start(self, run, directory, port):
        """Starts it, able to be subscribed to; returns the process."""
        raise NotImplementedError

    def record_bytes(self, case):
        """Of a message, as it is written to a subscriber."""
        return case.size + 1

    def stamp_offset(self, case):  # pylint: disable=unused-argument
        """Where in a record the payload begins."""
        return 0

    def readers(self, run, socket):
        """The command that plays the subscribers."""
        stamps = ["--stamp", self.stamp_offset(run.case)] if run.rate else []
        return [run.program("bench_drain"), "--socket", socket, "--subscribers",
                run.case.subscribers, "--records", run.messages, "--size",
                self.record_bytes(run.case), *stamps]


class Relay(Kind):
    """The floor: parses nothing."""

    is_floor = True

    def supports(self, case):
        return not case.deflate or case.upstreams == 1

    def start(self, run, directory, port):
        case = run.case
        relay = bench.Process(run.program("bench_relay"), "--port", port, "--socket",
                              os.path.join(directory, "bench.sock"), "--subscribers",
                              case.subscribers, "--senders", case.upstreams,
                              *["--tls"] * case.tls, *["--inflate"] * case.deflate,
                              cpus=run.gateway_cpus)
        relay.expect("ready")
        return relay

    def record_bytes(self, case):
        return case.size + (1 if case.deflate else frame_header_bytes(case.size))

    def stamp_offset(self, case):
        return frame_header_bytes(case.size)


class Daemon(Kind):
    """wsgated with an outlet that loses nothing."""

    opens_first = True
    on_lag = "wait"

    def __init__(self, name, outlet_format):
        super().__init__(name)
        self.format = outlet_format

    def connection(self, number, case, port):
        scheme = "wss" if case.tls else "ws"
        return (f'{{ name = "bench-{number}"; url = "{scheme}://127.0.0.1:{port}/"; '
                f'max_message = "{max(case.size, 1024)}"; tls = {{ verify = false; }}; '
                f'compression = {{ enabled = {str(case.deflate).lower()}; }}; '
                'ping = { interval = "0"; }; close_timeout = "10ms"; }')

    def start(self, run, directory, port):
        connections = [self.connection(number, run.case, port)
                       for number in range(run.case.upstreams)]
        outlet = ('{ name = "bench"; path = "bench.sock"; from = [ "*" ]; '
                  f'format = "{self.format}"; ring = "{run.ring}"; on_lag = "{self.on_lag}"; '
                  'max_subscribers = 10000; }')
        return bench.Gateway(run.build, directory, connections, [outlet], cpus=run.gateway_cpus)


class Lines(Daemon):
    def supports(self, case):
        return True


class Frames(Daemon):
    """Header, payload, padding: src/outlet/frames.h."""

    HEADER_BYTES = 32
    ALIGNMENT = 8

    def record_bytes(self, case):
        padding = -case.size % self.ALIGNMENT
        return self.HEADER_BYTES + case.size + padding

    def stamp_offset(self, case):
        return self.HEADER_BYTES

    def readers(self, run, socket):
        return [*super().readers(run, socket), "--frames"]


class Packets(Daemon):
    def record_bytes(self, case):
        return case.size

    def readers(self, run, socket):
        return [*super().readers(run, socket), "--packets"]


class Ring(Frames):
    """Subscribers that map the ring. They cannot hold the daemon up, so they may lose something."""

    on_lag = "skip"

    def __init__(self, name, spin):
        super().__init__(name, "frames")
        self.spin = spin

    def readers(self, run, socket):
        return [run.program("bench_ring"), "--socket", socket, "--subscribers",
                run.case.subscribers, "--messages", run.messages, *["--stamps"] * bool(run.rate),
                *["--spin"] * self.spin]


class Peer(Kind):
    """A gateway as the users of a library write it, in tests/bench/peers.

    check      a command that fails where the library is missing, or the program cannot be built;
               {build} and {peers} are put in
    command    that runs it
    """

    def __init__(self, name, check, command, **environment):
        super().__init__(name)
        self.check = check
        self.command = command
        self.environment = environment

    def _fill(self, command, build):
        return [part.format(build=build, peers=PEERS) for part in command]

    def prepare(self, build):
        try:
            done = subprocess.run(self._fill(self.check, build), stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False,
                                  env={**os.environ, **self.environment})
        except FileNotFoundError as error:
            raise bench.BenchError(f"{error.filename} is not installed") from None
        if done.returncode:
            lines = [line.strip() for line in done.stdout.split("\n")
                     if any(word in line for word in ("rror", "annot", "not found"))]
            raise bench.BenchError(lines[0] if lines else f"status {done.returncode}")

    def start(self, run, directory, port):
        scheme = "wss" if run.case.tls else "ws"
        peer = bench.Process(*self._fill(self.command, run.build),
                             os.path.join(directory, "bench.sock"), run.case.subscribers,
                             *[f"{scheme}://127.0.0.1:{port}/"] * run.case.upstreams,
                             cpus=run.gateway_cpus, environment=self.environment)
        peer.expect("ready")
        return peer


LWS_BUILD = ["sh", "-c", "cc -O2 -o {build}/gateway_lws {peers}/gateway_lws.c "
             "$(pkg-config --cflags --libs libwebsockets)"]
KINDS = (
    Relay("relay"),
    Lines("lines", "lines"),
    Frames("frames", "frames"),
    Packets("packets", "packets"),
    Ring("ring", spin=False),
    Ring("ring-spin", spin=True),
    Peer("node-ws", ["node", "-e", "require('ws')"], ["node", "{peers}/gateway.js"],
         NODE_PATH="/usr/share/nodejs"),
    Peer("python-websockets", ["/usr/bin/python3", "-c", "import websockets"],
         ["/usr/bin/python3", "{peers}/gateway.py"]),
    Peer("go-gorilla", ["go", "build", "-o", "{build}/gateway_go", "{peers}/gateway.go"],
         ["{build}/gateway_go"], GO111MODULE="off", GOPATH="/usr/share/gocode"),
    Peer("libwebsockets", LWS_BUILD, ["{build}/gateway_lws", "1"]),
    Peer("libwebsockets-batch", LWS_BUILD, ["{build}/gateway_lws", "1000"]),
)
PEER_NAMES = tuple(kind.name for kind in KINDS if isinstance(kind, Peer))
