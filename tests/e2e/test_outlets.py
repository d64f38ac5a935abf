"""Outlets and their subscribers: formats, starts, lags, and subscribers that behave badly."""

import base64
import os
import pathlib
import re
import socket
import stat
import subprocess

import pytest

from harness.subscriber import Json, Lines
from harness.wait import wait_until


def wait_subscribers(daemon, count, outlet=None):
    """Waits until there are just so many."""
    params = {"outlet": outlet} if outlet else {}
    wait_until(lambda: len(daemon.call("subscribers", **params)) == count, what=f"{count} subscribers")


def outlet(daemon, name="out"):
    return next(line for line in daemon.call("outlets") if line["name"] == name)


@pytest.fixture
def open_feed(start_daemon, server):
    """A daemon with one open connection and one outlet with these settings: (daemon, peer)."""

    def open_feed(connection=None, **settings):
        daemon = start_daemon({
            "connections": [{"name": "feed", "url": server.url(), **(connection or {})}],
            "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], **settings}],
        })
        peer = server.accept()
        daemon.wait_state("feed", "open")
        return daemon, peer

    return open_feed


@pytest.fixture
def subscribe():
    """Subscribers that are closed at the end of the test."""
    subscribers = []

    def subscribe(daemon, kind=Lines, name="out.sock", **options):
        subscriber = kind(daemon.path(name), **options)
        subscribers.append(subscriber)
        return subscriber

    yield subscribe
    for subscriber in subscribers:
        subscriber.close()


# Formats.


def test_lines_are_the_payload_and_a_newline(open_feed, subscribe):
    daemon, peer = open_feed()
    subscriber = subscribe(daemon)
    wait_subscribers(daemon, 1)
    peer.send_all(['{"a":1}', "", "grün €", b"\x00\xff", ["in ", "", "pieces"]])
    expected = b'{"a":1}\n\n' + "grün €".encode() + b"\n\x00\xff\nin pieces\n"
    assert subscriber.read_exactly(len(expected)) == expected


def test_a_connection_that_no_outlet_names_has_one_of_its_own(start_daemon, server, subscribe):
    daemon = start_daemon({"connections": [{"name": "ticker", "url": server.url()}]})
    peer = server.accept()
    subscriber = subscribe(daemon, name="ticker.sock")
    wait_subscribers(daemon, 1, "ticker")
    peer.send("hello")
    assert subscriber.read_line() == b"hello"
    assert outlet(daemon, "ticker")["format"] == "lines"


def test_common_tools_can_read_lines(open_feed):
    daemon, peer = open_feed()
    tools = [
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for command in (["nc", "-dU", daemon.path("out.sock")],
                        ["socat", "-u", f"UNIX-CONNECT:{daemon.path('out.sock')}", "-"])
    ]
    try:
        wait_subscribers(daemon, 2)
        peer.send("for everybody")
        assert [tool.stdout.readline() for tool in tools] == [b"for everybody\n"] * 2
    finally:
        for tool in tools:
            tool.kill()
            tool.communicate()


def test_json_says_where_when_and_what(open_feed, subscribe):
    daemon, peer = open_feed(format="json")
    subscriber = subscribe(daemon, Json)
    wait_subscribers(daemon, 1)
    text = 'quote " backslash \\ newline \n tab \t nul \0 bell \a del \x7f € 𝄞 \u2028'
    peer.send_all([text, b"\x00\x01\xfe\xff", "", b""])
    records = [subscriber.read() for _ in range(4)]
    assert [record["type"] for record in records] == ["text", "binary", "text", "binary"]
    assert records[0]["data"] == text
    assert base64.b64decode(records[1]["base64"]) == b"\x00\x01\xfe\xff"
    assert records[2]["data"] == "" and records[3]["base64"] == ""
    assert "base64" not in records[0] and "data" not in records[1]
    assert {record["connection"] for record in records} == {"feed"}
    numbers = [record["seq"] for record in records]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["time"]) for record in records)


