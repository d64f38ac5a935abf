"""
Servers that break the protocol: the connection is failed with the right code, the status says why, and
nobody else is harmed.
"""

import pytest

from harness.control import RpcError
from harness.frame import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame
from harness.frames import OPEN, Frames
from harness.subscriber import Json, Lines
from harness.wait import wait_until

ONCE = {"reconnect": {"enabled": False}, "close_timeout": "2s"}


@pytest.fixture
def witness(server):
    """A well-behaved connection beside the one that is tested, and a check that it still works."""

    class Witness:
        settings = {"name": "witness", "url": server.url("/witness")}

        def check(self, daemon):
            peer = server.accept()
            with Lines(daemon.path("witness.sock")) as subscriber:
                wait_until(lambda: daemon.call("subscribers", outlet="witness"))
                peer.send("unharmed")
                assert subscriber.read_line() == b"unharmed"
            assert len(server.requests) == 1

    return Witness()


RESERVED = "the server sent a frame with a reserved opcode"
RSV = "the server set a reserved bit in a frame"
LENGTH = "the server sent a frame whose length is not encoded in the shortest form"
TOO_LONG = "the server sent a message longer than the limit"
NOT_UTF8 = "the server sent text that is not UTF-8"
MESSAGE_OPEN = "the server began a message before the previous one had ended"

BREACHES = {
    "masked": (frame(TEXT, b"hello", mask=b"abcd"), 1002, "the server sent a masked frame"),
    "rsv1": (frame(TEXT, b"x", rsv=4), 1002, RSV),
    "rsv2": (frame(TEXT, b"x", rsv=2), 1002, RSV),
    "rsv3": (frame(PING, b"x", rsv=1), 1002, RSV),
    **{f"opcode {o:#x}": (frame(o, b"x"), 1002, RESERVED) for o in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)},
    "fragmented ping": (frame(PING, b"x", fin=False), 1002, "the server sent a fragmented control frame"),
    "long ping": (frame(PING, bytes(126)), 1002, "the server sent a control frame longer than 125 bytes"),
    "long close": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002, "longer than 125 bytes"),
    "16 bits for 125": (frame(TEXT, b"x" * 125, form=16), 1002, LENGTH),
    "64 bits for 65535": (frame(BINARY, bytes(65535), form=64), 1002, LENGTH),
    "highest bit of the length": (frame(BINARY, announced=1 << 63), 1002, LENGTH),
    "continuation of nothing": (frame(CONTINUATION, b"x"), 1002, "continued a message that it had not begun"),
    "text within text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002, MESSAGE_OPEN),
    "binary within text": (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), 1002, MESSAGE_OPEN),
    "half a close code": (frame(CLOSE, b"\x03"), 1002, "half a close code"),
    **{f"close code {code}": (close_frame(code), 1002, "an invalid close code")
       for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2999, 5000, 65535)},
    "reason not UTF-8": (close_frame(1000, b"\xff"), 1007, "reason is not UTF-8"),
    "not UTF-8": (frame(TEXT, b"abc\xff"), 1007, NOT_UTF8),
    "overlong": (frame(TEXT, b"\xc0\xaf"), 1007, NOT_UTF8),
    "surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007, NOT_UTF8),
    "beyond Unicode": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007, NOT_UTF8),
    "ends within a character": (frame(TEXT, b"abc\xe2\x82"), 1007, "in the middle of a character"),
    "not UTF-8 across fragments": (
        frame(TEXT, b"\xe2\x82", fin=False) + frame(CONTINUATION, b"\x28"), 1007, NOT_UTF8),
    "not UTF-8, message unfinished": (
        frame(TEXT, b"ok ", fin=False) + frame(CONTINUATION, b"\xf5", fin=False), 1007, NOT_UTF8),
    "not UTF-8, frame unfinished": (frame(TEXT, b"abc\xff", announced=1000), 1007, NOT_UTF8),
    "huge": (frame(BINARY, announced=(1 << 63) - 1), 1009, TOO_LONG),
    "one byte too long": (frame(BINARY, announced=(1 << 20) + 1), 1009, TOO_LONG),
    "too long in fragments": (
        frame(TEXT, b"x" * 1000, fin=False) + frame(CONTINUATION, announced=(1 << 20) - 999), 1009, TOO_LONG),
}


