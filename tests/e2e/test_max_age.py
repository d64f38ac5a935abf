"""Connections that are closed and opened anew for their age."""

import asyncio
import itertools

import pytest
from websockets.exceptions import ConnectionClosed

from harness.subscriber import Json, Lines
from harness.wait import wait_until


def configuration(server, after="300ms", overlap=False, jitter=0, **settings):
    return {
        "connections": [{
            "name": "feed", "url": server.url(),
            "reconnect": {"min": "20ms", "max": "40ms"},
            "max_age": {"after": after, "jitter": jitter, "overlap": overlap},
            **settings,
        }],
        "outlets": [
            {"name": "out", "path": "out.sock", "from": ["feed"], "on_lag": "wait"},
            {"name": "json", "path": "json.sock", "from": ["feed"], "format": "json"},
        ],
    }


def follow(daemon):
    events = daemon.rpc()
    events.call("events")
    return events


def open_or_close(events):
    event = events.event(lambda event: event["type"] in ("open", "close"))
    return event["type"], event.get("renewed", False)


def test_it_is_closed_and_opened_anew(start_daemon, server):
    daemon = start_daemon(configuration(server, when="manual"))
    events = follow(daemon)
    daemon.call("connect", name="feed")
    assert open_or_close(events) == ("open", False)
    for _ in range(3):
        assert server.accept().wait_closed()[0] == 1001
        assert open_or_close(events) == ("close", True)
        assert open_or_close(events) == ("open", True)
    stats = daemon.status("feed")["stats"]
    assert stats["failures"] == 0 and stats["attempts"] == stats["opens"]


def test_jitter_makes_it_earlier(start_daemon, server):
    connections = [{"name": f"feed-{number}", "url": server.url()} for number in range(20)]
    settings = configuration(server)
    settings["defaults"] = {"max_age": {"after": "20s", "jitter": 1}}
    settings["connections"] = connections
    settings["outlets"] = [{"name": "out", "path": "out.sock", "from": ["*"]}]
    start_daemon(settings)
    server.wait_requests(23)


def test_with_overlap_the_new_one_is_there_before_the_old_one_goes(start_daemon, server):
    daemon = start_daemon(configuration(server, overlap=True, when="manual"))
    events = follow(daemon)
    daemon.call("connect", name="feed")
    first = server.accept()
    assert open_or_close(events) == ("open", False)
    second = server.accept()
    assert first.wait_closed()[0] == 1001
    assert open_or_close(events) == ("open", True)
    assert open_or_close(events) == ("close", True)
    assert daemon.status("feed")["state"] == "open"
    daemon.call("send", name="feed", text="to the new one")
    assert second.receive() == "to the new one"


async def talk(peer, name, sent):
    """Sends for as long as the connection takes it; notes what."""
    try:
        for number in itertools.count():
            await peer.socket.send(f"{name}-{number}")
            sent.append(f"{name}-{number}".encode())
            await asyncio.sleep(0.0005)
    except ConnectionClosed:
        pass


def test_with_overlap_nothing_is_lost_or_doubled(start_daemon, server):
    daemon = start_daemon(configuration(server, overlap=True, after="200ms", when="manual"))
    subscriber = Lines(daemon.path("out.sock"))
    wait_until(lambda: daemon.call("subscribers"))
    daemon.call("connect", name="feed")
    sent, talks = {}, []
    for turn in range(5):
        peer = server.accept()
        sent[turn] = []
        talks.append(asyncio.run_coroutine_threadsafe(talk(peer, turn, sent[turn]), server.loop))
    for spoken in talks[:4]:
        spoken.result(10)
    daemon.call("disconnect", name="feed")
    talks[4].result(10)
    received = subscriber.read_lines(sum(len(lines) for lines in sent.values()))
    for turn, lines in sent.items():
        assert [line for line in received if line.startswith(b"%d-" % turn)] == lines
    stats = daemon.status("feed")["stats"]
    assert stats["messages_recv"] == len(received)


def test_while_the_new_one_cannot_be_opened_the_old_one_stays(start_daemon, server):
    daemon = start_daemon(configuration(server, overlap=True, reconnect={
        "min": "20ms", "max": "40ms", "attempts": 2, "give_up": [503]}))
    events = follow(daemon)
    subscriber = Lines(daemon.path("out.sock"))
    first = server.accept()
    daemon.wait_state("feed", "open")
    server.refuse = (503, [], b"")
    for _ in range(5):
        events.event("error")
    assert events.event("retry")["in_ms"] <= 40
    status = daemon.status("feed")
    assert status["state"] == "open" and status["gave_up"] is None
    first.send("still here")
    assert subscriber.read_line() == b"still here"
    server.refuse = None
    second = server.accept()
    assert first.wait_closed()[0] == 1001
    second.send("from the new one")
    assert subscriber.read_line() == b"from the new one"


