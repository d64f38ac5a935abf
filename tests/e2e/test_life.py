"""Starting, running under a service manager, and stopping."""

import json
import os
import resource
import signal
import socket
import subprocess

import pytest

from harness.subscriber import Json, Lines
from harness.wait import wait_until


def feed(server, **settings):
    return {"connections": [{"name": "feed", "url": server.url(), **settings}]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_every_connection_with_1001(start_daemon, make_server, number):
    servers = [make_server() for _ in range(3)]
    daemon = start_daemon({
        "connections": [{"name": f"c{at}", "url": server.url()} for at, server in enumerate(servers)],
    })
    peers = [server.accept() for server in servers]
    daemon.signal(number)
    assert [peer.wait_closed()[0] for peer in peers] == [1001] * 3
    assert daemon.process.wait(10) == 0
    assert not [name for name in os.listdir(daemon.folder) if name.endswith(".sock")]


def test_subscribers_get_the_rest_before_the_end(start_daemon, server):
    settings = feed(server)
    settings["outlets"] = [{"name": "out", "path": "out.sock", "from": ["feed"], "format": "json", "ring": "4M"}]
    daemon = start_daemon(settings)
    peer = server.accept()
    daemon.wait_state("feed", "open")
    subscriber = Json(daemon.path("out.sock"), receive_buffer=4096)
    wait_until(lambda: daemon.call("subscribers"))
    peer.send_all(f"{number}".ljust(1000) for number in range(2000))
    wait_until(lambda: daemon.call("stats", name="feed")["messages_recv"] == 2000)
    daemon.signal(signal.SIGTERM)
    records = [json.loads(line) for line in subscriber.read_to_end().splitlines()]
    subscriber.close()
    texts = [record["data"] for record in records if record["type"] == "text"]
    assert texts == [f"{number}".ljust(1000) for number in range(2000)]
    assert records[-1]["type"] == "close" and records[-1]["code"] == 1001
    daemon.process.wait(10)


def test_a_subscriber_that_never_reads_cannot_hold_up_the_end(start_daemon, server):
    settings = feed(server)
    settings["gateway"] = {"drain_timeout": "300ms"}
    daemon = start_daemon(settings)
    peer = server.accept()
    daemon.wait_state("feed", "open")
    with Lines(daemon.path("feed.sock"), receive_buffer=4096):
        wait_until(lambda: daemon.call("subscribers"))
        peer.send_all("x" * 1000 for _ in range(2000))
        wait_until(lambda: daemon.call("stats", name="feed")["messages_recv"] == 2000)
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait(5) == 0


def test_a_server_that_never_answers_cannot_hold_up_the_end(start_daemon, bad_server):
    daemon = start_daemon({
        "gateway": {"drain_timeout": "300ms"},
        "connections": [{"name": "feed", "url": bad_server.url("/deaf")},
                        {"name": "silent", "url": bad_server.url("/silent")}],
    })
    daemon.wait_state("feed", "open")
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(5) == 0


def test_the_service_manager_is_told(start_daemon, server):
    daemon = start_daemon(feed(server), environment={"WATCHDOG_USEC": "100000"})
    server.accept()
    assert "READY=1" in daemon.notify.messages
    daemon.notify.wait_for("STATUS=1 of 1 connections open")
    seen = len(daemon.notify.messages)
    daemon.notify.wait_for("WATCHDOG=1", after=seen)
    seen = len(daemon.notify.messages)
    daemon.signal(signal.SIGHUP)
    daemon.notify.wait_for("RELOADING=1", after=seen)
    daemon.notify.wait_for("MONOTONIC_USEC=", after=seen)
    daemon.notify.wait_for("READY=1", after=seen)
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING=1")


def test_it_is_ready_before_its_servers_are(start_daemon, bad_server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": bad_server.url("/silent")}]})
    assert daemon.status("feed")["state"] in ("connecting", "upgrading")


def test_the_sockets_of_a_dead_instance_are_replaced(start_daemon, server):
    daemon = start_daemon(feed(server))
    server.accept()
    daemon.kill()
    assert os.path.exists(daemon.path("control.sock")) and os.path.exists(daemon.path("feed.sock"))
    daemon.start()
    peer = server.accept()
    with Lines(daemon.path("feed.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        peer.send("again")
        assert subscriber.read_line() == b"again"


def test_those_of_a_living_instance_are_not(start_daemon, server):
    daemon = start_daemon(feed(server))
    peer = server.accept()
    done = subprocess.run([daemon.program, "-c", str(daemon.file)], capture_output=True, text=True, timeout=20,
                          env={k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"})
    assert done.returncode == 1
    assert ".sock" in done.stderr
    with Lines(daemon.path("feed.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        peer.send("unharmed")
        assert subscriber.read_line() == b"unharmed"
    assert len(server.requests) == 1


def test_another_file_in_the_place_of_a_socket_is_left_alone(make_daemon, server):
    daemon = make_daemon(feed(server))
    (daemon.folder / "feed.sock").write_text("precious")
    daemon.spawn()
    assert daemon.process.wait(15) == 1
    assert "feed.sock" in daemon.log()
    assert (daemon.folder / "feed.sock").read_text() == "precious"
    daemon.process = None


ENDING = ["SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT",
          "SIGXFSZ", "SIGRTMIN", "SIGRTMAX"]


def test_signals_for_nothing_do_not_end_it(start_daemon, server):
    daemon = start_daemon(feed(server))
    server.accept()
    for name in ENDING:
        daemon.signal(getattr(signal, name, 16))  # Python has no name for SIGSTKFLT before 3.11
    daemon.wait_state("feed", "open")
    assert daemon.process.poll() is None


def test_a_limit_on_the_size_of_files_does_not_end_it(start_daemon, server):
    """A ring cannot be made then (SIGXFSZ): its messages are lost, and the log says so."""
    settings = {**feed(server), "gateway": {"log": {"level": "info"}}}
    daemon = start_daemon(settings, prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
    peer = server.accept()
    with Lines(daemon.path("feed.sock")):
        wait_until(lambda: daemon.call("subscribers"))
        peer.send("one")
        daemon.wait_log("outlet feed: messages are lost: ")
        peer.send("two")
        wait_until(lambda: daemon.call("stats", name="feed")["messages_recv"] == 2)


def keep(*numbers):
    """What the child does before it becomes the daemon: the signals are sent, but do not arrive before."""

    def prepare():
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        for number in numbers:
            os.kill(os.getpid(), number)

    return prepare


def test_a_hangup_while_it_starts_reloads(start_daemon, server):
    daemon = start_daemon(feed(server), prepare=keep(signal.SIGHUP))
    daemon.wait_log("configuration reloaded")
    server.accept()
    daemon.wait_state("feed", "open")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts_ends_it_in_order(make_daemon, server, number):
    daemon = make_daemon(feed(server), prepare=keep(number))
    daemon.spawn()
    assert daemon.process.wait(15) == 0
    assert f"stopping on {number.name}" in daemon.log() and "notice: stopped\n" in daemon.log()
    assert not [name for name in os.listdir(daemon.folder) if name.endswith(".sock")]


def heeds(pid, number):
    """Whether the process keeps the signal for later, or handles it."""
    with open(f"/proc/{pid}/status") as status:
        masks = [int(line.split()[1], 16) for line in status if line.startswith(("SigBlk:", "SigCgt:"))]
    return any(mask & 1 << (number - 1) for mask in masks)


def test_hangups_at_any_time_do_not_end_it(make_daemon, server):
    """From the first moment of main() on; before it there is no program yet that could say no."""
    for _ in range(15):
        daemon = make_daemon(feed(server))
        daemon.spawn()
        wait_until(lambda: heeds(daemon.process.pid, signal.SIGHUP), interval=0)
        for _ in range(200):
            daemon.signal(signal.SIGHUP)
            if "READY=1" in daemon.notify.messages:
                break
        daemon.wait_log("configuration reloaded")
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGHUP)  # nor while it stops
        assert daemon.process.wait(15) == 0, daemon.log()


def test_signals_that_were_blocked_get_through(start_daemon, server):
    """Whoever starts it may have blocked anything: it can be stopped all the same."""
    daemon = start_daemon(feed(server), prepare=lambda: signal.pthread_sigmask(
        signal.SIG_SETMASK, range(1, signal.NSIG)))
    server.accept()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(15) == 0


def test_text_logs_have_priorities_and_names(start_daemon, server):
    daemon = start_daemon({**feed(server), "gateway": {"log": {"format": "text"}}})
    server.accept()
    daemon.wait_state("feed", "open")
    server.peers[0].abort()
    daemon.wait_log("warning: connection feed:")
    lines = daemon.log().splitlines()
    assert any(line.startswith("notice: connection feed: open") for line in lines)
    assert all(line.split(":")[0] in ("err", "warning", "notice", "info", "debug") for line in lines), lines


def test_json_logs(start_daemon, server):
    daemon = start_daemon({**feed(server), "gateway": {"log": {"format": "json"}}})
    server.accept()
    daemon.wait_log('"connection":"feed"')
    lines = [json.loads(line) for line in daemon.log().splitlines()]
    opened = next(line for line in lines if line["message"].startswith("open"))
    assert (opened["connection"], opened["level"]) == ("feed", "notice")
    assert opened["time"].endswith("Z")


def test_quiet_levels_are_quiet(start_daemon, server):
    daemon = start_daemon({**feed(server), "gateway": {"log": {"level": "err"}}})
    server.accept().abort()
    server.accept()
    daemon.wait_state("feed", "open")
    daemon.stop()
    assert daemon.log() == ""


def test_a_server_that_is_down_does_not_fill_the_log(start_daemon, server):
    server.refuse_connections()
    daemon = start_daemon({
        **feed(server, reconnect={"min": "10ms", "max": "10ms"}), "gateway": {"log": {"level": "info"}},
    })
    wait_until(lambda: daemon.status("feed")["stats"]["failures"] >= 30)
    daemon.stop()
    assert daemon.log().count("Connection refused") <= 2


def test_restarting_on_a_reader_less_stderr_is_no_crash(make_daemon, server):
    """Whoever reads the log may go away."""
    daemon = make_daemon(feed(server))
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "NOTIFY_SOCKET": daemon.notify.path}
    daemon.process = subprocess.Popen([daemon.program, "-c", str(daemon.file)], stdin=subprocess.DEVNULL,
                                      stderr=writer, env=environment)
    os.close(writer)
    server.accept()
    daemon.wait_state("feed", "open")
    daemon.stop()


def test_one_that_subscribes_while_it_stops(start_daemon, bad_server):
    daemon = start_daemon({
        "gateway": {"drain_timeout": "1s"}, "connections": [{"name": "feed", "url": bad_server.url("/deaf")}],
    })
    daemon.wait_state("feed", "open")
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING=1")
    late = socket.socket(socket.AF_UNIX)
    try:
        late.connect(daemon.path("feed.sock"))
    except OSError:
        pass  # it listens no more
    assert daemon.process.wait(10) == 0
    late.close()


def test_each_that_is_cut_off_at_the_end_is_told(start_daemon, bad_server):
    names = [f"c{number}" for number in range(20)]
    daemon = start_daemon({
        "gateway": {"drain_timeout": "300ms"},
        "connections": [{"name": name, "url": bad_server.url("/deaf"), "close_timeout": "20s"} for name in names],
    })
    for name in names:
        daemon.wait_state(name, "open")
    daemon.stop()
    closed = [name for name in names if f"connection {name}: closed: 1001: " in daemon.log()]
    assert closed == names


def test_a_second_signal_ends_it_at_once(start_daemon, bad_server):
    daemon = start_daemon({
        "gateway": {"drain_timeout": "1h"},
        "connections": [{"name": "feed", "url": bad_server.url("/deaf"), "close_timeout": "1h"}],
    })
    daemon.wait_state("feed", "open")
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING=1")
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(10) == 0


def test_a_service_manager_that_does_not_read_holds_nothing_up(make_daemon, server, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        daemon = make_daemon(feed(server), environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        daemon.spawn()
        daemon.wait_log("started")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    filler.sendto(b"STATUS=", manager.getsockname())
        for _ in range(20):
            daemon.call("reload")
            assert daemon.call("is-open", name="feed") is True
