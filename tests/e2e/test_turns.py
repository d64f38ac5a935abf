"""Whatever one peer does, the others and the control socket have their turn."""

import concurrent.futures
import contextlib
import resource
import signal
import time

import pytest

from harness.frame import CONTINUATION, PING, PONG, TEXT, frame
from harness.subscriber import Json, Lines
from harness.wait import Timeout, wait_until

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


def thousands(outlets, count=2000, **more):
    return {
        "gateway": {"log": {"level": "info"}},
        "connections": [{"name": f"c{number}", "url": "ws://127.0.0.1:1/", "when": "manual", **more}
                        for number in range(count)],
        "outlets": outlets,
    }


def patterns(count, **more):
    """Outlets that each take all connections."""
    return [{"name": f"p{number}", "from": ["c*"], **more} for number in range(count)]


@contextlib.contextmanager
def reloading(daemon, settings):
    """The outcome of a reload, as a future."""
    daemon.configure(settings)
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        yield executor.submit(daemon.ctl, "reload", "--json", timeout=60)


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_a_reload_of_thousands_leaves_turns_to_others(start_daemon):
    """Made, changed, replaced and removed, with 600,000 routes between them."""
    outlets = [{"name": "all", "from": ["c*"]}]
    daemon = start_daemon(thousands(outlets, 1))
    for settings in (
        thousands(outlets + patterns(300)),
        thousands(outlets + patterns(300, mode="0600"), max_message="2M"),
        thousands(outlets + patterns(300, format="json")),
        thousands(outlets, 1),
    ):
        with reloading(daemon, settings) as outcome:
            while not outcome.done():
                before = daemon.cpu()
                daemon.call("version")
                assert daemon.cpu() - before < 2 * TURN
            assert outcome.result().returncode == 0, outcome.result().stderr
        assert len(daemon.call("list")) == len(settings["connections"])
        routes = [len(outlet["from"]) for outlet in daemon.call("outlets")]
        assert routes == [len(settings["connections"])] * len(settings["outlets"])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("moment", [0, 0.1, 0.2, 0.4])
def test_the_end_comes_in_the_middle_of_a_reload(start_daemon, moment):
    daemon = start_daemon(thousands(patterns(30, format="lines"), 300))
    daemon.configure(thousands(patterns(30, format="json") + [{"name": "new", "from": ["c1"]}], 100, max_message="2M"))
    daemon.signal(signal.SIGHUP)
    time.sleep(moment)
    daemon.stop()
    assert [path.name for path in daemon.folder.iterdir() if path.is_socket() and path.name != "notify"] == []


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_the_end_of_thousands_leaves_turns_to_others(start_daemon, bad_server):
    """While one subscriber is given time for what is left, all others are closed."""
    settings = thousands([{"name": "slow", "from": ["feed"]}, *patterns(300)])
    settings["gateway"]["drain_timeout"] = "2s"
    settings["connections"].append(
        {"name": "feed", "url": bad_server.url("/flood", count=2000, size=1000), "when": "manual"})
    daemon = start_daemon(settings)
    with contextlib.closing(Lines(daemon.path("slow.sock"))):
        wait_until(lambda: daemon.call("subscribers", outlet="slow"))
        daemon.call("connect", name="feed")
        wait_until(lambda: daemon.call("subscribers", outlet="slow")[0]["behind"])
        daemon.signal(signal.SIGTERM)
        with contextlib.suppress(OSError, Timeout):  # the socket is closed
            while True:
                before = daemon.cpu()
                daemon.call("version")
                assert daemon.cpu() - before < 2 * TURN
        daemon.stop()


def read_numbered(client, count):
    """Reads so many messages, none of which is missing without a word. Returns how many were lost."""
    number = lost = 0
    while number < count:
        record = client.read_type("text", "gap")
        if record["type"] == "text":
            assert int(record["data"][:8]) == number
        else:
            lost += record["lost"]
        number += record.get("lost", 1)
    return lost


@pytest.mark.heavy
@pytest.mark.timeout(60)
@pytest.mark.parametrize("on_lag", ["skip", "close"])
def test_thousands_that_do_not_read_leave_turns_to_others(start_daemon, bad_server, server, on_lag):
    """They are all lapped at once, again and again; then each is told exactly what it has lost."""
    count, subscribers = 20000, 3000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 3 * subscribers:
        pytest.skip("needs thousands of descriptors")
    daemon = start_daemon({
        "gateway": {"log": {"level": "err"}},
        "connections": [{"name": "quiet", "url": server.url()},
                        {"name": "feed", "url": bad_server.url("/flood", count=count, size=1000), "when": "manual"}],
        "outlets": [{"name": "many", "path": "many.sock", "from": ["feed"], "format": "json", "ring": "64K",
                     "on_lag": on_lag, "max_subscribers": subscribers},
                    {"name": "quiet", "from": ["quiet"]}],
    })
    with contextlib.ExitStack() as stack:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        readers = [stack.enter_context(contextlib.closing(Json(daemon.path("many.sock")))) for _ in range(subscribers)]
        reader = stack.enter_context(contextlib.closing(Lines(daemon.path("quiet.sock"))))
        wait_until(lambda: daemon.call("outlets")[0]["subscribers"] == subscribers)
        daemon.wait_state("quiet", "open")
        daemon.call("connect", name="feed")
        expect_turns(daemon, server.accept(), reader, 2.0)
        wait_until(lambda: daemon.call("outlets")[0]["messages"] >= count + 1)
        if on_lag == "close":
            wait_until(lambda: daemon.call("outlets")[0]["lags"] == subscribers)
            return
        lost = [read_numbered(client, count) for client in readers[::100]]
        shown = {line["id"]: line["lost"] for line in daemon.call("subscribers", outlet="many")}
        assert lost == [shown[1 + index] for index in range(0, subscribers, 100)]
        assert min(lost) > 0
        assert daemon.call("outlets")[0]["lost"] == sum(shown.values())
