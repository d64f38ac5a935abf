"""Programs that are told the ports they are to listen on."""

import os
import pathlib
import socket

from . import process
from .wait import Timeout, wait_until


def free_port():
    """A port of loopback that nothing listens on: for now, somebody else may take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listeners(program, port):
    """The inodes of the TCP sockets that listen on it, in the program's network."""
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{program.pid}/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                yield int(fields[9])


def listens(program, port):
    """Whether it is that program, and not another that took the port before."""
    links = set()
    for descriptor in pathlib.Path(f"/proc/{program.pid}/fd").glob("*"):
        try:
            links.add(os.readlink(descriptor))
        except OSError:
            pass  # it has closed it, or ended
    return any(f"socket:[{inode}]" in links for inode in listeners(program, port))


def start_listening(count, command, wanted=None, **options):
    """
    Starts the program of `command(*ports)`, and waits until it listens on all of its `count` ports;
    with others, if it ends because one was taken and none are `wanted`. Gives the process and the
    ports.
    """
    for _ in range(5):
        ports = wanted or [free_port() for _ in range(count)]
        arguments = command(*ports)
        program = process.start(arguments, **options)
        wait_until(
            lambda: program.poll() is not None or all(listens(program, port) for port in ports),
            what=f"{arguments[0]} to listen",
        )
        if program.poll() is None:
            return program, ports
        process.end(program)
    raise Timeout(f"{arguments[0]} does not start: exit status {program.returncode}")
