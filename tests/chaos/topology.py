"""What a round is made of, from its seed: connections, servers, outlets, readers."""

from message import LARGEST

FORMATS = ["lines", "json", "frames", "packets"]
RINGS = ["64K", "128K", "256K", "1M", "2M", "4M"]
CLOSE = 5  # seconds of close_timeout: longer than any drain_timeout here
CONNECTION = {"max_message": "128K", "connect_timeout": "1s", "upgrade_timeout": "1s", "tls_timeout": "1s",
              "close_timeout": f"{CLOSE}s", "reconnect": {"min": "50ms", "max": "300ms"}}
assert LARGEST < 128 << 10

TALKS = [
    {"rate": None, "sizes": "kilobyte"},
    {"rate": None, "sizes": "mixed"},
    {"rate": None, "sizes": "small"},
    {"rate": 200, "sizes": "kilobyte"},
    {"rate": 1000, "sizes": "mixed"},
    {"rate": 20, "sizes": "large"},
    {"rate": 2, "sizes": "small"},
]
ENDS = [{}, {}, {"end": "close", "code": 1000}, {"end": "close", "code": 4321}, {"end": "close", "code": 1012},
        {"end": "reset"}, {"end": "silence"}]
BAD = ["refuse", "silent", "void", "flood"]
GARBAGE = ["\xff\xfe\x00", "x" * 3000, "\n" * 500, '{"data":1}\n', "{}\n"]


class Topology:
    """`without`: words of what is left out: tls, wait, skip, close, bad, write, map."""

    def __init__(self, random, without):
        self.random = random
        self.without = without
        self.servers = {}
        self.connections = []  # settings; the URL comes with the ports
        self.outlets = []
        self.readers = []
        self.drain = random.choice([2, 3, 4])  # seconds
        for number in range(random.randint(2, 10)):
            self.add_connection(f"c{number}")
        if "bad" not in without:
            for number in range(random.randint(0, 3)):
                self.add_bad(f"bad{number}")
        self.add_outlets()

    # Connections.

    def add_connection(self, name):
        spec = {**self.random.choice(TALKS), **self.random.choice(ENDS)}
        spec["kind"] = "redirect" if self.random.random() < 0.1 else "talk"
        if "end" in spec:
            spec["messages"] = [1, 3000 if not spec["rate"] else 500]
        if self.random.random() < 0.2:
            spec["pings"] = self.random.choice([1, 20])
        spec["fragments"] = self.random.random() < 0.3
        spec["tls"] = "tls" not in self.without and self.random.random() < 0.3
        self.add(name, spec, query=self.random.choice(["", "?SNDBUF=16384"]))

    def add_bad(self, name):
        self.add(name, {"kind": self.random.choice(BAD), "tls": False})

    def add(self, name, spec, query=""):
        self.servers[name] = spec
        settings = {"name": name, **CONNECTION}
        if spec["tls"]:
            settings["tls"] = {"ca_file": "@CA@"}
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
        kind = self.random.choice(FORMATS)
        large = any(server.get("sizes") == "large" for server in self.servers.values())
        rings = RINGS[2:] if on_lag == "wait" or large else RINGS
        outlet = {"name": name, "path": f"{name}.sock", "from": self.sources(on_lag), "format": kind, "on_lag": on_lag,
                  "ring": self.random.choice(rings), "start": self.random.choice(["live", "oldest"]),
                  "writable": "write" not in self.without and self.random.random() < 0.3}
        self.outlets.append(outlet)
        for _ in range(self.random.randint(1, 3)):
            self.add_reader(outlet)

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
            spec["write"] = [self.random.choice(GARBAGE)] if manner == "garbage" else ['{"data":"up"}\n']
        spec["buffer"] = self.random.choice([4096, 1 << 16, 1 << 18])
        spec["chunk"] = self.random.choice([1000, 1 << 16, 1 << 18])
        self.readers.append(spec)

    # What others need of it.

    def steady(self):
        """Readers that stay from the start to the end."""
        return [reader["name"] for reader in self.readers if "leave" not in reader and "write" not in reader]

    def configuration(self, ports, ca_file, leave_out=()):
        """Connections and outlets as settings, without those named."""
        def url(text):
            _, kind, path = text.split("@")
            return f"{'wss' if kind == 'tls' else 'ws'}://127.0.0.1:{ports[kind]}{path}"

        connections = []
        for settings in self.connections:
            if settings["name"] not in leave_out:
                connection = {**settings, "url": url(settings["url"])}
                if "tls" in connection:
                    connection["tls"] = {"ca_file": str(ca_file)}
                connections.append(connection)
        names = {connection["name"] for connection in connections}
        outlets = []
        for outlet in self.outlets:
            if outlet["name"] not in leave_out:
                sources = [name for name in outlet["from"] if name in names or not name.isalnum()]
                outlets.append({**outlet, "from": sources or ["nobody*"]})
        return {"connections": connections, "outlets": outlets}

    def describe(self):
        lines = [f"drain_timeout {self.drain} s"]
        lines += [f"connection {settings['name']}: {self.servers[settings['name']]} {settings['url']}"
                  for settings in self.connections]
        lines += [f"outlet {outlet}" for outlet in self.outlets]
        lines += [f"reader {reader}" for reader in self.readers]
        return "\n".join(lines)
