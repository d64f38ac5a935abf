"""Servers that answer the opening handshake with something else, mostly nginx."""

import email.utils
import time

import pytest

from harness.control import RpcError
from harness.ports import free_port
from harness.wait import wait_until

PAGE = "Sorry: " + "very " * 700 + "busy"
HOUR = 3600

ANSWERS = f"""
	default_type text/plain;
	location = /401 {{
		add_header WWW-Authenticate 'Basic realm="feeds"' always;
		return 401 "who are you?";
	}}
	location = /403 {{ return 403 '{{"error":"not for you"}}'; }}
	location = /429 {{ add_header Retry-After 2 always; return 429 "slow down"; }}
	location = /503 {{ add_header Retry-After "{{date}}" always; return 503 "{PAGE}"; }}
	location = /long {{ add_header Retry-After 600 always; return 503; }}
	location = /empty {{ add_header Retry-After nonsense always; return 503 ""; }}
"""

WORDS = {
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests",
    503: "Service Temporarily Unavailable",
}


@pytest.fixture
def front(make_nginx):
    date = email.utils.formatdate(time.time() + HOUR, usegmt=True)
    return make_nginx({"plain": ANSWERS.replace("{date}", date)})


def feed(url, **settings):
    return {"connections": [{"name": "feed", "url": url, "when": "manual", **settings}]}


def refused(daemon):
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    return error.value


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_the_answer_reaches_who_asked(start_daemon, front, status):
    daemon = start_daemon(feed(front.own_url("plain", f"/{status}")))
    error = refused(daemon)
    assert error.err == "HTTP-CLIENT-RECEIVE-ERROR"
    assert f"{status} {WORDS[status]}" in error.message
    response = error.data["response"]
    assert (response["status"], response["reason"]) == (status, WORDS[status])
    assert response["headers"]["Server"].startswith("nginx")
    expected = {401: "who are you?", 403: '{"error":"not for you"}', 429: "slow down"}
    if status in expected:
        assert response["body"] == expected[status]
    elif status == 404:
        assert "<h1>404 Not Found</h1>" in response["body"]
    else:
        assert response["body"] == PAGE[: len(response["body"])] and len(response["body"]) >= 512
    if status == 401:
        assert response["headers"]["WWW-Authenticate"] == 'Basic realm="feeds"'
    assert daemon.status("feed")["call"]["response"] == response
    assert daemon.status("feed")["call"]["info"]["upgrade_us"] > 0


def test_people_see_it_too(start_daemon, front):
    daemon = start_daemon(feed(front.own_url("plain", "/403")))
    done = daemon.ctl("connect", "feed", status=1)
    assert "403 Forbidden" in done.stderr
    shown = daemon.ctl("status", "feed", status=0).stdout
    assert "403 Forbidden" in shown
    assert "not for you" in shown


def test_the_body_ends_with_the_connection(start_daemon, bad_server):
    answer = b"HTTP/1.1 503 No\r\nConnection: close\r\n\r\nall \xff\x1b[31mof it"
    error = refused(start_daemon(feed(bad_server.answer_url(answer, end="eof"))))
    assert error.data["response"]["body"].startswith("all ")
    assert error.data["response"]["body"].endswith("of it")


def test_the_body_in_chunks(start_daemon, bad_server):
    answer = (
        b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nfirst\r\n8;x=y\r\n, second\r\n0\r\n\r\n"
    )
    error = refused(start_daemon(feed(bad_server.answer_url(answer, end="eof"))))
    assert error.data["response"]["body"] == "first, second"


def test_a_body_that_never_ends_is_not_waited_for(start_daemon, bad_server):
    answer = b"HTTP/1.1 503 No\r\nContent-Length: 1000\r\n\r\nbegun"
    daemon = start_daemon(feed(bad_server.answer_url(answer), upgrade_timeout="1h"))
    assert refused(daemon).data["response"]["body"] == "begun"


def test_a_large_body_is_not_kept(start_daemon, server):
    server.refuse = (503, [], b"x" * 10_000_000)
    error = refused(start_daemon(feed(server.url())))
    assert 512 <= len(error.data["response"]["body"]) <= 16384


def quick(url, **reconnect):
    return {"connections": [{
        "name": "feed", "url": url, "reconnect": {"min": "10ms", "max": "20ms", **reconnect},
    }]}


@pytest.mark.parametrize("path, least, most", [
    ("/429", 1_000, 2_000), ("/503", 3_000_000, 3_600_000), ("/long", 500_000, 600_000),
])
def test_retry_after_is_waited_for(start_daemon, front, path, least, most):
    """Above what reconnect.max says, for it is the server that knows."""
    daemon = start_daemon(quick(front.own_url("plain", path)))
    status = wait_until(lambda: (s := daemon.status("feed"))["state"] == "waiting" and s)
    assert least < status["next_try_ms"] <= most * 1.25
    assert status["stats"]["attempts"] == 1


def test_it_comes_back_after_retry_after(start_daemon, server):
    server.refuse = (503, [("Retry-After", "1")], b"")
    began = time.monotonic()
    daemon = start_daemon(quick(server.url()))
    server.wait_requests(1)
    server.refuse = None
    server.accept()
    assert time.monotonic() - began >= 1
    daemon.wait_state("feed", "open")
    assert len(server.requests) == 2


@pytest.mark.parametrize("value", ["nonsense", "-5", "99999999999999999999", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_retry_after_that_makes_no_sense_is_ignored(start_daemon, server, value):
    server.refuse = (503, [("Retry-After", value)], b"")
    start_daemon(quick(server.url()))
    server.wait_requests(3)


def test_connect_does_not_wait_for_retry_after(start_daemon, front, server):
    server.refuse = (503, [("Retry-After", "600")], b"")
    daemon = start_daemon(quick(server.url()))
    server.wait_requests(1)
    server.refuse = None
    daemon.call("connect", name="feed")
    server.accept()


def test_a_server_that_nginx_cannot_reach(start_daemon, front):
    daemon = start_daemon(feed(front.url("plain", free_port(), host="127.0.0.1")))
    error = refused(daemon)
    assert "502 Bad Gateway" in error.message
    assert "<h1>502 Bad Gateway</h1>" in error.data["response"]["body"]


def test_a_server_that_nginx_gives_up_on(start_daemon, bad_server, make_nginx):
    front = make_nginx({"impatient": "proxy_read_timeout 100ms;"})
    port = bad_server.port
    error = refused(start_daemon(feed(front.url("impatient", port, "/silent", "127.0.0.1"))))
    assert "504 Gateway Time-out" in error.message


def test_an_idle_connection_that_nginx_cuts_comes_back(start_daemon, server, make_nginx):
    """What makes pings necessary: with them it stays. (nginx moves its timers by 300 ms at least.)"""
    front = make_nginx({"impatient": "proxy_read_timeout 600ms;"})
    url = front.url("impatient", server.port, "/v1", "127.0.0.1")
    daemon = start_daemon({"connections": [
        {"name": "silent", "url": url, "ping": {"interval": "0"}},
        {"name": "pinging", "url": url, "ping": {"interval": "50ms"}},
    ]})
    wait_until(lambda: daemon.status("silent")["stats"]["opens"] >= 3)
    assert daemon.status("pinging")["stats"]["opens"] == 1
    assert daemon.status("silent")["last_close"]["code"] == 1006
