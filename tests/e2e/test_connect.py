"""Opening connections: what the server sees, and what the person who asked gets to know."""

import base64

import pytest

from harness.control import RpcError
from harness.wait import wait_until


def test_it_opens_by_itself_and_the_server_sees_a_proper_handshake(start_daemon, server):
    start_daemon({"connections": [{"name": "feed", "url": server.url("/v1?a=b%20c")}]})
    peer = server.accept()
    assert peer.path == "/v1?a=b%20c"
    assert peer.headers["Host"] == f"127.0.0.1:{server.port}"
    assert peer.headers["Upgrade"].lower() == "websocket"
    assert peer.headers["Sec-WebSocket-Version"] == "13"
    assert len(base64.b64decode(peer.headers["Sec-WebSocket-Key"])) == 16
    assert peer.headers["User-Agent"].startswith("wsgated/")
    assert "Origin" not in peer.headers
    assert "Sec-WebSocket-Extensions" not in peer.headers


def test_headers_origin_and_user_agent_reach_the_server(start_daemon, server):
    start_daemon({
        "connections": [{
            "name": "feed", "url": server.url(), "headers": {"X-Api-Key": "k-1", "Cookie": "a=1; b=2"},
            "origin": "https://example.com", "user_agent": "feed-reader/2",
        }],
    })
    headers = server.accept().headers
    assert headers["X-Api-Key"] == "k-1"
    assert headers["Cookie"] == "a=1; b=2"
    assert headers["Origin"] == "https://example.com"
    assert headers["User-Agent"] == "feed-reader/2"


def test_each_handshake_has_a_fresh_key(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}]})
    keys = {server.accept().headers["Sec-WebSocket-Key"]}
    for _ in range(3):
        daemon.call("connect", name="feed")
        keys.add(server.accept().headers["Sec-WebSocket-Key"])
    assert len(keys) == 4


def test_the_subprotocol_is_agreed_on_and_shown(start_daemon, make_server):
    server = make_server(subprotocols=["v2.json", "v1.json"])
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "protocols": ["v1.json", "v2.json"]}],
    })
    peer = server.accept()
    assert peer.headers["Sec-WebSocket-Protocol"] == "v1.json, v2.json"
    status = daemon.wait_state("feed", "open")
    assert status["call"]["info"]["protocol"] == peer.subprotocol


def test_on_open_messages_come_first_and_after_each_reconnect(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "on_open": ['{"op":"subscribe"}', "zwei €"]}],
    })
    for _ in range(2):
        peer = server.accept()
        assert [peer.receive(), peer.receive()] == ['{"op":"subscribe"}', "zwei €"]
        daemon.wait_state("feed", "open")
        peer.abort()


def test_basic_authentication_from_the_url_is_sent_and_never_shown(start_daemon, server):
    url = server.url("/", credentials="user:s%40cret-word@")
    daemon = start_daemon({"connections": [{"name": "feed", "url": url}]})
    expected = base64.b64encode(b"user:s@cret-word").decode()
    assert server.accept().headers["Authorization"] == "Basic " + expected
    daemon.wait_state("feed", "open")
    shown = [daemon.ctl(*command, status=0).stdout for command in (
        ("list",), ("status", "feed"), ("--json", "list"), ("--json", "status", "feed"),
    )]
    for text in [*shown, daemon.log()]:
        assert "cret-word" not in text
        assert expected not in text
    assert f"ws://***@127.0.0.1:{server.port}/" in shown[0]


def test_the_bearer_token_is_read_at_each_connect(start_daemon, server, tmp_path):
    token = tmp_path / "token"
    token.write_text("first-token\n")
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "bearer_file": str(token)}],
    })
    assert server.accept().headers["Authorization"] == "Bearer first-token"
    token.write_text("second-token")
    daemon.call("connect", name="feed")
    assert server.accept().headers["Authorization"] == "Bearer second-token"
    assert "second-token" not in daemon.log() + str(daemon.status("feed"))


def test_a_missing_bearer_file_is_a_clear_error_and_tried_again(start_daemon, server, tmp_path):
    token = tmp_path / "token"
    token.write_text("before")
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "bearer_file": str(token)}],
    })
    peer = server.accept()
    token.unlink()
    peer.abort()
    error = wait_until(lambda: (error := daemon.status("feed")["last_error"]) and str(token) in error["desc"] and error)
    assert "No such file" in error["desc"]
    assert len(server.requests) == 1
    token.write_text("there-now")
    assert server.accept().headers["Authorization"] == "Bearer there-now"


def test_connect_answers_with_the_response_and_the_call(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "when": "manual"}],
    })
    result = daemon.call("connect", name="feed")
    assert result["response"]["status"] == 101
    headers = {name.lower(): value for name, value in result["response"]["headers"].items()}
    assert headers["upgrade"].lower() == "websocket"
    assert "Python" in headers["server"]
    info = result["info"]
    assert info["url"] == server.url()
    assert info["peer"] == f"127.0.0.1:{server.port}"
    assert info["local"].startswith("127.0.0.1:")
    assert info["upgrade_us"] > 0
    assert info["connect_us"] >= 0
    assert info["addresses_tried"] == 1
    assert info["tls"] is None


def test_a_manual_connection_waits_for_connect(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "when": "manual"}],
    })
    assert daemon.status("feed")["state"] == "idle"
    daemon.ctl("connect", "feed", status=0)
    server.accept()
    assert len(server.requests) == 1


