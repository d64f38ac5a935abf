"""Statistics and warnings."""

import json
import time

import pytest

from harness.control import RpcError
from harness.wait import wait_until

KEYS = {"bytes_sent", "bytes_recv", "us_sent", "us_recv"}
THRESHOLD_KEYS = {"arg", "timeout", "min_throughput", "min_throughput_us"}
OPERATION_FIELDS = {"type", "operation", "us", "timeout", "arg"}
THROUGHPUT_FIELDS = {"type", "dir", "bytes", "us", "bytes_sec", "threshold", "arg"}
OURS = {"connection", "seq", "time"}  # beyond the original


@pytest.fixture
def feed(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url(), "ping": {"interval": "0"}}]})
    daemon.wait_state("feed", "open")
    return daemon, server.accept()


def test_the_counters_count_what_went_over_the_wire(feed):
    daemon, peer = feed
    daemon.call("clear", names=["feed"])
    # The fragmented one is in three frames: python3-websockets ends it with an empty one.
    peer.send_all(["x" * 100, b"y" * 1000, ["frag", "ments"]])
    daemon.ctl("send", "feed", "z" * 50, status=0)
    peer.receive()
    stats = wait_until(lambda: (s := daemon.call("stats", name="feed"))["messages_recv"] == 3 and s)
    assert KEYS <= set(stats)
    assert not THRESHOLD_KEYS & set(stats)
    assert (stats["messages_recv"], stats["frames_recv"]) == (3, 5)
    assert (stats["messages_sent"], stats["frames_sent"]) == (1, 1)
    assert 1109 <= stats["bytes_recv"] <= 1109 + 4 + 4 * 2 + 2
    assert 50 <= stats["bytes_sent"] <= 50 + 6
    assert all(isinstance(stats[key], int) for key in KEYS)


def test_what_comes_with_the_handshake_is_counted(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.url("/handshake-and-frame"), "ping": {"interval": "0"}}],
    })
    stats = wait_until(lambda: (s := daemon.call("stats", name="feed"))["messages_recv"] == 2 and s)
    assert stats["bytes_recv"] == len("at once") + len("and again") + 2 * 2


def test_us_recv_is_the_time_from_a_messages_first_byte_to_its_last(start_daemon, bad_server):
    url = bad_server.url("/slow-message", bytes=1000, pieces=5, pause=60)
    daemon = start_daemon({"connections": [{"name": "feed", "url": url}]})
    stats = wait_until(lambda: (s := daemon.call("stats", name="feed"))["messages_recv"] == 1 and s)
    assert 200_000 < stats["us_recv"] < 5_000_000


def send_to_slow_reader(daemon, bad_server):
    """20 messages of which some have to wait for the server, for 150 ms at least."""
    exchange = bad_server.accept()
    daemon.wait_state("feed", "open")
    with daemon.rpc() as rpc:
        for _ in range(20):
            rpc.call("send", name="feed", text="x" * 700_000)
    wait_until(lambda: daemon.status("feed")["send_queued"] > 700_000)
    blocked = time.monotonic()
    wait_until(lambda: time.monotonic() - blocked > 0.15)
    exchange.go.set()
    wait_until(lambda: daemon.status("feed")["send_queued"] == 0)


def test_us_sent_is_the_time_until_the_server_has_taken_it(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.url("/slow-reader"), "send_queue": "32M"}],
    })
    send_to_slow_reader(daemon, bad_server)
    stats = daemon.call("stats", name="feed")
    assert stats["messages_sent"] == 20
    assert stats["bytes_sent"] > 20 * 700_000
    assert 150_000 < stats["us_sent"] < 20 * 5_000_000


