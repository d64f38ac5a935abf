"""Through proxies that speak TLS: tinyproxy behind socat, and ones that misbehave."""

import hashlib

import pytest

from harness.control import RpcError
from harness.shown import Watch
from harness.subscriber import Lines
from harness.wait import wait_until

LOGIN = ("ann", "pass-phrase-7")
NO_PROXIES = {
    name: "" for lower in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in (lower, lower.upper())
}


@pytest.fixture
def make_proxy(make_tinyproxy, make_tls_front):
    return lambda **options: make_tls_front(make_tinyproxy(**options))


@pytest.fixture
def feed(authority, proxy_authority):
    def feed(url, proxy, ca_file=proxy_authority.ca_file, **settings):
        proxy = {"url": proxy} if isinstance(proxy, str) else proxy
        return {"connections": [{
            "name": "feed", "url": url, "when": "manual", "proxy": {"ca_file": str(ca_file), **proxy},
            "tls": {"ca_file": str(authority.ca_file)}, **settings,
        }]}

    return feed


@pytest.fixture(params=["ws", "wss"])
def target(request, server, nginx):
    """A server behind the proxy, with and without TLS of its own: (URL, host and port)."""
    if request.param == "ws":
        return server.url(), f"127.0.0.1:{server.port}"
    return nginx.url("good", server.port), f"localhost:{nginx.ports['good']}"


def refused(daemon):
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    return error.value