def test_extra_headers_go_with_one_call_only(start_daemon, server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "headers": {"X-Kept": "always"}}],
    })
    server.accept()
    daemon.ctl("connect", "feed", "-H", "X-Once: now", "-H", "X-Two:2", status=0)
    headers = server.accept().headers
    assert (headers["X-Once"], headers["X-Two"], headers["X-Kept"]) == ("now", "2", "always")
    daemon.ctl("connect", "feed", status=0)
    headers = server.accept().headers
    assert "X-Once" not in headers
    assert headers["X-Kept"] == "always"


def test_connect_closes_an_open_connection_with_1001_first(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}]})
    first = server.accept()
    daemon.wait_state("feed", "open")
    daemon.ctl("connect", "feed", status=0)
    assert first.wait_closed()[0] == 1001
    second = server.accept()
    assert not second.closed.is_set()
    assert daemon.status("feed")["state"] == "open"


@pytest.mark.parametrize("path", ["/silent", "/deaf"])
def test_a_connect_outlives_a_reload(start_daemon, server, bad_server, path):
    """While the call is under way, or the session before it still closes."""
    settings = {"connections": [{
        "name": "feed", "url": bad_server.url(path), "when": "manual", "close_timeout": "1s",
    }]}
    daemon = start_daemon(settings)
    if path == "/deaf":
        daemon.call("connect", name="feed")
    client = daemon.rpc()
    asked = client.start("connect", name="feed", headers=["X-Once: now"])
    daemon.wait_state("feed", "upgrading" if path == "/silent" else "closing")
    settings["connections"][0]["url"] = server.url()
    daemon.configure(settings)
    daemon.call("reload")
    assert client.finish(asked)["response"]["status"] == 101
    assert server.accept().headers["X-Once"] == "now"
    daemon.wait_state("feed", "open")


def test_a_call_or_a_wait_that_begins_anew_has_its_own_since(start_daemon, server, bad_server):
    settings = {"connections": [{
        "name": "feed", "url": bad_server.url("/silent"), "when": "manual",
        "reconnect": {"min": "60s", "max": "60s"},
    }]}
    daemon = start_daemon(settings)
    client = daemon.rpc()
    client.start("connect", name="feed")
    called = daemon.wait_state("feed", "upgrading")["since"]
    client.start("connect", name="feed")
    wait_until(lambda: daemon.status("feed")["stats"]["attempts"] == 2)
    assert daemon.status("feed")["since"] > called

    server.refuse = (503, {}, b"")
    settings["connections"][0].update(url=server.url(), when="always")
    daemon.configure(settings)
    daemon.call("reload")
    waited = daemon.wait_state("feed", "waiting")["since"]
    settings["connections"][0]["idle_timeout"] = "50s"
    daemon.configure(settings)
    daemon.call("reload")
    status = daemon.status("feed")
    assert status["state"] == "waiting" and status["since"] > waited


def test_connect_to_a_server_that_is_down(start_daemon, server):
    server.refuse_connections()
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "when": "manual"}],
    })
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="feed")
    assert refused.value.err == "SOCKET-CONNECT-ERROR"
    assert "Connection refused" in refused.value.message
    assert f"127.0.0.1:{server.port}" in refused.value.message
    done = daemon.ctl("connect", "feed", status=1)
    assert "Connection refused" in done.stderr


def test_connect_to_a_name_that_does_not_exist(start_daemon):
    daemon = start_daemon({
        "gateway": {"dns": ["127.0.0.1:9"]},
        "connections": [{
            "name": "feed", "url": "ws://nowhere.invalid:1/", "when": "manual", "connect_timeout": "2s",
        }],
    })
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="feed")
    assert refused.value.err in ("SOCKET-CONNECT-ERROR", "SOCKET-TIMEOUT")
    assert "nowhere.invalid" in refused.value.message


@pytest.mark.parametrize("status, text", [(401, "Unauthorized"), (404, "Not Found"), (503, "Service Unavailable")])
def test_another_answer_than_101_is_handed_on(start_daemon, server, status, text):
    server.refuse = (status, [("X-Reason", "closed for today")], b"sorry\n")
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(), "when": "manual"}],
    })
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="feed")
    assert refused.value.err == "HTTP-CLIENT-RECEIVE-ERROR"
    assert str(status) in refused.value.message
    response = refused.value.data["response"]
    assert (response["status"], response["reason"]) == (status, text)
    headers = {name.lower(): value for name, value in response["headers"].items()}
    assert headers["x-reason"] == "closed for today"


def test_connect_timeouts_name_what_took_too_long(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{
            "name": "feed", "url": bad_server.url("/silent"), "when": "manual", "upgrade_timeout": "100ms",
        }],
    })
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="feed")
    assert refused.value.err == "SOCKET-TIMEOUT"
    assert "100ms" in refused.value.message


def test_localhost_is_resolved_and_reached_whichever_family_answers(start_daemon, server):
    url = server.url().replace("127.0.0.1", "localhost")
    daemon = start_daemon({"connections": [{"name": "feed", "url": url}]})
    assert server.accept().headers["Host"] == f"localhost:{server.port}"
    info = daemon.wait_state("feed", "open")["call"]["info"]
    assert info["peer"] == f"127.0.0.1:{server.port}"


def test_node_ws_and_back(start_daemon, node_server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": node_server.url("/echo"), "protocols": ["echo"]}],
    })
    opened = node_server.wait_event("open")
    assert opened["headers"]["user-agent"].startswith("wsgated/")
    daemon.wait_state("feed", "open")
    assert daemon.status("feed")["call"]["info"]["protocol"] == "echo"
    daemon.ctl("send", "feed", "hallo", status=0)
    assert node_server.wait_event("message") == {"event": "message", "binary": False, "length": 5}
    daemon.ctl("disconnect", "feed", "4000", "enough", status=0)
    assert node_server.wait_event("close") == {"event": "close", "code": 4000, "reason": "enough"}
