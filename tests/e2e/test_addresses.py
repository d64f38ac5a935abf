"""Where connections go to and come from, and what they say about themselves."""

import os
import shutil
import socket
import ssl
import subprocess

import pytest

from harness.control import RpcError
from harness.dns import A, AAAA
from harness.subscriber import Lines
from harness.wait import wait_until


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on loopback")


def feed(url, **settings):
    return {"connections": [{"name": "feed", "url": url, "when": "manual", **settings}]}


def refused(daemon):
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    return error.value


@ipv6
def test_an_ipv6_literal(start_daemon, make_server):
    server = make_server(host="::1")
    daemon = start_daemon(feed(server.url("/v1", host="[::1]")))
    info = daemon.call("connect", name="feed")["info"]
    assert server.accept().headers["Host"] == f"[::1]:{server.port}"
    assert info["peer"] == f"[::1]:{server.port}"
    assert info["local"].startswith("[::1]:")


@ipv6
@pytest.mark.parametrize("family, address, asked", [
    ("any", "[::1]", {A, AAAA}), ("ipv6", "[::1]", {AAAA}), ("ipv4", "127.0.0.1", {A}),
])
def test_the_family(start_daemon, make_server, make_dns, family, address, asked):
    four = make_server()
    six = make_server(host="::1", port=four.port)
    dns = make_dns({"feed.test": ["127.0.0.1", "::1"]})
    daemon = start_daemon({
        **feed(four.url(host="feed.test"), address={"family": family}), "gateway": {"dns": [dns.address]},
    })
    info = daemon.call("connect", name="feed")["info"]
    assert info["peer"] == f"{address}:{four.port}"
    (six if ":" in address else four).accept()
    kinds = {kind for _, kind in dns.asked}  # that of IPv4 may have become needless before it was asked for
    assert asked - {A} <= kinds <= asked and kinds
    assert info["resolve_us"] > 0


@ipv6
def test_a_family_that_does_not_work_is_not_waited_for(start_daemon, server, make_dns):
    dns = make_dns({"feed.test": ["127.0.0.1", "::1"]})
    daemon = start_daemon({**feed(server.url(host="feed.test")), "gateway": {"dns": [dns.address]}})
    info = daemon.call("connect", name="feed")["info"]
    assert info["peer"] == f"127.0.0.1:{server.port}"
    assert info["addresses_tried"] == 2


def test_a_family_without_addresses(start_daemon, server, make_dns):
    dns = make_dns({"feed.test": ["127.0.0.1"]})
    daemon = start_daemon({
        **feed(server.url(host="feed.test"), address={"family": "ipv6"}), "gateway": {"dns": [dns.address]},
    })
    error = refused(daemon)
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert "feed.test" in error.message


def test_a_literal_of_the_other_family(start_daemon, server):
    error = refused(start_daemon(feed(server.url(), address={"family": "ipv6"})))
    assert "127.0.0.1" in error.message
    assert not server.requests


def test_a_name_that_does_not_exist(start_daemon, make_dns):
    dns = make_dns({})
    daemon = start_daemon({**feed("ws://nowhere.test/"), "gateway": {"dns": [dns.address]}})
    error = refused(daemon)
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert "nowhere.test" in error.message


def test_an_internationalised_name(start_daemon, server, make_dns):
    """As its A-label, for the name server and for the server (UTS 46)."""
    dns = make_dns({"xn--bcher-kva.test": ["127.0.0.1"]})
    daemon = start_daemon({
        **feed(server.url(host="B\u00dccher.test")), "gateway": {"dns": [dns.address]},
    })
    daemon.call("connect", name="feed")
    assert server.accept().headers["Host"] == f"xn--bcher-kva.test:{server.port}"
    assert {name for name, _ in dns.asked} == {"xn--bcher-kva.test"}


def test_a_server_that_has_moved_is_found(start_daemon, make_server, make_dns):
    """At once, although the addresses of a name are kept for a while: where nobody answers they are given up."""
    first = make_server(host="127.0.0.1")
    second = make_server(host="127.0.0.2", port=first.port)
    dns = make_dns({"feed.test": ["127.0.0.1"]})
    daemon = start_daemon({**feed(first.url(host="feed.test")), "gateway": {"dns": [dns.address]}})
    daemon.call("connect", name="feed")
    first.accept()
    dns.names["feed.test"] = ["127.0.0.2"]
    first.refuse_connections()
    second.accept()


def test_the_source_address(start_daemon, server):
    daemon = start_daemon(feed(server.url(), address={"source": "127.0.0.2"}))
    info = daemon.call("connect", name="feed")["info"]
    assert server.accept().address[0] == "127.0.0.2"
    assert info["local"].startswith("127.0.0.2:")