def test_an_old_one_that_ends_before_the_new_one_is_replaced(start_daemon, server):
    daemon = start_daemon(configuration(server, overlap=True))
    first = server.accept()
    daemon.wait_state("feed", "open")
    server.refuse = (503, [], b"")
    wait_until(lambda: daemon.status("feed")["stats"]["failures"] > 1)
    first.abort()
    wait_until(lambda: daemon.status("feed")["state"] in ("waiting", "connecting", "upgrading"))
    server.refuse = None
    server.accept()
    daemon.wait_state("feed", "open")


@pytest.mark.parametrize("path", ["/silent", "/deaf"])
def test_commands_in_the_middle_of_a_renewal(start_daemon, server, bad_server, path):
    """The new server does not answer the handshake, or the old one not the closing one."""
    settings = configuration(server, overlap=True, close_timeout="500ms", when="manual")
    if path == "/deaf":
        settings["connections"][0]["url"] = bad_server.url(path)
    daemon = start_daemon(settings)
    daemon.call("connect", name="feed")
    if path == "/silent":
        server.accept()
        server.refuse = (503, [], b"")
        wait_until(lambda: daemon.status("feed")["stats"]["failures"])
        server.refuse = None
    else:
        wait_until(lambda: daemon.status("feed")["stats"]["opens"] == 2)
    daemon.call("connect", name="feed")
    assert daemon.status("feed")["state"] == "open"
    daemon.call("disconnect", name="feed")
    daemon.wait_state("feed", "idle")
    daemon.call("connect", name="feed")
    daemon.call("remove", name="feed")
    assert daemon.call("list") == []


def test_it_waits_for_an_outlet_that_holds_it_up(start_daemon, server):
    settings = configuration(server)
    settings["outlets"][0]["ring"] = "4K"
    settings["defaults"] = {"max_message": "256"}
    daemon = start_daemon(settings)
    subscriber = Lines(daemon.path("out.sock"), receive_buffer=4096)
    wait_until(lambda: daemon.call("subscribers"))
    peer = server.accept()
    numbers = [f"{number:0200}" for number in range(20000)]
    sending = peer.send_later(numbers)
    wait_until(lambda: daemon.status("feed")["paused"])
    opens = daemon.status("feed")["stats"]["opens"]
    assert subscriber.read_lines(1000) == [number.encode() for number in numbers[:1000]]
    assert daemon.status("feed")["stats"]["opens"] == opens
    sending.cancel()


def test_reload_changes_the_age(start_daemon, server):
    settings = configuration(server, after="1h")
    daemon = start_daemon(settings)
    first = server.accept()
    daemon.wait_state("feed", "open")
    settings["connections"][0]["max_age"]["after"] = "10ms"
    daemon.configure(settings)
    daemon.call("reload")
    assert first.wait_closed()[0] == 1001


def test_reload_ends_a_renewal(start_daemon, server):
    settings = configuration(server, overlap=True)
    daemon = start_daemon(settings)
    events = follow(daemon)
    peer = server.accept()
    server.refuse = (503, [], b"")
    events.event("retry")
    settings["connections"][0]["max_age"]["after"] = "0"
    daemon.configure(settings)
    daemon.call("reload")
    server.refuse = None
    attempts = daemon.status("feed")["stats"]["attempts"]
    peer.send("still here")
    wait_until(lambda: daemon.status("feed")["stats"]["messages_recv"] == 1)
    status = daemon.status("feed")
    assert (status["state"], status["attempt"], status["stats"]["attempts"]) == ("open", 0, attempts)


def test_a_renewal_that_cannot_be_opened_is_none(start_daemon, server):
    """Without overlap: the old one is closed, and what opens in the end is no renewal."""
    daemon = start_daemon(configuration(server, when="manual"))
    events = follow(daemon)
    daemon.call("connect", name="feed")
    assert open_or_close(events) == ("open", False)
    server.refuse = (503, [], b"")
    assert open_or_close(events) == ("close", True)
    events.event("error")
    server.refuse = None
    assert open_or_close(events) == ("open", False)


def test_it_is_disconnected_while_it_closes_for_its_age(start_daemon, server, bad_server):
    """The server answers no close frame, so closing takes close_timeout."""
    daemon = start_daemon(configuration(server, when="manual", close_timeout="500ms",
                                        url=bad_server.url("/deaf")))
    events = follow(daemon)
    daemon.call("connect", name="feed")
    assert open_or_close(events) == ("open", False)
    daemon.wait_state("feed", "closing")
    daemon.call("disconnect", name="feed")
    assert open_or_close(events) == ("close", False)
    status = daemon.status("feed")
    assert status["state"] == "idle" and status["stats"]["opens"] == 1


def test_the_outlets_are_told(start_daemon, server):
    daemon = start_daemon(configuration(server, overlap=True, when="manual"))
    subscriber = Json(daemon.path("json.sock"))
    wait_until(lambda: daemon.call("subscribers"))
    daemon.call("connect", name="feed")
    assert "renewed" not in subscriber.read_type("open", "close")
    for kind in ("open", "close"):
        record = subscriber.read_type("open", "close")
        assert record["type"] == kind and record["renewed"] is True
