"""Messages from subscribers and control clients: how they end, how large they may be, and the memory for them."""

import json
import socket
import subprocess
import sys

import pytest

from harness.subscriber import Lines, Subscriber
from harness.wait import wait_until

MIB = 1 << 20

# Another process: begins a line in each of many connections, and leaves them open.
UNFINISHED = """
import socket, sys
path, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sockets = []
for _ in range(count):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    try:
        s.sendall(b"x" * size)
    except OSError:
        pass  # given up
    sockets.append(s)
print("sent", flush=True)
sys.stdin.read()
"""


def hub(server, format="lines", gateway=None, **connection):
    return {
        "gateway": gateway or {},
        "connections": [{"name": "hub", "url": server.url(), **connection}],
        "outlets": [{"name": "hub", "from": ["hub"], "format": format, "writable": True, "path": "hub.sock"}],
    }


@pytest.fixture
def open_hub(start_daemon, server):
    """A daemon with one writable outlet, and the server's end of its connection."""

    def open_hub(format="lines", **settings):
        daemon = start_daemon(hub(server, format, **settings))
        peer = server.accept()
        daemon.wait_state("hub", "open")
        return daemon, peer

    return open_hub


# --- the end


@pytest.mark.parametrize("format, sent", [("lines", "hello"), ("json", json.dumps({"data": "hello"}))])
def test_the_last_line_needs_no_newline(open_hub, format, sent):
    daemon, peer = open_hub(format)
    address = f"UNIX-CONNECT:{daemon.path('hub.sock')}"
    subprocess.run(["socat", "-t", "0", "-", address], input=sent.encode(), timeout=20, check=True)
    assert peer.receive() == "hello"
    subprocess.run(["socat", "-u", "-", address], input=b"whole\n" + sent.encode(), timeout=20, check=True)
    if format == "lines":
        assert peer.receive() == "whole"
    assert peer.receive() == "hello"


def test_bad_input_is_in_the_log_without_its_content(open_hub):
    daemon, _ = open_hub("json")
    with Subscriber(daemon.path("hub.sock")) as subscriber:
        subscriber.send(b'{"data": pass-w0rd}\n')
        daemon.wait_log("a line is not JSON")
        with pytest.raises(BrokenPipeError):
            subscriber.send(b"x" * 9 * MIB)
    daemon.wait_log("longer than send_queue permits (1048576 bytes)")
    line = next(line for line in daemon.log().splitlines() if "not JSON" in line)
    assert "outlet" in line and "hub" in line and "invalid input" in line
    assert "subscriber 1 (pid " in line and ", uid " in line
    assert "w0rd" not in daemon.log()


# --- large messages


@pytest.mark.heavy
@pytest.mark.parametrize("format", ["lines", "json"])
def test_a_message_may_be_as_large_as_send_queue(open_hub, format):
    daemon, peer = open_hub(format, send_queue="12M")
    before = daemon.memory()
    text = "0123456789abcdef" * (12 * MIB // 16)
    with Subscriber(daemon.path("hub.sock")) as subscriber:
        for _ in range(3):
            subscriber.send((text if format == "lines" else json.dumps({"data": text})).encode() + b"\n")
            assert peer.receive() == text
        # The memory is given back, while the subscriber stays.
        wait_until(lambda: daemon.memory() < before + 6 * MIB, what="memory to be given back")
        subscriber.send((text + "+" if format == "lines" else json.dumps({"data": text + "+"})).encode() + b"\n")
        daemon.wait_log("longer than send_queue permits (12582912 bytes)")


def test_the_limit_follows_the_settings(open_hub, server):
    daemon, peer = open_hub()
    text = "y" * 2 * MIB
    with Subscriber(daemon.path("hub.sock")) as subscriber:
        subscriber.send(b"one\n")
        assert peer.receive() == "one"
        daemon.configure(hub(server, send_queue="4M"))
        daemon.ctl("reload", status=0)
        subscriber.send(text.encode() + b"\n")
        assert peer.receive() == text


def test_wsgatectl_sends_large_messages(open_hub):
    daemon, peer = open_hub(send_queue="8M")
    text = '"' * 8 * MIB  # JSON needs two bytes for each
    daemon.ctl("send", "hub", "-", stdin=text.encode(), status=0)
    assert peer.receive() == text
    data = bytes(range(256)) * (8 * MIB // 256)
    daemon.ctl("send", "--binary", "hub", "-", stdin=data, status=0)
    assert peer.receive() == data
    done = daemon.ctl("send", "hub", "-", stdin=b"x" * (8 * MIB + 1), status=1)
    assert "larger than send_queue (8388608 bytes)" in done.stderr


# --- memory


@pytest.mark.heavy
def test_unfinished_input_of_many_has_a_bound(open_hub):
    """A thousand lines of 1 MiB without an end; meanwhile others can send."""
    daemon, peer = open_hub()
    before = daemon.memory()
    other = subprocess.Popen(
        [sys.executable, "-c", UNFINISHED, daemon.path("hub.sock"), "1000", str(MIB)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    try:
        with Subscriber(daemon.path("hub.sock")) as subscriber:
            for number in range(5):
                text = str(number) * MIB
                subscriber.send(text.encode() + b"\n")
                assert peer.receive() == text
            assert other.stdout.readline() == b"sent\n"
            assert daemon.memory() < before + 120 * MIB
            assert daemon.call("outlets")[0]["input_errors"] > 900
            text = "z" * MIB
            subscriber.send(text.encode() + b"\n")
            assert peer.receive() == text
        assert "given up, as unfinished input takes more memory than gateway.input_memory permits" in daemon.log()
    finally:
        other.communicate(timeout=20)
    wait_until(lambda: daemon.memory() < before + 20 * MIB, what="memory to be given back")


@pytest.mark.heavy
def test_requests_without_an_end_have_the_same_bound(open_hub):
    daemon, _ = open_hub(gateway={"input_memory": "4M"})
    before = daemon.memory()
    clients = []
    try:
        for _ in range(20):
            client = socket.socket(socket.AF_UNIX)
            client.connect(daemon.path("control.sock"))
            clients.append(client)
            client.sendall(b" " + b"x" * (MIB - 1))
        with Lines(daemon.path("control.sock")) as other:
            other.send(b'{"jsonrpc":"2.0","id":1,"method":"version"}\n')
            assert json.loads(other.read_line())["id"] == 1
        assert daemon.memory() < before + 12 * MIB
        answer = json.loads(clients[0].makefile("rb").readline())
        assert answer["error"]["code"] == -32001
        assert "gateway.input_memory" in answer["error"]["message"]
    finally:
        for client in clients:
            client.close()
