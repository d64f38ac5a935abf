"""Cookies that servers set, over redirects and from call to call."""

import pytest

from harness.control import RpcError
from harness.shown import Watch

SECRET = "coo-kie-of-the-server"


def feed(url, **settings):
    return {"connections": [{"name": "feed", "url": url, "when": "manual", **settings}]}


def redirect(to, *cookies):
    return 302, [("Location", to), *[("Set-Cookie", cookie) for cookie in cookies]], b""


def connect(daemon, server):
    daemon.call("connect", name="feed")
    return server.accept().headers


def test_over_redirects(start_daemon, server):
    server.refuse = {
        "/v1": redirect("/v2", f"session={SECRET}; HttpOnly; SameSite=Lax", "node=2; Path=/v2", "other=1; Path=/x"),
        "/v2": redirect("/v3", "node=; Max-Age=0; Path=/v2", "step=3"),
    }
    daemon = start_daemon(feed(server.url("/v1")))
    watch = Watch(daemon)
    headers = connect(daemon, server)
    assert headers["Cookie"] == f"session={SECRET}; step=3"
    assert [headers.get("Cookie") for _, headers in server.requests[:2]] == [
        None, f"node=2; session={SECRET}",
    ]
    watch.wait("open")
    watch.check_hidden(SECRET)


def test_to_itself(start_daemon, server):
    """As servers do that want to know whether cookies work."""
    server.refuse = {"/": redirect("/", "checked=1")}
    daemon = start_daemon(feed(server.url(), max_redirects=1))
    with pytest.raises(RpcError):
        daemon.call("connect", name="feed")
    assert server.requests[1][1]["Cookie"] == "checked=1"


def test_not_to_another_host(start_daemon, make_server):
    """Which has the same address; and what it sets is not for the first."""
    first, second = make_server(), make_server()
    back = first.url("/back", host="localhost")
    first.refuse = {"/": redirect(second.url("/"), f"session={SECRET}")}
    second.refuse = redirect(back, "theirs=1", "domain=1; Domain=localhost")
    daemon = start_daemon(feed(first.url("/", host="localhost"), redirect_hosts=["127.0.0.1"]))
    assert connect(daemon, first)["Cookie"] == f"session={SECRET}"
    assert "Cookie" not in second.requests[0][1]


def test_beside_that_of_the_settings(start_daemon, server):
    server.refuse = {"/v1": redirect("/v2", "session=theirs", "node=2")}
    daemon = start_daemon(feed(server.url("/v1"), headers={"cookie": "session=ours; theme=dark"}))
    assert connect(daemon, server)["Cookie"] == "session=ours; theme=dark; node=2"
    assert server.requests[0][1]["Cookie"] == "session=ours; theme=dark"


def test_none(start_daemon, server):
    server.refuse = {"/v1": redirect("/v2", "a=b")}
    daemon = start_daemon(feed(server.url("/v1"), cookies="none"))
    assert "Cookie" not in connect(daemon, server)


@pytest.mark.parametrize("cookies, sent", [("call", None), ("keep", f"node={SECRET}")])
def test_from_call_to_call(start_daemon, server, cookies, sent):
    """Of one that was refused: a load balancer that answers 503 once."""
    server.refuse = 503, [("Set-Cookie", f"node={SECRET}; Path=/")], b""
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": server.url("/v1"), "cookies": cookies, "reconnect": {"min": "10ms", "max": "20ms"},
    }]})
    watch = Watch(daemon)
    server.wait_requests(2)
    server.refuse = None
    assert server.accept().headers.get("Cookie") == sent
    watch.wait("open")
    watch.check_hidden(SECRET)


def test_kept_ones_belong_to_the_url(start_daemon, server, make_server):
    other = make_server()
    server.refuse = {"/v1": redirect("/v2", "node=1")}
    settings = feed(server.url("/v1"), cookies="keep")
    daemon = start_daemon(settings)
    connect(daemon, server)
    server.refuse = None
    assert connect(daemon, server)["Cookie"] == "node=1"
    for url in (other.url("/v1"), server.url("/v1")):
        settings["connections"][0]["url"] = url
        daemon.configure(settings)
        daemon.call("reload")
        at = other if url.startswith(other.url()) else server
        assert "Cookie" not in connect(daemon, at)


def test_shown_without_its_value(start_daemon, server):
    server.refuse = 401, [("Set-Cookie", f"session={SECRET}; Path=/; Secure"), ("Set-Cookie", SECRET)], b""
    daemon = start_daemon(feed(server.url()))
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    assert error.value.data["response"]["headers"]["Set-Cookie"] == ["session=***; Path=/; Secure", "***"]
    assert SECRET not in repr(error.value.data)
    assert SECRET not in repr(daemon.status("feed"))
