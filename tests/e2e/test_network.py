"""What users see when their network fails: see harness/network.py."""

import pytest

from harness.subscriber import Lines


@pytest.fixture
def connect(network, start_daemon, make_server):
    """Starts a server at an address of the network's, a daemon, and waits for their connection."""

    def connect(host=network.SERVER, machine=network.server, url_host=None, **settings):
        server = make_server(namespace=machine, host=host)
        connection = {"name": "feed", "url": server.url(host=url_host), **settings}
        daemon = start_daemon({
            "connections": [connection], "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"]}],
        }, wrapper=network.host.command)
        daemon.wait_state("feed", "open")
        return daemon, server, server.accept()

    return connect


@pytest.mark.parametrize("host", ["SERVER", "SERVER6"])
def test_daemon_is_in_its_own_network_and_its_sockets_are_not(network, connect, host):
    daemon, _, peer = connect(getattr(network, host))
    assert peer.address[0] in (network.HOST, network.HOST6)
    with Lines(daemon.path("out.sock")) as out:
        peer.send("through")
        assert out.read_line() == b"through"


def test_blackhole_is_noticed_and_left(network, connect):
    daemon, server, _ = connect(ping={"interval": "200ms", "timeout": "400ms"})
    network.drop()
    daemon.wait_state("feed", "waiting")
    network.heal()
    server.accept()
    daemon.wait_state("feed", "open")
