"""Proxies: tinyproxy for HTTP, microsocks for SOCKS5, and one for names that nobody knows."""

import contextlib
import os
import pathlib
import select
import socket
import ssl
import subprocess
import threading

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
                1, lambda port: self.command(port, login), stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **self.names()},
            )

    def names(self):
        """What has the proxy know one name, whatever the host's /etc/hosts says: nss_wrapper(1)."""
        hosts = self.folder / "hosts"
        hosts.write_text("127.0.0.1 localhost\n")
        return {"LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_HOSTS": str(hosts)}

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


class NamingProxy:
    """An HTTP proxy that takes every host for 127.0.0.1."""

    def __init__(self):
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.sockets.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                piece = client.recv(1)
                if not piece:
                    return
                head += piece
            target = head.split(b" ")[1].decode()
            server = socket.create_connection(("127.0.0.1", int(target.rsplit(":", 1)[1])))
            self.sockets.append(server)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            threading.Thread(target=self._relay, args=(server, client), daemon=True).start()
            self._relay(client, server)

    @staticmethod
    def _relay(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class TlsFront:
    """socat(1), which ends TLS in front of a proxy. `certificate` is (certificate file, key file)."""

    def __init__(self, folder, behind, certificate):
        self.folder, self.behind = pathlib.Path(folder), behind
        self.folder.mkdir(parents=True, exist_ok=True)
        options = "bind=127.0.0.1,reuseaddr,fork,verify=0,cert={},key={}".format(*certificate)
        self.process, (self.port,) = start_listening(
            1, lambda port: ["socat", f"OPENSSL-LISTEN:{port},{options}", f"TCP:127.0.0.1:{behind.port}"],
            stderr=subprocess.DEVNULL, env=dict(os.environ),
        )

    def url(self, login="", host="127.0.0.1"):
        return f"https://{login}{host}:{self.port}"

    def wait_target(self, target):
        self.behind.wait_target(target)

    def stop(self):
        process.end(self.process)


class HttpsProxy:
    """
    One that speaks TLS and then does as it is told: `reply` to CONNECT; b"" is never to answer. With
    `piece`, it relays to the target in TLS records of so many bytes. `heads` is what clients sent.
    """

    def __init__(self, certificate, reply=b"HTTP/1.1 200 OK\r\n\r\n", handshake=True, piece=1 << 14):
        self.reply, self.handshake, self.piece = reply, handshake, piece
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.heads, self.sockets, self.threads = [], [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._start(self._accept)

    def url(self, login="", host="127.0.0.1"):
        return f"https://{login}{host}:{self.port}"

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.sockets.append(client)
                self._start(self._serve, client)

    def _serve(self, client):
        with contextlib.suppress(OSError, ValueError):
            if not self.handshake:
                client.recv(1)
                client.shutdown(socket.SHUT_RDWR)
                return
            secure = self.context.wrap_socket(client, server_side=True)
            self.sockets.append(secure)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                piece = secure.recv(1)
                if not piece:
                    return
                head += piece
            self.heads.append(head.decode())
            secure.sendall(self.reply)
            if b" 200 " in self.reply:
                self._relay(secure, int(head.split(b" ")[1].rsplit(b":", 1)[1]))

    def _relay(self, secure, port):
        """In one thread: an SSLSocket is not for two at a time."""
        with socket.create_connection(("127.0.0.1", port)) as target:
            while True:
                ready = secure.pending() and [secure] or select.select([secure, target], [], [])[0]
                if secure in ready:
                    data = secure.recv(1 << 14)
                    target.sendall(data)
                else:
                    data = target.recv(1 << 14)
                    for at in range(0, len(data), self.piece):
                        secure.sendall(data[at:at + self.piece])
                if not data:
                    return

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for each in self.sockets:
            each.close()
