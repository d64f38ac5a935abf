"""What a round is made of, from its seed: connections, servers, outlets, readers."""

import fnmatch

from message import BROKEN_MORE, largest, lengths_near

FORMATS = ["lines", "json", "frames", "packets"]
RINGS = [size << 10 for size in (4, 16, 64, 128, 256, 1024, 2048, 4096)]
NEAR_RINGS = [size << 10 for size in (4, 16, 64, 256)]
MARGIN = 64  # bytes by which the ring of an outlet that waits is larger than any message
CLOSE = 5  # seconds of close_timeout: longer than any drain_timeout here
CONNECTION = {"connect_timeout": "1s", "upgrade_timeout": "1s", "tls_timeout": "1s",
              "close_timeout": f"{CLOSE}s", "reconnect": {"min": "50ms", "max": "300ms"}}
EXTRA = {"x0": "mixed", "x1": "mixed", "x2": "mixed"}  # connections that are added later, and their sizes
DOMAIN = "chaos.test"
NAME_SERVERS = 2
PING = {"interval": "300ms", "timeout": "2s"}  # shorter than the daemon may be stopped, or a slow line needs
STALL = 1.0  # seconds: a server that was away for so long may have been taken for dead
OPENING = {"count": 200, "size": 1000}  # messages of on_open: more than a send_queue of 64 KiB

TALKS = [
    {"rate": None, "sizes": "kilobyte"},
    {"rate": None, "sizes": "mixed"},
    {"rate": None, "sizes": "small"},
    {"rate": None, "sizes": "tiny", "blank": 0.05, "burst": 5000},
    {"rate": 50, "sizes": "rings"},
    {"rate": 50, "sizes": "rings"},
    {"rate": 200, "sizes": "kilobyte"},
    {"rate": 1000, "sizes": "mixed"},
    {"rate": 20, "sizes": "large"},
    {"rate": 2, "sizes": "small"},
]
ENDS = [{}, {}, {"end": "close", "code": 1000}, {"end": "close", "code": 4321}, {"end": "close", "code": 1012},
        {"end": "reset"}, {"end": "silence"}, {"end": "broken"}]
LINES = [4000, 20_000, 100_000]  # bytes a second that a slow line carries, either way
ODDITIES = ["hints", "empty", "headers", "folded", "bare"]
BAD = ["refuse", "silent", "void", "flood"]
GARBAGE = ["\xff\xfe\x00", "x" * 3000, "\n" * 500, '{"data":1}\n', "{}\n", ""]  # "": more than is taken


def matches(sources, name):
    return any(fnmatch.fnmatchcase(name, glob) for glob in sources)


def opening(number):
    """A message of on_open, which the server expects as the first, second, …"""
    return f"open-{number} ".ljust(OPENING["size"], "z")


def names():
    """What the name servers know."""
    numbers = [f"{kind}{number}" for kind, count in (("c", 10), ("bad", 3)) for number in range(count)]
    return {f"{name}.{DOMAIN}": ["127.0.0.1"] for name in numbers}


