"""
A machine of the test's own: network and mount namespaces that end with the process that keeps them,
whatever happens to the test.

As a program it is this process: it makes sockets in its network, and hands them over.
"""

import contextlib
import ctypes
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from . import process

PATIENCE = 30  # seconds for a command that takes milliseconds

# What programs find in /etc, besides what the host has there.
ETC = {
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "resolv.conf": "",
}

USER_NAMESPACE = ["--user", "--map-root-user"]

# Ask the host's resolvers whatever /etc says.
CACHES = ["/run/nscd", "/run/systemd/resolve"]


class Unavailable(Exception):
    """This machine or this user cannot have namespaces; says why."""


class Namespace:
    """
    `user` is a Namespace whose user namespace this one shares. `etc`: contents of files by name,
    beside or instead of ETC. Sockets of the file system are the same inside and outside.
    """

    def __init__(self, user=None, etc=None):
        self.user_namespace, reason = available()
        if reason:
            raise Unavailable(reason)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="namespace-"))
        self.folder.chmod(0o755)
        for folder in ("etc", "host-etc", "empty"):
            (self.folder / folder).mkdir()
        for name, text in {**ETC, **(etc or {})}.items():
            self.write_etc(name, text)
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        with theirs:
            self.keeper = process.start(
                [*self._unshare(user), "/usr/bin/python3", "-B", "-m", __name__, str(theirs.fileno()), str(self.folder)],
                pass_fds=[theirs.fileno()], cwd=pathlib.Path(__file__).parents[1],
            )
        if self.socket.recv(16) != b"ready":
            self.close()
            raise AssertionError("the keeper of the namespace has ended: see standard error")

    def _unshare(self, user):
        command = ["unshare", "--net", "--mount"]
        if not self.user_namespace:
            return command
        if user:
            return ["nsenter", "--target", str(user.keeper.pid), "--user", "--preserve-credentials", *command]
        return [*command, *USER_NAMESPACE]

    @property
    def command(self):
        """What runs the command that follows inside: the process stays the same, and ends with its parent."""
        user = ["--user", "--preserve-credentials"] if self.user_namespace else []
        return ["nsenter", "--target", str(self.keeper.pid), "--root", "--net", "--mount", *user, "--",
                "setpriv", "--pdeathsig", "KILL", "--"]

    def run(self, *command, stdin=None):
        """Runs it to its successful end inside; its output."""
        done = subprocess.run([*self.command, *map(str, command)], input=stdin, capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}{stdin or ''}"
        return done.stdout

    def shell(self, script):
        """Runs that text with sh(1)."""
        return self.run("sh", "-ec", script)

    def ip(self, commands):
        """Runs the lines with ip(8)."""
        return self.run("ip", "-batch", "-", stdin=commands)

    def nft(self, rules):
        return self.run("nft", "-f", "-", stdin=rules)

    def bind(self, host, port=0, kind=socket.SOCK_STREAM):
        """A socket of this machine, bound to that address: "127.0.0.1", "fe80::1%eth0"."""
        return self._socket(socket.AF_UNSPEC, kind, 0, host, port)

    def listen(self, host, port=0):
        listener = self.bind(host, port)
        listener.listen(128)
        return listener

    def open(self, family, kind, protocol=0):
        """A socket of this machine."""
        return self._socket(family, kind, protocol, None, None)

    def _socket(self, *arguments):
        self.socket.send(json.dumps(arguments).encode())
        answer, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 1)
        if not descriptors:
            raise OSError(*json.loads(answer))
        return socket.socket(fileno=descriptors[0])

    def write_etc(self, name, text):
        """Replaces that file in /etc, at once; None takes it away."""
        path = self.folder / "etc" / name
        if text is None:
            path.unlink(missing_ok=True)
            return
        new = path.with_suffix(".new")
        new.write_text(text)
        new.replace(path)

    def close(self):
        self.socket.close()
        process.end(self.keeper, signal.SIGKILL)
        (self.folder / "host-etc").rmdir()  # out here nothing is mounted there
        shutil.rmtree(self.folder)


# Everything that the tests need of the kernel and of packages.
PROBE = """
export PATH=$PATH:/usr/sbin:/sbin
mount -t tmpfs tmpfs /mnt
setpriv --pdeathsig KILL true
echo 1 >/proc/sys/net/ipv4/ip_forward
ip link set lo up
ip link add name a type veth peer name b
tc qdisc add dev a root tbf rate 1mbit burst 10k latency 1s
nft add table inet probe
nft add chain inet probe nat '{ type nat hook postrouting priority 100; }'
nft add rule inet probe nat masquerade
"""


@functools.lru_cache
def available():
    """Whether it takes a user namespace to have networks of one's own; and why there can be none, or ""."""
    reasons = []
    for who, flags in ("as this user", []), ("in a user namespace", USER_NAMESPACE):
        reason = _failure(["unshare", "--net", "--mount", *flags, "sh", "-ec", PROBE])
        if not reason:
            return bool(flags), ""
        reasons.append(f"{who}: {reason}")
    return False, "no network namespaces " + "; ".join(reasons)


def _failure(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except FileNotFoundError as error:
        return str(error)
    return done.stderr.strip() or f"exit status {done.returncode}" if done.returncode else ""


def _mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def _cover_etc(folder):
    """Mounts over /etc a folder that has its files, and links to the others'."""
    ours, hosts = folder / "etc", folder / "host-etc"
    for entry in os.scandir("/etc"):
        with contextlib.suppress(FileExistsError):
            os.symlink(os.readlink(entry.path) if entry.is_symlink() else hosts / entry.name, ours / entry.name)
    _mount("--rbind", "/etc", hosts)
    _mount("--bind", ours, "/etc")
    for cache in CACHES:
        if os.path.isdir(cache):
            _mount("--bind", folder / "empty", cache)


def _make_socket(family, kind, protocol, host, port):
    if host is None:
        return socket.socket(family, kind, protocol)
    ((family, kind, protocol, _, address),) = socket.getaddrinfo(host, port, family, kind, flags=socket.AI_NUMERICHOST)
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address)
    return made


def _keep(requests, folder):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, which a user namespace has reset
    _cover_etc(folder)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    requests.send(b"ready")
    while request := requests.recv(4096):
        try:
            with _make_socket(*json.loads(request)) as made:
                socket.send_fds(requests, [b"!"], [made.fileno()])
        except OSError as error:
            requests.send(json.dumps([error.errno, error.strerror]).encode())


if __name__ == "__main__":
    _keep(socket.socket(fileno=int(sys.argv[1])), pathlib.Path(sys.argv[2]))
