"""When a connection is tried again, when it waits for its turn, and when it gives up."""

import time

import pytest

from harness.control import RpcError
from harness.wait import wait_until


def feed(server, reconnect=None, **settings):
    quick = {"min": "10ms", "max": "20ms", **(reconnect or {})}
    return {"connections": [{"name": "feed", "url": server.url(), "reconnect": quick, **settings}]}


def follow(daemon):
    events = daemon.rpc()
    events.call("events")
    return events


# The wait.


def test_without_jitter_each_wait_is_the_longest(start_daemon, server):
    settings = {"min": "40ms", "max": "160ms", "factor": 2.0, "jitter": "none"}
    daemon = start_daemon(feed(server, settings, when="manual"))
    server.refuse_connections()
    events = follow(daemon)
    with pytest.raises(RpcError):
        daemon.call("connect", name="feed")
    retries = [events.event("retry") for _ in range(5)]
    assert [event["in_ms"] for event in retries] == [40, 80, 160, 160, 160]
    assert [event["attempt"] for event in retries] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("jitter, longest", [("none", 2000), ("full", 2020)])
def test_retry_after_is_honoured(start_daemon, server, jitter, longest):
    server.refuse = (503, [("Retry-After", "2")], b"")
    daemon = start_daemon(feed(server, {"jitter": jitter}, when="manual"))
    events = follow(daemon)
    with pytest.raises(RpcError):
        daemon.call("connect", name="feed")
    assert 2000 <= events.event("retry")["in_ms"] <= longest


def test_other_settings_start_the_waits_anew(start_daemon, server):
    server.refuse_connections()
    settings = feed(server, {"min": "10ms", "max": "1h", "factor": 100.0, "jitter": "none"})
    daemon = start_daemon(settings)
    wait_until(lambda: (daemon.status("feed")["next_try_ms"] or 0) > 10_000)
    server.listen()
    settings["connections"][0]["reconnect"]["factor"] = 1.0
    daemon.configure(settings)
    daemon.call("reload")
    daemon.wait_state("feed", "open")


# Giving up.


def test_it_gives_up_after_so_many_attempts_until_connect(start_daemon, server):
    server.refuse = (500, [], b"")
    daemon = start_daemon(feed(server, {"attempts": 3}, when="manual"))
    events = follow(daemon)
    for turn in (1, 2):
        with pytest.raises(RpcError):
            daemon.call("connect", name="feed")
        assert events.event("gave-up")["reason"] == "3 attempts in a row failed"
        status = daemon.wait_state("feed", "idle")
        assert status["gave_up"] == "3 attempts in a row failed"
        assert status["next_try_ms"] is None and status["queued"] is False
        assert status["stats"]["attempts"] == 3 * turn
    assert "gave up: 3 attempts in a row failed" in daemon.ctl("list", status=0).stdout
    server.refuse = None
    daemon.call("connect", name="feed")
    assert daemon.status("feed")["gave_up"] is None


def test_an_opening_counts_as_success(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.raw_url(b"", end="eof"),
            "reconnect": {"min": "10ms", "max": "10ms", "attempts": 2},
        }],
    })
    wait_until(lambda: daemon.status("feed")["stats"]["opens"] > 4)
    assert daemon.status("feed")["gave_up"] is None


@pytest.mark.parametrize("code, gives_up", [(4004, True), (4005, False)])
def test_it_gives_up_after_certain_close_codes(start_daemon, server, code, gives_up):
    daemon = start_daemon(feed(server, {"give_up": [4004, 401]}))
    events = follow(daemon)
    server.accept().close(code)
    if gives_up:
        assert events.event("gave-up")["reason"] == "it was closed with code 4004"
        assert daemon.status("feed")["state"] == "idle"
        assert len(server.requests) == 1
    else:
        server.accept()


@pytest.mark.parametrize("status, gives_up", [(401, True), (503, False)])
def test_it_gives_up_after_certain_answers(start_daemon, server, status, gives_up):
    server.refuse = (status, [], b"")
    daemon = start_daemon(feed(server, {"give_up": [4004, 401]}))
    if gives_up:
        state = daemon.wait_state("feed", "idle")
        assert state["gave_up"] == "the server has answered with status 401"
        assert len(server.requests) == 1
    else:
        server.wait_requests(4)


def test_a_close_of_ours_is_no_reason_to_give_up(start_daemon, server):
    daemon = start_daemon(feed(server, {"give_up": [1001]}))
    first = server.accept()
    daemon.wait_state("feed", "open")
    daemon.call("connect", name="feed")
    assert first.wait_closed()[0] == 1001
    server.accept()
    assert daemon.status("feed")["gave_up"] is None


