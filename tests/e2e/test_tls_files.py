"""Files of TLS settings that take long to read: everything else goes on meanwhile."""

import os
import signal
import time

import pytest

from harness.certificates import Authority
from harness.control import RpcError
from harness.wait import wait_until

# Seconds of CPU time that the loop may spend while a thread works; see test_turns.py.
TURN = 0.1

PATIENCE = 60  # seconds, on a busy machine

PASSPHRASE = "pass-phrase"


@pytest.fixture(scope="module")
def keys(authority):
    """The certificate of a client, its key, and the same key so encrypted that it takes long to read."""
    certificate, key = authority.issue("slow-client")
    return certificate, authority.encrypt(key, PASSPHRASE), authority.encrypt_slowly(key, PASSPHRASE)


@pytest.fixture
def slow(start_daemon, nginx, server, authority, keys, tmp_path):
    """A daemon with one connection whose key takes long since the start, and a function that says how to `add` one."""
    certificate, key, slow_key = keys
    key_file, passphrase_file = tmp_path / "client.key", tmp_path / "passphrase"
    key_file.write_bytes(key.read_bytes())
    passphrase_file.write_text(PASSPHRASE)
    feed = {
        "name": "feed", "url": nginx.url("client", server.port), "when": "manual", "reconnect": {"enabled": False},
        "tls_timeout": "60s",
        "tls": {"ca_file": str(authority.ca_file), "cert_file": str(certificate), "key_file": str(key_file),
                "key_passphrase_file": str(passphrase_file)},
    }
    daemon = start_daemon({"connections": [feed]})
    key_file.write_bytes(slow_key.read_bytes())
    return daemon, lambda name: {**feed, "name": name}


def start_reading(daemon, rpc, method, **params):
    """Calls the method, which has a file read; returns when a thread is at it."""
    before = daemon.cpu()
    number = rpc.start(method, **params)
    wait_until(lambda: daemon.cpu() > before + 0.05)
    return number


@pytest.mark.timeout(90)
@pytest.mark.parametrize("method", ["connect", "add"])
def test_a_key_that_takes_long_leaves_turns_to_others(slow, server, method):
    daemon, other = slow
    rpc = daemon.rpc()
    whole, loop = daemon.cpu(), daemon.loop_cpu()
    number = start_reading(daemon, rpc, method, **(other("more") if method == "add" else {"name": "feed"}))
    with daemon.rpc() as busy:
        for _ in range(20):
            busy.call("version")
    assert len(daemon.call("list")) == 1  # so it has not been added yet
    rpc.finish(number, PATIENCE)
    assert daemon.cpu() - whole > 2 * TURN
    assert daemon.loop_cpu() - loop < TURN
    if method == "connect":
        assert "CN=slow-client" in server.accept().headers["X-Client"]


@pytest.mark.timeout(90)
@pytest.mark.parametrize("method", ["disconnect", "remove"])
def test_a_connection_is_taken_back_while_its_files_are_read(slow, server, method):
    daemon, _ = slow
    rpc = daemon.rpc()
    number = start_reading(daemon, rpc, "connect", name="feed")
    loop = daemon.loop_cpu()
    daemon.call(method, name="feed")
    with pytest.raises(RpcError) as error:
        rpc.finish(number)
    assert error.value.message == "the connection was told to disconnect"
    assert daemon.loop_cpu() - loop < TURN
    if method == "disconnect":
        assert daemon.status("feed")["state"] == "idle"
        rpc.finish(rpc.start("connect", name="feed"), PATIENCE)
        server.accept()


def test_it_stops_while_a_file_is_read(slow):
    daemon, _ = slow
    rpc = daemon.rpc()
    start_reading(daemon, rpc, "connect", name="feed")
    daemon.signal(signal.SIGTERM)
    daemon.process.wait(15)
    daemon.stop()  # checks its end


@pytest.mark.timeout(90)
def test_what_is_asked_after_an_add_waits_for_it(slow, server):
    """As it may be about the new connection."""
    daemon, other = slow
    with daemon.rpc() as rpc:
        add = rpc.start("add", **other("more"))
        connect = rpc.start("connect", name="more")
        assert rpc.finish(add, PATIENCE) is True
        assert rpc.finish(connect, PATIENCE)["info"]["tls"]
    server.accept()


def test_an_add_with_files_that_cannot_be_used(slow, tmp_path):
    daemon, other = slow
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    settings = other("more")
    with pytest.raises(RpcError) as error:
        daemon.call("add", **{**settings, "tls": {"ca_file": str(nonsense)}})
    assert error.value.err == "WEBSOCKET-ERROR"
    assert error.value.message.startswith(f"tls: cannot use the CA certificates of '{nonsense}': ")
    assert [line["name"] for line in daemon.call("list")] == ["feed"]


def test_an_open_connection_stays_when_files_cannot_be_used(slow, server, keys, tmp_path):
    daemon, _ = slow
    key_file = tmp_path / "client.key"
    key_file.write_bytes(keys[1].read_bytes())
    daemon.call("connect", name="feed")
    peer = server.accept()
    key_file.write_text("nonsense")
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    assert error.value.err == "SOCKET-SSL-ERROR"
    assert str(key_file) in error.value.message
    peer.send("still here")
    assert daemon.status("feed")["state"] == "open"
    assert daemon.call("stats", name="feed")["opens"] == 1


@pytest.mark.timeout(90)
def test_many_connections_read_one_list(start_daemon, make_nginx, server, tmp_path):
    """Large as it is, once at the start and once when it has changed; and the loop has nothing to do with it."""
    count = 30
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("localhost", "DNS:localhost")
    crl_file = tmp_path / "crl.pem"
    authority.revoke(crl_file)
    crl_file.write_bytes(crl_file.read_bytes() * 20_000)
    front = make_nginx({"good": (certificate, key, "")})
    daemon = start_daemon({"connections": [{
        "name": f"feed-{number}", "url": front.url("good", server.port), "when": "manual",
        "tls": {"ca_file": str(authority.ca_file), "crl_file": str(crl_file)},
    } for number in range(count)]})

    def connect(names):
        """CPU time that it takes: all of it, and the loop's."""
        whole, loop = daemon.cpu(), daemon.loop_cpu()
        rpcs = [daemon.rpc() for _ in names]
        for rpc, number in [(rpc, rpc.start("connect", name=name)) for rpc, name in zip(rpcs, names)]:
            rpc.finish(number, PATIENCE)
        return daemon.cpu() - whole, daemon.loop_cpu() - loop

    once, loop = connect(["feed-0"])
    assert loop < TURN < once
    os.utime(crl_file, (time.time(), time.time()))
    many, loop = connect([f"feed-{number}" for number in range(count)])
    assert many < count / 3 * once
    assert loop < once * 2
