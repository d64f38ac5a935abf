"""A daemon that is none: it answers wsgatectl as a test wants it to."""

import contextlib
import json
import os
import socket
import subprocess
import threading

from .daemon import build_folder


@contextlib.contextmanager
def fake(path, behave):
    """A daemon whose connections `behave` gets, each in a thread of its own, until they end."""
    threads = []

    def serve(peer):
        with peer, contextlib.suppress(OSError):
            behave(peer)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listener.accept()[0],)))
                threads[-1].start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield
        finally:
            os.unlink(path)
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def answers(**members):
    """Answers each request with these members."""

    def behave(peer):
        for line in peer.makefile("rb"):
            answer = {"jsonrpc": "2.0", "id": json.loads(line)["id"], **members}
            peer.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")

    return behave


def run_ctl(path, behave, *arguments, **options):
    """Runs wsgatectl against such a daemon at `path`."""
    command = [str(build_folder() / "wsgatectl"), "-s", path, *arguments]
    with fake(path, behave):
        return subprocess.run(command, timeout=60, stdin=subprocess.DEVNULL,
                              **{"capture_output": True, **options})
