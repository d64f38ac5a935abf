"""What a connection says by itself while it is open: heartbeats, and pings with a payload of our own."""

import base64
import time

from harness.frame import PING
from harness.wait import wait_until


def feed(server, **settings):
    return {"connections": [{"name": "feed", "url": server.url(), **settings}]}


def beats(daemon):
    return daemon.call("stats", name="feed")["heartbeats_sent"]


def test_heartbeats_are_messages_sent_in_time(start_daemon, server):
    started = time.monotonic()
    daemon = start_daemon(feed(server, heartbeat={"every": "100ms", "message": "still here"}))
    peer = server.accept()
    assert [peer.receive() for _ in range(5)] == ["still here"] * 5
    assert time.monotonic() - started >= 0.5
    wait_until(lambda: beats(daemon) >= 5)
    stats = daemon.call("stats", name="feed")
    assert stats["messages_sent"] >= 5
    assert len(server.requests) == 1


def test_a_heartbeat_can_be_binary(start_daemon, server):
    message = base64.b64encode(b"\x00\x01beat\xff").decode()
    start_daemon(feed(server, heartbeat={"every": "50ms", "message": message, "binary": True}))
    assert server.accept().receive() == b"\x00\x01beat\xff"


def test_other_messages_do_not_keep_heartbeats_away(start_daemon, server):
    daemon = start_daemon(feed(server, heartbeat={"every": "200ms", "message": "beat"}))
    peer = server.accept()
    daemon.wait_state("feed", "open")

    def heard():
        daemon.call("send", name="feed", text="other")
        return peer.receive() == "beat"

    wait_until(heard)


def test_only_idle_sends_none_while_others_are_sent(start_daemon, server):
    daemon = start_daemon(
        feed(server, heartbeat={"every": "1s", "message": "beat", "only_idle": True})
    )
    peer = server.accept()
    daemon.wait_state("feed", "open")
    started = before = time.monotonic()
    while time.monotonic() - started < 2.5:
        earlier, before = before, time.monotonic()
        daemon.call("send", name="feed", text="other")
        got = peer.receive()
        # On a host that stood still for so long, the connection was idle.
        assert got == "other" or time.monotonic() - earlier > 0.9
    wait_until(lambda: peer.receive() == "beat")
    assert time.monotonic() - before >= 1


def test_heartbeats_do_not_fill_the_queue_behind_a_rate(start_daemon, server):
    daemon = start_daemon(feed(
        server, ping={"interval": "20ms"}, heartbeat={"every": "20ms", "message": "beat"},
        send_rate={"messages": 0.001},
    ))
    assert server.accept().receive() == "beat"
    wait_until(lambda: daemon.call("stats", name="feed")["pings_sent"] > 20)
    assert beats(daemon) == 2  # one has been sent, one waits


def test_heartbeats_begin_anew_after_a_reconnect_and_change_with_a_reload(start_daemon, server):
    daemon = start_daemon(feed(server, heartbeat={"every": "50ms", "message": "one"}))
    peer = server.accept()
    assert peer.receive() == "one"
    peer.abort()
    peer = server.accept()
    assert peer.receive() == "one"
    daemon.configure(feed(server, heartbeat={"every": "60ms", "message": "two"}))
    daemon.call("reload")
    wait_until(lambda: peer.receive() == "two")
    daemon.configure(feed(server))
    daemon.call("reload")
    before = beats(daemon)
    daemon.call("send", name="feed", text="last")
    wait_until(lambda: peer.receive() == "last")
    assert beats(daemon) == before
    assert peer.messages.empty()


def test_the_text_of_a_heartbeat_is_never_shown(start_daemon, server):
    daemon = start_daemon(feed(server, heartbeat={"every": "50ms", "message": "s3cret"}))
    server.accept().receive()
    assert "s3cret" not in daemon.log() + daemon.ctl("status", "feed", status=0).stdout


def test_a_ping_carries_the_payload_that_is_set_and_is_still_measured(start_daemon, server):
    daemon = start_daemon(feed(server, ping={"interval": "30ms", "timeout": "5s", "payload": "hb"}))
    server.accept()
    stats = wait_until(lambda: (s := daemon.call("stats", name="feed"))["pongs_recv"] >= 3 and s)
    assert 0 < stats["rtt_min_us"] <= stats["rtt_max_us"] < 5_000_000
    assert stats["heartbeats_sent"] == 0


def test_the_payload_is_what_the_server_sees(start_daemon, bad_server):
    start_daemon({"connections": [{
        "name": "feed", "url": bad_server.url("/hold"), "ping": {"interval": "30ms", "payload": "hb €"},
    }]})
    exchange = bad_server.accept()
    pings = wait_until(lambda: [f for f in exchange.frames if f.opcode == PING])
    assert pings[0].payload == "hb €".encode()


def test_pings_carry_numbers_unless_another_payload_is_set(start_daemon, bad_server):
    """Some servers take a payload for a C string, and return nothing after a NUL."""
    start_daemon({"connections": [{"name": "feed", "url": bad_server.url("/hold"), "ping": {"interval": "10ms"}}]})
    exchange = bad_server.accept()
    pings = wait_until(lambda: len(p := [f.payload for f in exchange.frames if f.opcode == PING]) >= 3 and p)
    assert all(payload.decode().isdecimal() for payload in pings)
    assert len(set(pings)) == len(pings)
