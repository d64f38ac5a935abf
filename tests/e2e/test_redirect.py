"""Redirects of the opening handshake, by nginx."""

import base64

import pytest

from harness.control import RpcError
from harness.shown import Watch

ALL = (301, 302, 303, 307, 308)
SECRETS = {
    "Authorization": "Bearer to-ken-1", "Cookie": "session=coo-kie-2", "X-Api-Key": "k-e-y-3",
}


def feed(url, **settings):
    return {"connections": [{"name": "feed", "url": url, "when": "manual", **settings}]}


def redirect(to, status=302):
    return status, [("Location", to)], b""


def refused(daemon):
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    return error.value


def without_query(url):
    """As it is shown."""
    return url.split("?")[0] + "?…"


@pytest.fixture
def from_front(nginx):
    """The URL of a redirect by one of nginx's fronts."""

    def from_front(to, status=302, front="plain", how="redirect"):
        return nginx.own_url(front, f"/{how}/{status}?to={to}", "127.0.0.1")

    return from_front


@pytest.mark.parametrize("status", ALL)
def test_to_another_server(start_daemon, server, from_front, status):
    url = from_front(server.url("/v2?a=b"), status)
    daemon = start_daemon(feed(url))
    watch = Watch(daemon)
    result = daemon.call("connect", name="feed")
    peer = server.accept()
    assert peer.path == "/v2?a=b"
    assert peer.headers["Host"] == f"127.0.0.1:{server.port}"
    assert result["response"]["status"] == 101
    assert result["info"]["redirects"] == [without_query(url)]
    assert result["info"]["url"] == server.url("/v2?…")
    assert result["info"]["peer"] == f"127.0.0.1:{server.port}"
    event = watch.wait("redirect")
    shown = (without_query(url), server.url("/v2?…"))
    assert (event["connection"], event["from"], event["to"]) == ("feed", *shown)
    daemon.wait_log("redirected from {} to {}".format(*shown))
    peer.send("there")
    status = daemon.status("feed")
    assert (status["state"], status["url"]) == ("open", without_query(url)), "that of the settings stays"


@pytest.mark.parametrize("status", ALL)
@pytest.mark.parametrize("front, how", [("plain", "redirect"), ("plain", "absolute"), ("good", "redirect"), ("good", "absolute")])
def test_to_another_path(start_daemon, server, nginx, authority, from_front, status, front, how):
    """Relative, or as nginx does it by itself: "Location: http://…"."""
    url = from_front(f"/{server.port}/v2", status, front, how)
    daemon = start_daemon(feed(url, tls={"ca_file": str(authority.ca_file)}))
    info = daemon.call("connect", name="feed")["info"]
    assert server.accept().path == "/v2"
    scheme = "wss" if front == "good" else "ws"
    assert info["url"] == f"{scheme}://127.0.0.1:{nginx.ports[front]}/{server.port}/v2"
    assert info["redirects"] == [without_query(url)]


@pytest.mark.parametrize("to, path", [
    ("v2", "/feeds/v2"), ("?b=2", "/feeds/v1?b=2"), ("//127.0.0.1:{port}/v2", "/v2"), ("/v2#top", "/v2"),
])
def test_relative_references(start_daemon, server, to, path):
    server.refuse = {"/feeds/v1?a=1": redirect(to.format(port=server.port))}
    daemon = start_daemon(feed(server.url("/feeds/v1?a=1")))
    daemon.call("connect", name="feed")
    assert server.accept().path == path


def test_from_ws_to_wss(start_daemon, server, nginx, authority, from_front):
    daemon = start_daemon(feed(
        from_front(nginx.url("good", server.port, "/v2")), redirect_hosts=["localhost"], tls={"ca_file": str(authority.ca_file)},
    ))
    info = daemon.call("connect", name="feed")["info"]
    assert server.accept().headers["X-Tls-Name"] == "localhost"
    assert info["tls"]["version"] == "TLSv1.3"


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_never_from_wss_to_ws(start_daemon, server, authority, from_front, scheme):
    to = server.url().replace("ws", scheme, 1)
    url = from_front(to, front="good")
    daemon = start_daemon(feed(url, tls={"ca_file": str(authority.ca_file)}))
    error = refused(daemon)
    assert "from wss to ws" in error.message and to in error.message
    assert not server.requests


@pytest.mark.parametrize("to, words", [
    ("https://127.0.0.1:1/", "127.0.0.1:1: Connection refused"), ("mailto:ann", "mailto:ann, which is not a WebSocket URL"),
    ("ftp://127.0.0.1/x", "ftp://127.0.0.1/x, which is not a WebSocket URL"), ("http:", "no host"), ("ws://:80/", "no host"),
])
def test_where_there_is_no_websocket(start_daemon, from_front, to, words):
    assert words in refused(start_daemon(feed(from_front(to)))).message


