"""Connections that are open while somebody reads them."""

import pytest

from harness.subscriber import Lines, Subscriber
from harness.wait import wait_until


def configuration(server, linger="0", names=("feed",), outlets=None, **settings):
    return {
        "defaults": {"reconnect": {"min": "10ms", "max": "20ms"}},
        "connections": [
            {"name": name, "url": server.url(f"/{name}"), "when": "subscribed", "linger": linger, **settings}
            for name in names
        ],
        "outlets": outlets or [{"name": "out", "path": "out.sock", "from": ["*"]}],
    }


def reload(daemon, settings):
    daemon.configure(settings)
    daemon.call("reload")


@pytest.fixture
def subscribe():
    """Subscribes to an outlet; ends with the test."""
    subscribers = []

    def subscribe(daemon, outlet="out"):
        subscribers.append(Lines(daemon.path(f"{outlet}.sock")))
        return subscribers[-1]

    yield subscribe
    for subscriber in subscribers:
        subscriber.close()


def test_it_opens_with_the_first_subscriber_and_closes_after_the_last(start_daemon, server, subscribe):
    daemon = start_daemon(configuration(server))
    assert daemon.status("feed")["state"] == "idle"
    for _ in range(2):
        first, second = subscribe(daemon), subscribe(daemon)
        peer = server.accept()
        daemon.wait_state("feed", "open")
        wait_until(lambda: len(daemon.call("subscribers")) == 2)
        peer.send("hello")
        assert first.read_line() == second.read_line() == b"hello"
        first.close()
        wait_until(lambda: len(daemon.call("subscribers")) == 1)
        assert daemon.status("feed")["state"] == "open"
        second.close()
        assert peer.wait_closed()[0] == 1001
        assert daemon.wait_state("feed", "idle")["stats"]["failures"] == 0


def test_it_lingers_for_who_comes_back(start_daemon, server, subscribe):
    daemon = start_daemon(configuration(server, linger="300ms"))
    subscriber = subscribe(daemon)
    peer = server.accept()
    for _ in range(3):
        subscriber.close()
        wait_until(lambda: not daemon.call("subscribers"))
        subscriber = subscribe(daemon)
        wait_until(lambda: daemon.call("subscribers"))
    assert daemon.status("feed")["state"] == "open"
    assert len(server.requests) == 1
    subscriber.close()
    assert peer.wait_closed()[0] == 1001


def test_a_subscriber_on_any_outlet_keeps_it_open(start_daemon, server, subscribe):
    """feed-1 goes into both outlets, feed-2 into one."""
    outlets = [
        {"name": "both", "path": "both.sock", "from": ["feed-*"]},
        {"name": "one", "path": "one.sock", "from": ["feed-1"], "format": "json"},
    ]
    daemon = start_daemon(configuration(server, names=("feed-1", "feed-2"), outlets=outlets))
    one = subscribe(daemon, "one")
    daemon.wait_state("feed-1", "open")
    assert daemon.status("feed-2")["state"] == "idle"
    both = subscribe(daemon, "both")
    daemon.wait_state("feed-2", "open")
    one.close()
    wait_until(lambda: len(daemon.call("subscribers")) == 1)
    one = subscribe(daemon, "one")
    wait_until(lambda: len(daemon.call("subscribers")) == 2)
    both.close()
    daemon.wait_state("feed-2", "idle")
    assert daemon.status("feed-1")["state"] == "open"
    one.close()
    daemon.wait_state("feed-1", "idle")
    assert [path for path, _ in server.requests] == ["/feed-1", "/feed-2"]


def test_it_reconnects_only_while_it_is_read(start_daemon, server, subscribe):
    daemon = start_daemon(configuration(server))
    subscriber = subscribe(daemon)
    server.accept().abort()
    server.accept()
    daemon.wait_state("feed", "open")
    server.refuse_connections()
    wait_until(lambda: daemon.status("feed")["attempt"] > 2)
    subscriber.close()
    status = daemon.wait_state("feed", "idle")
    assert status["next_try_ms"] is None


def test_a_subscriber_that_comes_while_it_closes_opens_it_again(start_daemon, bad_server):
    """The server answers no close frame, so closing takes close_timeout."""
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.url("/deaf"), "when": "subscribed", "linger": "0",
            "close_timeout": "300ms",
        }],
    })
    with Subscriber(daemon.path("feed.sock")):
        daemon.wait_state("feed", "open")
    daemon.wait_state("feed", "closing")
    with Subscriber(daemon.path("feed.sock")):
        wait_until(lambda: daemon.status("feed")["stats"]["opens"] == 2)
        daemon.wait_state("feed", "open")


