"""Who may do what: the control socket for those it does not trust, and the observe socket."""

import os
import stat

import pytest

from harness.control import Rpc, RpcError
from harness.subscriber import Lines
from harness.wait import wait_until

NOBODY = 65534
SECRET = "not-for-your-eyes"

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def open_to_all(start_daemon, server):
    """A daemon whose sockets everybody may use, and whose defaults log in."""
    daemon = start_daemon({
        "gateway": {"control": {"mode": "0666"}, "observe": {"path": "observe.sock", "mode": "0666"}},
        "defaults": {"headers": {"X-Api-Key": SECRET}, "on_open": [SECRET], "username": "ann"},
        "connections": [{"name": "feed", "url": server.url(), "warn": {"warning_ms": 60_000}}],
    })
    daemon.wait_state("feed", "open")
    return daemon


@needs_root
@pytest.mark.parametrize("settings, word", [
    ({"on_open_file": "/etc/shadow"}, "on_open_file"),
    ({"header_files": {"X": "/etc/shadow"}}, "header_files"),
    ({"bearer_file": "/etc/shadow"}, "bearer_file"),
    ({"tls": {"keylog_file": "/tmp/keys"}}, "tls.keylog_file"),
    ({"on_open": ["%{HOME}"]}, "on_open[0]"),
    ({"url": "ws+unix:///run/docker.sock:/"}, "url"),
])
def test_others_name_no_files(open_to_all, settings, word):
    other = open_to_all.rpc_as(NOBODY)
    with pytest.raises(RpcError) as refused:
        other.call("add", **{"name": "mine", "url": "ws://127.0.0.1:1/", **settings})
    assert refused.value.err == "WEBSOCKET-ERROR"
    assert refused.value.message.startswith(f"{word}: only root and the daemon's user may ")
    assert [line["name"] for line in open_to_all.call("list")] == ["feed"]


@needs_root
def test_what_others_add_does_not_log_in(open_to_all, make_server):
    """They name the server, which would get the operator's key."""
    theirs, ours = make_server(), make_server()
    other = open_to_all.rpc_as(NOBODY)
    other.call("add", name="theirs", url=theirs.url(), headers={"X-Own": "1"})
    peer = theirs.accept()
    assert "X-Api-Key" not in peer.headers and "Authorization" not in peer.headers
    assert peer.headers["X-Own"] == "1"
    other.call("send", name="theirs", text="first")
    assert peer.receive() == "first"  # and not what is sent after opening
    open_to_all.call("add", name="ours", url=ours.url())
    peer = ours.accept()
    assert peer.headers["X-Api-Key"] == SECRET
    assert peer.receive() == SECRET


@needs_root
def test_what_subscribers_write_goes_to_no_server_of_others(start_daemon, make_server):
    ours, theirs = make_server(), make_server()
    daemon = start_daemon({
        "gateway": {"control": {"mode": "0666"}},
        "connections": [{"name": "ex-a", "url": ours.url()}],
        "outlets": [{"name": "orders", "from": ["ex-*"], "writable": True}, {"name": "all", "from": ["*"]}],
    })
    ours.accept()
    other = daemon.rpc_as(NOBODY)
    with pytest.raises(RpcError) as refused:
        other.call("add", name="ex-evil", url=theirs.url())
    assert refused.value.err == "WEBSOCKET-ERROR"
    assert refused.value.message == ("name: the outlet 'orders', which takes 'ex-evil', is writable: "
                                     "only root and the daemon's user may add connections to it")
    other.call("add", name="evil", url=theirs.url())
    with Lines(daemon.path("all.sock")) as reader:
        wait_until(lambda: daemon.call("subscribers", outlet="all"))
        theirs.accept().send("for those who read")
        assert reader.read_line() == b"for those who read"
    other.call("remove", name="ex-a")  # the name is no way in, either
    with pytest.raises(RpcError):
        other.call("add", name="ex-a", url=theirs.url())
    daemon.call("add", name="ex-b", url=ours.url())


@needs_root
def test_others_have_no_environment_sent(open_to_all):
    other = open_to_all.rpc_as(NOBODY)
    with pytest.raises(RpcError) as refused:
        other.call("on-open", name="feed", add="100%% %{HOME}")
    assert "only root" in refused.value.message
    assert other.call("on-open", name="feed", add="100%% %n") == ["100%% %n"]
    open_to_all.call("on-open", name="feed", add="%{HOME}")


