"""Subscribers cannot use up the descriptors that everything else needs."""

import contextlib
import os
import resource
import socket

import pytest

from harness.control import RpcError
from harness.subscriber import Lines
from harness.wait import wait_until

LIMIT = 256
RING = 2  # descriptors of a ring, once its outlet has had a message
NOBODY = 65534

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")


def limited(daemon, limit=LIMIT):
    """The hard limit stays: only root could raise it again."""
    pid, kind = daemon.process.pid, resource.RLIMIT_NOFILE
    resource.prlimit(pid, kind, (limit, resource.prlimit(pid, kind)[1]))
    return daemon


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


@pytest.fixture
def daemon(start_daemon, server):
    daemon = limited(start_daemon({
        "connections": [{"name": "feed", "url": server.url()}],
        "outlets": [{"name": "one", "from": ["feed"]}, {"name": "two", "from": ["feed"], "format": "frames"}],
    }))
    server.accept()
    daemon.wait_state("feed", "open")
    return daemon


def outlet(daemon, name="one"):
    return next(line for line in daemon.call("outlets") if line["name"] == name)


@contextlib.contextmanager
def crowd(daemon, count, name="one"):
    """So many connections to an outlet, which the daemon has taken or refused."""
    before = outlet(daemon, name)
    seen = before["accepted"] + before["refused"]
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            sockets.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            sockets[-1].connect(daemon.path(f"{name}.sock"))
        wait_until(lambda: (now := outlet(daemon, name))["accepted"] + now["refused"] >= seen + count)
        yield sockets


def test_with_hundreds_of_subscribers_everything_else_goes_on(daemon, server):
    before = descriptors(daemon)
    with crowd(daemon, 400) as sockets:
        now = outlet(daemon)
        assert now["refused"] > 0 and now["subscribers"] > 100
        assert now["subscribers"] + now["refused"] == 400
        assert daemon.ctl("list", status=0).stdout

        server.peers[0].abort()
        peer = server.accept()
        daemon.wait_state("feed", "open")
        daemon.call("reload")
        daemon.call("add", name="more", url=server.url("/more"))
        server.accept()
        daemon.wait_state("more", "open")

        peer.send("to all that were taken")
        taken = 0
        for one in sockets:
            one.settimeout(30)
            line = one.recv(1000)
            assert line in (b"", b"to all that were taken\n")
            taken += line != b""
        assert taken == now["subscribers"]
        daemon.wait_log("refused at ")
        said = [line for line in daemon.log().splitlines() if "refused at " in line]
        assert len(said) == 1 and "outlet one" in said[0] and "LimitNOFILE" in said[0]
    wait_until(lambda: not daemon.call("subscribers"))
    daemon.call("remove", name="more")
    wait_until(lambda: descriptors(daemon) <= before + RING)
    with Lines(daemon.path("one.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers", outlet="one"))
        peer.send("as before")
        assert subscriber.read_line() == b"as before"


def test_many_control_clients_in_a_crowd(daemon):
    with crowd(daemon, 400), contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(daemon.rpc()).call("version")


def test_a_low_limit_is_said(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": f"c{n}", "url": server.url(), "when": "manual"} for n in range(20)]})
    limited(daemon, 128)
    daemon.call("reload")
    daemon.wait_log("the limit of 128 descriptors is low for 20 connections and 20 outlets")


def test_when_there_are_none_at_all_the_daemon_recovers(daemon, server):
    """Not even for control: nothing of it is remembered."""
    with contextlib.ExitStack() as stack:
        limited(daemon, descriptors(daemon))
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(daemon.path("one.sock"))
        daemon.wait_log("cannot accept at")
        limited(daemon)
        daemon.call("version")
        wait_until(lambda: outlet(daemon)["subscribers"] == 1)
        server.peers[0].send("for who has waited")
        waiting.settimeout(30)
        assert waiting.recv(100) == b"for who has waited\n"


@pytest.fixture
def open_to_all(start_daemon, server):
    daemon = limited(start_daemon({
        "gateway": {"control": {"mode": "0666"}, "observe": {"path": "observe.sock", "mode": "0666"}},
        "connections": [{"name": "feed", "url": server.url()}],
        "outlets": [{"name": "one", "from": ["feed"], "mode": "0666"}],
    }))
    server.accept()
    daemon.wait_state("feed", "open")
    return daemon


def root_gets_its_answer(daemon):
    daemon.ctl("--timeout=20s", "version", status=0)
    daemon.ctl("--timeout=20s", "reload", status=0)
    daemon.ctl("--timeout=20s", "connect", "feed", status=0)


@needs_root
@pytest.mark.parametrize("name", ["control.sock", "observe.sock"])
def test_clients_of_others_do_not_keep_root_out(open_to_all, name):
    with crowd(open_to_all, 400):
        clients = [client for user in range(3) for client in open_to_all.rpcs_as(NOBODY - user, 64, name)]
        assert clients[0].call("is-open", name="feed") is True  # subscribers do not keep them out
        assert clients[-1].read()["error"] == {
            "code": -32001, "message": "no descriptors are left for control clients"}
        assert descriptors(open_to_all) < LIMIT - 40
        root_gets_its_answer(open_to_all)


@needs_root
def test_connections_of_others_do_not_keep_root_out(open_to_all, server):
    other = open_to_all.rpc_as(NOBODY)
    for number in range(LIMIT // 32):
        other.call("add", name=f"c{number}", url=server.url())
        server.accept()
    for _ in range(2):
        with pytest.raises(RpcError) as refused:
            other.call("add", name="more", url=server.url())
        assert refused.value.message == (
            "users other than root and the daemon's user may have added at most 8 connections")
        open_to_all.call("add", name="more", url=server.url(), max_message="1G")
        open_to_all.call("remove", name="more")
    other.call("remove", name="c0")
    wait_until(lambda: _added(other, name="more", url=server.url()))
    clients = open_to_all.rpcs_as(NOBODY, 60)
    assert clients[-1].call("version")
    with crowd(open_to_all, 400):
        root_gets_its_answer(open_to_all)


def _added(rpc, **settings):
    """Not before the one that was removed is gone."""
    try:
        return rpc.call("add", **settings)
    except RpcError:
        return False


@needs_root
@pytest.mark.parametrize("settings", [
    {"hold": {"bytes": "511M"}}, {"send_queue": "512M"}, {"max_message": "512M"}, {"hold": {"bytes": "1G"}},
])
def test_connections_of_others_have_bounded_memory(open_to_all, settings):
    other = open_to_all.rpc_as(NOBODY)
    url = "ws://127.0.0.1:1/"
    with pytest.raises(RpcError) as refused:
        other.call("add", name="much", url=url, when="manual", **settings)
    assert "at most 512 MiB in total; with this one they would be " in refused.value.message
    other.call("add", name="less", url=url, when="manual", hold={"bytes": "509M"})
    with pytest.raises(RpcError):
        other.call("add", name="more", url=url, when="manual")
    open_to_all.call("add", name="more", url=url, when="manual", **settings)