def test_a_source_address_that_is_not_ours(start_daemon, server):
    error = refused(start_daemon(feed(server.url(), address={"source": "192.0.2.1"})))
    assert error.err == "SOCKET-CONNECT-ERROR"
    assert "192.0.2.1" in error.message and "Cannot assign" in error.message


def test_the_interface(start_daemon, server):
    daemon = start_daemon(feed(server.url(), address={"interface": "lo"}))
    daemon.call("connect", name="feed")
    server.accept()


def test_an_interface_that_is_not_there(start_daemon, server):
    error = refused(start_daemon(feed(server.url(), address={"interface": "wg-none"})))
    assert "wg-none" in error.message
    assert not server.requests


def test_a_server_on_a_unix_socket(start_daemon, make_server, tmp_path):
    path = tmp_path / "app.sock"
    server = make_server(unix=path)
    daemon = start_daemon(feed(f"ws+unix://{path}:/v1?a=b"))
    info = daemon.call("connect", name="feed")["info"]
    peer = server.accept()
    assert peer.path == "/v1?a=b"
    assert peer.headers["Host"] == "localhost"
    assert info["peer"] == str(path)
    assert info["url"] == f"ws+unix://{path}:/v1?…"
    with Lines(daemon.path("feed.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        peer.send("x" * 1_000_00)
        assert subscriber.read_line() == b"x" * 1_000_00
    daemon.ctl("send", "feed", "hallo", status=0)
    assert peer.receive() == "hallo"


def test_a_unix_socket_that_is_not_there_yet(start_daemon, make_server, tmp_path):
    path = tmp_path / "app.sock"
    daemon = start_daemon({"connections": [{"name": "feed", "url": f"ws+unix://{path}"}]})
    status = wait_until(lambda: (s := daemon.status("feed"))["stats"]["failures"] >= 1 and s)
    assert str(path) in status["last_error"]["desc"]
    make_server(unix=path).accept()


def test_a_proxy_is_not_asked_for_a_unix_socket(start_daemon, make_server, tmp_path):
    path = tmp_path / "app.sock"
    server = make_server(unix=path)
    daemon = start_daemon(feed(f"ws+unix://{path}", proxy={"url": "http://127.0.0.1:9"}))
    daemon.call("connect", name="feed")
    server.accept()


def test_characters_of_a_unix_sockets_path(start_daemon, make_server, tmp_path):
    """A colon ends the path unless it is encoded; "host" is for the header alone."""
    path = tmp_path / "a:b%.sock"
    server = make_server(unix=path)
    encoded = str(path).replace("%", "%25").replace(":", "%3A")
    daemon = start_daemon(feed(f"ws+unix://{encoded}", host="app.example"))
    daemon.call("connect", name="feed")
    peer = server.accept()
    assert (peer.path, peer.headers["Host"]) == ("/", "app.example")


def test_a_redirect_from_a_unix_socket_is_not_followed(start_daemon, make_server, tmp_path):
    path = tmp_path / "app.sock"
    server = make_server(unix=path)
    server.refuse = 302, [("Location", "/v2")], b""
    error = refused(start_daemon(feed(f"ws+unix://{path}:/v1")))
    assert "the server on a UNIX socket redirects: not followed" in error.message
    assert len(server.requests) == 1


def test_a_unix_socket_of_others(start_daemon, make_server, tmp_path):
    path = tmp_path / "app.sock"
    make_server(unix=path)
    path.chmod(0o400)
    root_as_others = ["setpriv", "--bounding-set", "-dac_override"]
    error = refused(start_daemon(feed(f"ws+unix://{path}"), wrapper=root_as_others if os.getuid() == 0 else ()))
    assert error.message == f"cannot connect to {path}: Permission denied"


def test_host_origin_and_user_agent(start_daemon, server):
    daemon = start_daemon(feed(
        server.url(), host="feed.example:8443", origin="https://page.example", user_agent="reader/2 (x)",
    ))
    daemon.call("connect", name="feed")
    headers = server.accept().headers
    assert headers.get_all("Host") == ["feed.example:8443"]
    assert headers.get_all("Origin") == ["https://page.example"]
    assert headers.get_all("User-Agent") == ["reader/2 (x)"]


def test_the_host_decides_at_nginx(start_daemon, server, make_nginx):
    """A virtual host behind an address: others are turned away."""
    front = make_nginx({"virtual": 'if ($host != "feed.example") { return 421; }'})
    url = front.url("virtual", server.port, "/v1", "127.0.0.1")
    assert "421" in refused(start_daemon(feed(url))).message
    start_daemon(feed(url, host="feed.example")).call("connect", name="feed")
    assert server.accept().headers["Host"] == "feed.example"


def test_the_name_for_tls_and_the_host_for_http(start_daemon, server, nginx, authority):
    daemon = start_daemon(feed(
        nginx.url("other", server.port, host="127.0.0.1"), host="other.example",
        tls={"ca_file": str(authority.ca_file), "server_name": "other.example"},
    ))
    daemon.call("connect", name="feed")
    headers = server.accept().headers
    assert (headers["Host"], headers["X-Tls-Name"]) == ("other.example", "other.example")


def sockets_of(daemon, port):
    """What ss(8) says about the daemon's TCP connections to that port."""
    shown = subprocess.run(
        ["ss", "-tniop", "dst", f"127.0.0.1:{port}"], check=True, capture_output=True, text=True
    ).stdout
    lines = shown.splitlines()[1:]
    return [
        first + rest for first, rest in zip(lines[::2], lines[1::2]) if f"pid={daemon.process.pid}," in first
    ]


@pytest.mark.skipif(not shutil.which("ss"), reason="needs ss(8)")
def test_tcp_keepalive_is_set(start_daemon, server):
    daemon = start_daemon({"connections": [
        {"name": "feed", "url": server.url(), "tcp": {"keepalive": "2000s"}},
        {"name": "without", "url": server.url()},
    ]})
    for name in ("feed", "without"):
        daemon.wait_state(name, "open")
    shown = sockets_of(daemon, server.port)
    assert len(shown) == 2
    assert sum("timer:(keepalive" in socket for socket in shown) == 1, shown
    assert any("timer:(keepalive,33min" in socket for socket in shown), shown


def silent_listener(host, port):
    """Accepts, in its queue, and says nothing."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(128)
    return listener


SHORT = {"upgrade_timeout": "100ms", "tls_timeout": "100ms", "connect_timeout": "5s"}


def test_an_address_that_accepts_and_says_nothing_is_left_for_the_next(start_daemon, make_server, make_dns):
    good = make_server(host="127.0.0.3")
    dns = make_dns({"feed.test": ["127.0.0.2", "127.0.0.3"]})
    with silent_listener("127.0.0.2", good.port):
        daemon = start_daemon({
            "gateway": {"dns": [dns.address]},
            "connections": [{"name": "feed", "url": good.url(host="feed.test"), **SHORT}],
        })
        good.accept().abort()
        good.accept()
        status = daemon.wait_state("feed", "open")
    assert status["call"]["info"]["peer"] == f"127.0.0.3:{good.port}"
    assert status["stats"]["failures"] == 1, "it is not tried first again after that"


def test_likewise_where_tls_gets_no_answer(start_daemon, make_server, make_dns, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("feed.test", "DNS:feed.test"))
    good = make_server(host="127.0.0.3", ssl=context)
    dns = make_dns({"feed.test": ["127.0.0.2", "127.0.0.3"]})
    with silent_listener("127.0.0.2", good.port):
        start_daemon({
            "gateway": {"dns": [dns.address]},
            "connections": [{
                "name": "feed", "url": f"wss://feed.test:{good.port}/", **SHORT,
                "tls": {"ca_file": str(authority.ca_file)},
            }],
        })
        good.accept()


def test_likewise_where_the_server_refuses(start_daemon, make_server, make_dns):
    good = make_server(host="127.0.0.3")
    bad = make_server(host="127.0.0.2", port=good.port)
    bad.refuse = (503, [], b"not today")
    dns = make_dns({"feed.test": ["127.0.0.2", "127.0.0.3"]})
    start_daemon({
        "gateway": {"dns": [dns.address]}, "connections": [{"name": "feed", "url": good.url(host="feed.test")}],
    })
    good.accept()
    assert len(bad.requests) == 1


def test_likewise_where_a_proxy_is_silent(start_daemon, server, make_tinyproxy, make_dns):
    proxy = make_tinyproxy()
    dns = make_dns({"proxy.test": ["127.0.0.2", "127.0.0.1"]})
    with silent_listener("127.0.0.2", proxy.port):
        start_daemon({
            "gateway": {"dns": [dns.address]},
            "connections": [{
                "name": "feed", "url": server.url(), **SHORT, "connect_timeout": "300ms",
                "proxy": {"url": f"http://proxy.test:{proxy.port}"},
            }],
        })
        server.accept()


def test_all_addresses_are_tried_in_time(start_daemon, make_server, make_dns):
    good = make_server(host="127.0.0.29")
    dns = make_dns({"feed.test": [f"127.0.0.{number}" for number in range(2, 30)]})
    daemon = start_daemon({
        "gateway": {"dns": [dns.address]}, "connections": [{"name": "feed", "url": good.url(host="feed.test")}],
    })
    good.accept()
    assert daemon.wait_state("feed", "open")["stats"]["failures"] == 3