def test_json_tells_of_open_and_close(open_feed, subscribe, server):
    daemon, peer = open_feed(format="json")
    subscriber = subscribe(daemon, Json)
    wait_subscribers(daemon, 1)
    peer.send("before")
    peer.close(1012, "restart")
    server.accept().send("after")
    records = [subscriber.read() for _ in range(4)]
    assert [record["type"] for record in records] == ["text", "close", "open", "text"]
    assert (records[1]["code"], records[1]["reason"]) == (1012, "restart")
    assert [record["seq"] for record in records] == list(range(records[0]["seq"], records[0]["seq"] + 4))


# Who gets what.


def test_globs_join_connections_and_several_outlets_share_one(start_daemon, make_server, subscribe):
    names = ["binance-spot", "binance-perp", "kraken"]
    servers = {name: make_server() for name in names}
    daemon = start_daemon({
        "connections": [{"name": name, "url": servers[name].url()} for name in names],
        "outlets": [
            {"name": "all", "path": "all.sock", "from": ["*"], "format": "json"},
            {"name": "binance", "path": "binance.sock", "from": ["binance-*"], "format": "json"},
            {"name": "two", "path": "two.sock", "from": ["kraken", "binance-spot"], "format": "json"},
        ],
    })
    outlets = {"all": set(names), "binance": set(names[:2]), "two": {"kraken", "binance-spot"}}
    subscribers = {name: subscribe(daemon, Json, f"{name}.sock") for name in outlets}
    wait_subscribers(daemon, 3)
    for name, server in servers.items():
        daemon.wait_state(name, "open")
        server.accept().send(f"from {name}")
    for name, sources in outlets.items():
        seen = {}
        while set(seen) != sources:
            record = subscribers[name].read_type("text")
            assert record["connection"] not in seen
            seen[record["connection"]] = record["data"]
        assert seen == {source: f"from {source}" for source in sources}
    assert not os.path.exists(daemon.path("kraken.sock"))
    assert set(outlet(daemon, "binance")["from"]) == outlets["binance"]


def test_live_begins_with_the_next_message(open_feed, subscribe):
    daemon, peer = open_feed(start="live")
    early = subscribe(daemon)
    wait_subscribers(daemon, 1)
    peer.send_all(["1", "2"])
    assert early.read_lines(2) == [b"1", b"2"]
    late = subscribe(daemon)
    wait_subscribers(daemon, 2)
    peer.send("3")
    assert late.read_line() == b"3"
    assert early.read_line() == b"3"


def test_oldest_begins_with_what_the_ring_still_has(open_feed, subscribe):
    daemon, peer = open_feed(start="oldest", ring="4K")
    peer.send_all(f"{number:04}" + "." * 95 for number in range(100))
    wait_until(lambda: outlet(daemon)["messages"] >= 100)
    first = subscribe(daemon)
    lines = [first.read_line()]
    while lines[-1][:4] != b"0099":
        lines.append(first.read_line())
    numbers = [int(line[:4]) for line in lines]
    assert numbers == list(range(numbers[0], 100))
    assert 30 <= len(numbers) <= 40  # of 100 bytes each, within 4 KiB
    peer.send("next")
    assert first.read_line() == b"next"
    assert subscribe(daemon).read_line()[:4] >= lines[0][:4]


# Lagging.


def fill(daemon, peer, count, size=1000):
    """Sends numbered lines and waits until the daemon has them all."""
    before = daemon.call("stats", name="feed")["messages_recv"]
    peer.send_all(f"{number:08}".ljust(size - 1, ".") for number in range(count))
    wait_until(lambda: daemon.call("stats", name="feed")["messages_recv"] == before + count)


def send_numbered(peer, count, size=1000):
    """Sends numbered lines in the background: a future."""
    return peer.send_later(f"{number:08}".ljust(size - 1, ".") for number in range(count))


