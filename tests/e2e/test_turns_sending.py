"""Much to send leaves turns to others: one message for many connections, and many for one."""

import contextlib
import random
import signal

import pytest

from harness.misbehave import behaviour
from harness.subscriber import Subscriber
from harness.wait import wait_until
from test_turns import TURN

# Compressed for all connections in one go, such a message takes half a second.
COUNT = 100
LENGTH = 250_000
DEFLATED = {"compression": {"enabled": True}}


@behaviour("/drain")
def _drain(client):
    """Reads as fast as it can, and does not look at it."""
    client.answer()
    client.received = 0
    while data := client.sock.recv(1 << 20):
        client.received += len(data)


def text(length, seed):
    """What takes long to compress."""
    return "".join(random.Random(seed).choices("abcdefghij klmnop{}:,0123456789", k=length))


def connections(server, count=COUNT, **settings):
    return [{"name": f"c{number}", "url": server.url(f"/{number}"), **settings} for number in range(count)]


def settings(connections, **outlet):
    """What takes seconds of work takes far longer on a busy machine."""
    return {
        "gateway": {"log": {"level": "info"}, "connecting": {"at_once": 1000, "per_second": 100000},
                    "drain_timeout": "60s"},
        "defaults": {"close_timeout": "60s"},
        "connections": connections,
        "outlets": [{"name": "out", "path": "out.sock", "from": ["c*"], "writable": True, **outlet}],
    }


def wait_open(daemon, server, count=COUNT):
    """Waits until all are open; returns the server's peers by name."""
    peers = [server.accept() for _ in range(count)]
    wait_until(lambda: all(listed["state"] == "open" for listed in daemon.call("list")))
    return {f"c{peer.path[1:]}": peer for peer in peers}


def encoded(daemon, names):
    """How many connections have begun with their first message."""
    stats = daemon.call("stats")
    return sum(stats[name]["frames_sent"] > 0 for name in names)


def wait_middle(daemon, names):
    """Waits until some have a part of what is for all."""
    assert wait_until(lambda: encoded(daemon, names)) < len(names)


def call_soon(daemon, method, **params):
    """A call that does not wait for much work of the daemon."""
    before = daemon.cpu()
    daemon.call(method, **params)
    assert daemon.cpu() - before < 2 * TURN


def expect_turns(daemon, until):
    """Until the condition holds, each answer comes soon."""

    def answered():
        call_soon(daemon, "version")
        return until()

    wait_until(answered, 30)


@pytest.fixture
def large(start_daemon, make_server):
    """A daemon with many connections to a server, a subscriber, and large messages to send."""
    with contextlib.ExitStack() as stack:

        def large(count=COUNT, **more):
            server = make_server(compression="deflate")
            daemon = start_daemon(settings(connections(server, count, **DEFLATED, **more)))
            peers = wait_open(daemon, server, count)
            subscriber = stack.enter_context(Subscriber(daemon.path("out.sock")))
            return daemon, peers, subscriber, [text(LENGTH, seed) for seed in range(2)]

        yield large


def expect_messages(peers, messages):
    for peer in peers.values():
        assert [peer.receive(60) for _ in messages] == messages


@pytest.mark.heavy
def test_one_message_is_compressed_for_many_connections(large):
    daemon, peers, subscriber, messages = large()
    subscriber.send(messages[0].encode() + b"\n")
    expect_turns(daemon, lambda: encoded(daemon, peers) == COUNT)
    expect_messages(peers, messages[:1])


@pytest.mark.heavy
def test_one_message_is_masked_for_many_connections(start_daemon, bad_server):
    count, size = 400, 1_000_000
    names = [f"c{number}" for number in range(count)]
    daemon = start_daemon(settings([{"name": name, "url": bad_server.url("/drain")} for name in names]))
    exchanges = [bad_server.accept() for _ in names]
    wait_until(lambda: all(listed["state"] == "open" for listed in daemon.call("list")))
    with Subscriber(daemon.path("out.sock")) as subscriber:
        subscriber.send(b"x" * size + b"\n")
        expect_turns(daemon, lambda: encoded(daemon, names) == count)
        wait_until(lambda: all(exchange.received > size for exchange in exchanges))


