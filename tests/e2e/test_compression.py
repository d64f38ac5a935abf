"""permessage-deflate with servers that are not ours; tests/conformance has its details."""

import pytest
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from harness.subscriber import Lines
from harness.wait import wait_until

TRADE = '{"symbol":"BTC-EUR","price":%d.5,"side":"buy"}'
MESSAGES = ["[%s]" % ",".join(TRADE % (number * more) for more in range(5)) for number in range(200)]
PARAMETERS = [
    {},
    {"client_no_context_takeover": True, "server_no_context_takeover": True},
    {"client_max_window_bits": 9, "server_max_window_bits": 10},
    {"client_max_window_bits": 12, "server_no_context_takeover": True, "level": 9, "threshold": "1"},
]


def start(start_daemon, url, **compression):
    return start_daemon({
        "connections": [{"name": "ticker", "url": url, "compression": {"enabled": True, "threshold": "16",
                                                                       **compression}}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["ticker"], "writable": True}],
    })


def check_counts(daemon, sent, received):
    """That all of the messages went compressed, and that it was worth it."""
    stats = daemon.call("stats", name="ticker")
    assert stats["uncompressed_sent"] == sum(map(len, sent))
    assert stats["uncompressed_recv"] == sum(map(len, received))
    for direction in ("sent", "recv"):
        compressed, plain = stats[f"compressed_{direction}"], stats[f"uncompressed_{direction}"]
        assert 0 < compressed < plain
        assert stats[f"ratio_{direction}"] == pytest.approx(plain / compressed, abs=0.001)
    assert stats["bombs"] == 0


@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda p: "-".join(p) or "defaults")
def test_websockets(start_daemon, make_server, parameters):
    server = make_server(compression="deflate")
    daemon = start(start_daemon, server.url("/"), **parameters)
    peer = server.accept()
    agreed = daemon.wait_state("ticker", "open")["call"]["info"]["compression"]
    for name in ("client_no_context_takeover", "server_no_context_takeover"):
        assert agreed[name] == parameters.get(name, False)
    for name in ("client_max_window_bits", "server_max_window_bits"):
        assert agreed[name] <= parameters.get(name, 15)
    with Lines(daemon.path("out.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        peer.send_all(MESSAGES)
        assert subscriber.read_lines(len(MESSAGES)) == [message.encode() for message in MESSAGES]
        subscriber.send("".join(message + "\n" for message in MESSAGES).encode())
        assert [peer.receive() for _ in MESSAGES] == MESSAGES
    check_counts(daemon, MESSAGES, MESSAGES)


def test_node_ws(start_daemon, node_server):
    daemon = start(start_daemon, node_server.url("/echo"))
    daemon.wait_state("ticker", "open")
    with Lines(daemon.path("out.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        subscriber.send("".join(message + "\n" for message in MESSAGES).encode())
        assert subscriber.read_lines(len(MESSAGES)) == [message.encode() for message in MESSAGES]
    check_counts(daemon, MESSAGES, MESSAGES)


def test_a_server_without_it(start_daemon, make_server):
    server = make_server(compression=None)
    daemon = start(start_daemon, server.url("/"))
    peer = server.accept()
    info = daemon.wait_state("ticker", "open")["call"]["info"]
    assert info["compression"] is None
    daemon.call("send", name="ticker", text=MESSAGES[0])
    assert peer.receive() == MESSAGES[0]
    stats = daemon.call("stats", name="ticker")
    assert (stats["compressed_sent"], stats["ratio_sent"]) == (0, None)


def test_a_bomb_is_counted(start_daemon, make_server):
    server = make_server(extensions=[ServerPerMessageDeflateFactory()], compression=None)
    daemon = start(start_daemon, server.url("/"))
    peer = server.accept()
    peer.send(bytes(1 << 21))
    assert peer.wait_closed()[0] == 1009
    wait_until(lambda: daemon.call("stats", name="ticker")["bombs"] == 1)
    assert "once inflated" in daemon.status("ticker")["last_error"]["desc"]