def test_several(start_daemon, make_server, from_front):
    first, second = make_server(), make_server()
    first.refuse = {"/v1": redirect("/v2", 301), "/v2": redirect(second.url("/v3"), 308)}
    url = from_front(first.url("/v1"))
    daemon = start_daemon(feed(url))
    info = daemon.call("connect", name="feed")["info"]
    assert second.accept().path == "/v3"
    assert info["redirects"] == [without_query(url), first.url("/v1"), first.url("/v2")]


@pytest.mark.parametrize("to, words", [
    (b"ws://other\xff.example/", "ws://other?.example/, which is not a valid URL"), (b"/a\tb", "/a?b, which is not a valid URL"),
])
def test_a_location_that_is_no_text(start_daemon, bad_server, to, words):
    """It comes out clean, in the event too."""
    answer = b"HTTP/1.1 302 Fo\xffund\r\nLocation: " + to + b"\r\n\r\n"
    daemon = start_daemon({"connections": [{"name": "feed", "url": bad_server.answer_url(answer)}]})
    assert words in Watch(daemon).wait("error")["desc"]
    daemon.configure({"connections": [
        {"name": "feed", "url": bad_server.answer_url(answer), "max_redirects": 0},
    ]})
    watch = Watch(daemon)
    daemon.call("reload")
    daemon.rpc().start("connect", name="feed")
    while "302 Fo?und" not in (event := watch.wait("error"))["desc"]:
        assert words in event["desc"]


@pytest.mark.parametrize("limit, tries", [(None, 6), (2, 3), (0, 1)])
def test_a_loop_ends(start_daemon, server, limit, tries):
    server.refuse = redirect("/again")
    settings = {} if limit is None else {"max_redirects": limit}
    daemon = start_daemon(feed(server.url(), reconnect={"enabled": False}, **settings))
    error = refused(daemon)
    assert error.err == "HTTP-CLIENT-RECEIVE-ERROR"
    assert error.data["response"]["status"] == 302
    assert "302" in error.message
    if limit != 0:
        assert f"max_redirects = {limit or 5}" in error.message
    assert len(server.requests) == tries
    assert len(error.data["info"]["redirects"]) == tries - 1


def test_the_next_attempt_starts_at_the_beginning(start_daemon, make_server):
    first, second = make_server(), make_server()
    first.refuse = redirect(second.url("/v2"))
    daemon = start_daemon({"connections": [{"name": "feed", "url": first.url("/v1")}]})
    second.accept().abort()
    second.accept()
    assert [path for path, _ in first.requests] == ["/v1", "/v1"]
    assert daemon.wait_state("feed", "open")["call"]["info"]["redirects"] == [first.url("/v1")]


def test_a_redirect_to_a_server_that_is_down(start_daemon, make_server):
    first, second = make_server(), make_server()
    second.refuse_connections()
    first.refuse = redirect(second.url("/v2"))
    daemon = start_daemon(feed(first.url()))
    error = refused(daemon)
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert f"127.0.0.1:{second.port}: Connection refused" in error.message
    assert error.data["info"]["redirects"] == [first.url()]


@pytest.fixture
def login(tmp_path):
    """Settings with credentials, by their kind."""
    password, token, key = tmp_path / "password", tmp_path / "token", tmp_path / "key"
    password.write_text("pass-word-4\n")
    token.write_text("to-ken-5\n")
    key.write_text("k-e-y-6\n")
    for file in (password, token, key):
        file.chmod(0o600)
    basic = {"username": "ann", "password_file": str(password)}
    return {
        "headers": {"headers": SECRETS},
        "header_files": {"header_files": {"X-Api-Key": str(key)}},
        "basic": basic,
        "bearer": {"bearer_file": str(token)},
    }


HIDDEN = ["to-ken-1", "coo-kie-2", "k-e-y-3", "pass-word-4", "to-ken-5", "k-e-y-6", "ann:pass-word-4"]


