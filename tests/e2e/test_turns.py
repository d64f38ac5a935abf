"""Whatever one peer does, the others and the control socket have their turn."""

import contextlib
import time

import pytest

from harness.frame import CONTINUATION, PING, PONG, TEXT, frame
from harness.subscriber import Lines
from harness.wait import wait_until

# Seconds of CPU time in which the daemon gets round to an answer. It looks up ten times as often; the clock
# that counts them has hundredths, and the sanitizers and a busy machine take their share.
TURN = 0.1

FLOODS = {
    "empty messages": (b"", frame(TEXT, b"")),
    "small messages": (b"", frame(TEXT, b"small")),
    "pings": (b"", frame(PING, b"")),
    "pongs": (b"", frame(PONG, b"p" * 125)),
    "empty fragments": (frame(TEXT, b"", fin=False), frame(CONTINUATION, b"", fin=False)),
}


@pytest.fixture
def flooded(start_daemon, bad_server, server):
    """A daemon with a flooded connection, a quiet one, and many outlets that take both."""
    with contextlib.ExitStack() as stack:

        def flooded(path, **query):
            outlets = [{"name": f"o{number}", "from": ["*"], "format": "json"} for number in range(10)]
            daemon = start_daemon({
                "gateway": {"log": {"level": "info"}},
                "connections": [{"name": "quiet", "url": server.url()},
                                {"name": "flood", "url": bad_server.url(path, **query), "when": "manual"}],
                "outlets": [*outlets, {"name": "quiet", "from": ["quiet"]}],
            })
            for outlet in outlets:
                stack.enter_context(contextlib.closing(Lines(daemon.path(f"{outlet['name']}.sock"))))
            reader = stack.enter_context(contextlib.closing(Lines(daemon.path("quiet.sock"))))
            wait_until(lambda: len(daemon.call("subscribers")) == len(outlets) + 1)
            daemon.wait_state("quiet", "open")
            daemon.call("connect", name="flood")
            return daemon, server.accept(), reader

        yield flooded


def expect_turns(daemon, peer, reader, seconds=1.0):
    """For a while each answer, and each message of the quiet connection, comes soon."""
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        before = daemon.cpu()
        daemon.call("version")
        peer.send(f"message {number}")
        assert reader.read_line() == b"message %d" % number
        assert daemon.cpu() - before < 2 * TURN
        number += 1


@pytest.mark.heavy
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_leaves_turns_to_others(flooded, flood):
    first, data = flood
    expect_turns(*flooded("/repeat", first=first.hex(), hex=data.hex()))


@pytest.mark.heavy
@pytest.mark.timeout(60)
def test_many_subscribers_leave_turns_to_others(start_daemon, bad_server):
    """Hundreds that take all they are sent, and all get everything."""
    count, subscribers = 2000, 300
    daemon = start_daemon({
        "gateway": {"log": {"level": "info"}},
        "connections": [{"name": "feed", "url": bad_server.url("/flood", count=count, size=100), "when": "manual"}],
        "outlets": [{"name": "many", "path": "many.sock", "from": ["feed"]}],
    })
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(contextlib.closing(Lines(daemon.path("many.sock")))) for _ in range(subscribers)]
        wait_until(lambda: len(daemon.call("subscribers")) == subscribers)
        daemon.call("connect", name="feed")
        for reader in readers:
            data = reader.read_exactly(count * 101)
            assert [int(line[:8]) for line in data.splitlines()] == list(range(count))