@pytest.mark.heavy
def test_all_connections_get_the_messages_of_two_subscribers_in_one_order(large):
    daemon, peers, subscriber, messages = large()
    with Subscriber(daemon.path("out.sock")) as other:
        subscriber.send(messages[0].encode() + b"\n" + b"one\n")
        other.send(messages[1].encode() + b"\n" + b"two\n")
        orders = {tuple(peer.receive() for _ in range(4)) for peer in peers.values()}
    assert len(orders) == 1
    (order,) = orders
    assert sorted(order) == sorted([*messages, "one", "two"])
    assert order.index(messages[0]) < order.index("one") and order.index(messages[1]) < order.index("two")


@pytest.mark.heavy
def test_all_get_the_message_of_a_subscriber_that_has_left(large):
    daemon, peers, subscriber, messages = large()
    subscriber.send("".join(message + "\n" for message in messages).encode())
    subscriber.close()
    wait_until(lambda: not daemon.call("subscribers"))
    expect_messages(peers, messages)


@pytest.mark.heavy
def test_what_changes_in_the_middle(large, make_server):
    """Connections are closed, removed and added, and the outlet is replaced, while some have the message."""
    daemon, peers, subscriber, messages = large()
    subscriber.send(messages[0].encode() + b"\n")
    wait_middle(daemon, peers)
    daemon.call("send", name="c99", text="behind")
    daemon.call("disconnect", name="c98", code=4000, reason="enough")
    server = make_server()
    left = [{"name": name, "url": peer.server.url(peer.path), **DEFLATED}
            for name, peer in peers.items() if name not in ("c97", "c98")]
    # Another format: it takes another outlet.
    daemon.configure(settings([*left, *connections(server, 1, name="c100")], format="json"))
    daemon.call("reload")
    expect_messages(peers, messages[:1])
    assert peers["c99"].receive() == "behind"
    assert peers["c98"].wait_closed() == (4000, "enough")
    assert peers["c97"].wait_closed() == (1001, "")
    with Subscriber(daemon.path("out.sock")) as other:
        server.accept()
        daemon.wait_state("c100", "open")
        other.send(b'{"data":"for all"}\n')
        for name, peer in peers.items():
            if name not in ("c97", "c98"):
                assert peer.receive() == "for all"
        assert server.peers[0].receive() == "for all"


@pytest.mark.heavy
def test_a_daemon_that_stops_in_the_middle(large):
    daemon, peers, subscriber, messages = large()
    subscriber.send(messages[0].encode() + b"\nlast\n")
    wait_middle(daemon, peers)
    daemon.signal(signal.SIGTERM)
    expect_messages(peers, [messages[0], "last"])
    assert {peer.wait_closed() for peer in peers.values()} == {(1001, "")}
    daemon.stop()
    assert "messages to the server lost" not in daemon.log()


@pytest.mark.heavy
def test_a_server_that_closes_in_the_middle(large):
    """Its answer comes behind what it is still to get."""
    daemon, peers, subscriber, messages = large()
    subscriber.send(messages[0].encode() + b"\n")
    wait_middle(daemon, peers)
    for peer in peers.values():
        peer.server.loop.call_soon_threadsafe(peer.server.loop.create_task, peer.socket.close(4001, "enough"))
    for peer in peers.values():
        peer.wait_closed()
    wait_until(lambda: all(stats["closes"] >= 1 for stats in daemon.call("stats").values()))
    assert {daemon.status(name)["last_close"]["code"] for name in peers} == {4001}


def test_a_queue_that_is_full_holds_up_all(large):
    """As before: all get the message or none does, until there is room for it everywhere."""
    daemon, peers, subscriber, messages = large(20, send_queue="256K")
    lines = "".join(f"{number}{message}\n" for number in range(4) for message in messages)
    subscriber.send(lines.encode())
    for peer in peers.values():
        assert [peer.receive() for _ in range(8)] == lines.splitlines()
    assert all(stats["send_refused"] == 0 for stats in daemon.call("stats").values())