class Topology:
    """`without`: words of what is left out: tls, wait, skip, close, bad, write, map, names, lines, odd, opening, utf8."""

    def __init__(self, random, without):
        self.random = random
        self.without = without
        self.servers = {}
        self.connections = []  # settings; the URL comes with the ports
        self.outlets = []
        self.readers = []
        self.drain = random.choice([2, 3, 4])  # seconds
        # Who looks names up: the C library, with a resolv.conf of the round's own, or the daemon.
        self.resolver = random.choice(["system", "setting"])
        for number in range(random.randint(2, 10)):
            self.add_connection(f"c{number}")
        self.largest = {**{name: largest(sizes) for name, sizes in EXTRA.items()},
                        **{settings["name"]: settings["max_message"] for settings in self.connections}}
        if "bad" not in without:
            for number in range(random.randint(0, 3)):
                self.add_bad(f"bad{number}")
        self.add_outlets()
        for name, spec in self.servers.items():
            spec["newlines"] = not any(outlet["format"] == "lines" for outlet in self.takers(name))

    # Connections.

    def add_connection(self, name):
        spec = {**self.random.choice(TALKS), **self.random.choice(ENDS)}
        spec["kind"] = "redirect" if self.random.random() < 0.1 else "talk"
        if "end" in spec:
            spec["messages"] = [1, 3000 if not spec["rate"] else 500]
        if self.random.random() < 0.2:
            spec["pings"] = self.random.choice([1, 20])
        spec["fragments"] = self.random.random() < 0.3
        spec["binary"] = self.random.choice([0, 0, 0.2, 1])
        spec.setdefault("blank", self.random.choice([0, 0, 0.01, 0.3]))
        if spec["sizes"] == "rings":
            spec["lengths"] = lengths_near(NEAR_RINGS, self.random.choice(NEAR_RINGS) - MARGIN)
        spec["tls"] = self.chance("tls", 0.3)
        spec["named"] = self.chance("names", 0.4)
        if self.chance("lines", 0.2):
            spec["line"] = self.random.choice(LINES)
        if self.chance("odd", 0.2):
            spec["odd"] = self.random.choice(ODDITIES)
        if self.chance("opening", 0.2):
            spec["opening"] = OPENING["count"]
        if spec["sizes"] in ("small", "kilobyte") and self.chance("utf8", 0.4):
            spec["utf8"] = self.random.choice(["replace", "pass"])
        if spec.get("end") == "broken":
            spec.pop("utf8", None)
        self.add(name, spec, query=self.random.choice(["", "?SNDBUF=16384"]))

    def chance(self, word, probability):
        """Always draws, so that what is left out changes nothing else."""
        return self.random.random() < probability and word not in self.without

    def add_bad(self, name):
        self.add(name, {"kind": self.random.choice(BAD), "tls": False, "named": self.chance("names", 0.4)})

    def add(self, name, spec, query=""):
        self.servers[name] = spec
        sizes = spec.get("sizes", "tiny")
        settings = {"name": name, **CONNECTION, "max_message": spec["lengths"][-1] if sizes == "rings" else largest(sizes)}
        if "utf8" in spec:
            settings["max_message"] += BROKEN_MORE
        if spec["tls"]:
            settings["tls"] = {"ca_file": "@CA@"}
        if self.random.random() < 0.5:
            settings["ping"] = PING
        if "utf8" in spec:
            settings["utf8"] = spec["utf8"]
        if self.random.random() < 0.3:
            settings["send_queue"] = "4M"  # as large as what readers write, unlike the default
        if "opening" in spec:
            settings["send_queue"] = "64K"
            settings["on_open"] = [opening(number) for number in range(spec["opening"])]
        settings["url"] = f"@{'void' if spec['kind'] == 'void' else 'tls' if spec['tls'] else 'plain'}@/{name}{query}"
        self.connections.append(settings)

    # Outlets and who reads them.

    def add_outlets(self):
        lags = [lag for lag in ("skip", "close") if lag not in self.without]
        for number in range(self.random.randint(1, 3) if lags else 0):
            self.add_outlet(f"o{number}", self.random.choice(lags))
        if "wait" not in self.without:
            for number in range(self.random.choice([0, 1, 2, 2, 3, 4])):
                self.add_outlet(f"w{number}", "wait")

    def sources(self, on_lag):
        """
        Overlapping choices of connections: all, some by a pattern, some by name. One that waits has
        patterns only: then it goes on taking from a connection that is about to be removed.
        """
        names = [settings["name"] for settings in self.connections]
        some = self.random.sample(names, self.random.randint(1, len(names)))
        digits = "".join(sorted({name[-1] for name in some}))
        by_name = [f"c[{digits}]"] if on_lag == "wait" else some
        return self.random.choice([["[!p]*"], ["c*"], ["c[0-3]"], ["c[!0]", "b*"], by_name])

    def add_outlet(self, name, on_lag):
        sources = self.sources(on_lag)
        formats = self.random.sample(FORMATS, 2 if self.random.random() < 0.3 else 1)
        for letter, kind in zip("ab", formats):
            outlet = {"name": name + letter, "path": f"{name}{letter}.sock", "from": sources, "format": kind,
                      "on_lag": on_lag, "ring": self.random.choice(self.rings(sources, on_lag)),
                      "start": self.random.choice(["live", "oldest"]),
                      "writable": "write" not in self.without and self.random.random() < 0.3}
            self.outlets.append(outlet)
            for _ in range(self.random.randint(1, 3)):
                self.add_reader(outlet)

    def rings(self, sources, on_lag):
        """The sizes that an outlet of these connections can have; mostly not far from their messages."""
        if on_lag != "wait":
            return RINGS
        most = max([size for name, size in self.largest.items() if matches(sources, name)], default=0)
        fit = [ring for ring in RINGS if ring >= most + MARGIN]
        return fit[:2] + fit

    def add_reader(self, outlet):
        spec = {"outlet": outlet["name"], "format": outlet["format"], "on_lag": outlet["on_lag"],
                "seed": self.random.randrange(1 << 30), "name": f"r{len(self.readers)}"}
        manner = self.random.choice(["fast", "pausing", "pausing", "stopping", "leaving", "mapped", "writing", "garbage"])
        if manner == "pausing":
            spec["pause"] = [self.random.choice([1 << 12, 1 << 16, 1 << 20]), self.random.choice([0.001, 0.003, 0.05])]
        elif manner == "stopping":
            spec["stop"] = [0.2, 2.0]
        elif manner == "leaving":
            spec["leave"] = [0.1, 3.0]
        elif manner == "mapped" and outlet["format"] == "frames" and outlet["on_lag"] != "wait":
            spec["mapped"] = "map" not in self.without
        elif manner in ("writing", "garbage") and outlet["writable"]:
            spec["write"] = self.random.choice(GARBAGE) if manner == "garbage" else "messages"
        spec["buffer"] = self.random.choice([4096, 1 << 16, 1 << 18])
        spec["chunk"] = self.random.choice([1000, 1 << 16, 1 << 18])
        self.readers.append(spec)

    # What others need of it.

    def takers(self, name):
        """The outlets of a connection."""
        return [outlet for outlet in self.outlets if matches(outlet["from"], name)]

    def long(self):
        """Messages from so many bytes on may be larger than a ring, in whatever format."""
        return min(outlet["ring"] for outlet in self.outlets) // 3 if self.outlets else 0

    def steady(self):
        """Readers that stay from the start to the end."""
        return [reader["name"] for reader in self.readers if "leave" not in reader and "write" not in reader]

    def configuration(self, ports, ca_file, leave_out=()):
        """Connections and outlets as settings, without those named."""
        def url(name, text):
            _, kind, path = text.split("@")
            host = f"{name}.{DOMAIN}" if self.servers[name]["named"] else "127.0.0.1"
            return f"{'wss' if kind == 'tls' else 'ws'}://{host}:{ports[kind]}{path}"

        connections = []
        for settings in self.connections:
            if settings["name"] not in leave_out:
                connection = {**settings, "url": url(settings["name"], settings["url"]), "max_message": str(settings["max_message"])}
                if "tls" in connection:
                    connection["tls"] = {"ca_file": str(ca_file)}
                connections.append(connection)
        names = {connection["name"] for connection in connections}
        outlets = []
        for outlet in self.outlets:
            if outlet["name"] not in leave_out:
                sources = [name for name in outlet["from"] if name in names or not name.isalnum()]
                outlets.append({**outlet, "from": sources or ["nobody*"], "ring": str(outlet["ring"])})
        return {"connections": connections, "outlets": outlets}

    def describe(self):
        lines = [f"drain_timeout {self.drain} s, resolver: {self.resolver}"]
        for settings in self.connections:
            spec = {key: value for key, value in self.servers[settings["name"]].items() if key != "lengths"}
            lines.append(f"connection {settings['name']}: {spec} {settings['url']} max_message {settings['max_message']}")
        lines += [f"outlet {outlet}" for outlet in self.outlets]
        lines += [f"reader {reader}" for reader in self.readers]
        return "\n".join(lines)
