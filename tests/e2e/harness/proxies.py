"""Proxies: tinyproxy for HTTP, microsocks for SOCKS5."""

import pathlib
import subprocess

from . import process
from .ports import start_listening
from .wait import wait_until


class Proxy:
    """`kind` is the scheme; what the proxy logs is in a file. A login is (user, password)."""

    kind = None

    def __init__(self, folder, login=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_file = self.folder / "log"
        self.log_file.touch()
        with open(self.log_file, "ab") as log:
            self.process, (self.port,) = start_listening(
                1, lambda port: self.command(port, login), stdout=log, stderr=subprocess.STDOUT
            )

    def command(self, port, login):
        raise NotImplementedError

    def url(self, login=""):
        return f"{self.kind}://{login}127.0.0.1:{self.port}"

    def log(self):
        return self.log_file.read_text(errors="replace")

    def wait_target(self, target):
        """Waits until the proxy tells of a tunnel to `target`, as the client has named it."""
        wait_until(lambda: self.tunnel(target) in self.log(), what=lambda: f"{target} in {self.log()}")

    def tunnel(self, target):
        raise NotImplementedError

    def stop(self):
        process.end(self.process)


class Tinyproxy(Proxy):
    """`settings`: more lines of its configuration."""

    kind = "http"

    def __init__(self, folder, login=None, settings=""):
        self.settings = settings
        super().__init__(folder, login)

    def command(self, port, login):
        lines = [f"Port {port}", "Listen 127.0.0.1", "LogLevel Connect", "Timeout 60", "MaxClients 64"]
        if login:
            lines.append("BasicAuth {} {}".format(*login))
        configuration = self.folder / "tinyproxy.conf"
        configuration.write_text("\n".join([*lines, self.settings, ""]))
        return ["tinyproxy", "-d", "-c", str(configuration)]

    def tunnel(self, target):
        return f"CONNECT {target} HTTP/1.1"


class Microsocks(Proxy):
    kind = "socks5"

    def command(self, port, login):
        user = ["-u", login[0], "-P", login[1]] if login else []
        return ["microsocks", "-i", "127.0.0.1", "-p", str(port), *user]

    def tunnel(self, target):
        return f"connected to {target}\n"
