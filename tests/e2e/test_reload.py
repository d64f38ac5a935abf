"""Reloading the configuration changes only what changed."""

import signal

import pytest

from harness.control import RpcError
from harness.subscriber import Lines
from harness.wait import wait_until


@pytest.fixture
def servers(make_server):
    return {name: make_server() for name in "abc"}


def connection(servers, name, **settings):
    return {"name": name, "url": servers[name].url(), **settings}


@pytest.fixture
def daemon(start_daemon, servers):
    daemon = start_daemon({
        "connections": [connection(servers, "a"), connection(servers, "b")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]}],
    })
    for name in "ab":
        servers[name].accept().send(f"from {name}")
        wait_until(lambda: daemon.call("stats", name=name)["messages_recv"] == 1)
    return daemon


def reload_by_signal(daemon):
    seen = len(daemon.notify.messages)
    daemon.signal(signal.SIGHUP)
    daemon.notify.wait_for("RELOADING=1", after=seen)
    daemon.notify.wait_for("READY=1", after=seen)


def reload_by_command(daemon):
    daemon.ctl("reload", status=0)


@pytest.fixture(params=[reload_by_signal, reload_by_command], ids=["SIGHUP", "command"])
def reload(request):
    return request.param


def test_what_has_not_changed_stays_open_with_its_counters(daemon, servers, reload):
    subscriber = Lines(daemon.path("all.sock"))
    wait_until(lambda: daemon.call("subscribers"))
    before = daemon.status("a")
    daemon.configure({
        "connections": [connection(servers, "a"), connection(servers, "b", headers={"X-New": "1"}),
                        connection(servers, "c")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]}],
    })
    reload(daemon)
    assert servers["c"].accept()
    assert servers["b"].peers[0].wait_closed()[0] == 1001
    assert servers["b"].accept().headers["X-New"] == "1"
    after = daemon.status("a")
    assert (after["state"], after["since"]) == ("open", before["since"])
    assert after["stats"]["messages_recv"] == 1
    assert after["stats"]["since"] == before["stats"]["since"]
    assert len(servers["a"].requests) == 1
    daemon.wait_state("c", "open")
    servers["a"].peers[0].send("still")
    assert subscriber.read_line() == b"still"
    servers["c"].peers[0].send("new one")
    assert subscriber.read_line() == b"new one"
    subscriber.close()


def test_reload_says_what_it_did(daemon, servers):
    daemon.configure({
        "connections": [connection(servers, "a", user_agent="other"), connection(servers, "c")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]},
                    {"name": "more", "path": "more.sock", "from": ["a"]}],
    })
    assert daemon.ctl_json("reload") == {
        "added": 1, "removed": 1, "changed": 1, "unchanged": 0,
        "outlets_added": 1, "outlets_removed": 0, "outlets_changed": 0, "restart": [], "warnings": [],
    }


def test_what_is_gone_is_closed(daemon, servers, reload):
    daemon.configure({
        "connections": [connection(servers, "a")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]}],
    })
    reload(daemon)
    assert servers["b"].peers[0].wait_closed()[0] == 1001
    wait_until(lambda: [line["name"] for line in daemon.call("list")] == ["a"])
    with pytest.raises(RpcError):
        daemon.status("b")


def test_settings_that_need_no_reconnect_do_without(daemon, servers, reload):
    daemon.configure({
        "connections": [connection(servers, "a", idle_timeout="1h", warn={"warning_ms": 5, "arg": "new"}),
                        connection(servers, "b")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]}],
    })
    reload(daemon)
    assert daemon.call("stats", name="a")["arg"] == "new"
    assert daemon.status("a")["stats"]["opens"] == 1
    assert len(servers["a"].requests) == 1


def test_outlets_come_and_go_and_keep_their_subscribers(daemon, servers, reload):
    subscriber = Lines(daemon.path("all.sock"))
    wait_until(lambda: daemon.call("subscribers"))
    daemon.configure({
        "connections": [connection(servers, "a"), connection(servers, "b")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"], "mode": "0600", "max_subscribers": 5},
                    {"name": "more", "path": "more.sock", "from": ["b"]}],
    })
    reload(daemon)
    assert (daemon.folder / "all.sock").stat().st_mode & 0o777 == 0o600
    more = Lines(daemon.path("more.sock"))
    wait_until(lambda: len(daemon.call("subscribers")) == 2)
    servers["b"].peers[0].send("to both")
    assert subscriber.read_line() == b"to both"
    assert more.read_line() == b"to both"
    daemon.configure({
        "connections": [connection(servers, "a"), connection(servers, "b")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]}],
    })
    reload(daemon)
    more.wait_end()
    assert not (daemon.folder / "more.sock").exists()
    servers["b"].peers[0].send("on")
    assert subscriber.read_line() == b"on"
    subscriber.close()
    more.close()