def check_both_ways(daemon, peer, size=100_000):
    with Lines(daemon.path("feed.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        peer.send("x" * size)
        assert subscriber.read_line() == b"x" * size
    daemon.ctl("send", "feed", "-", stdin=b"y" * size, status=0)
    assert peer.receive() == "y" * size


@pytest.mark.parametrize("login", [None, LOGIN])
def test_a_real_one(start_daemon, server, target, make_proxy, feed, login):
    proxy, (url, name) = make_proxy(login=login), target
    daemon = start_daemon(feed(url, proxy.url("{}:{}@".format(*login) if login else "")))
    watch = Watch(daemon)
    info = daemon.call("connect", name="feed")["info"]
    peer = server.accept()
    assert "Proxy-Authorization" not in peer.headers
    proxy.wait_target(name)
    assert info["proxy"] == proxy.url("***@" if login else "")
    assert info["peer"] == f"127.0.0.1:{proxy.port}"
    assert info["proxy_us"] > 0
    assert (info["tls"] is not None) == url.startswith("wss")
    check_both_ways(daemon, peer)
    watch.wait("open")
    watch.check_hidden(LOGIN[1])


def test_the_proxys_session_is_resumed(start_daemon, server, make_proxy, feed):
    """Nothing fails when it is: the tunnel is a new one each time."""
    daemon = start_daemon(feed(server.url(), make_proxy().url(host="localhost")))
    for _ in range(3):
        daemon.call("connect", name="feed")
        check_both_ways(daemon, server.accept())
        daemon.call("disconnect", name="feed")
        daemon.wait_state("feed", "idle")


@pytest.mark.parametrize("piece", [16384, 100])
def test_much_both_ways(start_daemon, server, target, make_https_proxy, feed, piece):
    """Messages of many TLS records each, in both directions at once, all of them whole."""
    url, _ = target
    size, count = 1_000_000, 3
    settings = {"max_message": "2M", "send_queue": "16M"}
    daemon = start_daemon(feed(url, make_https_proxy(piece=piece).url(), **settings))
    daemon.call("connect", name="feed")
    peer = server.accept()
    with Lines(daemon.path("feed.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        texts = [hashlib.sha256(str(i).encode()).hexdigest() * (size // 64) for i in range(count)]
        for text in texts:
            peer.send(text)
            daemon.ctl("send", "feed", "-", stdin=text[::-1].encode(), status=0)
        for text in texts:
            assert subscriber.read_line() == text.encode()
            assert peer.receive() == text[::-1]


def test_the_password_goes_only_through_tls(start_daemon, server, make_https_proxy, feed):
    proxy = make_https_proxy()
    daemon = start_daemon(feed(server.url(), proxy.url("{}:{}@".format(*LOGIN))))
    daemon.call("connect", name="feed")
    server.accept()
    assert "Proxy-Authorization: Basic YW5uOnBhc3MtcGhyYXNlLTc=\r\n" in proxy.heads[0]


def test_its_certificate_is_not_for_the_servers_authorities(
    start_daemon, server, authority, make_https_proxy, feed
):
    proxy = make_https_proxy()
    daemon = start_daemon(feed(server.url(), proxy.url("{}:{}@".format(*LOGIN)), ca_file=authority.ca_file))
    error = refused(daemon)
    assert error.err == "SOCKET-SSL-ERROR"
    name = f"127.0.0.1:{proxy.port}"
    assert error.message == (
        f"proxy {name}: certificate of {name} not accepted: unable to get local issuer certificate"
    )
    assert not proxy.heads, "the password went to whoever asks"


def test_its_certificate_is_for_another_host(start_daemon, server, proxy_authority, make_https_proxy, feed):
    proxy = make_https_proxy(proxy_authority.issue("stranger", "DNS:stranger.test"))
    error = refused(start_daemon(feed(server.url(), proxy.url(host="localhost"))))
    assert error.message.startswith(f"proxy localhost:{proxy.port}: certificate of ")
    assert "hostname mismatch: it is not for 'localhost'" in error.message
    assert not proxy.heads


def test_the_server_fails_behind_it(start_daemon, nginx, server, make_https_proxy, feed):
    """The error is that of the server, not of the proxy."""
    proxy = make_https_proxy()
    error = refused(start_daemon(feed(nginx.url("other", server.port), proxy.url())))
    assert error.err == "SOCKET-SSL-ERROR"
    assert error.message.startswith(f"certificate of localhost:{nginx.ports['other']} not accepted")


def test_it_ends_in_the_handshake(start_daemon, server, make_https_proxy, feed):
    proxy = make_https_proxy(handshake=False)
    error = refused(start_daemon(feed(server.url(), proxy.url())))
    name = f"127.0.0.1:{proxy.port}"
    assert error.err == "SOCKET-SSL-ERROR"
    assert error.message.startswith(f"proxy {name}: TLS handshake with {name} failed: ")


def test_it_speaks_no_tls(start_daemon, server, nginx, feed):
    error = refused(start_daemon(feed(server.url(), f"https://127.0.0.1:{nginx.ports['plain']}")))
    assert "the response is not TLS: is this a port without TLS?" in error.message


def test_it_never_answers(start_daemon, server, make_https_proxy, feed):
    proxy = make_https_proxy(reply=b"")
    error = refused(start_daemon(feed(server.url(), proxy.url(), connect_timeout="1s")))
    assert error.err == "SOCKET-TIMEOUT"
    assert f"timed out after 1s waiting for the tunnel to 127.0.0.1:{server.port}" in error.message


def test_it_wants_a_login(start_daemon, server, make_proxy, feed):
    error = refused(start_daemon(feed(server.url(), make_proxy(login=LOGIN).url())))
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert "it wants a user name and password: 407" in error.message


@pytest.mark.parametrize("schemes", [["Digest realm=x, nonce=y"], ["NTLM", "Negotiate"]])
def test_it_wants_another_login_than_basic(start_daemon, server, make_https_proxy, feed, schemes):
    lines = "".join(f"Proxy-Authenticate: {scheme}\r\n" for scheme in schemes)
    proxy = make_https_proxy(reply=f"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n{lines}\r\n".encode())
    error = refused(start_daemon(feed(server.url(), proxy.url("{}:{}@".format(*LOGIN)))))
    assert error.err == "SOCKET-CONNECT-ERROR"
    names = " or ".join(scheme.split()[0] for scheme in schemes)
    assert f"it requires {names} authentication, and only Basic is supported: 407 Login" in error.message


def test_of_the_environment(start_daemon, server, target, proxy_authority, make_proxy, feed):
    url, name = target
    proxy = make_proxy()
    variables = {**NO_PROXIES, "http_proxy": proxy.url(), "https_proxy": proxy.url()}
    daemon = start_daemon(feed(url, "environment"), environment=variables)
    assert daemon.call("connect", name="feed")["info"]["proxy"] == proxy.url()
    server.accept()
    proxy.wait_target(name)


def test_a_ca_file_that_cannot_be_used(make_daemon, feed, tmp_path):
    """It is found before any connection uses it."""
    bad = tmp_path / "ca.pem"
    bad.write_text("none\n")
    daemon = make_daemon(feed("ws://127.0.0.1:1/", "https://127.0.0.1:1", ca_file=bad))
    done = daemon.run("-t", status=1)
    assert "proxy: " in done.stderr and str(bad) in done.stderr