@pytest.mark.parametrize("data, code, text", BREACHES.values(), ids=BREACHES)
def test_a_breach_of_framing(start_daemon, bad_server, witness, data, code, text):
    if len(data) > 4096:  # keeps the URL short: what matters is the header
        data = data[:1000]
    daemon = start_daemon({
        "connections": [{"name": "bad", "url": bad_server.raw_url(data), **ONCE}, witness.settings],
    })
    assert bad_server.accept().wait_ended() == code
    status = daemon.wait_state("bad", "idle")
    assert text in status["last_error"]["desc"]
    assert status["last_error"]["err"] == "WEBSOCKET-ERROR"
    assert status["last_close"] == {"code": code, "reason": status["last_close"]["reason"], "remote": False}
    witness.check(daemon)


def test_what_came_before_the_breach_is_delivered(start_daemon, bad_server):
    data = frame(TEXT, b"one") + frame(TEXT, b"two") + frame(TEXT, b"\xff") + frame(TEXT, b"three")
    daemon = start_daemon({
        "connections": [{"name": "bad", "url": bad_server.raw_url(data), "when": "manual", **ONCE}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["bad"], "format": "json"}],
    })
    with Json(daemon.path("out.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        daemon.call("connect", name="bad")
        records = [subscriber.read() for _ in range(4)]
    assert [record["type"] for record in records] == ["open", "text", "text", "close"]
    assert [record["data"] for record in records[1:3]] == ["one", "two"]
    assert records[3]["code"] == 1007


HANDSHAKES = {
    "bad accept key": ("/bad-accept", {}, "Sec-WebSocket-Accept"),
    "no accept key": ("/missing", {"header": "Sec-WebSocket-Accept"}, "Sec-WebSocket-Accept"),
    "no Upgrade": ("/missing", {"header": "Upgrade"}, "Upgrade"),
    "no Connection": ("/missing", {"header": "Connection"}, "Connection"),
    "other Upgrade": ("/header", {"name": "Upgrade", "value": "h2c"}, "h2c"),
    "other Connection": ("/header", {"name": "Connection", "value": "close"}, "close"),
    "protocol not asked for": ("/header", {"name": "Sec_WebSocket_Protocol", "value": "mqtt"}, "subprotocol that was not offered"),
    "extension not offered": (
        "/header", {"name": "Sec_WebSocket_Extensions", "value": "permessage-deflate"}, "permessage-deflate"),
    "200": ("/status", {"line": "200 OK"}, "200"),
    "no HTTP": ("/not-http", {}, "HTTP"),
    "ends in the middle": ("/close-in-head", {}, "closed the connection"),
    "endless headers": ("/endless-headers", {}, "32"),
    "endless header": ("/endless-header", {}, "32"),
}


@pytest.mark.parametrize("path, query, text", HANDSHAKES.values(), ids=HANDSHAKES)
def test_a_breach_of_the_handshake(start_daemon, bad_server, witness, path, query, text):
    daemon = start_daemon({
        "connections": [{"name": "bad", "url": bad_server.url(path, **query), "when": "manual", **ONCE},
                        witness.settings],
    })
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="bad")
    assert text.lower() in refused.value.message.lower()
    bad_server.accept().wait_ended()
    assert daemon.status("bad")["state"] == "idle"
    assert daemon.status("bad")["last_error"]["desc"] == refused.value.message
    witness.check(daemon)


@pytest.mark.parametrize("path", ["/silent", "/half-head"])
def test_a_handshake_that_never_ends(start_daemon, bad_server, path):
    daemon = start_daemon({
        "connections": [{"name": "bad", "url": bad_server.url(path), "upgrade_timeout": "100ms", **ONCE}],
    })
    bad_server.accept().wait_ended()
    assert "100ms" in daemon.wait_state("bad", "idle")["last_error"]["desc"]


@pytest.mark.parametrize("end, word", [("eof", "without a close frame"), ("rst", "reset")])
def test_a_frame_that_breaks_off(start_daemon, bad_server, end, word):
    data = frame(TEXT, b"0123456789", announced=100)
    daemon = start_daemon({"connections": [{"name": "bad", "url": bad_server.raw_url(data, end=end), **ONCE}]})
    status = daemon.wait_state("bad", "idle")
    assert status["last_close"]["code"] == 1006
    assert word in status["last_error"]["desc"]
    assert status["stats"]["messages_recv"] == 0


def test_the_first_error_is_the_one_that_is_told(start_daemon, bad_server):
    """The stream that ends without a close frame is only what the idle timeout led to."""
    daemon = start_daemon({
        "connections": [{"name": "bad", "url": bad_server.url("/hang-up"), "idle_timeout": "100ms", **ONCE}],
    })
    assert bad_server.accept().wait_ended() == 1001
    assert "no message for 100ms" in daemon.wait_state("bad", "idle")["last_error"]["desc"]


def test_first_frames_in_the_same_packet_as_the_handshake(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.url("/handshake-and-frame"), "when": "manual"}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"]}],
    })
    with Lines(daemon.path("out.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        daemon.call("connect", name="feed")
        assert subscriber.read_lines(2) == [b"at once", b"and again"]
    assert daemon.call("stats", name="feed")["bytes_recv"] == 9 + 11


def test_what_comes_with_the_handshake_is_not_older_than_the_opening(start_daemon, bad_server):
    """In the records of both formats that have times, in the event, and in the status."""
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.url("/handshake-and-frame"), "when": "manual"}],
        "outlets": [{"name": name, "path": f"{name}.sock", "from": ["feed"], "format": name} for name in ("json", "frames")],
    })
    with Json(daemon.path("json.sock")) as texts, Frames(daemon.path("frames.sock")) as binaries, daemon.rpc() as rpc:
        binaries.greet()
        wait_until(lambda: len(daemon.call("subscribers")) == 2)
        rpc.call("events")
        rpc.call("connect", name="feed")
        event = rpc.event("open")
        opened, *messages = [texts.read() for _ in range(3)]
        assert [opened["type"], *(message["data"] for message in messages)] == ["open", "at once", "and again"]
        first = messages[0]["time"]
        assert opened["time"] <= first and event["time"] <= first and daemon.status("feed")["since"] <= first
        opened, *messages = [binaries.read() for _ in range(3)]
        assert [opened.type, *(message.payload for message in messages)] == [OPEN, b"at once", b"and again"]
        assert opened.time <= messages[0].time <= messages[1].time


