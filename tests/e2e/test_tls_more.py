"""TLS beyond certificates: pins, resumption, the key log, what status tells, encrypted keys."""

import calendar
import stat
import time

import pytest

from harness.control import RpcError


@pytest.fixture(scope="module")
def good_pair(authority):
    return authority.issue("resuming", "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture
def own_nginx(good_pair, make_nginx):
    """Fronts that take sessions up again: "new" with TLS 1.3, "old" with TLS 1.2."""
    return make_nginx({
        "new": (*good_pair, "ssl_session_cache builtin; ssl_protocols TLSv1.3;"),
        "old": (*good_pair, "ssl_session_cache builtin; ssl_protocols TLSv1.2;"),
    })


@pytest.fixture
def settings(own_nginx, server, authority):
    """A connection to one of the fronts."""

    def settings(front="new", **tls):
        return {"connections": [{
            "name": "feed", "url": own_nginx.url(front, server.port), "when": "manual",
            "tls": {"ca_file": str(authority.ca_file), **tls},
        }]}

    return settings


@pytest.fixture
def start(start_daemon, settings):
    return lambda front="new", **tls: start_daemon(settings(front, **tls))


def refused(daemon):
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    assert error.value.err == "SOCKET-SSL-ERROR"
    return error.value.message


OTHER_PIN = "sha256//" + "A" * 43 + "="


@pytest.fixture
def own_pin(authority, good_pair):
    return authority.pin(good_pair[0])


@pytest.mark.parametrize("front", ["new", "old"])
def test_a_pinned_key(start, server, own_pin, front):
    daemon = start(front, pins=[OTHER_PIN, own_pin])
    daemon.call("connect", name="feed")
    server.accept()
    daemon.call("connect", name="feed")
    server.accept()


def test_a_key_that_is_not_pinned(start, server, own_pin):
    message = refused(start(pins=[OTHER_PIN]))
    assert own_pin in message and "pinned" in message
    assert not server.requests


def test_a_pinned_key_does_not_make_up_for_the_certificate(start, server, own_pin):
    refused(start(pins=[own_pin], ca_file=""))
    assert not server.requests


def test_a_pin_without_verification_is_still_demanded(start, server, own_pin):
    refused(start(pins=[OTHER_PIN], verify=False, ca_file=""))
    start(pins=[own_pin], verify=False, ca_file="").call("connect", name="feed")
    server.accept()


@pytest.mark.parametrize("front", ["new", "old"])
def test_a_session_is_taken_up_again(start, server, front):
    daemon = start(front)
    seen = []
    for _ in range(3):
        info = daemon.call("connect", name="feed")["info"]
        peer = server.accept()
        assert (peer.headers["X-Tls-Reused"] == "r") == info["tls"]["resumed"]
        peer.send("there")
        seen.append(info["tls"]["resumed"])
    assert seen == [False, True, True]
    assert daemon.status("feed")["call"]["info"]["tls"]["certificate"] == "CN=resuming"


def test_no_session_is_taken_up_again_if_so_set(start, server):
    daemon = start(resume=False)
    for _ in range(2):
        assert daemon.call("connect", name="feed")["info"]["tls"]["resumed"] is False
        assert server.accept().headers["X-Tls-Reused"] == "."


@pytest.mark.parametrize("before, after", [
    ({"verify": False, "ca_file": ""}, {"ca_file": ""}),
    ({}, {"ca_file": ""}),
    ({}, {"server_name": "other.example"}),
    ({}, {"pins": [OTHER_PIN]}),
])
def test_a_session_does_not_outlive_what_it_was_checked_for(start, server, settings, before, after):
    """Taken up again, a session would need no certificate any more."""
    daemon = start(**before)
    daemon.call("connect", name="feed")
    server.accept().send("there")
    daemon.configure(settings(**after))
    daemon.call("reload")
    refused(daemon)
    assert len(server.requests) == 1


def test_a_session_that_the_server_has_forgotten(start_daemon, server, good_pair, authority, make_nginx):
    """After a restart of the server the handshake is a whole one again."""
    front = make_nginx({"good": (*good_pair, "")})
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": front.url("good", server.port), "tls": {"ca_file": str(authority.ca_file)},
    }]})
    server.accept().send("there")
    front.stop()
    front.start()
    server.accept()
    assert daemon.wait_state("feed", "open")["call"]["info"]["tls"]["resumed"] is False