def test_other_settings_are_a_reason_to_try_again(start_daemon, server):
    server.refuse = (401, [], b"")
    settings = feed(server, {"give_up": [401]})
    daemon = start_daemon(settings)
    wait_until(lambda: daemon.status("feed")["gave_up"])
    server.refuse = None
    daemon.call("reload")  # the same settings are none
    assert daemon.status("feed")["gave_up"]
    settings["connections"][0]["reconnect"]["stable"] = "1s"
    daemon.configure(settings)
    daemon.call("reload")
    assert daemon.wait_state("feed", "open")["gave_up"] is None


# The turn.


def many(url, count, connecting):
    return {
        "gateway": {"connecting": connecting},
        "connections": [{"name": f"feed-{number}", "url": url} for number in range(count)],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]}],
    }


def states(daemon):
    lines = daemon.call("list")
    return {line["name"]: "queued" if line["queued"] else line["state"] for line in lines}


def test_no_more_than_at_once_are_connecting(start_daemon, bad_server):
    settings = many(bad_server.url("/silent"), 5, {"at_once": 2, "per_second": 0})
    daemon = start_daemon(settings)
    assert [bad_server.accept() for _ in range(2)]
    wait_until(lambda: list(states(daemon).values()) == ["upgrading"] * 2 + ["queued"] * 3)
    status = daemon.status("feed-4")
    assert status["state"] == "waiting" and status["attempt"] == 0
    assert status["next_try_ms"] is None
    assert "try 1 in its turn" in daemon.ctl("list", status=0).stdout

    # Who is asked for goes first, who is not wanted any more leaves the queue.
    daemon.rpc().start("connect", name="feed-4")
    daemon.call("disconnect", name="feed-2")
    wait_until(lambda: states(daemon)["feed-2"] == "idle")
    daemon.call("disconnect", name="feed-0")
    wait_until(lambda: states(daemon)["feed-4"] == "upgrading")
    assert states(daemon)["feed-3"] == "queued"
    daemon.call("remove", name="feed-1")
    wait_until(lambda: states(daemon)["feed-3"] == "upgrading")


def test_the_limits_change_with_a_reload(start_daemon, bad_server):
    settings = many(bad_server.url("/silent"), 4, {"at_once": 1, "per_second": 0})
    daemon = start_daemon(settings)
    wait_until(lambda: list(states(daemon).values()) == ["upgrading"] + ["queued"] * 3)
    settings["gateway"]["connecting"]["at_once"] = 3
    daemon.configure(settings)
    daemon.call("reload")
    wait_until(lambda: list(states(daemon).values()) == ["upgrading"] * 3 + ["queued"])
    wait_until(lambda: len(bad_server.exchanges) >= 3)
    assert len(bad_server.exchanges) == 3, "the call that was under way began anew"


def busiest(times, span):
    """The most that fall into any window of so many seconds."""
    return max(sum(start <= other < start + span for other in times) for start in times)


def test_no_more_than_per_second_are_started(start_daemon, server):
    """Connections that are closed at once and want to come back at once."""
    arrivals = []

    async def note(path, headers):
        arrivals.append(time.monotonic())
        return (503, [], b"")

    server.refuse_connections()
    server._request = note
    server.listen()
    settings = many(server.url(), 30, {"at_once": 0, "per_second": 20})
    settings["defaults"] = {"reconnect": {"min": "10ms", "max": "10ms"}}
    daemon = start_daemon(settings)
    wait_until(lambda: len(arrivals) >= 70)
    assert busiest(arrivals, 1.0) <= 20
    attempts = [line["attempt"] for line in daemon.call("list")]
    assert max(attempts) - min(attempts) <= 2, "not in turn"


def test_silent_servers_do_not_keep_a_healthy_one_waiting(start_daemon, server, bad_server):
    """Neither at the start nor later, though they are six times as many as there are places."""
    settings = many(bad_server.url("/silent"), 24, {"at_once": 4, "per_second": 0})
    settings["defaults"] = {"reconnect": {"min": "10ms", "max": "10ms"}, "upgrade_timeout": "20s"}
    settings["connections"].append({"name": "healthy", "url": server.url()})
    daemon = start_daemon(settings)
    server.accept().abort()
    started = time.monotonic()
    server.accept()
    assert time.monotonic() - started < 3
    wait_until(lambda: list(states(daemon).values()).count("upgrading") == 24)


def test_servers_that_have_failed_do_not_keep_a_healthy_one_waiting(start_daemon, server, bad_server):
    settings = many(bad_server.url("/silent"), 24, {"at_once": 2, "per_second": 0})
    settings["defaults"] = {"reconnect": {"min": "10ms", "max": "10ms"}, "upgrade_timeout": "400ms"}
    settings["connections"].append({"name": "healthy", "url": server.url()})
    daemon = start_daemon(settings)
    peer = server.accept()
    wait_until(lambda: all(daemon.status(f"feed-{number}")["stats"]["failures"] for number in range(24)))
    for _ in range(3):
        peer.abort()
        started = time.monotonic()
        peer = server.accept()
        assert time.monotonic() - started < 2