def test_an_outlet_of_another_format_is_made_anew(daemon, servers, reload):
    subscriber = Lines(daemon.path("all.sock"))
    wait_until(lambda: daemon.call("subscribers"))
    daemon.configure({
        "connections": [connection(servers, "a"), connection(servers, "b")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["a"], "format": "json"}],
    })
    reload(daemon)
    subscriber.wait_end()
    subscriber.close()
    with Lines(daemon.path("all.sock")) as again:
        wait_until(lambda: daemon.call("subscribers", outlet="all"))
        servers["a"].peers[0].send("x")
        assert again.read_line().startswith(b'{"seq":')
    assert len(servers["a"].requests) == 1
    # Nothing takes "b" now, so that it has an outlet of its own.
    assert (daemon.folder / "b.sock").exists()


def test_the_connections_of_an_outlet_change(daemon, servers, reload):
    subscriber = Lines(daemon.path("all.sock"))
    wait_until(lambda: daemon.call("subscribers"))
    daemon.configure({
        "connections": [connection(servers, "a"), connection(servers, "b")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["b"]}],
    })
    reload(daemon)
    servers["a"].peers[0].send("not here")
    wait_until(lambda: daemon.call("stats", name="a")["messages_recv"] == 2)
    servers["b"].peers[0].send("here")
    assert subscriber.read_line() == b"here"
    assert len(servers["a"].requests) == len(servers["b"].requests) == 1
    subscriber.close()


def test_a_broken_configuration_keeps_the_running_one(daemon, servers):
    daemon.file.write_text('connections = ( { name = "a"; url = "ws://x/"; colour = "red"; },\n { url = "ws://y/"; } );\n')
    done = daemon.ctl("reload", status=1)
    assert f"{daemon.file}:1:" in done.stderr and "colour" in done.stderr
    assert f"{daemon.file}:2:" in done.stderr and "name" in done.stderr
    reload_by_signal(daemon)
    daemon.wait_log("colour")
    assert [line["state"] for line in daemon.call("list")] == ["open", "open"]
    assert len(servers["a"].requests) == len(servers["b"].requests) == 1
    servers["a"].peers[0].send("still here")
    wait_until(lambda: daemon.call("stats", name="a")["messages_recv"] == 2)


def test_every_problem_of_a_reload_is_told_and_in_the_log(daemon):
    daemon.file.write_text("connections = (\n" + ",\n".join(
        f'{{ name = "c{number}"; url = "http://x/"; }}' for number in range(40)) + ");\n")
    done = daemon.ctl("reload", status=1)
    assert all(f"{daemon.file}:{line}:" in done.stderr for line in range(2, 42))
    daemon.wait_log("configuration not reloaded")
    daemon.wait_log(f"{daemon.file}:41:")
    assert all(f"{daemon.file}:{line}:" in daemon.log() for line in range(2, 42))


def test_an_outlet_that_cannot_be_made_keeps_the_running_configuration(daemon, servers):
    (daemon.folder / "more.sock").write_text("not a socket")
    daemon.configure({
        "connections": [connection(servers, "a"), connection(servers, "c")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]},
                    {"name": "more", "path": "more.sock", "from": ["a"]}],
    })
    done = daemon.ctl("reload", status=1)
    assert "more.sock" in done.stderr
    assert [(line["name"], line["state"]) for line in daemon.call("list")] == [("a", "open"), ("b", "open")]
    assert [line["name"] for line in daemon.call("outlets")] == ["all"]
    assert (daemon.folder / "more.sock").read_text() == "not a socket"


def test_many_reloads_leak_nothing(daemon, servers, reload):
    for number in range(20):
        daemon.configure({
            "connections": [connection(servers, "a"), connection(servers, "b", user_agent=f"agent/{number}")],
            "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]},
                        {"name": f"o{number}", "from": ["a"]}],
        })
        reload(daemon)
    assert servers["a"].peers[0].closed.is_set() is False
    assert len(daemon.call("outlets")) == 2


def test_the_log_level_is_reloaded(daemon, servers, reload):
    daemon.configure({
        "gateway": {"log": {"level": "err"}},
        "connections": [connection(servers, "a"), connection(servers, "b")],
        "outlets": [{"name": "all", "path": "all.sock", "from": ["*"]}],
    })
    reload(daemon)
    assert daemon.call("log") == {"level": "err"}
