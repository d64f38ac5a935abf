"""Whatever depends on the system is looked at before anything old goes."""

import concurrent.futures
import contextlib
import fcntl
import grp
import os
import pathlib
import signal
import socket
import stat
import subprocess

import pytest

from harness.control import Rpc, RpcError
from harness.subscriber import Lines
from harness.wait import wait_until

UNKNOWN = "nobody-knows-this-group"


def settings(server, *outlets, **gateway):
    return {"gateway": gateway, "connections": [{"name": "feed", "url": server.url()}], "outlets": list(outlets)}


def outlet(name, **more):
    return {"name": name, "from": ["feed"], **more}


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def daemon(start_daemon, server):
    daemon = start_daemon(settings(server, outlet("one"), outlet("two"), control={"mode": "0600"}))
    server.accept()
    daemon.wait_state("feed", "open")
    return daemon


@pytest.fixture
def subscriber(daemon):
    with Lines(daemon.path("one.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers", outlet="one"))
        yield subscriber


def check_untouched(daemon, server, subscriber):
    server.peers[0].send("still here")
    assert subscriber.read_line() == b"still here"
    assert len(server.requests) == 1
    assert [line["name"] for line in daemon.call("outlets")] == ["one", "two"]
    assert sorted(path.name for path in daemon.folder.iterdir() if path.is_socket() and path.name != "notify") == [
        "control.sock", "one.sock", "two.sock"]


@pytest.mark.parametrize("change", [{}, {"format": "json"}, {"ring": "64K"}, {"path": "other.sock"}])
def test_an_unknown_group_takes_nothing_away(daemon, server, subscriber, change):
    daemon.configure(settings(server, outlet("one", group=UNKNOWN, **change), outlet("two")))
    with pytest.raises(RpcError) as error:
        daemon.call("reload")
    assert error.value.err == "SETTINGS-ERROR"
    (problem,) = error.value.data["problems"]
    assert problem.startswith(f"{daemon.file}:") and problem.endswith(
        f"outlets[0].group: no group named '{UNKNOWN}'")
    daemon.wait_log(problem)
    check_untouched(daemon, server, subscriber)
    daemon.stop()
    assert daemon.run("-t", status=1).stderr == problem + "\n"
    assert problem in daemon.run(status=1).stderr


def test_all_that_is_wrong_is_told_at_once(daemon, server, subscriber):
    (daemon.folder / "file.sock").write_text("not a socket")
    daemon.configure(settings(
        server, outlet("one", owner="nobody-of-this-name"), outlet("two", group=UNKNOWN), outlet("file"),
        outlet("far", path=str(daemon.folder / "none" / "far.sock")),
    ))
    with pytest.raises(RpcError) as error:
        daemon.call("reload")
    problems = error.value.data["problems"]
    assert len(problems) == 4
    for problem, words in zip(problems, ["outlets[0].owner", "outlets[1].group", "outlets[2]", "outlets[3].path"]):
        assert problem.startswith(f"{daemon.file}:") and words in problem
        daemon.wait_log(problem)
    check_untouched(daemon, server, subscriber)


def test_what_fails_last_undoes_what_came_before(daemon, server, subscriber):
    """Only binding tells that another process listens there: by then the others have been prepared."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(daemon.path("taken.sock"))
        other.listen()
        inodes = {name: os.stat(daemon.path(name)).st_ino for name in ("one.sock", "two.sock")}
        daemon.configure(settings(
            server, outlet("one", format="json"), outlet("two", mode="0666"), outlet("new"), outlet("taken"),
            control={"mode": "0666"},
        ))
        with pytest.raises(RpcError) as error:
            daemon.call("reload")
        (problem,) = error.value.data["problems"]
        assert problem.startswith(f"{daemon.file}:") and "outlets[3]: " in problem
        assert "another process is listening there" in problem
        os.unlink(daemon.path("taken.sock"))
    assert {name: os.stat(daemon.path(name)).st_ino for name in inodes} == inodes
    assert (mode(daemon.path("two.sock")), mode(daemon.path("control.sock"))) == (0o660, 0o600)
    check_untouched(daemon, server, subscriber)
    daemon.call("reload")
    assert (mode(daemon.path("two.sock")), mode(daemon.path("control.sock"))) == (0o666, 0o666)
    subscriber.wait_end()


def test_an_outlet_is_replaced_in_one_step(daemon, server, subscriber):
    """There is no moment at which its path leads nowhere."""
    missed = []
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", f"""
import os, socket, sys
print("ready", flush=True)
while not os.path.exists({daemon.path("enough")!r}):
    try:
        socket.socket(socket.AF_UNIX).connect({daemon.path("one.sock")!r})
    except OSError as error:
        print(error, flush=True)