def test_one_byte_at_a_time(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.url("/bytewise"), "when": "manual"}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "format": "json"}],
    })
    with Json(daemon.path("out.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        daemon.call("connect", name="feed")
        assert subscriber.read_data() == "one byte"
        assert subscriber.read_type("binary")["base64"] == "A" * 400
    pong = bad_server.accept().wait_frames(1)[0]
    assert (pong.opcode, pong.payload) == (PONG, b"?")


def test_control_frames_between_fragments(start_daemon, bad_server):
    data = (
        frame(TEXT, b"a", fin=False) + frame(PING, b"1") + frame(CONTINUATION, b"", fin=False)
        + frame(PONG, b"unasked") + frame(CONTINUATION, b"b") + frame(BINARY, b"") + frame(TEXT, b"")
        + frame(TEXT, "€".encode()[:1], fin=False) + frame(CONTINUATION, "€".encode()[1:])
    )
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.raw_url(data), "when": "manual"}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "format": "json"}],
    })
    with Json(daemon.path("out.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        daemon.call("connect", name="feed")
        records = [subscriber.read_type("text", "binary") for _ in range(4)]
    assert [record.get("data", record.get("base64")) for record in records] == ["ab", "", "", "€"]
    pong = bad_server.accept().wait_frames(1)[0]
    assert (pong.opcode, pong.payload) == (PONG, b"1")


def test_every_frame_we_send_is_masked_with_a_key_of_its_own(start_daemon, bad_server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": bad_server.url("/hold")}]})
    exchange = bad_server.accept()
    daemon.wait_state("feed", "open")
    with daemon.rpc() as rpc:
        for number in range(50):
            rpc.call("send", name="feed", text=f"message {number}")
    frames = exchange.wait_frames(50)
    assert [frame.payload for frame in frames] == [b"message %d" % number for number in range(50)]
    assert all(frame.fin and frame.rsv == 0 and frame.opcode == TEXT for frame in frames)
    assert len({frame.mask for frame in frames}) == 50


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 700_000])
def test_messages_of_every_length_encoding_go_up(start_daemon, server, size):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}]})
    peer = server.accept()
    daemon.wait_state("feed", "open")
    data = bytes(number % 251 for number in range(size))
    daemon.ctl("send", "--binary", "feed", "-", stdin=data, status=0)
    assert peer.receive() == data


