"""The real wsgated, as a child of the test."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from . import process
from .config import libconfig
from .control import Rpc, connect_as
from .wait import PATIENCE, Timeout, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:exitcode=99",
    "LSAN_OPTIONS": "print_suppressions=0:suppressions=" + str(pathlib.Path(__file__).with_name("lsan.supp")),
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehavior")


def build_folder(heavy=False):
    """
    Where the programs under test are: $WSGATED_BUILD, or $WSGATED_BUILD_SANITIZED (if it is set)
    for what is not heavy.
    """
    plain = os.environ.get("WSGATED_BUILD", ROOT / "build")
    return pathlib.Path(plain if heavy else os.environ.get("WSGATED_BUILD_SANITIZED", plain)).resolve()


class Notify:
    """The service manager's end of sd_notify(3)."""

    def __init__(self, path):
        self.path = str(path)
        self.messages = []  # the assignments, in order: "READY=1", "STATUS=…"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            data = self.socket.recv(4096)
            if not data:
                return
            self.messages.extend(data.decode().splitlines())

    def wait_for(self, text, timeout=PATIENCE, after=0):
        """Waits for an assignment that begins so, beyond the first `after`; returns it."""
        return wait_until(
            lambda: next((m for m in self.messages[after:] if m.startswith(text)), None),
            timeout,
            lambda: f"the notification {text!r}; there were {self.messages}",
        )

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.path)
        self.thread.join()
        self.socket.close()


class Daemon:
    """
    `settings`: a dict (connections, outlets, defaults, gateway) or the text of the configuration.
    Log level and runtime_dir are filled in; reconnects are quick unless `defaults` says otherwise.
    `stderr` is where it logs to instead of a file; `wrapper` is a command that is to run the program;
    `prepare` is called in the child before.
    """

    def __init__(self, settings=None, heavy=False, environment=None, stderr=None, wrapper=(), prepare=None):
        self.build = build_folder(heavy)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wsgated-"))
        self.file = self.folder / "wsgated.conf"
        self.stderr_file = self.folder / "stderr"
        self.environment = environment or {}
        self.stderr = stderr
        self.wrapper = wrapper
        self.prepare = prepare
        self.process = None
        self.notify = Notify(self.folder / "notify")
        self.rpcs = []
        self.configure(settings or {})

    def configure(self, settings):
        if isinstance(settings, dict):
            gateway = {"runtime_dir": str(self.folder), **settings.get("gateway", {})}
            gateway["log"] = {"level": "debug", **gateway.get("log", {})}
            defaults = {"reconnect": {"min": "20ms", "max": "200ms"}, **settings.get("defaults", {})}
            settings = libconfig({**settings, "gateway": gateway, "defaults": defaults})
        # At once: a reload may be reading it just now.
        whole = self.file.with_suffix(".new")
        whole.write_text(settings)
        whole.replace(self.file)

    @property
    def program(self):
        return str(self.build / "wsgated")

    def spawn(self, *arguments):
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": self.notify.path,
            **SANITIZERS,
            **self.environment,
        }
        with open(self.stderr_file, "ab") as stderr:
            self.process = process.start(
                [*self.wrapper, self.program, "-c", str(self.file), *arguments],
                prepare=self.prepare, stderr=stderr if self.stderr is None else self.stderr, env=environment,
            )

    def run(self, *arguments, status=None, **options):
        """Runs the program to its end, as with -t; checks its exit status if one is given."""
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 20, **options}
        done = subprocess.run([self.program, "-c", str(self.file), *arguments], **options)
        assert not REPORT.search(done.stderr), done.stderr
        if status is not None:
            assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    def start(self):
        seen = len(self.notify.messages)
        self.spawn()
        wait_until(
            lambda: "READY=1" in self.notify.messages[seen:] or self.process.poll() is not None,
            what="READY=1",
        )
        if self.process.poll() is not None:
            raise AssertionError(f"wsgated ended with {self.process.returncode}:\n{self.log()}")
        return self

    def stop(self):
        """Stops the daemon as a service manager would; it must end well and leave nothing behind."""
        if self.process and self.process.returncode is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                process.end(self.process, signal.SIGKILL)
                raise Timeout(f"wsgated does not stop:\n{self.log()}") from None
        if self.process:
            self.check()

    def check(self):
        """That the daemon has ended well."""
        report = REPORT.search(self.log())
        assert not report, f"sanitizer report:\n{self.log()[report.start() - 200:]}"
        assert self.process.returncode == 0, f"exit status {self.process.returncode}:\n{self.log()}"

    def kill(self):
        """Ends the daemon the hard way; its exit status is not checked then."""
        process.end(self.process, signal.SIGKILL)
        self.process = None

    def discard(self):
        """Stops the daemon if it runs, and removes its folder."""
        try:
            for rpc in self.rpcs:
                rpc.close()
            self.stop()
        finally:
            if self.process and self.process.poll() is None:
                self.kill()
            self.notify.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def signal(self, number):
        self.process.send_signal(number)

    def log(self):
        return self.stderr_file.read_text(errors="replace") if self.stderr_file.exists() else ""

    def wait_log(self, text, timeout=PATIENCE):
        wait_until(
            lambda: text in self.log(), timeout, lambda: f"{text!r} in the log:\n{self.log()}"
        )

    def path(self, name):
        """A socket in the runtime directory."""
        return str(self.folder / name)

    def ctl(self, *arguments, stdin=None, timeout=30, status=None, environment=None):
        """Runs wsgatectl to its end; checks its exit status if one is given."""
        done = subprocess.run(
            [str(self.build / "wsgatectl"), "-s", self.path("control.sock"), *map(str, arguments)],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **(environment or {})},
        )
        done.stdout = done.stdout.decode()
        done.stderr = done.stderr.decode()
        assert not REPORT.search(done.stderr), done.stderr
        if status is not None:
            assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    def ctl_json(self, *arguments, **options):
        return json.loads(self.ctl("--json", *arguments, status=0, **options).stdout)

    def rpc(self):
        """A connection to the control socket; closed with the daemon."""
        rpc = Rpc(self.path("control.sock"))
        self.rpcs.append(rpc)
        return rpc

    def rpcs_as(self, uid, count, name="control.sock"):
        """The same, as another user: nobody but root can ask for it."""
        self.folder.chmod(0o755)
        rpcs = [Rpc(connection) for connection in connect_as(uid, self.path(name), count)]
        self.rpcs += rpcs
        return rpcs

    def rpc_as(self, uid, name="control.sock"):
        return self.rpcs_as(uid, 1, name)[0]

    def call(self, method, **params):
        """One call over a control connection of its own."""
        with Rpc(self.path("control.sock")) as rpc:
            return rpc.call(method, **params)

    def status(self, name):
        return self.call("status", name=name)

    def wait_state(self, name, state, timeout=PATIENCE):
        """Waits until the connection is in that state; returns its status."""

        def reached():
            status = self.status(name)
            return status if status["state"] == state else None

        return wait_until(reached, timeout, lambda: f"'{name}' to be {state}: {self.status(name)}")

    def memory(self):
        """Resident memory in bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def cpu(self):
        """Seconds of CPU time used so far."""
        return self._cpu("stat")

    def loop_cpu(self):
        """Likewise, by the thread of the event loop alone."""
        return self._cpu(f"task/{self.process.pid}/stat")

    def _cpu(self, name):
        fields = pathlib.Path(f"/proc/{self.process.pid}/{name}").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
