"""Servers that keep the daemon busy: everybody else goes on being served."""

import time

import pytest

from harness.flood import TlsFlood, compile_flood
from harness.making import making
from harness.shown import Watch
from harness.subscriber import Lines
from harness.wait import wait_until

SOON = 1.0  # seconds, for most answers; many times what it takes
LATEST = 5.0  # for each of them, on a machine that does much else
QUESTIONS = 20


@pytest.fixture(scope="session")
def flood_program(tmp_path_factory):
    return compile_flood(tmp_path_factory.mktemp("flood"))


@pytest.fixture
def make_flood(flood_program, authority):
    yield from making(lambda: TlsFlood(flood_program, *authority.issue("flood", "IP:127.0.0.1")))


@pytest.fixture
def start_flooded(start_daemon, server, authority):
    """A daemon with a connection to that URL, and one to a quiet server."""
    tls = {"ca_file": str(authority.ca_file)}

    def start_flooded(url, **settings):
        daemon = start_daemon({"connections": [
            {"name": "quiet", "url": server.url()}, {"name": "flood", "url": url, "tls": tls, **settings},
        ]})
        return daemon, server.accept()

    return start_flooded


def assert_served(daemon, quiet):
    """The control socket answers, and the quiet connection delivers."""
    times = []
    with daemon.rpc() as rpc, Lines(daemon.path("quiet.sock")) as reader:
        wait_until(lambda: rpc.call("subscribers", outlet="quiet"))
        for number in range(QUESTIONS):
            asked = time.monotonic()
            assert rpc.call("version")
            quiet.send(f"{number}")
            assert reader.read_line() == b"%d" % number
            times.append(time.monotonic() - asked)
    assert sorted(times)[QUESTIONS // 2] < SOON and max(times) < LATEST, times


@pytest.fixture(params=["directly", "https proxy"])
def way(request, make_tinyproxy, make_tls_front, proxy_authority):
    """Settings: how to get to the server."""
    if request.param == "directly":
        return {}
    proxy = make_tls_front(make_tinyproxy())
    return {"proxy": {"url": proxy.url(), "ca_file": str(proxy_authority.ca_file)}}


@pytest.mark.parametrize("path", ["/key-updates", "/tickets"])
def test_a_server_that_sends_nothing_but_tls_messages_is_left(start_flooded, make_flood, way, path):
    daemon, quiet = start_flooded(make_flood().url(path), **way)
    status = wait_until(lambda: (now := daemon.status("flood"))["stats"]["closes"] and now)
    assert status["last_error"]["err"] == "SOCKET-SSL-ERROR"
    assert status["last_error"]["desc"] == "the peer sent more than 1000 TLS messages in a row without data"
    assert_served(daemon, quiet)


@pytest.mark.parametrize("path", ["/both-and-data", "/records"])
def test_a_flood_takes_its_turn(start_flooded, make_flood, way, path):
    daemon, quiet = start_flooded(make_flood().url(path), **way)
    daemon.wait_state("flood", "open")
    before = daemon.status("flood")["stats"]["messages_recv"]
    assert_served(daemon, quiet)
    wait_until(lambda: daemon.status("flood")["stats"]["messages_recv"] > before, what="a message within the flood")
    assert daemon.status("flood")["state"] == "open"


@pytest.mark.parametrize("kind", ["key-updates", "tickets"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_proxy_that_sends_nothing_but_tls_messages_is_left(start_flooded, make_flood, authority, scheme, kind):
    proxy = {"url": make_flood().proxy_url(), "ca_file": str(authority.ca_file)}
    daemon, quiet = start_flooded(f"{scheme}://{kind}:9/", proxy=proxy)
    assert "the peer sent more than 1000 TLS messages in a row" in Watch(daemon).wait("error")["desc"]
    assert_served(daemon, quiet)


def test_a_handshake_that_never_comes(start_flooded, make_flood, way):
    daemon, quiet = start_flooded(make_flood().hello_url(), reconnect={"min": "10ms", "max": "10ms"}, **way)
    assert "TLS messages in a row" in Watch(daemon).wait("error")["desc"]
    assert_served(daemon, quiet)