def test_pings_are_answered_in_order(start_daemon, bad_server):
    start_daemon({"connections": [{"name": "feed", "url": bad_server.url("/pings", count=20)}]})
    frames = bad_server.accept().wait_frames(1)
    wait_until(lambda: frames[-1].payload == b"19", what="the last pong")
    numbers = [int(frame.payload) for frame in frames]
    assert all(frame.opcode == PONG for frame in frames)
    assert numbers == sorted(set(numbers))


@pytest.mark.heavy
def test_a_ping_flood_whose_pongs_are_never_read_is_bounded(start_daemon, bad_server, witness):
    daemon = start_daemon({
        "gateway": {"log": {"level": "info"}},
        "connections": [witness.settings,
                        {"name": "bad", "url": bad_server.url("/ping-flood"), "when": "manual", **ONCE}],
    })
    before = daemon.memory()
    daemon.call("connect", name="bad")
    exchange = bad_server.accept()
    wait_until(lambda: hasattr(exchange, "flooded") or exchange.ended.is_set()
               or daemon.status("bad")["stats"]["pings_recv"] > 300_000, 40)
    assert daemon.memory() - before < 16 << 20
    witness.check(daemon)


def test_the_message_limit_is_a_setting(start_daemon, bad_server):
    data = frame(TEXT, b"x" * 1024) + frame(TEXT, b"y" * 1025)
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.raw_url(data), "max_message": "1K", **ONCE}],
    })
    assert bad_server.accept().wait_ended() == 1009
    assert daemon.wait_state("feed", "idle")["stats"]["messages_recv"] == 1


def test_the_send_queue_is_bounded(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.url("/unread"), "send_queue": "64K",
                         "close_timeout": "100ms", "ping": {"interval": "0"}}],
    })
    daemon.wait_state("feed", "open")
    with daemon.rpc() as rpc, pytest.raises(RpcError) as refused:
        for _ in range(10_000):
            rpc.call("send", name="feed", text="x" * 30_000)
    assert "the queue to the server is full" in refused.value.message
    status = daemon.status("feed")
    assert status["send_queued"] <= 64 * 1024
    assert status["stats"]["send_refused"] == 1
    assert status["state"] == "open"


def test_sending_needs_an_open_connection(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url(), "when": "manual"}]})
    with pytest.raises(RpcError) as refused:
        daemon.call("send", name="feed", text="x")
    assert refused.value.err == "SOCKET-NOT-OPEN"
    with pytest.raises(RpcError) as refused:
        daemon.call("ping", name="feed")
    assert refused.value.err == "SOCKET-NOT-OPEN"
