"""Through tinyproxy and microsocks."""

import socket

import pytest

from harness.control import RpcError
from harness.ports import free_port
from harness.shown import Watch
from harness.subscriber import Lines
from harness.wait import wait_until

LOGIN = ("ann", "pass-phrase-7")
NO_PROXIES = {
    name: "" for lower in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in (lower, lower.upper())
}


@pytest.fixture
def make_proxy(make_tinyproxy, make_microsocks):
    return lambda kind, **options: {"http": make_tinyproxy, "socks5": make_microsocks}[kind](**options)


both = pytest.mark.parametrize("kind", ["http", "socks5"])


def feed(url, proxy, **settings):
    proxy = {"url": proxy} if isinstance(proxy, str) else proxy
    return {"connections": [{"name": "feed", "url": url, "when": "manual", "proxy": proxy, **settings}]}


def refused(daemon):
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    return error.value


def check_both_ways(daemon, peer):
    """100,000 bytes to a subscriber, and back."""
    with Lines(daemon.path("feed.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        peer.send("x" * 100_000)
        assert subscriber.read_line() == b"x" * 100_000
    daemon.ctl("send", "feed", "-", stdin=b"y" * 100_000, status=0)
    assert peer.receive() == "y" * 100_000


@both
@pytest.mark.parametrize("login", [None, LOGIN])
def test_plain(start_daemon, server, make_proxy, kind, login):
    proxy = make_proxy(kind, login=login)
    shown = proxy.url("***@" if login else "")
    daemon = start_daemon(feed(server.url("/v1"), proxy.url("{}:{}@".format(*login) if login else "")))
    result = daemon.call("connect", name="feed")
    peer = server.accept()
    assert peer.path == "/v1"
    assert peer.headers["Host"] == f"127.0.0.1:{server.port}"
    assert "Proxy-Authorization" not in peer.headers
    info = result["info"]
    assert info["proxy"] == shown
    assert info["peer"] == f"127.0.0.1:{proxy.port}"
    assert info["proxy_us"] > 0
    check_both_ways(daemon, peer)


@both
def test_tls_goes_through_the_tunnel_to_the_server(
    start_daemon, server, nginx, authority, make_proxy, kind
):
    proxy = make_proxy(kind)
    url = nginx.url("good", server.port, "/v1")
    daemon = start_daemon(feed(url, proxy.url(), tls={"ca_file": str(authority.ca_file)}))
    result = daemon.call("connect", name="feed")
    peer = server.accept()
    assert peer.headers["X-Tls-Name"] == "localhost"
    assert result["info"]["tls"]["version"] == "TLSv1.3"
    proxy.wait_target(f"localhost:{nginx.ports['good']}")
    check_both_ways(daemon, peer)


@both
def test_the_certificate_is_still_verified(start_daemon, server, nginx, authority, make_proxy, kind):
    url = nginx.url("other", server.port)
    daemon = start_daemon(feed(url, make_proxy(kind).url(), tls={"ca_file": str(authority.ca_file)}))
    assert refused(daemon).err == "SOCKET-SSL-ERROR"
    assert not server.requests


@both
def test_the_proxy_resolves_the_name(start_daemon, server, make_proxy, make_dns, kind):
    """The daemon's own name server has never heard of it."""
    proxy, dns = make_proxy(kind), make_dns({})
    settings = feed(server.url(host="localhost"), proxy.url())
    daemon = start_daemon({**settings, "gateway": {"dns": [dns.address]}})
    daemon.call("connect", name="feed")
    assert server.accept().headers["Host"] == f"localhost:{server.port}"
    proxy.wait_target(f"localhost:{server.port}")
    assert not dns.asked


@both
def test_the_proxy_gets_no_dot_at_the_end(start_daemon, server, make_proxy, kind):
    proxy = make_proxy(kind)
    daemon = start_daemon(feed(server.url(host="localhost."), proxy.url()))
    daemon.call("connect", name="feed")
    assert server.accept().headers["Host"] == f"localhost.:{server.port}"
    proxy.wait_target(f"localhost:{server.port}")


@both
def test_a_proxy_with_a_dot_at_the_end(start_daemon, server, make_proxy, kind):
    proxy = make_proxy(kind)
    daemon = start_daemon(feed(server.url(), f"{kind}://localhost.:{proxy.port}"))
    assert daemon.call("connect", name="feed")["info"]["proxy"] == f"{kind}://localhost.:{proxy.port}"
    server.accept()


@pytest.mark.parametrize("kind, asked", [
    ("http", b"CONNECT [fe80::1]:81 HTTP/1.1\r\nHost: [fe80::1]:81\r\n\r\n"),
    ("socks5", b"\5\1\0\4" + socket.inet_pton(socket.AF_INET6, "fe80::1") + b"\0\x51"),
])
def test_a_proxy_gets_no_zone(start_daemon, kind, asked):
    """An interface is one of this host."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = f"{kind}://127.0.0.1:{listener.getsockname()[1]}"
        start_daemon({"connections": [
            {"name": "feed", "url": "ws://[fe80::1%25lo]:81/", "proxy": {"url": proxy}}]})
        client, _ = listener.accept()
        with client:
            client.settimeout(30)
            if kind == "socks5":
                assert client.recv(3, socket.MSG_WAITALL) == b"\5\1\0"
                client.sendall(b"\5\0")
            assert client.recv(len(asked), socket.MSG_WAITALL) == asked


@both
def test_the_name_of_the_proxy_is_resolved_here(start_daemon, server, make_proxy, make_dns, kind):
    proxy, dns = make_proxy(kind), make_dns({"proxy.test": ["127.0.0.1"]})
    settings = feed(server.url(), f"{kind}://proxy.test:{proxy.port}")
    daemon = start_daemon({**settings, "gateway": {"dns": [dns.address]}})
    daemon.call("connect", name="feed")
    server.accept()
    assert {name for name, _ in dns.asked} == {"proxy.test"}


@both
def test_the_proxys_password_from_a_file_is_read_at_each_connect(
    start_daemon, server, make_proxy, tmp_path, kind
):
    proxy, password = make_proxy(kind, login=LOGIN), tmp_path / "password"
    password.write_text("an-old-one\n")
    password.chmod(0o600)
    daemon = start_daemon(feed(
        server.url(), {"url": proxy.url(), "username": LOGIN[0], "password_file": str(password)},
    ))
    watch = Watch(daemon)
    error = refused(daemon)
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert "does not accept the user name and password" in error.message
    assert f"proxy 127.0.0.1:{proxy.port}" in error.message
    password.write_text(LOGIN[1] + "\n")
    assert daemon.call("connect", name="feed")["info"]["proxy"] == proxy.url()
    server.accept()
    watch.wait("open")
    watch.check_hidden("an-old-one", LOGIN[1], "ann:" + LOGIN[1], more=[error, error.data])


@both
def test_a_password_in_the_url_is_never_shown(start_daemon, server, make_proxy, kind):
    proxy = make_proxy(kind, login=LOGIN)
    server.refuse_connections()
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": server.url(), "proxy": {"url": proxy.url("{}:{}@".format(*LOGIN))},
    }]})
    watch = Watch(daemon)
    watch.wait("error")
    server.listen()
    watch.wait("open")
    watch.check_hidden(LOGIN[1], "ann:" + LOGIN[1])


@both
def test_a_proxy_that_wants_a_login(start_daemon, server, make_proxy, kind):
    daemon = start_daemon(feed(server.url(), make_proxy(kind, login=LOGIN).url()))
    error = refused(daemon)
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert "user name and password" in error.message
    assert not server.requests


@pytest.mark.parametrize("kind, words", [("http", "500"), ("socks5", "refused")])
def test_a_server_that_is_down_behind_the_proxy(start_daemon, server, make_proxy, kind, words):
    proxy = make_proxy(kind)
    server.refuse_connections()
    daemon = start_daemon(feed(server.url(), proxy.url()))
    error = refused(daemon)
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert f"127.0.0.1:{server.port}" in error.message and f"127.0.0.1:{proxy.port}" in error.message
    assert words in error.message
    server.listen()
    server.accept()
    daemon.wait_state("feed", "open")


def test_a_proxy_that_does_not_allow_the_port(start_daemon, server, make_tinyproxy):
    proxy = make_tinyproxy(settings="ConnectPort 443")
    error = refused(start_daemon(feed(server.url(), proxy.url())))
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert "403 Access violation" in error.message
    assert f"refused the tunnel to 127.0.0.1:{server.port}" in error.message
    assert "response" not in error.data, "that was no answer of the server"


def test_a_proxy_that_is_down_is_tried_again(start_daemon, server):
    port = free_port()
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": server.url(), "proxy": {"url": f"http://127.0.0.1:{port}"},
    }]})
    status = wait_until(lambda: (s := daemon.status("feed"))["attempt"] >= 3 and s)
    assert f"127.0.0.1:{port}: Connection refused" in status["last_error"]["desc"]
    assert "proxy" in status["last_error"]["desc"]
    assert not server.requests


@both
def test_a_proxy_that_never_answers(start_daemon, kind):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = "{}://127.0.0.1:{}".format(kind, silent.getsockname()[1])
        error = refused(start_daemon(feed("ws://127.0.0.1:9/", proxy, connect_timeout="200ms")))
    assert error.err == "SOCKET-TIMEOUT"
    assert "200ms" in error.message and "127.0.0.1:9" in error.message


def test_a_socks_proxy_that_is_taken_for_an_http_one(start_daemon, server, make_microsocks):
    proxy = make_microsocks()
    error = refused(start_daemon(feed(server.url(), f"http://127.0.0.1:{proxy.port}")))
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert f"proxy 127.0.0.1:{proxy.port}: its response is not HTTP/1.1" in error.message


def test_an_http_proxy_that_is_taken_for_a_socks_one(start_daemon, server, make_tinyproxy):
    """It waits for the end of a line."""
    url = f"socks5://127.0.0.1:{make_tinyproxy().port}"
    error = refused(start_daemon(feed(server.url(), url, connect_timeout="300ms")))
    assert error.err == "SOCKET-TIMEOUT"
    assert "waiting for the tunnel" in error.message


@both
def test_a_proxy_that_goes_away_ends_the_connection(start_daemon, server, make_proxy, kind):
    proxy = make_proxy(kind)
    daemon = start_daemon(feed(server.url(), proxy.url(), reconnect={"enabled": False}))
    daemon.call("connect", name="feed")
    server.accept()
    proxy.stop()
    daemon.wait_state("feed", "idle")


@pytest.mark.parametrize("scheme, variable", [("ws", "http_proxy"), ("wss", "https_proxy"), ("ws", "all_proxy")])
def test_proxies_of_the_environment(
    start_daemon, server, nginx, authority, make_tinyproxy, scheme, variable
):
    proxy = make_tinyproxy()
    url = nginx.url("good", server.port) if scheme == "wss" else server.url()
    daemon = start_daemon(
        feed(url, "environment", tls={"ca_file": str(authority.ca_file)}),
        environment={**NO_PROXIES, variable: proxy.url()},
    )
    assert daemon.call("connect", name="feed")["info"]["proxy"] == proxy.url()
    server.accept()


@pytest.mark.parametrize("environment", [
    {},
    {"no_proxy": "other.example, 127.0.0.0/8"},
    {"no_proxy": "*"},
    {"http_proxy": "", "https_proxy": "http://127.0.0.1:9"},
    {"http_proxy": "", "HTTP_PROXY": "http://127.0.0.1:9"},
])
def test_no_proxy_of_the_environment(start_daemon, server, environment):
    wrong = {"http_proxy": "http://127.0.0.1:9"} if "no_proxy" in environment else {}
    daemon = start_daemon(
        feed(server.url(), "environment"), environment={**NO_PROXIES, **wrong, **environment}
    )
    assert daemon.call("connect", name="feed")["info"]["proxy"] is None
    server.accept()


def test_the_environment_is_only_asked_when_it_is_set_so(start_daemon, server):
    daemon = start_daemon(
        feed(server.url(), {}), environment={**NO_PROXIES, "http_proxy": "http://127.0.0.1:9"}
    )
    assert daemon.call("connect", name="feed")["info"]["proxy"] is None


def test_a_bad_proxy_in_the_environment_is_a_clear_error(start_daemon, server):
    daemon = start_daemon(
        feed(server.url(), "environment"),
        environment={**NO_PROXIES, "http_proxy": "ftp://ann:pass-phrase-7@127.0.0.1:21"},
    )
    error = refused(daemon)
    assert "ftp" in error.message
    assert "pass-phrase-7" not in error.message + daemon.log()
    assert not server.requests
