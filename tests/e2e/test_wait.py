"""`wait`: nothing that has been received is lost, whatever ends the connection, and nobody is shut out."""

import collections
import signal
import socket
import threading
import time

import pytest

from harness.control import RpcError
from harness.subscriber import Lines
from harness.wait import Deadline, wait_until

SIZE = 1000


def flood(name, url, **change):
    return {"name": name, "url": url, "when": "manual", "max_message": "8K", **change}


def waiting(name, source, **change):
    return {"name": name, "path": f"{name}.sock", "from": [source], "on_lag": "wait", "ring": "64K", **change}


def outlet(daemon, name):
    return next(line for line in daemon.call("outlets") if line["name"] == name)


def is_waiting(daemon, name):
    return outlet(daemon, name)["waiting"]


def subscribe(daemon, *names):
    subscribers = [Lines(daemon.path(f"{name}.sock")) for name in names]
    wait_until(lambda: len(daemon.call("subscribers")) == len(names))
    return subscribers


class Reader(threading.Thread):
    """Reads an outlet slowly, or not at all for a while; counts what comes of each connection, in order."""

    def __init__(self, path, pause=0.0):
        super().__init__(daemon=True)
        self.pause = pause
        self.counts = collections.Counter()
        self.fault = None
        self.may_read = threading.Event()
        self.may_read.set()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def run(self):
        rest = b""
        while data := self.socket.recv(65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                number, fill = int(line[:8]), line[8:9].decode()
                if number != self.counts[fill] or len(line) != SIZE:
                    self.fault = f"message {number} of {fill} where {self.counts[fill]} was due"
                    return
                self.counts[fill] += 1
            time.sleep(self.pause)
            self.may_read.wait()

    def close(self):
        self.may_read.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self.socket.close()


@pytest.fixture
def shared(start_daemon, bad_server):
    """Connections that all flood into each of some outlets; and a reader of each outlet."""
    readers = []

    def shared(connections, outlets, count, ring):
        fills = "abcdefghij"[:connections]
        daemon = start_daemon({
            "gateway": {"log": {"level": "info"}},
            "connections": [flood(f"c{fill}", bad_server.url("/flood", count=count, size=SIZE, fill=fill))
                            for fill in fills],
            "outlets": [waiting(f"o{number}", "c*", ring=ring) for number in range(outlets)],
        })
        readers.extend(Reader(daemon.path(f"o{number}.sock"), pause=0.003) for number in range(outlets))
        wait_until(lambda: len(daemon.call("subscribers")) == outlets)
        for reader in readers:
            reader.start()
        for fill in fills:
            daemon.call("connect", name=f"c{fill}")
        return daemon, readers, dict.fromkeys(fills, count)

    yield shared
    for reader in readers:
        reader.close()


def await_all(daemon, readers, expected, between=lambda: None):
    """Until all have everything; meanwhile the daemon answers."""
    deadline = Deadline(60)
    while any(reader.counts != expected for reader in readers):
        assert not any(reader.fault for reader in readers), [reader.fault for reader in readers]
        daemon.call("version")
        between()
        deadline.left(lambda: [reader.counts for reader in readers])
        time.sleep(0.01)


@pytest.mark.heavy
@pytest.mark.timeout(120)
@pytest.mark.parametrize("connections, outlets", [(2, 2), (3, 2), (5, 3), (10, 4)])
def test_connections_that_share_waiting_outlets_all_go_on(shared, connections, outlets):
    daemon, readers, expected = shared(connections, outlets, count=30000 // connections, ring="2M")
    await_all(daemon, readers, expected)


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_readers_that_pause_in_turns_let_all_go_on(shared):
    daemon, readers, expected = shared(3, 3, count=4000, ring="64K")
    turn = 0

    def pause_the_next():
        nonlocal turn
        readers[turn % 3].may_read.set()
        turn += 1
        readers[turn % 3].may_read.clear()

    await_all(daemon, readers, expected, between=pause_the_next)


@pytest.fixture
def held_up(start_daemon, bad_server):
    """A connection of which more has come than its outlet has room for, and the subscriber that does not read."""
    subscribers = []

    def held_up(count=1000, gateway=None, end="finish", **change):
        daemon = start_daemon({
            "gateway": {"drain_timeout": "20s", **(gateway or {})},
            "connections": [flood("feed", bad_server.url("/flood", count=count, size=SIZE, end=end),
                                  close_timeout="100ms", **change)],
            "outlets": [waiting("held", "feed")],
        })
        subscribers.extend(subscribe(daemon, "held"))
        daemon.call("connect", name="feed")
        wait_until(lambda: is_waiting(daemon, "held"))
        return daemon, subscribers[0]

    yield held_up
    for subscriber in subscribers:
        subscriber.close()


def expect_all(subscriber, count=1000):
    for number in range(count):
        assert subscriber.read_line()[:8] == b"%08d" % number


def test_disconnect_delivers_all_that_the_server_has_sent(held_up, bad_server):
    daemon, subscriber = held_up()
    rpc = daemon.rpc()
    answer = rpc.start("disconnect", name="feed")
    wait_until(lambda: daemon.status("feed")["state"] == "closing")
    time.sleep(0.3)  # longer than close_timeout
    assert daemon.status("feed")["state"] == "closing"
    expect_all(subscriber)
    assert rpc.finish(answer) is True
    assert bad_server.accept().wait_ended() == 1001
    assert outlet(daemon, "held")["lost"] == 0


def test_remove_delivers_all_that_the_server_has_sent(held_up):
    daemon, subscriber = held_up()
    daemon.call("remove", name="feed")
    time.sleep(0.3)  # longer than close_timeout
    expect_all(subscriber)
    assert outlet(daemon, "held")["lost"] == 0


def test_reload_that_reconnects_delivers_both(held_up, bad_server):
    daemon, subscriber = held_up()
    daemon.configure({
        "connections": [flood("feed", bad_server.url("/flood", count=10, size=SIZE), close_timeout="100ms")],
        "outlets": [waiting("held", "feed")],
    })
    daemon.call("reload")
    time.sleep(0.3)  # longer than close_timeout
    expect_all(subscriber)
    expect_all(subscriber, 10)
    assert outlet(daemon, "held")["lost"] == 0


def test_termination_delivers_all_that_the_server_has_sent(held_up):
    daemon, subscriber = held_up(count=3000)
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING=1")
    assert int(daemon.notify.wait_for("EXTEND_TIMEOUT_USEC=").split("=")[1]) > 20_000_000
    time.sleep(0.3)  # longer than close_timeout
    expect_all(subscriber, 3000)
    subscriber.wait_end()
    assert daemon.process.wait(15) == 0


def test_what_is_stopping_can_be_looked_at_but_not_changed(held_up):
    daemon, subscriber = held_up()
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING=1")
    assert [(line["name"], line["state"]) for line in daemon.call("list")] == [("feed", "closing")]
    assert daemon.status("feed")["state"] == "closing"
    assert daemon.call("stats", name="feed")["messages_recv"] > 0
    assert outlet(daemon, "held")["waiting"]
    assert [line["outlet"] for line in daemon.call("subscribers", outlet="held")] == ["held"]
    for method, parameters in [("connect", {"name": "feed"}), ("connect", {"name": "gone"}), ("remove", {"name": "feed"}),
                               ("add", {"name": "new", "url": "ws://127.0.0.1:1/"}), ("reload", {})]:
        with pytest.raises(RpcError, match="the daemon is stopping") as refusal:
            daemon.call(method, **parameters)
        assert refusal.value.err == "SYSTEM-ERROR"
    answer = (rpc := daemon.rpc()).start("disconnect", name="feed")
    expect_all(subscriber)
    assert rpc.finish(answer) is True
    subscriber.wait_end()
    assert daemon.process.wait(15) == 0


def test_an_outlet_can_be_looked_at_while_it_delivers_the_rest(start_daemon, bad_server):
    """Its connection has closed by then; what has come is in the ring."""
    daemon = start_daemon({
        "gateway": {"drain_timeout": "20s"},
        "connections": [flood("feed", bad_server.url("/flood", count=3000, size=SIZE, end="finish"))],
        "outlets": [waiting("held", "feed", ring="4M"), waiting("other", "feed", ring="4M")],
    })
    (subscriber,) = subscribe(daemon, "held")
    daemon.call("connect", name="feed")
    wait_until(lambda: outlet(daemon, "held")["messages"] == 3000)
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: daemon.call("list") == [])
    with pytest.raises(RpcError, match="no connection named 'feed'"):
        daemon.status("feed")
    wait_until(lambda: [line["name"] for line in daemon.call("outlets")] == ["held"])
    assert outlet(daemon, "held")["messages"] == 3000 and outlet(daemon, "held")["from"] == []
    assert daemon.call("subscribers", outlet="held")[0]["behind"] > 0
    expect_all(subscriber, 3000)
    subscriber.wait_end()
    assert daemon.process.wait(15) == 0


def test_termination_keeps_to_the_drain_timeout_and_tells_what_is_lost(held_up):
    daemon, subscriber = held_up(gateway={"drain_timeout": "1s"})
    events = daemon.rpc()
    events.call("events")
    received = daemon.call("stats", name="feed")["bytes_recv"] // (4 + SIZE)  # whole messages
    started = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(15) == 0
    assert 1 <= time.monotonic() - started < 1.9  # not twice
    told = [message["params"] for message in iter(events.read, None)]
    lost = [event for event in told if event["type"] == "undelivered"]
    got = subscriber.read_to_end().count(b"\n")
    assert lost[0]["outlet"] == "held" and lost[0]["connection"] == "feed"
    assert got + sum(event["messages"] for event in lost) == received
    assert f"messages lost: {lost[0]['messages']}, of connection feed" in daemon.log()


def test_a_second_signal_does_not_wait(held_up):
    daemon, subscriber = held_up()
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING=1")
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(15) == 0
    assert "messages lost" in daemon.log()


def test_what_a_failed_write_finds_out_loses_nothing(held_up, bad_server):
    daemon, subscriber = held_up(count=400, end="rst",
                                 heartbeat={"every": "50ms", "message": "tick"})
    bad_server.accept().go.set()
    wait_until(lambda: daemon.status("feed")["state"] == "closing")
    expect_all(subscriber, 400)
    wait_until(lambda: daemon.status("feed")["state"] != "closing")
    assert outlet(daemon, "held")["lost"] == 0


def test_what_a_removed_outlet_does_not_get_is_told(held_up, bad_server):
    daemon, subscriber = held_up()
    received = daemon.call("stats", name="feed")["bytes_recv"] // (4 + SIZE)  # whole messages
    events = daemon.rpc()
    events.call("events")
    daemon.configure({"gateway": {"drain_timeout": "20s"},
                      "connections": [flood("feed", bad_server.url("/flood", count=1000, size=SIZE))],
                      "outlets": [{"name": "other", "from": ["feed"]}]})
    daemon.call("reload")
    told = events.event("undelivered")
    assert told["outlet"] == "held" and told["connection"] == "feed"
    assert subscriber.read_to_end().count(b"\n") + told["messages"] == received


@pytest.fixture
def last_words(start_daemon, bad_server):
    """A server that says all it has when it is told to close; `own`: the connection has an outlet of its own."""
    subscribers = []

    def last_words(own):
        rest = flood("rest", bad_server.url("/hold"))
        outlets = [waiting("other", "rest")] + ([] if own else [waiting("held", "feed")])
        daemon = start_daemon({
            "gateway": {"drain_timeout": "20s"},
            "connections": [flood("feed", bad_server.url("/last-words", count=1000, size=SIZE)), rest],
            "outlets": outlets,
        })
        subscribers.extend(subscribe(daemon, "feed" if own else "held"))
        daemon.call("connect", name="feed")
        without = {"gateway": {"drain_timeout": "20s"}, "connections": [rest], "outlets": outlets[:1]}
        return daemon, subscribers[0], without

    yield last_words
    for subscriber in subscribers:
        subscriber.close()


@pytest.mark.parametrize("own", [False, True], ids=["outlet", "own outlet"])
@pytest.mark.parametrize("how", ["reload", "remove"])
def test_a_connection_that_goes_with_its_outlet_delivers_first(last_words, own, how):
    daemon, subscriber, without = last_words(own)
    if how == "reload":
        daemon.configure(without)
        daemon.call("reload")
    else:
        daemon.call("remove", name="feed")
    expect_all(subscriber)
    if how == "reload" or own:
        subscriber.wait_end()


@pytest.mark.parametrize("how", ["remove", "term"])
def test_messages_that_were_held_for_a_server_are_not_dropped_unsaid(start_daemon, bad_server, how):
    daemon = start_daemon({"connections": [flood("feed", bad_server.url("/hold"), hold={"bytes": "64K", "age": "1h"})]})
    events = daemon.rpc()
    events.call("events")
    for _ in range(3):
        daemon.call("send", name="feed", text="held")
    daemon.call("remove", name="feed") if how == "remove" else daemon.signal(signal.SIGTERM)
    assert events.event("expired")["messages"] == 3
    daemon.wait_log("messages to the server were held until the connection ended and are dropped: 3")
