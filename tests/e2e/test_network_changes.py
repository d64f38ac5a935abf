"""Changes of the network are noticed at once: connections that wait try, and open ones are pinged."""

import time

import pytest

NEVER = {"min": "1h", "max": "1h", "jitter": "none"}


@pytest.fixture
def start(network, start_daemon, make_server):
    """Starts a server in the network and a daemon, whose next attempt and next ping would be an hour later."""

    def start(**settings):
        server = make_server(namespace=network.server, host=network.SERVER)
        connection = {
            "name": "feed", "url": server.url(), "reconnect": NEVER, "ping": {"interval": "1h", "timeout": "200ms"}, **settings,
        }
        daemon = start_daemon({"connections": [connection]}, wrapper=network.host.command)
        return daemon, server

    return start


def down(network):
    return network.down, network.up


def unrouted(network):
    return network.remove_routes, network.add_routes


@pytest.mark.parametrize("outage", [down, unrouted])
def test_waiting_connection_tries_when_the_network_is_back(network, start, outage):
    begin, end = outage(network)
    begin()
    daemon, server = start()
    assert daemon.wait_state("feed", "waiting")["next_try_ms"] > 1800_000
    with daemon.rpc() as events:
        events.call("events")
        end()
        server.accept()
        daemon.wait_state("feed", "open")
        event = events.event("network")
    assert event["cause"] in ("link", "address", "route")
    daemon.wait_log("network changed (")


def test_open_connection_is_pinged_when_the_link_is_gone(network, start):
    daemon, server = start()
    server.accept()
    daemon.wait_state("feed", "open")
    network.down()
    assert "no answer to a ping" in daemon.wait_state("feed", "waiting")["last_error"]["desc"]
    network.up()
    server.accept()
    daemon.wait_state("feed", "open")


def test_connection_moves_to_the_new_address(network, start):
    daemon, server = start(reconnect={"min": "10ms", "max": "10ms"})
    assert server.accept().address[0] == network.HOST
    daemon.wait_state("feed", "open")
    network.move("10.77.0.9")
    peer = server.accept()
    assert peer.address[0] == "10.77.0.9"
    daemon.wait_state("feed", "open")


def test_server_is_not_hammered_while_the_link_flaps(network, start):
    network.down()
    daemon, server = start()
    daemon.wait_state("feed", "waiting")
    begin = time.monotonic()
    with daemon.rpc() as events:
        events.call("events")
        for _ in range(10):
            network.up()
            network.down()
        network.up()
        if daemon.status("feed")["state"] != "open":
            server.accept()
        daemon.wait_state("feed", "open")
        told = 0
        events.start("version")  # after which all events so far have been read
        while (message := events.read()).get("id") is None:
            told += message.get("params", {}).get("type") == "network"
    assert 1 <= told <= 4 + (time.monotonic() - begin) / 10
