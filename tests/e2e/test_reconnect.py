"""Losing connections, and getting them back."""

import time

import pytest

from harness.wait import wait_until


def test_it_comes_back_after_the_server_was_down(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}]})
    server.accept()
    daemon.wait_state("feed", "open")
    server.refuse_connections()
    status = wait_until(lambda: (s := daemon.status("feed"))["attempt"] >= 3 and s)
    assert status["state"] in ("waiting", "connecting")
    assert "Connection refused" in status["last_error"]["desc"]
    server.listen()
    server.accept()
    assert daemon.wait_state("feed", "open")["stats"]["opens"] == 2


def test_it_is_there_before_its_server(start_daemon, server):
    server.refuse_connections()
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}]})
    wait_until(lambda: daemon.status("feed")["stats"]["failures"] >= 2)
    server.listen()
    server.accept()
    daemon.wait_state("feed", "open")


def retries(events, count):
    return [events.event("retry") for _ in range(count)]


def test_the_backoff_grows_to_its_maximum_with_full_jitter(start_daemon, make_server):
    """min 40 ms, factor 2, max 160 ms: the bounds of the delays are 40, 80, 160, 160, …"""
    server = make_server()
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": server.url(), "when": "manual",
            "reconnect": {"min": "40ms", "max": "160ms", "factor": 2.0},
        }],
    })
    events = daemon.rpc()
    events.call("events")
    daemon.call("connect", name="feed")
    server.refuse_connections()
    delays = [event["in_ms"] for event in retries(events, 12)]
    bounds = [40, 80] + [160] * 10
    assert all(0 <= delay <= bound for delay, bound in zip(delays, bounds)), delays
    assert max(delays) > 40
    assert len(set(delays)) > 3, "no jitter"


def test_a_connection_that_was_stable_starts_from_min_again(start_daemon, server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": server.url(),
            "reconnect": {"min": "10ms", "max": "1h", "factor": 100.0, "stable": "50ms"},
        }],
    })
    # Each loss counts as the first one, or the third would be away for a long time.
    for _ in range(6):
        peer = server.accept()
        daemon.wait_state("feed", "open")
        opened = time.monotonic()
        wait_until(lambda: time.monotonic() - opened > 0.1)
        peer.abort()
        peer.wait_closed()


def test_a_connection_that_is_accepted_and_dropped_backs_off(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.raw_url(b"", end="eof"),
            "reconnect": {"min": "10ms", "max": "1h", "factor": 100.0, "stable": "1h"},
        }],
    })
    # 10 ms, 1 s, 100 s, …: somewhere within the first few it has to wait for long.
    wait_until(lambda: (daemon.status("feed")["next_try_ms"] or 0) > 1000, 30)
    assert len(bad_server.exchanges) < 20


def test_reconnect_can_be_switched_off(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "reconnect": {"enabled": False}}],
    })
    peer = server.accept()
    daemon.wait_state("feed", "open")
    peer.abort()
    status = daemon.wait_state("feed", "idle")
    assert status["next_try_ms"] is None
    assert len(server.requests) == 1


def test_idle_timeout_reconnects(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "idle_timeout": "200ms"}],
    })
    first = server.accept()
    assert first.wait_closed()[0] == 1001
    server.accept()
    assert "no message for 200ms" in daemon.status("feed")["last_error"]["desc"]


def test_messages_keep_an_idle_timeout_away(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "idle_timeout": "1s"}],
    })
    peer = server.accept()
    daemon.wait_state("feed", "open")

    def keep_talking():
        peer.send("still here")
        return daemon.status("feed")["stats"]["messages_recv"] > 150

    wait_until(keep_talking)
    assert len(server.requests) == 1


def test_pings_measure_the_round_trip(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "ping": {"interval": "20ms", "timeout": "5s"}}],
    })
    server.accept()
    stats = wait_until(lambda: (s := daemon.call("stats", name="feed"))["pongs_recv"] >= 3 and s)
    assert 0 < stats["rtt_min_us"] <= stats["rtt_us"] <= stats["rtt_max_us"] < 5_000_000
    assert stats["pings_sent"] >= stats["pongs_recv"]
    assert len(server.requests) == 1


def test_a_server_that_never_pongs_is_left(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.url("/deaf"), "close_timeout": "50ms",
            "ping": {"interval": "50ms", "timeout": "100ms"},
        }],
    })
    exchange = bad_server.accept()
    exchange.wait_ended()
    assert exchange.frames[0].opcode == 0x9
    bad_server.accept()
    assert "no answer to a ping, and no other sign of life, for 100ms" in daemon.status("feed")["last_error"]["desc"]


def test_a_ping_on_demand(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.url("/hold"), "ping": {"interval": "0"}}],
    })
    exchange = bad_server.accept()
    daemon.wait_state("feed", "open")
    daemon.ctl("ping", "feed", status=0)
    assert exchange.wait_frames(1)[0].opcode == 0x9


@pytest.mark.parametrize("how", ["abort", "close"])
def test_nothing_is_lost_of_what_came_before_the_end(start_daemon, server, how):
    from harness.subscriber import Lines

    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url()}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "on_lag": "wait"}],
    })
    subscriber = Lines(daemon.path("out.sock"))
    wait_until(lambda: daemon.call("subscribers"))
    for turn in range(3):
        peer = server.accept()
        peer.send_all(f"{turn}-{number}" for number in range(200))
        if how == "close":
            peer.close(1012)
        else:
            wait_until(lambda: daemon.call("stats", name="feed")["messages_recv"] == 200 * (turn + 1))
            peer.abort()
    expected = [f"{turn}-{number}".encode() for turn in range(3) for number in range(200)]
    assert subscriber.read_lines(600) == expected