def check_lines(lines, size=1000):
    """Each line whole and in order; returns the numbers."""
    assert {len(line) for line in lines} == {size - 1}
    numbers = [int(line[:8]) for line in lines]
    assert all(line[8:] == b"." * (size - 9) for line in lines)
    assert numbers == sorted(set(numbers))
    return numbers


def test_skip_jumps_ahead_and_never_tears_a_line(open_feed, subscribe):
    daemon, peer = open_feed(on_lag="skip", ring="64K")
    events = daemon.rpc()
    events.call("events")
    slow = subscribe(daemon, receive_buffer=4096)
    quick = subscribe(daemon)
    wait_subscribers(daemon, 2)
    count = 2000
    fast = []
    # In steps that fit into the ring, so that the quick one cannot lag.
    for first in range(0, count, 20):
        peer.send_all(f"{number:08}".ljust(999, ".") for number in range(first, first + 20))
        fast += quick.read_lines(20)
    assert check_lines(fast) == list(range(count))
    event = events.event("lag")
    assert event["outlet"] == "out"
    lines = [slow.read_line()]
    while not lines[-1].startswith(b"%08d" % (count - 1)):
        lines.append(slow.read_line())
    numbers = check_lines(lines)
    assert numbers[0] == 0
    lost = count - len(numbers)
    assert lost > 0
    assert outlet(daemon)["lost"] == lost
    assert outlet(daemon)["lags"] >= 1
    by_id = sorted(daemon.call("subscribers"), key=lambda line: line["id"])
    assert [line["lost"] for line in by_id] == [lost, 0]


def test_skip_tells_a_json_subscriber_how_many_it_lost(open_feed, subscribe):
    daemon, peer = open_feed(on_lag="skip", ring="16K", format="json")
    slow = subscribe(daemon, Json, receive_buffer=4096)
    wait_subscribers(daemon, 1)
    count = 3000
    fill(daemon, peer, count)
    received, lost = [], 0
    while not received or received[-1] != count - 1:
        record = slow.read_type("text", "gap")
        if record["type"] == "gap":
            lost += record["lost"]
        else:
            number = int(record["data"][:8])
            assert number == len(received) + lost, "the gap record counts what is missing, at its place"
            received.append(number)
    assert lost > 0
    assert len(received) + lost == count


def test_close_ends_the_subscriber_after_a_whole_line(open_feed, subscribe):
    daemon, peer = open_feed(on_lag="close", ring="16K")
    slow = subscribe(daemon, receive_buffer=4096)
    wait_subscribers(daemon, 1)
    fill(daemon, peer, 3000)
    wait_subscribers(daemon, 0)
    data = slow.read_to_end()
    assert data.endswith(b"\n")
    numbers = check_lines(data.splitlines())
    assert numbers == list(range(len(numbers)))
    assert len(numbers) < 3000
    again = subscribe(daemon)
    wait_subscribers(daemon, 1)
    peer.send("fresh")
    assert again.read_line() == b"fresh"


def test_wait_loses_nothing_and_presses_back(open_feed, subscribe):
    daemon, peer = open_feed({"max_message": "8K"}, on_lag="wait", ring="16K")
    slow = subscribe(daemon, receive_buffer=4096)
    wait_subscribers(daemon, 1)
    count = 20_000
    sending = send_numbered(peer, count)
    wait_until(lambda: outlet(daemon)["waiting"])
    assert daemon.status("feed")["paused"] is True
    assert not sending.done()
    lines = slow.read_lines(count)
    sending.result(10)
    assert check_lines(lines) == list(range(count))
    assert outlet(daemon)["lost"] == 0
    wait_until(lambda: not daemon.status("feed")["paused"])


def test_wait_goes_on_when_the_slow_one_leaves(open_feed, subscribe):
    daemon, peer = open_feed({"max_message": "8K"}, on_lag="wait", ring="16K")
    slow = subscribe(daemon, receive_buffer=4096)
    quick = subscribe(daemon)
    wait_subscribers(daemon, 2)
    count = 3000
    sending = send_numbered(peer, count)
    wait_until(lambda: outlet(daemon)["waiting"])
    slow.close()
    assert check_lines(quick.read_lines(count)) == list(range(count))
    sending.result(10)