@pytest.mark.parametrize("kind", ["headers", "header_files", "basic", "bearer", "url"])
@pytest.mark.parametrize("where", ["path", "port", "host"])
def test_credentials_stay_with_their_server(start_daemon, make_server, make_dns, login, kind, where):
    first, second = make_server(), make_server()
    dns = make_dns({"first.test": ["127.0.0.1"], "second.test": ["127.0.0.1"]})
    url = first.url("/v1", host="first.test")
    to, target = {
        "path": ("/v2", first),
        "port": (second.url("/v2", host="first.test"), second),
        "host": (second.url("/v2", host="second.test"), second),
    }[where]
    first.refuse = {"/v1": redirect(to)}
    settings = login.get(kind, {})
    if kind == "url":
        settings = {"url": url.replace("//", "//ann:pass-word-4@")}
    daemon = start_daemon({
        "gateway": {"dns": [dns.address]},
        "connections": [{
            "name": "feed", "url": url, "when": "manual", "redirect_hosts": ["*.test"], **settings,
        }],
    })
    watch = Watch(daemon)
    daemon.call("connect", name="feed")
    assert target.accept().path == "/v2"
    at_first = [dict(headers.raw_items()) for path, headers in first.requests][0]
    at_second = [dict(headers.raw_items()) for path, headers in target.requests][-1]
    sent = {name: at_first[name] for name in SECRETS if name in at_first}
    if kind in ("basic", "url"):
        assert sent == {"Authorization": "Basic " + base64.b64encode(b"ann:pass-word-4").decode()}
    assert sent
    kept = {name: at_second[name] for name in SECRETS if name in at_second}
    assert kept == (sent if where == "path" else {})
    watch.wait("open")
    watch.check_hidden(*HIDDEN)


def test_headers_of_one_call_do_not_go_to_another_host_either(start_daemon, make_server):
    first, second = make_server(), make_server()
    first.refuse = redirect(second.url(host="localhost"), 307)
    daemon = start_daemon(feed(first.url(), headers={"Accept-Language": "de"}, redirect_hosts=["localhost"]))
    daemon.ctl("connect", "feed", "-H", "Authorization: Bearer to-ken-1", status=0)
    headers = second.accept().headers
    assert "Authorization" not in headers
    assert first.requests[0][1]["Authorization"] == "Bearer to-ken-1"


def test_protocols_and_origin_go_on(start_daemon, make_server):
    first, second = make_server(), make_server(subprotocols=["v1"])
    first.refuse = redirect(second.url(), 307)
    daemon = start_daemon(feed(first.url(), protocols=["v1"], origin="https://page.example", user_agent="ua/1"))
    assert daemon.call("connect", name="feed")["info"]["protocol"] == "v1"
    headers = second.accept().headers
    assert (headers["Origin"], headers["User-Agent"]) == ("https://page.example", "ua/1")


def test_the_host_header_of_the_settings_is_for_the_first_server(start_daemon, make_server):
    first, second = make_server(), make_server()
    first.refuse = redirect(second.url())
    daemon = start_daemon(feed(first.url(), host="feed.example"))
    daemon.call("connect", name="feed")
    assert first.requests[0][1]["Host"] == "feed.example"
    assert second.accept().headers["Host"] == f"127.0.0.1:{second.port}"


def test_credentials_in_a_location_are_used_but_not_shown(start_daemon, make_server):
    first, second = make_server(), make_server()
    first.refuse = redirect(second.url("/v2", "bob:pass-word-8@"))
    daemon = start_daemon(feed(first.url()))
    watch = Watch(daemon)
    info = daemon.call("connect", name="feed")["info"]
    expected = "Basic " + base64.b64encode(b"bob:pass-word-8").decode()
    assert second.accept().headers["Authorization"] == expected
    assert info["url"] == second.url("/v2", "***@")
    watch.wait("open")
    watch.check_hidden("pass-word-8", "bob:pass-word-8")


def test_each_step_goes_through_the_proxy(start_daemon, make_server, make_tinyproxy):
    first, second, proxy = make_server(), make_server(), make_tinyproxy()
    first.refuse = redirect(second.url())
    daemon = start_daemon(feed(first.url(), proxy={"url": proxy.url()}))
    daemon.call("connect", name="feed")
    second.accept()
    proxy.wait_target(f"127.0.0.1:{first.port}")
    proxy.wait_target(f"127.0.0.1:{second.port}")


def test_the_client_certificate_is_not_for_another_host(
    start_daemon, server, nginx, authority, client_certificate, from_front
):
    certificate, key = map(str, client_certificate)
    tls = {"ca_file": str(authority.ca_file), "cert_file": certificate, "key_file": key}
    daemon = start_daemon(feed(from_front(nginx.url("client", server.port), front="good"), tls=tls, redirect_hosts=["localhost"]))
    assert "400" in refused(daemon).message
    daemon = start_daemon(feed(nginx.own_url("client", f"/absolute/302?to=/{server.port}/v2"), tls=tls))
    daemon.call("connect", name="feed")
    assert "CN=client-1" in server.accept().headers["X-Client"]
    assert len(server.requests) == 1


# To other hosts.