def test_clear_resets_one_or_all(start_daemon, make_server):
    servers = {name: make_server() for name in "ab"}
    daemon = start_daemon({"connections": [{"name": n, "url": s.url()} for n, s in servers.items()]})
    for name, server in servers.items():
        server.accept().send("hello")
        wait_until(lambda: daemon.call("stats", name=name)["bytes_recv"] > 0)
    daemon.ctl("clear", "a", status=0)
    stats = daemon.ctl_json("stats")
    assert stats["a"]["bytes_recv"] == 0 and stats["a"]["messages_recv"] == 0
    assert stats["b"]["bytes_recv"] > 0
    assert stats["a"]["since"] > stats["b"]["since"]
    daemon.ctl("clear", "--all", status=0)
    assert daemon.ctl_json("stats", "b")["bytes_recv"] == 0
    assert daemon.ctl("is-open", "b", status=0)


def test_clear_of_an_unknown_name_clears_nothing(feed):
    daemon, peer = feed
    peer.send("hello")
    wait_until(lambda: daemon.call("stats", name="feed")["bytes_recv"] > 0)
    daemon.ctl("clear", "feed", "nobody", status=1)
    assert daemon.call("stats", name="feed")["bytes_recv"] > 0


def test_thresholds_show_in_the_stats(feed):
    daemon, _ = feed
    daemon.ctl("warn", "feed", "--warning-ms", 5000, "--warning-bs", 4000, "--min-ms", 250,
               "--arg", '{"socket": 1}', status=0)
    stats = daemon.call("stats", name="feed")
    assert {key: stats[key] for key in THRESHOLD_KEYS} == {
        "arg": {"socket": 1}, "timeout": 5_000_000, "min_throughput": 4000, "min_throughput_us": 250_000,
    }
    daemon.ctl("unwarn", "feed", status=0)
    assert not THRESHOLD_KEYS & set(daemon.call("stats", name="feed"))


def test_a_slow_connect_warns(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.url("/slow-head", ms=150), "when": "manual",
            "warn": {"warning_ms": 50, "arg": "socket-1"},
        }],
    })
    events = daemon.rpc()
    events.call("events")
    daemon.call("connect", name="feed")
    (warning,) = daemon.call("warnings", name="feed")
    assert set(warning) == OPERATION_FIELDS | OURS
    assert warning["type"] == "SOCKET-OPERATION-WARNING"
    assert warning["operation"] == "upgrade"
    assert 100_000 < warning["us"] < 10_000_000
    assert warning["timeout"] == 50_000
    assert warning["arg"] == "socket-1"
    assert warning["connection"] == "feed"
    assert events.event("warning")["warning"] == warning
    daemon.wait_log("feed")


def test_a_slow_transfer_warns_twice_over(start_daemon, bad_server):
    """Slower than the operation's threshold, and slower than the throughput's."""
    url = bad_server.url("/slow-message", bytes=2000, pieces=4, pause=80)
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": url,
            "warn": {"warning_ms": 100, "warning_bs": 1_000_000, "min_ms": 100, "arg": "a"},
        }],
    })
    warnings = wait_until(lambda: len(w := daemon.call("warnings", name="feed")) >= 2 and w)
    by_type = {warning["type"]: warning for warning in warnings}
    operation = by_type["SOCKET-OPERATION-WARNING"]
    assert (operation["operation"], operation["timeout"]) == ("recv", 100_000)
    throughput = by_type["SOCKET-THROUGHPUT-WARNING"]
    assert set(throughput) == THROUGHPUT_FIELDS | OURS
    assert throughput["dir"] == "recv"
    assert throughput["threshold"] == 1_000_000
    assert throughput["arg"] == "a"
    assert 2000 <= throughput["bytes"] <= 2014
    assert 200_000 < throughput["us"] < 10_000_000
    assert throughput["bytes_sec"] == pytest.approx(throughput["bytes"] * 1e6 / throughput["us"])


def test_a_slow_send_warns(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.url("/slow-reader"), "send_queue": "32M",
            "warn": {"warning_ms": 100, "warning_bs": 1_000_000_000, "min_ms": 100},
        }],
    })
    send_to_slow_reader(daemon, bad_server)
    warnings = [warning for warning in daemon.call("warnings") if warning.get("dir") == "send"]
    assert warnings[0]["threshold"] == 1_000_000_000
    assert "arg" not in warnings[0]
    operations = {w["operation"] for w in daemon.call("warnings") if "operation" in w}
    assert "send" in operations