@needs_root
def test_others_cannot_keep_the_operator_out(open_to_all):
    """Nor each other: a user has a share of the places, and root a reserve."""
    first = open_to_all.rpcs_as(NOBODY, 65)
    assert first[0].call("is-open", name="feed") is True
    assert first[64].read()["error"]["code"] == -32001
    others = [open_to_all.rpcs_as(NOBODY - user, 60) for user in range(1, 4)]
    assert others[2][55].call("is-open", name="feed") is True  # 240
    assert others[2][56].read()["error"]["code"] == -32001
    assert [open_to_all.rpc().call("version") for _ in range(16)]


def test_the_control_socket_is_for_the_daemons_user(open_to_all, start_daemon):
    daemon = start_daemon({"gateway": {"observe": {"path": "observe.sock"}}})
    for name in ("control.sock", "observe.sock"):
        assert stat.S_IMODE(os.stat(daemon.path(name)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(open_to_all.path("control.sock")).st_mode) == 0o666


def test_an_observer_changes_nothing(open_to_all):
    observer = Rpc(open_to_all.path("observe.sock"))
    for method in ("connect", "disconnect", "send", "ping", "on-open", "clear", "warn", "unwarn", "add", "remove",
                   "reload", "log"):
        with pytest.raises(RpcError) as refused:
            observer.call(method, name="feed")
        assert refused.value.code == -32601
        assert refused.value.message == f"method '{method}' is not available on the observe socket"
    with pytest.raises(RpcError) as refused:
        observer.call("warnings", take=True)
    assert refused.value.code == -32602
    for method in ("list", "config", "stats", "outlets", "subscribers", "warnings", "version"):
        assert observer.call(method) == open_to_all.call(method)
    assert observer.call("is-open", name="feed") is True
    observer.close()


def test_wsgatectl_observes(open_to_all):
    observe = open_to_all.path("observe.sock")
    assert "feed" in open_to_all.ctl("-s", observe, "list", status=0).stdout
    assert "open" in open_to_all.ctl("-s", observe, "status", "feed", status=0).stdout
    refused = open_to_all.ctl("-s", observe, "disconnect", "feed", status=1)
    assert "not available on the observe socket" in refused.stderr


def test_an_observer_sees_nothing_that_servers_write(start_daemon, bad_server):
    """Nor logins: header values, cookies, refusals, reasons, queries, user names."""
    refusal = bad_server.url("/status", line=f"403 {SECRET}", body=SECRET)
    closing = bad_server.url("/close", code=4000, reason=SECRET, token=SECRET)
    daemon = start_daemon({
        "gateway": {"observe": {"path": "observe.sock"}},
        "defaults": {"when": "manual", "reconnect": {"enabled": False}},
        "connections": [
            {"name": "refused", "url": refusal.replace("ws://", f"ws://user-{SECRET}:pw-{SECRET}@")},
            {"name": "closed", "url": closing},
        ],
        "outlets": [{"name": "out", "from": ["*"], "format": "json", "writable": True}],
    })
    observer = Rpc(daemon.path("observe.sock"))
    observer.call("events")
    reader = Lines(daemon.path("out.sock"))
    with pytest.raises(RpcError):
        daemon.call("connect", name="refused")
    daemon.call("connect", name="closed")
    wait_until(lambda: daemon.status("closed")["last_close"])
    reader.send(f"not JSON {SECRET}\n".encode())
    observer.event("input-error")
    seen = [observer.notifications, observer.call("list"), observer.call("status", name="refused"),
            observer.call("status", name="closed"), observer.call("warnings")]
    assert SECRET not in repr(seen), seen
    assert observer.call("status", name="refused")["call"]["response"] == {"status": 403}
    assert observer.call("list")[0]["last_error"] == "HTTP-CLIENT-RECEIVE-ERROR"
    assert SECRET in repr(daemon.status("refused"))
    observer.close()
    reader.close()


def test_an_observer_sees_neither_redirects_nor_certificates(start_daemon, make_server, nginx, server, authority):
    first, second = make_server(), make_server()
    first.refuse = 302, [("Location", second.url(f"/{SECRET}"))], b""
    secure = {"name": "tls", "url": nginx.url("good", server.port), "tls": {"ca_file": str(authority.ca_file)}}
    daemon = start_daemon({
        "gateway": {"observe": {"path": "observe.sock"}},
        "connections": [{"name": "feed", "url": first.url("/ours")}, secure],
    })
    observer = Rpc(daemon.path("observe.sock"))
    for name in ("feed", "tls"):
        daemon.wait_state(name, "open")
    seen = observer.call("status", name="feed")
    assert SECRET in daemon.status("feed")["call"]["info"]["url"]
    assert SECRET not in repr(seen)
    assert seen["call"]["info"]["url"] is None
    assert seen["call"]["info"]["redirects"] == [first.url("/ours")]
    tls = observer.call("status", name="tls")["call"]["info"]["tls"]
    assert tls["certificate"] is None and tls["alpn"] is None
    assert tls["version"].startswith("TLS") and daemon.status("tls")["call"]["info"]["tls"]["certificate"]
    observer.close()


def test_queries_are_shown_to_nobody(start_daemon, server, bad_server):
    """A token in a URL is not in what the log, answers, events and records say of it."""
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": f"{server.url()}?token={SECRET}"}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["*"], "format": "json", "start": "oldest"}],
    })
    follower = daemon.rpc()
    follower.call("events")
    assert server.accept().path.endswith(f"?token={SECRET}")
    daemon.wait_state("feed", "open")
    reader = Lines(daemon.path("out.sock"))
    opened = reader.read_line()
    assert b'"type":"open"' in opened and "?…".encode() in opened
    assert daemon.call("list")[0]["url"].endswith("/?…")
    told = [opened.decode(), daemon.call("list"), daemon.status("feed"), follower.notifications]
    with pytest.raises(RpcError) as refused:
        daemon.call("add", name="x", url=f"ftp://h/?token={SECRET}")
    said = daemon.ctl("--json", "list", status=0).stdout
    assert SECRET not in repr([*told, refused.value.data, refused.value.message, said, daemon.log()])
    reader.close()