def test_what_is_large_is_held_once_for_all(start_daemon, make_server):
    count, size = 200, 1_000_000
    server = make_server()
    daemon = start_daemon(settings(connections(server, count, when="manual", hold={"bytes": "2M"})))
    before = daemon.memory()
    with Subscriber(daemon.path("out.sock")) as subscriber:
        subscriber.send(b"x" * size + b"\n")
        wait_until(lambda: all(daemon.status(f"c{number}")["held"] for number in range(count)))
    assert daemon.memory() - before < 50_000_000
    for number in range(3):
        daemon.call("connect", name=f"c{number}")
        assert server.accept().receive() == "x" * size


# --- many messages for one connection


@pytest.fixture
def one(start_daemon, bad_server):
    """A daemon with a connection that is not open yet, with a large queue."""

    def one(**more):
        return start_daemon({
            "gateway": {"log": {"level": "info"}},
            "connections": [{"name": "feed", "url": bad_server.url("/drain"), "when": "manual", "send_queue": "1G", **more}],
            "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "writable": True}],
        })

    return one


@pytest.mark.heavy
def test_millions_of_messages_that_were_held(one):
    count = 5_000_000
    daemon = one(hold={"bytes": "100M", "age": "10m"})
    with Subscriber(daemon.path("out.sock")) as subscriber:
        subscriber.send(b"x\n" * count)
        wait_until(lambda: daemon.status("feed")["held"] == count, 30)
    call_soon(daemon, "connect", name="feed")
    expect_turns(daemon, lambda: daemon.status("feed")["held"] == 0)


@pytest.mark.heavy
def test_millions_of_messages_of_a_file(one, tmp_path):
    count = 2_000_000
    file = tmp_path / "subscriptions"
    file.write_text("x\n" * count)
    daemon = one(on_open_file=str(file))
    call_soon(daemon, "connect", name="feed")
    expect_turns(daemon, lambda: daemon.call("stats", name="feed")["frames_sent"] >= count)


def test_a_file_of_more_than_the_queue_takes(start_daemon, server, tmp_path):
    """All of it is sent, in order, before whatever comes meanwhile."""
    file = tmp_path / "subscriptions"
    lines = [f"{number:0100}" for number in range(5000)]
    file.write_text("\n".join(lines))
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "on_open": ["first"], "on_open_file": str(file),
                         "send_queue": "64K"}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "writable": True}],
    })
    with Subscriber(daemon.path("out.sock")) as subscriber:
        peer = server.accept()
        daemon.wait_state("feed", "open")
        daemon.call("on-open", name="feed", add="added")
        daemon.call("send", name="feed", text="sent")
        subscriber.send(b"line\n")
        received = [peer.receive() for _ in range(5004)]
    assert received[:5001] == ["first", *lines]
    assert sorted(received[5001:]) == ["added", "line", "sent"]
    assert daemon.call("stats", name="feed")["send_refused"] == 0
    # And again, from the beginning.
    peer.abort()
    peer = server.accept()
    assert [peer.receive() for _ in range(5002)] == ["first", *lines, "added"]


def test_a_connection_that_is_closed_in_the_middle_of_the_file(start_daemon, bad_server, tmp_path):
    """The rest is not for the next server, nor is what came meanwhile and was not to be held."""
    file = tmp_path / "subscriptions"
    file.write_text(("x" * 1000 + "\n") * 16000)
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": bad_server.url("/deaf"), "on_open_file": str(file), "send_queue": "64K",
        "close_timeout": "100ms",
    }]})
    bad_server.accept()
    daemon.wait_state("feed", "open")
    daemon.call("send", name="feed", text="meanwhile")
    assert daemon.status("feed")["held"] == 1
    daemon.call("disconnect", name="feed")
    daemon.wait_log("messages to the server lost: 1 (9 bytes)")
    assert daemon.status("feed")["held"] == 0
