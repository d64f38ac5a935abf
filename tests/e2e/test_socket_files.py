"""Sockets whose files are removed or replaced while the daemon runs: they come back with a reload."""

import os
import pathlib
import shutil
import signal
import socket

import pytest

from harness.control import Rpc
from harness.subscriber import Lines
from harness.wait import wait_until


@pytest.fixture
def feed(start_daemon, server):
    """A daemon with sockets in a directory of their own, a subscriber, and the server's end."""

    def feed():
        daemon = start_daemon({
            "gateway": {"observe": {"path": "observe.sock"}},
            "connections": [{"name": "feed", "url": server.url()}],
            "outlets": [{"name": "feed", "from": ["feed"], "path": "feed.sock"}],
        })
        peer = server.accept()
        subscriber = Lines(daemon.path("feed.sock"))
        wait_until(lambda: daemon.call("subscribers"))
        return daemon, peer, subscriber

    return feed


def reload(daemon):
    """By signal: the control socket may be gone."""
    seen = len(daemon.notify.messages)
    daemon.signal(signal.SIGHUP)
    daemon.notify.wait_for("RELOADING=1", after=seen)
    daemon.notify.wait_for("READY=1", after=seen)


def check(daemon, peer, subscriber):
    """Who was connected still is, and others can connect."""
    with Lines(daemon.path("feed.sock")) as other:
        wait_until(lambda: len(daemon.call("subscribers")) == 2)
        peer.send("to all")
        assert subscriber.read_line() == other.read_line() == b"to all"
    with Lines(daemon.path("observe.sock")) as observer:
        observer.send(b'{"jsonrpc":"2.0","id":1,"method":"version"}\n')
        assert b"result" in observer.read_line()


def stale(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)


@pytest.mark.parametrize("how", ["removed", "replaced", "format"])
def test_a_socket_that_was_removed_comes_back(feed, how):
    daemon, peer, subscriber = feed()
    rpc = daemon.rpc()
    for name in ("feed.sock", "control.sock", "observe.sock"):
        os.unlink(daemon.path(name))
        if how == "replaced":
            stale(daemon.path(name))
    if how == "format":  # the outlet is made anew
        daemon.file.write_text(daemon.file.read_text().replace('path = "feed.sock"',
                                                               'path = "feed.sock"; ring = "64K"'))
    reload(daemon)
    daemon.wait_log("configuration reloaded")
    if how == "format":
        subscriber.wait_end()
        subscriber = Lines(daemon.path("feed.sock"))
        wait_until(lambda: daemon.call("subscribers"))
    check(daemon, peer, subscriber)
    assert rpc.call("is-open", name="feed") is True
    assert pathlib.Path(daemon.path("control.sock")).stat().st_mode & 0o777 == 0o600


def await_subscribers(folder, count):
    with Rpc(str(folder / "control.sock")) as rpc:
        wait_until(lambda: len(rpc.call("subscribers")) == count)


def test_a_directory_that_was_removed_comes_back(start_daemon, server, tmp_path):
    folder = tmp_path / "run"
    daemon = start_daemon({
        "gateway": {"runtime_dir": str(folder)},
        "connections": [{"name": "feed", "url": server.url()}],
    })
    peer = server.accept()
    with Lines(str(folder / "feed.sock")) as subscriber:
        await_subscribers(folder, 1)
        peer.send("one")
        assert subscriber.read_line() == b"one"
        shutil.rmtree(folder)
        reload(daemon)
        with Lines(str(folder / "feed.sock")) as other:
            await_subscribers(folder, 2)
            peer.send("two")
            assert subscriber.read_line() == other.read_line() == b"two"
        assert (folder / "control.sock").is_socket()


def test_a_file_in_its_place_is_an_error(feed):
    daemon, peer, subscriber = feed()
    path = pathlib.Path(daemon.path("feed.sock"))
    path.unlink()
    path.write_text("mine")
    daemon.ctl("reload", status=1)
    daemon.wait_log(f"{path} is a regular file of uid {os.geteuid()}, not a socket")
    assert path.read_text() == "mine"
    peer.send("unharmed")
    assert subscriber.read_line() == b"unharmed"


def test_a_socket_in_use_is_an_error(feed):
    daemon, peer, subscriber = feed()
    path = daemon.path("feed.sock")
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(path)
        living.listen()
        daemon.ctl("reload", status=1)
        daemon.wait_log(f"{path}: another process is listening there (the socket belongs to uid {os.geteuid()})")
    peer.send("unharmed")
    assert subscriber.read_line() == b"unharmed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_stale_socket_of_another_user_is_an_error(feed):
    daemon, peer, subscriber = feed()
    path = daemon.path("feed.sock")
    os.unlink(path)
    stale(path)
    os.chown(path, 4711, -1)
    daemon.ctl("reload", status=1)
    daemon.wait_log(f"{path}: there is a stale socket of another user (uid 4711); remove it")
    os.unlink(path)
    daemon.ctl("reload", status=0)
    check(daemon, peer, subscriber)