def test_min_ms_spares_short_transfers(start_daemon, bad_server):
    url = bad_server.url("/slow-message", bytes=2000, pieces=3, pause=50)
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": url, "warn": {"warning_bs": 1_000_000, "min_ms": 60_000},
        }],
    })
    wait_until(lambda: daemon.call("stats", name="feed")["messages_recv"] == 1)
    assert daemon.call("warnings", name="feed") == []


def test_without_thresholds_nothing_warns(start_daemon, bad_server):
    url = bad_server.url("/slow-message", bytes=2000, pieces=3, pause=50)
    daemon = start_daemon({"connections": [{"name": "feed", "url": url}]})
    wait_until(lambda: daemon.call("stats", name="feed")["messages_recv"] == 1)
    assert daemon.call("warnings", name="feed") == []


def test_a_full_queue_drops_the_oldest_and_counts(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.url("/slow-head", ms=20), "when": "manual",
            "warn": {"warning_ms": 5, "queue": 2},
        }],
    })
    for _ in range(4):
        daemon.call("connect", name="feed")
    warnings = [w for w in daemon.call("warnings", name="feed") if w["operation"] == "upgrade"]
    assert len(warnings) <= 2
    counts = daemon.status("feed")["warnings"]
    assert counts["raised"] >= 4
    assert counts["queued"] == 2
    assert counts["dropped"] == counts["raised"] - 2


@pytest.mark.parametrize("arg", ["text", 7, 1.5, None, True, [1, "two"], {"deep": {"er": []}}])
def test_arg_is_any_json_value(feed, arg):
    daemon, _ = feed
    daemon.ctl("warn", "feed", "--warning-ms", "1", "--warning-bs", "0", "--arg", json.dumps(arg), status=0)
    assert daemon.call("stats", name="feed")["arg"] == arg


def test_arg_from_the_configuration(start_daemon, server):
    daemon = start_daemon({
        "connections": [
            {"name": "group", "url": server.url(), "warn": {"warning_ms": 1, "arg": {"a": [1, 2], "b": True}}},
            {"name": "number", "url": server.url(), "warn": {"warning_bs": 1, "arg": 12}},
        ],
    })
    assert daemon.call("stats", name="group")["arg"] == {"a": [1, 2], "b": True}
    assert daemon.call("stats", name="number")["arg"] == 12
    assert daemon.call("stats", name="number")["min_throughput_us"] == 1_000_000


@pytest.mark.parametrize("params, err", [
    ({"warning_ms": 0, "warning_bs": 0}, "SOCKET-SETWARNINGQUEUE-ERROR"),
    ({"warning_ms": -1, "warning_bs": -5}, "SOCKET-SETWARNINGQUEUE-ERROR"),
    ({"warning_ms": 1, "warning_bs": 0, "queue": 0}, "QUEUE-ERROR"),
    ({"warning_ms": 1, "warning_bs": 0, "queue": -1}, "QUEUE-ERROR"),
    ({"warning_ms": 1, "warning_bs": 0, "queue": 10**9}, "QUEUE-ERROR"),
])
def test_thresholds_and_queues_that_cannot_be(feed, params, err):
    daemon, _ = feed
    daemon.call("warn", name="feed", warning_ms=7, warning_bs=0, arg="kept")
    with pytest.raises(RpcError) as refused:
        daemon.call("warn", name="feed", **params)
    assert refused.value.err == err
    assert daemon.call("stats", name="feed")["arg"] == "kept"


def test_the_command_line_shows_warnings_and_errors(feed):
    daemon, _ = feed
    done = daemon.ctl("warn", "feed", "--warning-ms", "0", "--warning-bs", "0", status=1)
    assert "SOCKET-SETWARNINGQUEUE-ERROR" in done.stderr
    assert daemon.ctl_json("warnings", "feed") == []