def test_tokens_in_user_names_and_subprotocols_are_shown_to_nobody(start_daemon, make_server):
    """A server that picks the subprotocol with the token does not spread it."""
    server = make_server(subprotocols=[f"bearer.{SECRET}"])
    url = server.url().replace("ws://", f"ws://{SECRET}@")
    daemon = start_daemon({
        "gateway": {"control": {"mode": "0666"}, "log": {"level": "debug"}},
        "connections": [{"name": "feed", "url": url, "protocols": ["v1", f"bearer.{SECRET}"]}],
        "outlets": [{"name": name, "from": ["*"], "format": name, "start": "oldest"} for name in ("json", "frames")],
    })
    follower = daemon.rpc()
    follower.call("events")
    assert server.accept().subprotocol == f"bearer.{SECRET}"
    daemon.wait_state("feed", "open")
    daemon.call("connect", name="feed")
    assert follower.event("open")["protocol_number"] == 2
    reader = Lines(daemon.path("json.sock"))
    opened = reader.read_line()
    assert b'"protocol_number":2' in opened
    problems = daemon.ctl("add", "x", url, f'protocols=["{SECRET}","{SECRET}"]', status=1).stderr
    assert "subprotocols 1 and 2 are the same" in problems
    fragment = daemon.ctl("add", "x", f"ws://127.0.0.1/#{SECRET}", status=1).stderr
    assert "#…" in fragment
    told = [opened.decode(), daemon.call("list"), follower.notifications, problems, fragment, daemon.log()]
    assert SECRET not in repr(told)
    assert daemon.status("feed")["call"]["info"]["protocol"] == f"bearer.{SECRET}"  # root may read the settings
    reader.close()
    if os.getuid() == 0:
        other = daemon.rpc_as(NOBODY)
        answer = other.call("connect", name="feed")
        assert answer["info"]["protocol"] is None and answer["response"]["status"] == 101
        assert SECRET not in repr([answer, other.call("status", name="feed")])


def test_warnings_are_taken_once(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": bad_server.url("/slow-head", ms=20), "when": "manual",
                         "warn": {"warning_ms": 5, "queue": 3}}],
    })
    for _ in range(3):
        daemon.call("connect", name="feed")
    queued = daemon.call("warnings", name="feed")
    assert 3 == len(queued) and "arg" not in queued[0]
    numbers = [warning["seq"] for warning in queued]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert daemon.call("warnings", name="feed", after=numbers[0]) == queued[1:]
    assert daemon.call("warnings", after=numbers[2]) == []
    assert daemon.call("warnings", take=True) == queued
    assert daemon.call("warnings", take=True) == []
    daemon.call("connect", name="feed")
    assert daemon.call("warnings")[0]["seq"] == numbers[2] + 1
    taken = daemon.ctl("--json", "warnings", "--take", status=0).stdout
    assert f'"seq":{numbers[2] + 1},' in taken
    assert daemon.status("feed")["warnings"]["queued"] == 0
    with pytest.raises(RpcError) as refused:
        daemon.call("warnings", take=True, after=1)
    assert refused.value.code == -32602