def test_disconnect_holds_until_a_first_subscriber_comes_anew(start_daemon, server, subscribe):
    daemon = start_daemon(configuration(server))
    first = subscribe(daemon)
    daemon.wait_state("feed", "open")
    daemon.call("disconnect", name="feed")
    second = subscribe(daemon)
    wait_until(lambda: len(daemon.call("subscribers")) == 2)
    assert daemon.status("feed")["state"] == "idle"
    first.close()
    second.close()
    wait_until(lambda: not daemon.call("subscribers"))
    subscribe(daemon)
    daemon.wait_state("feed", "open")
    daemon.call("disconnect", name="feed")
    daemon.call("connect", name="feed")
    assert daemon.status("feed")["state"] == "open"


def test_connect_opens_it_without_subscribers(start_daemon, server, subscribe):
    daemon = start_daemon(configuration(server))
    daemon.call("connect", name="feed")
    peer = server.accept()
    subscriber = subscribe(daemon)
    wait_until(lambda: daemon.call("subscribers"))
    assert daemon.status("feed")["state"] == "open"
    subscriber.close()
    assert peer.wait_closed()[0] == 1001


def test_it_does_not_try_again_for_subscribers_once_it_gave_up(start_daemon, server, subscribe):
    server.refuse = (401, [], b"")
    daemon = start_daemon(configuration(server, reconnect={"give_up": [401]}))
    subscriber = subscribe(daemon)
    wait_until(lambda: daemon.status("feed")["gave_up"])
    subscriber.close()
    wait_until(lambda: not daemon.call("subscribers"))
    subscribe(daemon)
    wait_until(lambda: daemon.call("subscribers"))
    assert daemon.status("feed")["state"] == "idle"
    assert len(server.requests) == 1


def test_reload_changes_when(start_daemon, server, subscribe):
    settings = configuration(server)
    connection = settings["connections"][0]
    connection["when"] = "always"
    daemon = start_daemon(settings)
    first = server.accept()
    daemon.wait_state("feed", "open")
    connection["when"] = "subscribed"
    reload(daemon, settings)
    assert first.wait_closed()[0] == 1001
    daemon.wait_state("feed", "idle")
    connection["when"] = "manual"
    reload(daemon, settings)
    subscriber = subscribe(daemon)
    wait_until(lambda: daemon.call("subscribers"))
    assert daemon.status("feed")["state"] == "idle"
    connection["when"] = "subscribed"
    reload(daemon, settings)
    daemon.wait_state("feed", "open")
    connection["when"] = "manual"
    reload(daemon, settings)
    subscriber.close()
    wait_until(lambda: not daemon.call("subscribers"))
    assert daemon.status("feed")["state"] == "open"
    assert len(server.requests) == 2


def test_reload_changes_linger(start_daemon, server, subscribe):
    settings = configuration(server, linger="1h")
    daemon = start_daemon(settings)
    subscriber = subscribe(daemon)
    peer = server.accept()
    subscriber.close()
    wait_until(lambda: not daemon.call("subscribers"))
    settings["connections"][0]["linger"] = "10ms"
    reload(daemon, settings)
    assert peer.wait_closed()[0] == 1001


def test_reload_changes_the_outlets(start_daemon, server, subscribe):
    out = {"name": "out", "path": "out.sock", "from": ["feed"]}
    other = {"name": "other", "path": "other.sock", "from": ["feed"]}
    settings = configuration(server, names=("feed", "spare"), outlets=[out, other])
    settings["outlets"].append({"name": "spare", "path": "spare.sock", "from": ["spare"]})
    spare = settings["outlets"][-1]
    daemon = start_daemon(settings)
    subscribe(daemon)
    peer = server.accept()
    daemon.wait_state("feed", "open")
    settings["outlets"] = [other, spare]
    reload(daemon, settings)
    assert peer.wait_closed()[0] == 1001
    daemon.wait_state("feed", "idle")
    subscribe(daemon, "other")
    server.accept()
    daemon.wait_state("feed", "open")
    # It is taken out of the outlet that has the subscriber, and put into it again.
    settings["outlets"] = [{**other, "from": ["spare"]}, out]
    reload(daemon, settings)
    daemon.wait_state("feed", "idle")
    daemon.wait_state("spare", "open")
    settings["outlets"] = [other, spare]
    reload(daemon, settings)
    daemon.wait_state("feed", "open")
    daemon.wait_state("spare", "idle")
