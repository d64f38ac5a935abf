"""What the scripts of the benchmark share: processes, the daemon, what a process has used."""

import json
import os
import platform
import signal
import socket
import subprocess
import tempfile
import time


class BenchError(Exception):
    """The benchmark could not be carried out; the text says why."""


class Process:
    """A child that says lines on its standard output, ended when the block is left.

    `cpus`: those that it may run on, from its start, so that all its threads are bound to them.
    """

    def __init__(self, *command, cpus=None, environment=None):
        self.name = os.path.basename(str(command[0]))
        self.errors = tempfile.TemporaryFile("w+")
        place = cpus and (lambda: os.sched_setaffinity(0, cpus))
        self.child = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                      preexec_fn=place, env={**os.environ, **(environment or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def line(self):
        """The next line of its output; it is waited for."""
        text = self.child.stdout.readline()
        if not text:
            raise BenchError(f"{self.name} ended: {self.last_words()}")
        return text.strip()

    def last_words(self):
        """The last line that it said of what went wrong, or its status."""
        status = self.child.wait()
        self.errors.seek(0)
        lines = self.errors.read().split("\n")
        return next((line for line in reversed(lines) if line), f"status {status}")

    def expect(self, text):
        line = self.line()
        if line != text:
            raise BenchError(f"{self.name} said '{line}' instead of '{text}'")

    def tell(self, text):
        """A line for its standard input."""
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()

    def cpu_ns(self):
        """User and system time of all its threads: clock_getcpuclockid(3), which Python lacks."""
        return time.clock_gettime_ns(~self.child.pid << 3 | 2)

    def status_bytes(self, field):
        """A field of /proc/PID/status that is in kB: VmRSS, VmHWM, …"""
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
        raise BenchError(f"/proc/{self.child.pid}/status has no {field}")

    def send_signal(self, sign):
        self.child.send_signal(sign)

    def end(self, sign=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(sign)
            try:
                self.child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.child.kill()
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()
        self.errors.close()


class Gateway(Process):
    """wsgated with a configuration of its own, ready when this returns."""

    def __init__(self, build, directory, connections, outlets, gateway="", cpus=None):
        self.directory = directory
        self.control = os.path.join(directory, "control.sock")
        self.ctl = os.path.join(build, "wsgatectl")
        self.config = os.path.join(directory, "wsgated.conf")
        self.configure(connections, outlets, gateway)
        with ReadySocket(directory) as ready:
            super().__init__(os.path.join(build, "wsgated"), "-c", self.config, cpus=cpus)
            try:
                ready.wait(self)
            except BaseException:
                self.end()
                raise

    def configure(self, connections, outlets, gateway=""):
        """Writes the configuration; a running gateway takes it with `reload`."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'gateway = {{ runtime_dir = "{self.directory}"; '
                       f'log = {{ level = "err"; }}; {gateway} }};\n'
                       f"connections = ( {', '.join(connections)} );\n"
                       f"outlets = ( {', '.join(outlets)} );\n")

    def command(self, *arguments):
        """What wsgatectl answers."""
        done = subprocess.run([self.ctl, "-s", self.control, "--json", *arguments], check=True,
                              stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    def call(self, method):
        """The bare answer to a call on the control socket, one line, unparsed."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self.control)
            control.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode() + b"\n")
            answer = bytearray()
            while not answer.endswith(b"\n"):
                piece = control.recv(1 << 20)
                if not piece:
                    raise BenchError(f"no answer to '{method}'")
                answer += piece
            return bytes(answer)

    def wait_for_connections(self):
        """Open for the server is not yet open for the gateway."""
        while any(connection["state"] != "open" for connection in self.command("list")):
            time.sleep(0.02)

    def wait_for_subscribers(self, count):
        """Connected is not yet accepted: a `live` subscriber gets what comes after that."""
        while sum(outlet["subscribers"] for outlet in self.command("outlets")) < count:
            time.sleep(0.02)


class ReadySocket:
    """The receiving end of sd_notify(3): tells when the daemon is ready."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(0.1)

    def __enter__(self):
        os.environ["NOTIFY_SOCKET"] = self.path
        return self

    def __exit__(self, *_):
        del os.environ["NOTIFY_SOCKET"]
        self.socket.close()
        os.unlink(self.path)

    def wait(self, daemon, seconds=120):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if b"READY=1" in self.socket.recv(4096).split(b"\n"):
                    return
            except TimeoutError:
                if daemon.child.poll() is not None:
                    raise BenchError(f"wsgated ended: {daemon.last_words()}") from None
        raise BenchError(f"wsgated was not ready within {seconds} s")


def scratch(parent="/tmp"):
    """A short path: that of a UNIX socket has to fit into 107 bytes."""
    return tempfile.TemporaryDirectory(prefix="wsgated-bench-", dir=parent)


def certificate(directory):
    """A PEM file with a key and a self-signed certificate for 127.0.0.1."""
    path = os.path.join(directory, "server.pem")
    key = os.path.join(directory, "server.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", path,
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    with open(key, encoding="ascii") as source, open(path, "a", encoding="ascii") as target:
        target.write(source.read())
    return path


def load():
    return [round(load, 2) for load in os.getloadavg()]


def steal_s():
    """Seconds of CPU that the hypervisor gave to others since the machine has started."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def machine():
    """What one has to know of the machine to compare figures."""
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(), "load": load()}


def machine_line(facts):
    return (f"{facts['cpus']} x {facts['cpu']}, Linux {facts['kernel']}, "
            f"load {facts['load'][0]:.2f} at the start")


def programs_exist(build, names):
    for name in names:
        if not os.access(os.path.join(build, name), os.X_OK):
            raise BenchError(f"{build}/{name} is missing: run `make bench-programs` there")