"""], stdout=subprocess.PIPE, text=True) as prober:
        assert prober.stdout.readline() == "ready\n"
        for number in range(20):
            daemon.configure(settings(
                server, outlet("one", format=("json", "lines")[number % 2], max_subscribers=1000000), outlet("two")))
            daemon.call("reload")
        pathlib.Path(daemon.path("enough")).touch()
        missed = prober.stdout.readlines()
    assert not missed
    assert [path.name for path in daemon.folder.iterdir() if path.name.startswith(".")] == []


def test_what_needs_a_restart_is_said_and_stays(daemon, server, subscriber):
    daemon.configure(settings(
        server, outlet("one"), outlet("two"), outlet("three", **{"from": ["none*"]}), runtime_dir="/nowhere/at/all",
        dns=["127.0.0.1:1"], control={"path": "other.sock", "mode": "0640"},
        observe={"path": "observe.sock", "group": grp.getgrgid(os.getgid()).gr_name},
    ))
    done = daemon.ctl("reload", status=0)
    for name in ("gateway.runtime_dir", "gateway.control.path", "gateway.observe.path", "gateway.dns"):
        assert f"{name}: the change takes effect with the next restart" in done.stderr
        daemon.wait_log(f"{name}: the change takes effect with the next restart")
    assert "no connection matches 'none*'" in done.stderr
    result = daemon.call("reload")
    assert result["restart"] == ["gateway.runtime_dir", "gateway.control.path", "gateway.observe.path", "gateway.dns"]
    assert mode(daemon.path("control.sock")) == 0o640
    assert (daemon.folder / "three.sock").is_socket()
    server.peers[0].send("on")
    assert subscriber.read_line() == b"on"


def test_signals_in_a_row_are_reloads_in_order(daemon):
    seen = len(daemon.notify.messages)
    for _ in range(30):
        daemon.signal(signal.SIGHUP)
    daemon.call("reload")

    def states():
        return [message.split("\n")[0].split("=")[0] for message in daemon.notify.messages[seen:]
                if message.startswith(("RELOADING=", "READY="))]

    wait_until(lambda: len(states()) >= 2 and len(states()) % 2 == 0)
    assert states() == ["RELOADING", "READY"] * (len(states()) // 2)


def test_the_end_does_not_wait_for_a_reload(daemon):
    daemon.signal(signal.SIGHUP)
    daemon.stop()
    assert "READY=1" not in daemon.notify.messages[daemon.notify.messages.index(next(
        message for message in daemon.notify.messages if message.startswith("STOPPING="))):]


def test_a_test_leaves_a_running_daemon_alone(daemon, server, subscriber):
    before = {path.name: path.stat().st_ino for path in daemon.folder.iterdir()}
    assert daemon.run("-t", status=0).stdout == f"{daemon.file}: fine: 1 connection, 2 outlets\n"
    assert {path.name: path.stat().st_ino for path in daemon.folder.iterdir()} == before
    check_untouched(daemon, server, subscriber)


def test_what_is_piped_into_a_test(make_daemon):
    daemon = make_daemon()
    text = daemon.file.read_text()
    for good, status in ((text, 0), ("colour = 1;\n", 1)):
        done = subprocess.run([daemon.program, "-t", "-c", "/dev/stdin"], input=good, capture_output=True, text=True,
                              timeout=20)
        assert done.returncode == status, done.stderr
    assert "/dev/stdin:1: colour: unknown setting" in done.stderr


@pytest.mark.parametrize("arguments", [["-t"], []])
@pytest.mark.parametrize("place", ["main", "include", "conf.d"])
def test_a_fifo_hangs_nothing(make_daemon, arguments, place):
    daemon = make_daemon()
    if place == "main":
        fifo = daemon.file
        daemon.file.unlink()
    elif place == "include":
        fifo = daemon.folder / "more"
        daemon.file.write_text('@include "more"\n')
    else:
        fifo = daemon.folder / "conf.d" / "a.conf"
        fifo.parent.mkdir()
    os.mkfifo(fifo)
    said = daemon.run(*arguments, status=1).stderr
    assert f"{fifo}: is a FIFO, not a regular file" in said


def test_a_nul_in_a_string_is_told(make_daemon):
    daemon = make_daemon()
    daemon.file.write_text('connections = ( { name = "a"; url = "ws://x/";\n  headers = { X = "k\\x00ey"; }; } );\n')
    assert f"{daemon.file}:2: a string cannot have a NUL character" in daemon.run("-t", status=1).stderr


def test_a_test_as_another_user_says_what_it_cannot_see(make_daemon, server, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    daemon = make_daemon(settings(server, outlet("one")))
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o600)
    daemon.configure({"connections": [{"name": "feed", "url": server.url(), "bearer_file": str(token)}]})
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_mode & 0o005 != 0o005:
            token = pathlib.Path(daemon.folder, "token")
    token.write_text("secret\n")
    token.chmod(0o600)
    daemon.configure({"connections": [{"name": "feed", "url": server.url(), "bearer_file": str(token)}]})
    daemon.folder.chmod(0o755)
    daemon.file.chmod(0o644)
    done = daemon.run("-t", status=0, user=65534, group=65534, extra_groups=[])
    assert f"unchecked, as user 65534: {token} cannot be read: Permission denied" in done.stderr
    assert f"unchecked, as user 65534: cannot create a socket in {daemon.folder}: Permission denied" in done.stderr
    assert "fine: 1 connection, 1 outlet\n" in done.stdout


@pytest.mark.parametrize("header", ["Upgrade: x", "bad name: x", "X-A: a\x01b"])
def test_a_header_that_cannot_be_sent_closes_nothing(daemon, server, subscriber, header):
    done = daemon.ctl("connect", "feed", "-H", header, status=1)
    assert header.split(":")[0] in done.stderr
    check_untouched(daemon, server, subscriber)
    assert daemon.status("feed")["state"] == "open"


def test_a_file_that_has_gone_bad_closes_nothing(start_daemon, server, tmp_path):
    token = tmp_path / "token"
    token.write_text("to-ken\n")
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url(), "bearer_file": str(token)}]})
    server.accept()
    daemon.wait_state("feed", "open")
    token.unlink()
    with pytest.raises(RpcError, match="bearer_file"):
        daemon.call("connect", name="feed")
    status = daemon.status("feed")
    assert (status["state"], status["stats"]["opens"], len(server.requests)) == ("open", 1, 1)


@pytest.mark.parametrize("name", ["one.sock", "control.sock"])
def test_a_link_in_the_place_of_a_socket_is_not_followed(daemon, server, name):
    victim = daemon.folder / "victim"
    victim.write_text("private")
    victim.chmod(0o600)
    with daemon.rpc() as rpc:
        os.rename(daemon.path(name), daemon.path("moved"))
        os.symlink(victim, daemon.path(name))
        daemon.configure(settings(server, outlet("one", mode="0666"), outlet("two"), control={"mode": "0666"}))
        with pytest.raises(RpcError) as error:
            rpc.call("reload")
        assert "victim" not in error.value.message and name in str(error.value.data["problems"])
        assert mode(victim) == 0o600
        os.rename(daemon.path("moved"), daemon.path(name))


def test_a_link_in_the_place_of_a_socket_is_not_removed(make_daemon, server):
    daemon = make_daemon(settings(server, outlet("one"))).start()
    victim = daemon.folder / "victim"
    victim.write_text("kept")
    os.unlink(daemon.path("one.sock"))
    os.symlink(victim, daemon.path("one.sock"))
    daemon.stop()
    assert victim.read_text() == "kept"
    assert pathlib.Path(daemon.path("one.sock")).is_symlink()


def test_of_two_daemons_one_gets_the_sockets_of_a_dead_one(make_daemon, server):
    daemon = make_daemon(settings(server, outlet("one"))).start()
    daemon.kill()
    assert (daemon.folder / "one.sock").is_socket()
    others = [subprocess.Popen([daemon.program, "-c", str(daemon.file)], stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "NOTIFY_SOCKET": ""}) for _ in range(4)]
    try:
        wait_until(lambda: sum(other.poll() is None for other in others) <= 1)
        alive = [other for other in others if other.poll() is None]
        assert len(alive) == 1
        wait_until(lambda: (daemon.folder / "control.sock").exists() and daemon.call("version"))
        assert daemon.call("version")["pid"] == alive[0].pid
        with Lines(daemon.path("one.sock")):
            wait_until(lambda: daemon.call("subscribers", outlet="one"))
        for other in others:
            if other not in alive:
                assert other.returncode == 1
                assert "another process is" in other.stderr.read()
    finally:
        for other in others:
            if other.poll() is None:
                other.terminate()
            other.wait(20)
            other.stderr.close()


def test_a_drain_timeout_beyond_that_of_the_unit_is_pointed_out(make_daemon):
    daemon = make_daemon({"gateway": {"drain_timeout": "31s"}})
    assert "drain_timeout: is longer than TimeoutStopSec=30 of the unit" in daemon.run("-t", status=0).stderr
    daemon.configure({"gateway": {"drain_timeout": "30s"}})
    assert daemon.run("-t", status=0).stderr == ""


@contextlib.contextmanager
def locked(folder):
    """As if another daemon were starting there, and did not get on."""
    path = folder / ".wsgated.lock"
    with open(path, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
        path.unlink()


@pytest.fixture
def halfway(daemon, server):
    """A reload that has made one socket, and waits for a lock to make the other."""
    folder = daemon.folder / "sub"
    folder.mkdir()
    daemon.configure(settings(server, outlet("one", format="json"), outlet("two"), outlet("three"),
                              outlet("far", path=str(folder / "far.sock"))))
    with locked(folder), concurrent.futures.ThreadPoolExecutor(2) as executor:
        reload = executor.submit(daemon.ctl, "reload")
        wait_until((daemon.folder / "three.sock").is_socket)
        yield daemon, reload, executor


def test_a_locked_folder_holds_up_nobody_else(server, subscriber, halfway):
    """The waiting is not done in the event loop, and not once for each socket."""
    daemon, reload, _ = halfway
    answers = 0
    while not reload.done():
        assert [line["name"] for line in daemon.call("outlets")] == ["one", "two"]
        answers += 1
    assert answers > 20
    assert reload.result().returncode == 1 and "far.sock: another process holds the lock file" in reload.result().stderr
    check_untouched(daemon, server, subscriber)


def test_what_adds_or_removes_waits_for_a_reload(halfway, server):
    """And so does what the same client asks for behind it; but nobody else."""
    daemon, reload, executor = halfway

    def change():
        with Rpc(daemon.path("control.sock")) as client:
            return [client.call("add", name="more", url=server.url(), when="manual"),
                    client.call("is-open", name="more"), client.call("remove", name="more")]

    changes = executor.submit(change)
    assert daemon.call("version")
    assert [line["name"] for line in daemon.call("list")] == ["feed"]
    assert not changes.done()
    (daemon.folder / "sub" / ".wsgated.lock").rename(daemon.folder / "elsewhere")
    assert reload.result().returncode == 0, reload.result().stderr
    assert changes.result() == [True, False, True]
    assert (daemon.folder / "sub" / "far.sock").is_socket()
    (daemon.folder / "sub" / ".wsgated.lock").touch()


def test_the_end_undoes_what_waits_for_a_lock(halfway):
    daemon, reload, _ = halfway
    daemon.stop()
    assert reload.result().returncode != 0
    assert [path.name for path in daemon.folder.iterdir() if path.is_socket() and path.name != "notify"] == []


def test_add_says_that_the_folder_is_locked(daemon, server):
    with locked(daemon.folder), pytest.raises(RpcError) as error:
        daemon.call("add", name="more", url=server.url())
    assert error.value.err == "LOCKED" and "another process holds the lock file" in error.value.message
    daemon.call("add", name="more", url=server.url(), when="manual")