@pytest.mark.parametrize("hosts", [None, [], ["local"], ["*.localhost"], ["first.test"]])
def test_another_host_is_not_followed(start_daemon, make_server, hosts):
    first, second = make_server(), make_server()
    first.refuse = redirect(second.url("/v2", "ann:pass-word-9@", host="localhost"))
    settings = {} if hosts is None else {"redirect_hosts": hosts}
    daemon = start_daemon(feed(first.url(), **settings))
    error = refused(daemon)
    assert error.err == "WEBSOCKET-ERROR"
    assert second.url("/v2", "***@", host="localhost") in error.message
    assert "redirect_hosts" in error.message and "pass-word-9" not in error.message
    assert error.data["info"]["redirects"] == []
    assert not second.requests


@pytest.mark.parametrize("hosts", [["localhost"], ["x", "LOCAL*"], ["*"]])
def test_a_host_that_is_allowed(start_daemon, make_server, hosts):
    """From a private address to one; it gets all that is sent, but no header."""
    first, second = make_server(), make_server(subprotocols=["bearer.TOKEN"])
    first.refuse = redirect(second.url("/v2", host="localhost"))
    daemon = start_daemon(feed(
        first.url(), redirect_hosts=hosts, headers=SECRETS, protocols=["bearer.TOKEN"], on_open=["login"],
        origin="https://page.example",
    ))
    daemon.call("connect", name="feed")
    peer = second.accept()
    assert peer.subprotocol == "bearer.TOKEN"
    assert peer.receive() == "login"
    assert peer.headers["Origin"] == "https://page.example"
    assert not [name for name in SECRETS if name in peer.headers]


def test_the_hosts_can_be_changed_while_it_is_open(start_daemon, make_server):
    first, second = make_server(), make_server()
    settings = feed(first.url())
    daemon = start_daemon(settings)
    daemon.call("connect", name="feed")
    peer = first.accept()
    settings["connections"][0]["redirect_hosts"] = ["localhost"]
    daemon.configure(settings)
    daemon.call("reload")
    assert daemon.status("feed")["stats"]["closes"] == 0
    first.refuse = redirect(second.url(host="localhost"))
    peer.abort()
    second.accept()


def test_back_to_the_first_host(start_daemon, make_server):
    first, second = make_server(), make_server()
    second.refuse = redirect(first.url("/v3"))
    first.refuse = {"/v1": redirect(second.url("/v2", host="localhost"))}
    daemon = start_daemon(feed(first.url("/v1"), redirect_hosts=["localhost"]))
    daemon.call("connect", name="feed")
    assert first.accept().path == "/v3"


@pytest.fixture
def from_the_internet(start_daemon, make_server, make_naming_proxy, make_dns):
    """A server that is public as far as anybody knows: behind a proxy. Names other than its own are not."""

    def from_the_internet(hosts, to, **settings):
        public = make_server()
        public.refuse = redirect(to)
        dns = make_dns({"inner.test": ["127.0.0.1"]})
        proxy = make_naming_proxy()
        daemon = start_daemon(
            {
                "gateway": {"dns": [dns.address]},
                "connections": [{
                    "name": "feed", "url": public.url(host="public.test"), "when": "manual",
                    "redirect_hosts": hosts, "proxy": {"url": "environment"}, "reconnect": {"enabled": False},
                }],
            },
            environment={"http_proxy": proxy.url(), "no_proxy": "inner.test", **settings},
        )
        return daemon, public

    return from_the_internet


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1", "10.1.2.3", "[::ffff:127.0.0.1]"])
def test_never_from_a_public_server_into_this_host(from_the_internet, server, host):
    daemon, public = from_the_internet(["*"], f"ws://{host}:{server.port}/v2")
    error = refused(daemon)
    assert "private network" in error.message and "redirect_hosts" in error.message
    assert len(public.requests) == 1 and not server.requests


def test_nor_where_only_the_name_server_knows_that(from_the_internet, server):
    daemon, public = from_the_internet(["*"], server.url("/v2", host="inner.test"))
    error = refused(daemon)
    assert "inner.test is at an address of this host or a private network" in error.message
    assert "redirect_hosts" in error.message
    assert len(public.requests) == 1 and not server.requests


@pytest.mark.parametrize("hosts", [["inner.test"], ["*.test"]])
def test_but_if_it_is_named(from_the_internet, server, hosts):
    daemon, _ = from_the_internet(hosts, server.url("/v2", host="inner.test"))
    daemon.call("connect", name="feed")
    assert server.accept().path == "/v2"


def test_from_one_public_server_to_another(from_the_internet, server):
    daemon, _ = from_the_internet(["*"], server.url("/v2", host="other.test"))
    daemon.call("connect", name="feed")
    assert server.accept().path == "/v2"
