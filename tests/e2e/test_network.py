"""What users see while their network fails and recovers: harness/network.py."""

import pytest

from harness.subscriber import Lines
from harness.wait import wait_until

PING = {"interval": "200ms", "timeout": "500ms"}


@pytest.fixture
def start(network, start_daemon):
    """Starts a daemon in the network, with a connection to the server."""

    def start(server, gateway=None, url_host=None, **settings):
        return start_daemon({
            "gateway": gateway or {},
            "connections": [{"name": "feed", "url": server.url(host=url_host), **settings}],
            "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "start": "oldest"}],
        }, wrapper=network.host.command)

    return start


@pytest.fixture
def server(network, make_server):
    return make_server(namespace=network.server, host=network.SERVER)


@pytest.fixture
def connect(start, server):
    """Starts the daemon, and waits until its connection is open."""

    def connect(**settings):
        daemon = start(server, **settings)
        daemon.wait_state("feed", "open")
        return daemon, server.accept()

    return connect


def delivers(daemon, peer, text):
    """What the server sends reaches a subscriber."""
    with Lines(daemon.path("out.sock")) as out:
        peer.send_later([text])
        while out.read_line(timeout=40) != text.encode():
            pass
    return True


def has_stayed(daemon):
    """The connection is the first, and is not about to be closed either."""
    return daemon.status("feed")["state"] == "open" and daemon.call("stats", name="feed")["opens"] == 1


@pytest.mark.parametrize("host", ["SERVER", "SERVER6"])
def test_daemon_is_in_its_own_network_and_its_sockets_are_not(network, start, make_server, host):
    server = make_server(namespace=network.server, host=getattr(network, host))
    daemon = start(server)
    peer = server.accept()
    assert peer.address[0] in (network.HOST, network.HOST6)
    assert delivers(daemon, peer, "through")


def test_addresses_of_a_link_have_a_zone(network, start, make_server):
    server = make_server(namespace=network.router, host=f"{network.ROUTER_LOCAL}%inside")
    daemon = start(server, url_host=f"[{network.ROUTER_LOCAL}%25eth0]")
    assert delivers(daemon, server.accept(), "through")
    assert server.requests[0][1]["Host"] == f"[{network.ROUTER_LOCAL}]:{server.port}"  # RFC 6874, section 1


# --- an open connection ----------------------------------------------------------------------


@pytest.mark.parametrize("towards", ["server", "host", "both"])
def test_a_silent_line_is_noticed_and_left(network, server, connect, towards):
    daemon, _ = connect(ping=PING)
    network.drop(towards=towards)
    daemon.wait_state("feed", "waiting")
    network.heal()
    assert delivers(daemon, server.accept(), "again")


def test_a_router_that_forgets_is_noticed_and_a_new_connection_opens_at_once(network, server, connect):
    network.translate()
    daemon, peer = connect(ping=PING)
    network.forget()
    other = server.accept()
    assert delivers(daemon, other, "again")
    assert peer.address[0] == other.address[0] == network.ROUTER_OUTSIDE


def test_what_was_being_sent_does_not_keep_a_dead_connection_alive(network, server, connect):
    """Bytes that nobody acknowledges are no sign of life."""
    network.translate()
    daemon, _ = connect(ping=PING, send_queue="1M")
    network.forget()
    daemon.call("send", name="feed", text="x" * 200_000)
    server.accept()


def test_a_slow_line_may_take_longer_for_a_message_than_a_ping(network, connect):
    """60 kB at 10 kB/s: the pong is behind the message."""
    network.slow("80kbit")
    daemon, peer = connect(ping={"interval": "1s", "timeout": "2s"})
    assert delivers(daemon, peer, "x" * 60_000)
    assert has_stayed(daemon)


def test_a_slow_line_may_take_longer_for_an_upload_than_a_ping(network, connect):
    """300 kB at 40 kB/s: the ping is behind the message."""
    network.slow("320kbit")
    daemon, peer = connect(ping={"interval": "1s", "timeout": "2s"}, send_queue="1M")
    daemon.call("send", name="feed", text="y" * 300_000)
    assert peer.receive(40) == "y" * 300_000
    assert has_stayed(daemon)


def test_a_message_that_arrives_slowly_is_no_idleness(network, connect):
    network.slow("80kbit")
    daemon, peer = connect(idle_timeout="2s")
    assert delivers(daemon, peer, "z" * 40_000)
    assert has_stayed(daemon)


def test_a_cable_that_is_plugged_in_ends_the_wait(network, server, start):
    network.unplug()
    daemon = start(server, connect_timeout="2s", reconnect={"min": "1m", "max": "1m"})
    daemon.wait_state("feed", "waiting")
    network.plug()
    server.accept()
    daemon.wait_state("feed", "open")


def test_a_change_that_breaks_nothing_leaves_connections_alone(network, connect):
    """It is only pinged, long before that would be due."""
    daemon, peer = connect(ping={"interval": "1m", "timeout": "10s"})
    network.unplug()
    network.plug()
    wait_until(lambda: daemon.call("stats", name="feed")["pings_sent"] > 0)
    assert delivers(daemon, peer, "still there")
    assert has_stayed(daemon)


@pytest.mark.parametrize("how", ["icmpx type admin-prohibited", "icmpx type host-unreachable", "tcp reset"])
def test_a_refusal_of_the_router_is_an_ordinary_failure(network, server, start, how):
    network.reject(how=how)
    daemon = start(server)
    daemon.wait_log("feed: cannot connect")
    network.heal()
    server.accept()
    daemon.wait_state("feed", "open")


# --- name servers ----------------------------------------------------------------------------

FIRST, SECOND = "10.78.0.53", "10.78.0.54"


@pytest.fixture
def make_name_server(network, server, make_dns):
    """Starts a name server at that address of the network; it knows feed.test."""

    def make(address):
        network.add_address(address)
        return make_dns({"feed.test": [network.SERVER]}, namespace=network.server, host=address, port=53)

    return make


@pytest.fixture(params=["system", "setting"])
def start_named(request, network, server, start):
    """Starts a daemon that asks these name servers, of resolv.conf or of its configuration."""

    def start_named(*addresses, **settings):
        if request.param == "system":
            network.host.write_etc("resolv.conf", "".join(f"nameserver {address}\n" for address in addresses))
            return start(server, url_host="feed.test", **settings)
        return start(server, gateway={"dns": list(addresses)}, url_host="feed.test", **settings)

    return start_named


@pytest.mark.parametrize("mood", ["silent", "failing", "refusing"])
def test_a_name_server_that_fails_and_comes_back(server, make_name_server, start_named, mood):
    dns = make_name_server(FIRST)
    dns.mood = mood
    daemon = start_named(FIRST, connect_timeout="1s")
    daemon.wait_state("feed", "waiting")
    wait_until(lambda: dns.asked)
    dns.mood = "well"
    server.accept(30)
    daemon.wait_state("feed", "open")


def test_a_truncated_answer_is_asked_for_again_over_tcp(server, make_name_server, start_named):
    dns = make_name_server(FIRST)
    dns.mood = "truncating"
    start_named(FIRST)
    server.accept()
    assert dns.asked_tcp


def test_names_are_found_although_the_first_of_two_name_servers_is_dead(network, server, make_name_server, start_named):
    network.add_address(FIRST)
    network.drop(f"ip daddr {FIRST}", towards="server")
    make_name_server(SECOND)
    daemon = start_named(FIRST, SECOND)
    server.accept(30)
    daemon.wait_state("feed", "open")