def test_one_waiting_outlet_does_not_delay_another_connection(start_daemon, make_server, subscribe):
    servers = [make_server(), make_server()]
    daemon = start_daemon({
        "connections": [{"name": name, "url": server.url(), "max_message": "8K"} for name, server in zip("ab", servers)],
        "outlets": [{"name": "a", "path": "a.sock", "from": ["a"], "on_lag": "wait", "ring": "16K"}],
    })
    subscribe(daemon, name="a.sock", receive_buffer=4096)
    other = subscribe(daemon, name="b.sock")
    wait_subscribers(daemon, 2)
    peers = [server.accept() for server in servers]
    sending = send_numbered(peers[0], 3000)
    wait_until(lambda: outlet(daemon, "a")["waiting"])
    peers[1].send("not held up")
    assert other.read_line() == b"not held up"
    sending.cancel()


def test_sessions_held_up_together_keep_apart_what_they_have_read(start_daemon, make_server, subscribe):
    servers = {name: make_server() for name in "abc"}
    daemon = start_daemon({
        "connections": [{"name": name, "url": server.url(), "max_message": "8K"} for name, server in servers.items()],
        "outlets": [{"name": name, "path": f"{name}.sock", "from": [name], "on_lag": "wait", "ring": "16K"}
                    for name in servers],
    })
    subscribers = [subscribe(daemon, name=f"{name}.sock", receive_buffer=4096) for name in servers]
    wait_subscribers(daemon, 3)
    count = 10_000
    sendings = [send_numbered(server.accept(), count) for server in servers.values()]
    for name in servers:
        wait_until(lambda name=name: outlet(daemon, name)["waiting"])
    for subscriber in subscribers:
        assert check_lines(subscriber.read_lines(count)) == list(range(count))
    for sending in sendings:
        sending.result(10)


