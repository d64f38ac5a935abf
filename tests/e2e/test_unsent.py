"""
What is still to be sent when a connection closes: held for the next session, or counted, logged and told.
Whatever happens, the server gets each message at most once, and in order.
"""

import random
import time
import zlib

import pytest

from harness.frame import TEXT, close_frame
from harness.misbehave import MisbehavingServer
from harness.subscriber import Subscriber
from harness.wait import wait_until

FAST = {"min": "10ms", "max": "20ms"}
LARGE = 100_000


@pytest.fixture
def full_server():
    """What it does not read stays with who sends it."""
    server = MisbehavingServer(receive_buffer=4096)
    yield server
    server.stop()


def feed(server, **settings):
    return {"connections": [{"name": "feed", "url": server.url("/scripted"), "reconnect": FAST, "send_queue": "64M",
                             "close_timeout": "30s", **settings}]}


def closes(client):
    """The closing handshake as the RFC has it: what the client had sent before is read."""
    client.send(close_frame(1012))
    client.read_frames()


def hangs_up(client):
    client.sock.close()


def resets(client):
    client.reset()


ENDS = [closes, hangs_up, resets]


NOISE = random.Random(1).randbytes(500_000).hex()  # which hardly gets smaller


def message(number, size=LARGE):
    start = number * 777 % 500_000
    return (f"{number} " + NOISE[start : start + size])[:size]


def send(daemon, numbers, size=LARGE):
    with daemon.rpc() as rpc:
        for number in numbers:
            assert rpc.call("send", name="feed", text=message(number, size)) is True


class Received:
    """The numbers of the messages to an exchange, as far as they have been looked at; each must be as it was sent."""

    def __init__(self):
        self.frames = 0
        self.numbers = []
        self.inflater = zlib.decompressobj(-15)

    def take(self, frame):
        self.frames += 1
        if frame.opcode != TEXT:
            return
        text = (self.inflater.decompress(frame.payload + b"\0\0\xff\xff") if frame.rsv else frame.payload).decode()
        self.numbers.append(int(text.split(" ", 1)[0]))
        assert self.numbers[-1] == 0 or text == message(self.numbers[-1], len(text))


def received(exchange):
    """The numbers of the messages in whole frames."""
    known = exchange.__dict__.setdefault("received", Received())
    for frame in exchange.frames[known.frames :]:
        known.take(frame)
    return list(known.numbers)


def stats(daemon):
    return daemon.call("stats", name="feed")


def after(count, end):
    """Reads so many bytes and, once the test says go, ends in that way."""

    def script(client):
        client.read_bytes(count)
        client.go.wait()
        end(client)

    return script


# --- with a hold


