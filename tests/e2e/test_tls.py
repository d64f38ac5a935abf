"""TLS, with nginx in front of python3-websockets."""

import pytest

from harness.certificates import Authority
from harness.control import RpcError
from harness.subscriber import Lines
from harness.wait import wait_until


@pytest.fixture
def connect(start_daemon, nginx, server, authority):
    """Connects through one of nginx's fronts; gives the daemon and the outcome of the call."""

    def connect(front, host="localhost", **tls):
        tls = {"ca_file": str(authority.ca_file), **tls}
        tls = {name: value for name, value in tls.items() if value is not None}
        daemon = start_daemon({
            "connections": [{
                "name": "feed", "url": nginx.url(front, server.port, "/v1", host), "when": "manual",
                "reconnect": {"enabled": False}, "tls": tls,
            }],
        })
        return daemon, daemon.call("connect", name="feed")

    return connect


def refused(connect, *arguments, **options):
    with pytest.raises(RpcError) as error:
        connect(*arguments, **options)
    assert error.value.err == "SOCKET-SSL-ERROR"
    return error.value.message


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_of_a_known_authority_for_the_host(connect, server, host):
    daemon, result = connect("good", host)
    peer = server.accept()
    assert peer.path == "/v1"
    assert result["info"]["tls"]["version"] == "TLSv1.3"
    assert result["info"]["tls"]["cipher"]
    assert result["info"]["tls_us"] > 0
    assert result["response"]["headers"]["Server"].startswith("nginx")
    assert peer.headers.get("X-Tls-Name") == ("localhost" if host == "localhost" else None)
    with Lines(daemon.path("feed.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        peer.send("x" * 100_000)
        assert subscriber.read_line() == b"x" * 100_000
    daemon.ctl("send", "feed", "-", stdin=b"y" * 100_000, status=0)
    assert peer.receive() == "y" * 100_000
    daemon.ctl("disconnect", "feed", "4000", status=0)
    assert peer.wait_closed()[0] == 4000


def test_an_unknown_authority_is_refused(connect, server):
    assert "certificate" in refused(connect, "good", ca_file=None)
    assert not server.requests


def test_a_certificate_for_another_host_is_refused(connect, server):
    message = refused(connect, "other")
    assert "localhost" in message and ("name" in message or "host" in message)
    assert not server.requests


def test_the_name_to_verify_can_be_set(connect, server):
    connect("other", server_name="other.example")
    assert server.accept().headers["X-Tls-Name"] == "other.example"


@pytest.mark.parametrize("front", ["good", "other"])
def test_verification_can_be_switched_off(connect, server, front):
    connect(front, ca_file=None, verify=False)
    server.accept()


def test_a_client_certificate(connect, server, client_certificate):
    certificate, key = client_certificate
    connect("client", cert_file=str(certificate), key_file=str(key))
    assert "CN=client-1" in server.accept().headers["X-Client"]


def test_without_the_client_certificate_the_front_says_no(connect, server):
    with pytest.raises(RpcError) as error:
        connect("client")
    assert error.value.data["response"]["status"] == 400
    assert not server.requests


def test_the_minimum_version(connect, server):
    _, result = connect("old")
    assert result["info"]["tls"]["version"] == "TLSv1.2"
    assert server.accept().headers["X-Tls-Version"] == "TLSv1.2"
    assert "version" in refused(connect, "old", min_version="1.3")


def test_plain_text_where_tls_is_expected(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url().replace("ws:", "wss:"), "when": "manual"}],
    })
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    assert error.value.err in ("SOCKET-SSL-ERROR", "SOCKET-CLOSED")


def test_a_server_that_never_answers_the_tls_handshake(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.url("/").replace("ws:", "wss:"), "when": "manual",
            "tls_timeout": "100ms",
        }],
    })
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    assert error.value.err == "SOCKET-TIMEOUT"
    assert "100ms" in error.value.message


def test_a_missing_ca_file_is_a_clear_error(make_daemon, tmp_path):
    missing = str(tmp_path / "none.pem")
    daemon = make_daemon({"connections": [{"name": "feed", "url": "wss://localhost/", "tls": {"ca_file": missing}}]})
    for arguments in ["-t"], []:
        said = daemon.run(*arguments, status=1).stderr
        assert f"tls.ca_file: {missing} cannot be read: No such file" in said


def test_a_revoked_certificate(start_daemon, make_nginx, server, tmp_path):
    """The list is read again when it has changed."""
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("localhost", "DNS:localhost")
    crl_file = tmp_path / "crl.pem"
    authority.revoke(crl_file)
    front = make_nginx({"good": (certificate, key, "")})
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": front.url("good", server.port), "when": "manual", "reconnect": {"enabled": False},
        "tls": {"ca_file": str(authority.ca_file), "crl_file": str(crl_file)},
    }]})
    daemon.call("connect", name="feed")
    server.accept()
    authority.revoke(crl_file, certificate)
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    assert "certificate revoked (crl_file)" in error.value.message


def test_a_common_name_is_no_name(start_daemon, make_nginx, server, authority):
    front = make_nginx({"named": (*authority.issue("localhost"), "")})
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": front.url("named", server.port), "when": "manual",
        "tls": {"ca_file": str(authority.ca_file)},
    }]})
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    assert "it has no DNS name (subjectAltName)" in error.value.message
    assert not server.requests


def test_pings_and_messages_through_the_front(start_daemon, nginx, server, authority):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": nginx.url("good", server.port), "tls": {"ca_file": str(authority.ca_file)},
            "ping": {"interval": "20ms", "timeout": "5s"},
        }],
    })
    peer = server.accept()
    wait_until(lambda: daemon.call("stats", name="feed")["pongs_recv"] >= 2)
    peer.ping()
    peer.abort()
    server.accept()
    assert daemon.wait_state("feed", "open")["stats"]["opens"] == 2