def test_what_shares_a_full_outlet_takes_turns(start_daemon, make_server, subscribe):
    """All flood it; each gets its share, in order, and none is forgotten when the flood is over."""
    names = "abcdef"
    servers = {name: make_server() for name in names}
    daemon = start_daemon({
        "connections": [{"name": name, "url": server.url(), "max_message": "8K"} for name, server in servers.items()],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"], "on_lag": "wait", "ring": "16K"}],
    })
    subscriber = subscribe(daemon, name="all.sock", receive_buffer=4096)
    wait_subscribers(daemon, 1)
    count = 4000
    peers = {name: server.accept() for name, server in servers.items()}
    sendings = [peer.send_later([f"{name}{i:07}" * 80 for i in range(count)]) for name, peer in peers.items()]
    wait_until(lambda: all(daemon.status(name)["paused"] for name in names))
    lines = subscriber.read_lines(count * len(names))
    for name in names:
        mine = [line for line in lines if line.startswith(name.encode())]
        assert mine == [f"{name}{i:07}".encode() * 80 for i in range(count)]
    # A turn is at most what is read at once, half a megabyte.
    assert {line[:1] for line in lines[: len(lines) // 3]} == {name.encode() for name in names}
    for sending in sendings:
        sending.result(10)
    for name, peer in peers.items():
        peer.send(f"last of {name}")
        assert subscriber.read_line() == f"last of {name}".encode()


def test_goes_on_without_a_full_outlet_that_is_removed(start_daemon, server, subscribe):
    def settings(*outlets):
        return {
            "connections": [{"name": "feed", "url": server.url(), "max_message": "8K"}],
            "outlets": [{"name": name, "path": f"{name}.sock", "from": ["feed"], **more} for name, more in outlets],
        }

    full = ("full", {"on_lag": "wait", "ring": "16K"})
    other = ("other", {"ring": "32M"})  # all of it: once nobody waits, a slow reader would lag
    daemon = start_daemon(settings(full, other))
    subscribe(daemon, name="full.sock", receive_buffer=4096)
    reader = subscribe(daemon, name="other.sock")
    wait_subscribers(daemon, 2)
    count = 20_000
    sending = send_numbered(server.accept(), count)
    wait_until(lambda: outlet(daemon, "full")["waiting"])
    daemon.configure(settings(other))
    daemon.call("reload")
    assert check_lines(reader.read_lines(count)) == list(range(count))
    sending.result(10)


def test_a_message_larger_than_the_ring_is_dropped_and_counted(open_feed, subscribe):
    daemon, peer = open_feed(ring="4K")
    events = daemon.rpc()
    events.call("events")
    subscriber = subscribe(daemon)
    wait_subscribers(daemon, 1)
    peer.send_all(["before", "x" * 10_000, "after"])
    assert subscriber.read_lines(2) == [b"before", b"after"]
    assert outlet(daemon)["oversize"] == 1
    assert events.event("oversize")["outlet"] == "out"


# Writable.


def test_lines_of_a_writable_outlet_go_upstream(open_feed, subscribe):
    daemon, peer = open_feed(writable=True)
    subscriber = subscribe(daemon)
    subscriber.send(b"first\nsecond\n\xc3")
    subscriber.send(b"\xbcber\n" + b"x" * 50_000 + b"\n")
    assert [peer.receive() for _ in range(4)] == ["first", "second", "über", "x" * 50_000]
    assert outlet(daemon)["inputs"] == 4


def test_objects_of_a_writable_json_outlet_go_upstream(open_feed, subscribe):
    daemon, peer = open_feed(writable=True, format="json")
    events = daemon.rpc()
    events.call("events")
    subscriber = subscribe(daemon, Json)
    subscriber.send(
        b'{"data":"gr\\u00fcn"}\n{"base64":"AP8=","connection":"feed"}\nrubbish\n{"data":"x","connection":"who"}\n'
        b'{"type":"text","data":"last"}\n'
    )
    assert [peer.receive() for _ in range(3)] == ["grün", b"\x00\xff", "last"]
    assert events.event("input-error")["error"]


def test_what_is_sent_to_an_outlet_that_is_not_writable_goes_nowhere(open_feed, subscribe):
    daemon, peer = open_feed()
    subscriber = subscribe(daemon)
    wait_subscribers(daemon, 1)
    try:
        subscriber.send(b"hello\n")
    except BrokenPipeError:
        pass
    peer.send("down")
    assert subscriber.read_line() == b"down"
    daemon.ctl("send", "feed", "the only one", status=0)
    assert peer.receive() == "the only one"


def test_a_subscriber_that_floods_a_read_only_outlet_harms_nobody(open_feed, subscribe):
    daemon, peer = open_feed()
    flooding = subscribe(daemon)
    other = subscribe(daemon)
    wait_subscribers(daemon, 2)
    flooding.socket.settimeout(0.2)
    sent = 0
    try:
        while sent < 50 << 20:
            sent += flooding.socket.send(bytes(1 << 16))
    except OSError:
        pass  # it is refused, one way or the other
    peer.send("still fine")
    assert other.read_line() == b"still fine"
    daemon.ctl("list", status=0)


def test_a_line_without_end_into_a_writable_outlet_is_bounded(open_feed, subscribe):
    daemon, peer = open_feed(writable=True)
    flooding = subscribe(daemon)
    other = subscribe(daemon)
    wait_subscribers(daemon, 2)
    flooding.socket.settimeout(2)
    with pytest.raises(OSError):
        for _ in range(4096):
            flooding.socket.sendall(b"x" * 65536)
    peer.send("still fine")
    assert other.read_line() == b"still fine"


def test_input_while_the_connection_is_away_is_counted(open_feed, subscribe):
    daemon, peer = open_feed(writable=True)
    subscriber = subscribe(daemon)
    daemon.call("disconnect", name="feed")
    subscriber.send(b"into the void\n")
    wait_until(lambda: daemon.call("stats", name="feed")["send_refused"] == 1)


# Subscribers come and go.


def test_a_subscriber_that_vanishes_in_the_middle_of_a_record(open_feed, subscribe):
    daemon, peer = open_feed(ring="1M")
    vanishing = subscribe(daemon, receive_buffer=4096)
    other = subscribe(daemon)
    wait_subscribers(daemon, 2)
    peer.send("x" * 900_000)
    assert vanishing.read_exactly(1000) == b"x" * 1000
    vanishing.close()
    assert other.read_line() == b"x" * 900_000
    wait_subscribers(daemon, 1)
    peer.send("and on")
    assert other.read_line() == b"and on"


def test_a_subscriber_that_closes_its_sending_half_goes_on_reading(open_feed, subscribe):
    daemon, peer = open_feed(writable=True)
    subscriber = subscribe(daemon)
    wait_subscribers(daemon, 1)
    subscriber.socket.shutdown(socket.SHUT_WR)
    daemon.call("list")
    peer.send("still listening")
    assert subscriber.read_line() == b"still listening"


def test_max_subscribers(open_feed, subscribe):
    daemon, peer = open_feed(max_subscribers=2)
    kept = [subscribe(daemon), subscribe(daemon)]
    wait_subscribers(daemon, 2)
    subscribe(daemon).wait_end()
    peer.send("two of you")
    assert [subscriber.read_line() for subscriber in kept] == [b"two of you"] * 2
    assert outlet(daemon)["refused"] == 1
    kept[0].close()
    wait_subscribers(daemon, 1)
    again = subscribe(daemon)
    wait_subscribers(daemon, 2)
    peer.send("welcome")
    assert again.read_line() == b"welcome"


def test_subscribers_are_shown(open_feed, subscribe):
    daemon, peer = open_feed()
    subscriber = subscribe(daemon)
    wait_subscribers(daemon, 1)
    peer.send("12345")
    subscriber.read_line()
    (shown,) = daemon.call("subscribers", outlet="out")
    assert (shown["outlet"], shown["pid"], shown["uid"]) == ("out", os.getpid(), os.getuid())
    assert (shown["sent"], shown["behind"], shown["lost"]) == (6, 0, 0)


def test_hundred_subscribers(open_feed, subscribe):
    daemon, peer = open_feed(on_lag="wait", ring="4M")
    subscribers = [subscribe(daemon) for _ in range(100)]
    wait_subscribers(daemon, 100)
    peer.send_all(f"message {number}" for number in range(50))
    expected = [b"message %d" % number for number in range(50)]
    assert all(subscriber.read_lines(50) == expected for subscriber in subscribers)


# Sockets.


def test_mode_owner_and_group_of_the_socket(start_daemon, server):
    owner, group = ("nobody", "nogroup") if os.getuid() == 0 else (None, None)
    settings = {"name": "out", "path": "out.sock", "from": ["feed"], "mode": "0604"}
    if owner:
        settings.update(owner=owner, group=group)
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url()}], "outlets": [settings],
    })
    path = pathlib.Path(daemon.path("out.sock"))
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    if owner:
        assert (path.owner(), path.group()) == (owner, group)
    assert stat.S_IMODE(os.stat(daemon.path("control.sock")).st_mode) == 0o600


def test_an_absolute_path(start_daemon, server, tmp_path_factory, subscribe):
    path = tmp_path_factory.mktemp("s") / "elsewhere.sock"
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url()}],
        "outlets": [{"name": "out", "path": str(path), "from": ["feed"]}],
    })
    subscriber = subscribe(daemon, name=str(path))
    wait_subscribers(daemon, 1)
    server.accept().send("here")
    assert subscriber.read_line() == b"here"
    subscriber.close()
    daemon.stop()
    assert not path.exists()