@pytest.mark.parametrize("settings", [
    {},
    {"compression": {"enabled": True}},
    {"send_rate": {"messages": 1000, "burst": 10}},
    {"on_open": ["0 first"]},
])
@pytest.mark.parametrize("end", ENDS)
def test_what_is_unsent_follows_in_the_next_session(start_daemon, full_server, end, settings):
    """In order, ahead of what came later, a message that was begun again as a whole; after those of on_open."""
    full_server.scripts = [after(LARGE + LARGE // 2, end)]
    daemon = start_daemon(feed(full_server, hold={"bytes": "64M"}, **settings))
    first = full_server.accept()
    daemon.wait_state("feed", "open")
    send(daemon, range(1, 101))
    wait_until(lambda: len(first.frames) >= 1)
    rpc = daemon.rpc()
    rpc.call("events")
    first.go.set()
    rpc.event("close")
    send(daemon, range(101, 111))
    second = full_server.accept()
    wait_until(lambda: 110 in received(second))
    before, later = received(first), [number for number in received(second) if number]
    counts = stats(daemon)
    assert before + later == sorted({*before, *later})
    assert later == list(range(later[0], 111))
    assert counts["send_lost"] == counts["send_expired"] == counts["send_refused"] == 0
    if end is closes:
        assert before + later == [*([0] if "on_open" in settings else []), *range(1, 111)]
    wait_until(lambda: stats(daemon)["messages_sent"] >= 110)
    assert bool(counts["compressed_sent"]) == ("compression" in settings)
    status = daemon.status("feed")
    assert (status["held"], status["held_bytes"], status["send_queued"]) == (0, 0, 0)
    if "on_open" in settings:
        assert received(second)[0] == 0


@pytest.mark.parametrize("size", [500, 5000])
def test_what_tls_has_encrypted_is_not_taken_back(start_daemon, authority, size):
    """A record that the socket does not take yet is written as it is; then the answer to the close frame."""
    server = MisbehavingServer(receive_buffer=1 << 16, certificate=authority.issue("localhost", "DNS:localhost", "IP:127.0.0.1"))
    server.scripts = [after(50_000, closes)]
    try:
        daemon = start_daemon(feed(server, hold={"bytes": "64M"}, tls={"ca_file": str(authority.ca_file)},
                                   reconnect={"enabled": False}, close_timeout="5s"))
        first = server.accept()
        daemon.wait_state("feed", "open")
        last = 0
        while daemon.status("feed")["send_queued"] < 300_000:
            send(daemon, range(last + 1, last + 501), size)
            last += 500
        first.go.set()
        assert first.wait_ended() == 1012
        wait_until(lambda: daemon.status("feed")["state"] == "idle")
        held = daemon.status("feed")["held"]
        assert received(first) == list(range(1, last + 1 - held))
    finally:
        server.stop()


def test_what_was_held_before_follows_what_the_session_had(start_daemon, full_server):
    """More is held than the queue takes, the session ends while it is being sent; nothing changes places."""
    full_server.scripts = [after(LARGE, resets), after(LARGE, resets), after(LARGE, closes)]
    daemon = start_daemon(feed(full_server, when="manual", hold={"bytes": "64M"}, send_queue="500K"))
    send(daemon, range(1, 201))
    daemon.call("connect", name="feed")
    for _ in range(3):
        exchange = full_server.accept()
        wait_until(lambda: daemon.status("feed")["send_queued"] > 300_000)
        exchange.go.set()
    last = full_server.accept()
    wait_until(lambda: 200 in received(last))
    numbers = [number for exchange in full_server.exchanges for number in received(exchange)]
    assert numbers == sorted(set(numbers)) and received(last) == list(range(received(last)[0], 201))
    counts = stats(daemon)
    assert counts["messages_sent"] == 200 and counts["send_lost"] == 0


def test_the_session_that_replaces_another_waits_for_what_that_has_not_sent(start_daemon, full_server):
    full_server.scripts = [lambda client: client.go.wait()]
    daemon = start_daemon(feed(full_server, hold={"bytes": "64M"}, close_timeout="500ms",
                               max_age={"after": "300ms", "jitter": 0, "overlap": True}))
    first = full_server.accept()
    daemon.wait_state("feed", "open")
    send(daemon, range(1, 101))
    second = full_server.accept()
    send(daemon, range(101, 111))

    def numbers():
        return [number for exchange in full_server.exchanges for number in received(exchange)]

    wait_until(lambda: 110 in numbers() and numbers() == list(range(numbers()[0], 111)))
    assert not received(first) and second.frames
    assert stats(daemon)["send_lost"] == 0
    first.go.set()


def test_what_is_unsent_is_held_through_a_disconnect(start_daemon, full_server):
    full_server.scripts = [lambda client: client.go.wait()]
    daemon = start_daemon(feed(full_server, hold={"bytes": "64M"}, close_timeout="100ms"))
    first = full_server.accept()
    daemon.wait_state("feed", "open")
    send(daemon, range(1, 101))
    daemon.call("disconnect", name="feed")
    held = daemon.status("feed")["held"]
    assert held > 10
    first.go.set()
    daemon.call("connect", name="feed")
    second = full_server.accept()
    wait_until(lambda: 100 in received(second))
    assert received(second) == list(range(101 - held, 101))


def test_a_close_frame_follows_messages_that_the_server_still_reads(start_daemon, full_server):
    """They are sent before a disconnect, held ones or not."""
    full_server.scripts = [lambda client: (client.go.wait(), client.finish())]
    daemon = start_daemon(feed(full_server, hold={"bytes": "64M"}))
    exchange = full_server.accept()
    daemon.wait_state("feed", "open")
    send(daemon, range(1, 101))
    exchange.go.set()
    daemon.call("disconnect", name="feed", code=1000)
    assert exchange.wait_ended() == 1000
    assert received(exchange) == list(range(1, 101))


def test_its_age_counts_from_when_it_was_given(start_daemon, full_server):
    """A message that waited in the session's queue is not held for all of hold.age again."""
    full_server.scripts = [after(LARGE, resets)]
    daemon = start_daemon(feed(full_server, hold={"bytes": "64M", "age": "600ms"}, reconnect={"enabled": False}))
    first = full_server.accept()
    daemon.wait_state("feed", "open")
    rpc = daemon.rpc()
    rpc.call("events")
    send(daemon, range(1, 101))
    first.go.set()
    rpc.event("close")
    counts = wait_until(lambda: (s := stats(daemon))["send_expired"] + s["messages_sent"] == 100 and s)
    assert counts["send_expired"] > 10 and counts["send_lost"] == 0


def test_what_is_too_old_is_not_sent_by_a_session_either(start_daemon, full_server):
    """An order that may be a second late, and waits for longer than that in the queue of an open connection."""
    full_server.scripts = [lambda client: (client.go.wait(), client.finish())]
    daemon = start_daemon(feed(full_server, hold={"bytes": "64M", "age": "1s"}))
    exchange = full_server.accept()
    daemon.wait_state("feed", "open")
    send(daemon, range(1, 101))
    time.sleep(1.1)
    exchange.go.set()
    wait_until(lambda: daemon.status("feed")["send_queued"] == 0)
    send(daemon, [101])
    wait_until(lambda: 101 in received(exchange))
    counts, numbers = stats(daemon), received(exchange)
    assert numbers == [*range(1, numbers[-2] + 1), 101]
    assert counts["send_expired"] == 101 - len(numbers) > 10
    daemon.wait_log("messages to the server were held for 1s and are dropped: ")


def test_only_as_much_is_held_as_the_settings_say(start_daemon, full_server):
    """The oldest; the others are lost, and said to be."""
    full_server.scripts = [after(LARGE, resets)]
    daemon = start_daemon(feed(full_server, hold={"bytes": f"{3 * (LARGE + 16)}"}))
    rpc = daemon.rpc()
    rpc.call("events")
    first = full_server.accept()
    daemon.wait_state("feed", "open")
    send(daemon, range(1, 101))
    first.go.set()
    event = rpc.event("unsent")
    second = full_server.accept()
    wait_until(lambda: len(received(second)) == 3)
    assert event["messages"] == stats(daemon)["send_lost"] == 100 - (received(second)[0] - 1) - 3
    assert event["bytes"] == event["messages"] * LARGE
    assert received(second) == list(range(received(second)[0], received(second)[0] + 3))


# --- without one, or when there is no next session


def expect_loss(daemon, rpc):
    event = rpc.event("unsent")
    daemon.wait_log(f"messages to the server lost: {event['messages']} ({event['bytes']} bytes)")
    assert event["connection"] == "feed" and event["messages"] > 10
    assert event["bytes"] == event["messages"] * LARGE
    return event["messages"]


@pytest.mark.parametrize("end", [hangs_up, resets])
def test_without_a_hold_the_loss_is_counted_logged_and_told(start_daemon, full_server, end):
    full_server.scripts = [after(LARGE, end)]
    daemon = start_daemon(feed(full_server, reconnect={"enabled": False}))
    rpc = daemon.rpc()
    rpc.call("events")
    first = full_server.accept()
    daemon.wait_state("feed", "open")
    send(daemon, range(1, 101))
    first.go.set()
    lost = expect_loss(daemon, rpc)
    counts = stats(daemon)
    assert counts["send_lost"] == lost == 100 - counts["messages_sent"]


def test_what_is_lost_with_a_removal_or_a_stop_is_told(start_daemon, full_server):
    """A hold does not help: nobody sends it."""
    full_server.scripts = [lambda client: client.go.wait()] * 2
    daemon = start_daemon(feed(full_server, hold={"bytes": "64M"}, close_timeout="100ms"))
    rpc = daemon.rpc()
    rpc.call("events")
    full_server.accept()
    daemon.wait_state("feed", "open")
    send(daemon, range(1, 101))
    daemon.configure({"connections": [{"name": "other", "url": full_server.url("/scripted"), "when": "manual"}]})
    daemon.call("reload")
    expect_loss(daemon, rpc)
    daemon.configure(feed(full_server, hold={"bytes": "64M"}, close_timeout="100ms"))
    daemon.call("reload")
    full_server.accept()
    daemon.wait_state("feed", "open")
    send(daemon, range(1, 101))
    daemon.stop()
    assert daemon.log().count("messages to the server lost: ") == 2


def test_first_messages_and_heartbeats_are_no_loss(start_daemon, full_server):
    """They belong to the session: the next one has its own."""
    full_server.scripts = [after(LARGE, resets)]
    daemon = start_daemon(feed(full_server, on_open=[message(number) for number in range(1, 101)], hold={"bytes": "64M"},
                               heartbeat={"every": "10ms", "message": "0 beat"}))
    first = full_server.accept()
    daemon.wait_state("feed", "open")
    first.go.set()
    second = full_server.accept()
    wait_until(lambda: [number for number in received(second) if number] == list(range(1, 101)))
    assert stats(daemon)["send_lost"] == 0 and "lost" not in daemon.log()


# --- whatever the server does


def reads_and_ends(random_, ends):
    count, end = random_.randrange(1, 500_000), random_.choice(ends)

    def script(client):
        client.read_bytes(count)
        end(client)

    return script


@pytest.mark.parametrize("ends, hold", [([closes], "64M"), (ENDS, "64M"), (ENDS, "0")])
@pytest.mark.parametrize("seed", range(3))
def test_each_message_arrives_at_most_once_and_in_order(start_daemon, full_server, seed, ends, hold):
    """
    A server that closes at random moments, in the middle of messages too, while a client sends numbered ones.
    What is missing has been counted: as lost, as refused, or as sent when the server closed without reading
    it. If it closes in the RFC's way, and there is a hold, nothing is missing.
    """
    random_ = random.Random(f"{seed} {hold} {len(ends)}")
    full_server.scripts = [reads_and_ends(random_, ends) for _ in range(10)]
    daemon = start_daemon({
        **feed(full_server, hold={"bytes": hold}, compression={"enabled": seed == 1}, send_queue="2M",
               send_rate={"messages": 5000, "burst": 50} if seed == 2 else {}),
        "outlets": [{"name": "out", "from": ["feed"], "writable": True}],
    })
    count = 1500
    with Subscriber(daemon.path("out.sock")) as subscriber:
        for number in range(1, count + 1):
            subscriber.send(message(number, random_.choice([10, 100, 5000, 60_000])).encode() + b"\n")
        wait_until(lambda: daemon.call("outlets")[0]["inputs"] == count)
        full_server.scripts.clear()
        daemon.call("connect", name="feed")
        subscriber.send(message(count + 1, 10).encode() + b"\n")
        wait_until(lambda: count + 1 in received(full_server.exchanges[-1]))
    counts = stats(daemon)
    numbers = [number for exchange in full_server.exchanges for number in received(exchange)]
    assert numbers == sorted(set(numbers))
    assert counts["messages_sent"] + counts["send_lost"] + counts["send_refused"] == count + 1
    assert counts["send_expired"] == 0
    if hold != "0":
        assert counts["send_lost"] == counts["send_refused"] == 0
        if ends == [closes]:
            assert numbers == list(range(1, count + 2))
