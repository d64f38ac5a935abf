"""Closing connections, from our side and from the server's."""

import pytest

from harness.control import RpcError
from harness.subscriber import Json
from harness.wait import wait_until


@pytest.fixture
def daemon(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}]})
    daemon.wait_state("feed", "open")
    return daemon


@pytest.mark.parametrize("arguments, code, reason", [
    ([], 1001, ""),
    (["1000"], 1000, ""),
    (["1003", "not today"], 1003, "not today"),
    (["3000"], 3000, ""),
    (["4999", "grün ✓"], 4999, "grün ✓"),
])
def test_the_server_sees_code_and_reason(daemon, server, arguments, code, reason):
    peer = server.accept()
    daemon.ctl("disconnect", "feed", *arguments, status=0)
    assert peer.wait_closed() == (code, reason)


@pytest.mark.parametrize("code", ["0", "999", "1004", "1005", "1006", "1015", "2999", "5000", "65536"])
def test_a_code_that_may_not_be_sent_is_refused(daemon, server, code):
    peer = server.accept()
    done = daemon.ctl("disconnect", "feed", code)
    assert done.returncode in (1, 2)
    assert code in done.stderr
    assert not peer.closed.is_set()
    daemon.ctl("is-open", "feed", status=0)


def test_no_reconnect_until_connect(daemon, server):
    server.accept()
    daemon.ctl("disconnect", "feed", status=0)
    status = daemon.status("feed")
    assert status["state"] == "idle"
    assert status["next_try_ms"] is None
    assert daemon.ctl("is-open", "feed", status=1).stdout == "false\n"
    # Had it been going to reconnect, the second connection would come before the third.
    daemon.ctl("connect", "feed", status=0)
    server.accept()
    assert len(server.requests) == 2
    assert daemon.ctl("is-open", "feed", status=0).stdout == "true\n"


def test_disconnect_ends_the_waiting_for_the_next_try(start_daemon, server):
    server.refuse_connections()
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": server.url(), "reconnect": {"min": "1h", "max": "1h"},
        }],
    })
    daemon.wait_state("feed", "waiting")
    daemon.ctl("disconnect", "feed", status=0)
    assert daemon.status("feed")["state"] == "idle"


def test_a_server_that_never_answers_the_close_frame(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.url("/deaf"), "close_timeout": "100ms"}],
    })
    exchange = bad_server.accept()
    daemon.wait_state("feed", "open")
    daemon.ctl("disconnect", "feed", status=0)
    exchange.wait_ended()
    assert exchange.frames[-1].payload[:2] == (1001).to_bytes(2, "big")
    assert daemon.status("feed")["state"] == "idle"


@pytest.mark.parametrize("code, reason", [(1000, "bye"), (1001, ""), (1011, "oh ✗"), (1013, ""), (4321, "x" * 123)])
def test_when_the_server_closes_everybody_is_told(start_daemon, server, code, reason):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "reconnect": {"enabled": False}}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "format": "json"}],
    })
    peer = server.accept()
    daemon.wait_state("feed", "open")
    events = daemon.rpc()
    events.call("events")
    subscriber = Json(daemon.path("out.sock"))
    wait_until(lambda: daemon.call("subscribers"))
    peer.send("last words")
    peer.close(code, reason)
    assert subscriber.read_data() == "last words"
    record = subscriber.read_type("close")
    assert record["connection"] == "feed"
    assert (record["code"], record["reason"]) == (code, reason)
    event = events.event("close")
    assert (event["connection"], event["code"], event["reason"]) == ("feed", code, reason)
    status = daemon.wait_state("feed", "idle")
    assert status["last_close"]["code"] == code
    assert status["last_close"]["reason"] == reason
    assert status["last_close"]["remote"] is True
    # RFC 6455, section 5.5.1: the answer echoes the code.
    assert peer.wait_closed()[0] == code


def test_a_close_frame_without_a_code_is_1005(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.url("/close", code=0), "reconnect": {"enabled": False},
        }],
    })
    assert bad_server.accept().wait_ended() == 1005
    assert daemon.wait_state("feed", "idle")["last_close"]["code"] == 1005


def test_a_connection_that_breaks_off_is_1006(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "reconnect": {"enabled": False}}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["feed"], "format": "json"}],
    })
    peer = server.accept()
    daemon.wait_state("feed", "open")
    subscriber = Json(daemon.path("out.sock"))
    wait_until(lambda: daemon.call("subscribers"))
    peer.abort()
    assert subscriber.read_type("close")["code"] == 1006
    assert daemon.wait_state("feed", "idle")["last_close"]["code"] == 1006


def test_is_open_knows_no_such_connection(daemon):
    done = daemon.ctl("is-open", "nobody")
    assert done.returncode == 1 and "nobody" in done.stderr
    with pytest.raises(RpcError) as refused:
        daemon.call("is-open", name="nobody")
    assert refused.value.err == "NOT-FOUND"