@pytest.mark.parametrize("front, labels", [
    ("new", {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"}), ("old", {"CLIENT_RANDOM"}),
])
def test_the_key_log(start, server, tmp_path, front, labels):
    file = tmp_path / "keys"
    daemon = start(front, keylog_file=str(file), resume=False)
    daemon.call("connect", name="feed")
    server.accept()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_text().splitlines()
    assert labels <= {line.split()[0] for line in lines}
    daemon.call("connect", name="feed")
    assert file.read_text().splitlines()[: len(lines)] == lines
    assert len(file.read_text().splitlines()) == 2 * len(lines)
    for line in lines:
        assert line.split()[2] not in daemon.log() + str(daemon.status("feed"))


def test_a_key_log_that_cannot_be_written(start, tmp_path):
    assert str(tmp_path / "none" / "keys") in refused(start(keylog_file=str(tmp_path / "none" / "keys")))


@pytest.mark.parametrize("front, version", [("new", "TLSv1.3"), ("old", "TLSv1.2")])
def test_what_status_tells(start, server, front, version):
    daemon = start(front)
    daemon.call("connect", name="feed")
    server.accept()
    tls = daemon.status("feed")["call"]["info"]["tls"]
    assert tls["version"] == version
    assert tls["alpn"] == "http/1.1"
    assert "AES" in tls["cipher"] or "CHACHA" in tls["cipher"]
    assert tls["certificate"] == "CN=resuming"
    expiry = calendar.timegm(time.strptime(tls["certificate_expiry"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert 1 < (expiry - time.time()) / 86400 <= 2, "issued for two days"
    shown = daemon.ctl("status", "feed", status=0).stdout
    assert version in shown and tls["cipher"] in shown and tls["certificate_expiry"][:10] in shown


def test_ciphers(start, server):
    daemon = start("old", ciphers="ECDHE-ECDSA-CHACHA20-POLY1305")
    assert daemon.call("connect", name="feed")["info"]["tls"]["cipher"] == "ECDHE-ECDSA-CHACHA20-POLY1305"


def test_an_encrypted_key_without_its_passphrase(make_daemon, server, nginx, authority, encrypted_key):
    certificate, key, _ = encrypted_key
    daemon = make_daemon({"connections": [{
        "name": "feed", "url": nginx.url("client", server.port), "when": "manual",
        "tls": {"ca_file": str(authority.ca_file), "cert_file": str(certificate), "key_file": str(key)},
    }]})
    for arguments in ["-t"], []:
        message = daemon.run(*arguments, status=1).stderr
        assert str(key) in message and "passphrase" in message and ".tls: " in message


def test_a_new_client_certificate_is_used_at_the_next_connect(
    start_daemon, server, nginx, authority, tmp_path
):
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"

    def put(name):
        for source, target in zip(authority.issue(name), (certificate, key)):
            target.write_bytes(source.read_bytes())

    put("client-3")
    daemon = start_daemon({"connections": [{
        "name": "feed", "url": nginx.url("client", server.port), "when": "manual",
        "tls": {"ca_file": str(authority.ca_file), "cert_file": str(certificate), "key_file": str(key)},
    }]})
    daemon.call("connect", name="feed")
    assert "CN=client-3" in server.accept().headers["X-Client"]
    put("client-4")
    daemon.call("connect", name="feed")
    assert "CN=client-4" in server.accept().headers["X-Client"]
