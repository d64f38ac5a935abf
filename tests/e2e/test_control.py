"""The control socket as a protocol: good manners and bad ones."""

import contextlib
import socket
import statistics
import threading
import time

import pytest

from harness.control import RpcError


@pytest.fixture
def daemon(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}]})
    daemon.wait_state("feed", "open")
    return daemon


def error_of(rpc, line):
    rpc.send_raw(line + b"\n")
    answer = rpc.read()
    assert answer["jsonrpc"] == "2.0" and "result" not in answer
    return answer["error"]["code"], answer["id"], answer["error"]["message"]


@pytest.mark.parametrize("line, code, number", [
    (b"{", -32700, None),
    (b"hello", -32700, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"list"', -32700, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"li\xff"}', -32700, None),
    (b"[]", -32600, None),
    (b"1", -32600, None),
    (b'{"id":4,"method":"list"}', -32600, None),
    (b'{"jsonrpc":"1.0","id":4,"method":"list"}', -32600, None),
    (b'{"jsonrpc":"2.0","id":5,"method":7}', -32600, None),
    (b'{"jsonrpc":"2.0","id":5}', -32600, None),
    (b'{"jsonrpc":"2.0","id":5,"method":"list","params":3}', -32600, None),
    (b'{"jsonrpc":"2.0","id":"six","method":"frobnicate"}', -32601, "six"),
    (b'{"jsonrpc":"2.0","id":7,"method":"status"}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"status","params":{"name":7}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"status","params":{"name":"feed","x":1}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"disconnect","params":{"name":"feed","code":"1000"}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"disconnect","params":{"name":"feed","code":1005}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"connect","params":{"name":"feed","headers":[1]}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"send","params":{"name":"feed"}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"send","params":{"name":"feed","base64":"%%"}}', -32602, 7),
    (b'{"jsonrpc":"2.0","id":7,"method":"log","params":{"level":"loud"}}', -32602, 7),
])
def test_what_is_wrong_is_said_and_the_session_goes_on(daemon, line, code, number):
    rpc = daemon.rpc()
    got_code, got_number, message = error_of(rpc, line)
    assert (got_code, got_number) == (code, number)
    assert message
    assert rpc.call("is-open", name="feed") is True


def test_the_message_names_the_parameter(daemon):
    for params, word in [({}, "name"), ({"name": "feed", "extra": 1}, "extra"), ({"name": 3}, "name")]:
        with pytest.raises(RpcError) as refused:
            daemon.call("status", **params)
        assert f"'{word}'" in refused.value.message


def test_unknown_names_are_not_found(daemon):
    for method in ("connect", "disconnect", "is-open", "status", "stats", "warnings", "unwarn", "ping", "remove"):
        with pytest.raises(RpcError) as refused:
            daemon.call(method, name="nobody")
        assert refused.value.err == "NOT-FOUND", method
        assert "nobody" in refused.value.message


def test_notifications_get_no_answer(daemon):
    rpc = daemon.rpc()
    rpc.send({"jsonrpc": "2.0", "method": "list"})
    rpc.send({"jsonrpc": "2.0", "method": "no-such-method"})
    assert rpc.call("is-open", name="feed") is True


def test_a_batch(daemon):
    rpc = daemon.rpc()
    rpc.send([
        {"jsonrpc": "2.0", "id": 1, "method": "is-open", "params": {"name": "feed"}},
        {"jsonrpc": "2.0", "method": "list"},
        {"jsonrpc": "2.0", "id": 2, "method": "nope"},
        {"jsonrpc": "2.0", "id": 3, "method": "is-open", "params": ["feed"]},
    ])
    answers = {answer["id"]: answer for answer in rpc.read()}
    assert set(answers) == {1, 2, 3}
    assert answers[1]["result"] is True and answers[3]["result"] is True
    assert answers[2]["error"]["code"] == -32601


def test_lines_may_come_in_pieces_and_together(daemon):
    rpc = daemon.rpc()
    request = b'{"jsonrpc":"2.0","id":1,"method":"version"}'
    for at in range(len(request)):
        rpc.send_raw(request[at : at + 1])
    rpc.send_raw(b"\r\n\n  \n" + request.replace(b"1,", b"2,", 1) + b"\n" + request.replace(b'"id":1', b'"id":3'))
    assert rpc.read()["id"] == 1
    assert rpc.read()["id"] == 2
    rpc.send_raw(b"\n")
    assert rpc.read()["id"] == 3


def test_half_a_line_and_then_the_end(daemon):
    for half in (b"", b'{"jsonrpc":"2.0","id":1,"meth'):
        rpc = daemon.rpc()
        rpc.send_raw(half)
        rpc.socket.shutdown(socket.SHUT_WR)
        while rpc.read() is not None:
            pass
    daemon.call("list")


def test_answers_come_though_the_client_has_closed_its_sending_half(daemon):
    rpc = daemon.rpc()
    rpc.send({"jsonrpc": "2.0", "id": 1, "method": "version"})
    rpc.socket.shutdown(socket.SHUT_WR)
    assert rpc.read()["id"] == 1


def test_a_gigabyte_without_a_newline_is_cut_off(daemon):
    rpc = daemon.rpc()
    other = daemon.rpc()
    rpc.socket.settimeout(20)
    sent = 0
    with pytest.raises(OSError) as refused:
        while sent < 1 << 30:
            sent += rpc.socket.send(b"x" * (1 << 20))
            other.call("version")
    assert not isinstance(refused.value, TimeoutError)
    assert sent < 64 << 20


def test_a_line_that_is_too_long_is_answered_before_the_end(daemon):
    rpc = daemon.rpc()
    rpc.send_raw(b'"' + b"x" * ((6 << 20) + (64 << 10)) + b'"')
    rpc.socket.shutdown(socket.SHUT_WR)
    assert "longer than" in rpc.read()["error"]["message"]
    assert rpc.read() is None


def test_deeply_nested_json_is_refused(daemon):
    rpc = daemon.rpc()
    assert error_of(rpc, b"[" * 40_000)[0] == -32700
    assert rpc.call("is-open", name="feed") is True


def test_a_client_that_never_reads_is_bounded(daemon):
    """Requests without end, no answer read: at some point the daemon takes no more from it."""
    rude = daemon.rpc()
    rude.socket.settimeout(1)
    request = b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"name":"feed"}}\n' * 1000
    sent = 0
    with pytest.raises(OSError):
        while sent < 256 << 20:
            sent += rude.socket.send(request)
    assert sent < 64 << 20
    daemon.call("list")


def test_a_follower_that_never_reads_is_bounded(start_daemon, server):
    daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}]})
    daemon.wait_state("feed", "open")
    rude = daemon.rpc()
    rude.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    rude.call("events")
    for _ in range(300):
        daemon.call("connect", name="feed")
    assert daemon.call("is-open", name="feed") is True


def test_a_client_that_leaves_while_its_call_waits(start_daemon, bad_server):
    daemon = start_daemon({
        "connections": [{"name": "slow", "url": bad_server.url("/slow-head", ms=300), "when": "manual"}],
    })
    leaving = daemon.rpc()
    leaving.start("connect", name="slow")
    bad_server.accept()
    leaving.close()
    daemon.wait_state("slow", "open")


def test_two_wait_for_the_same_connection(start_daemon, bad_server):
    """The second call takes the place of the first, with its headers, and both are told of it."""
    daemon = start_daemon({
        "connections": [{"name": "slow", "url": bad_server.url("/slow-head", ms=100), "when": "manual"}],
    })
    one, two = daemon.rpc(), daemon.rpc()
    first = one.start("connect", name="slow", headers={"X-One": "1"})
    assert bad_server.accept().headers["x-one"] == "1"
    second = two.start("connect", name="slow", headers={"X-Two": "2"})
    exchange = bad_server.accept()
    answer = two.finish(second)
    assert answer["response"]["status"] == 101
    assert one.finish(first) == answer
    assert "x-one" not in exchange.headers and exchange.headers["x-two"] == "2"


def test_events_tell_the_life_of_a_connection(daemon, server):
    follower = daemon.rpc()
    follower.call("events")
    first = server.accept()
    daemon.call("connect", name="feed")
    closed = follower.event("close")
    assert (closed["connection"], closed["code"]) == ("feed", 1001)
    opened = follower.event("open")
    assert opened["connection"] == "feed"
    assert opened["time"].endswith("Z")
    first.wait_closed()
    server.accept().abort()
    assert follower.event("close")["code"] == 1006
    assert follower.event("retry")["connection"] == "feed"
    follower.event("open")


def test_add_and_remove(daemon, make_server):
    other = make_server()
    daemon.call("add", name="second", url=other.url(), headers={"X-Added": "yes"}, when="always")
    assert other.accept().headers["X-Added"] == "yes"
    daemon.wait_state("second", "open")
    assert [line["name"] for line in daemon.call("list")] == ["feed", "second"]
    with pytest.raises(RpcError) as refused:
        daemon.call("add", name="second", url=other.url())
    assert refused.value.err == "ALREADY-EXISTS"
    peer = other.peers[0]
    daemon.call("remove", name="second")
    assert peer.wait_closed()[0] == 1001
    assert [line["name"] for line in daemon.call("list")] == ["feed"]
    assert not (daemon.folder / "second.sock").exists()


@pytest.mark.parametrize("settings, words", [
    ({"name": "x"}, ["url"]),
    ({"name": "x", "url": "http://localhost/"}, ["ws, wss or"]),
    ({"name": "x", "url": "ws://localhost/", "colour": "red"}, ["colour"]),
    ({"name": "x", "url": "ws://localhost/", "ping": {"interval": 5}}, ["ping.interval"]),
    ({"name": "../x", "url": "ws://localhost/"}, ["name"]),
    ({"name": "x", "url": "ws://localhost/", "max_message": "lots", "tls": {"min_version": "1.0"}},
     ["max_message", "tls.min_version"]),
])
def test_settings_that_cannot_be_added(daemon, settings, words):
    with pytest.raises(RpcError) as refused:
        daemon.call("add", **settings)
    for word in words:
        assert word in "\n".join(refused.value.data.get("problems", [refused.value.message]))
    assert [line["name"] for line in daemon.call("list")] == ["feed"]


def test_version_and_log_level(daemon):
    version = daemon.call("version")
    assert version["pid"] == daemon.process.pid
    assert version["version"].count(".") == 2
    assert daemon.call("log", level="warning") == {"level": "warning"}
    assert daemon.call("log") == {"level": "warning"}


def test_many_clients_at_once(daemon):
    clients = [daemon.rpc() for _ in range(200)]
    numbers = [client.start("list") for client in clients]
    assert all(client.finish(number)[0]["name"] == "feed" for client, number in zip(clients, numbers))


def test_text_that_is_not_ascii_survives(daemon, server):
    text = "Grüße \u2028 𝄞 \" \\"
    daemon.call("send", name="feed", text=text)
    assert server.accept().receive() == text


HEADERS = {
    "an array": [f"X-{number}: 1" for number in range(65)],
    "an object": {f"X-{number}": "1" for number in range(65)},
    "values": {"X": ["1"] * 65},
    "bytes": {"X": "x" * (32 << 10)},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_a_connect_has_a_limit_of_headers(daemon, server, headers):
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="feed", headers=headers)
    assert (refused.value.code, refused.value.err) == (-32602, "WEBSOCKET-ERROR")
    assert refused.value.message == "connect: parameter 'headers' must be at most 64 headers, 32768 bytes in total"
    assert daemon.call("is-open", name="feed") and len(server.requests) == 1
    daemon.call("connect", name="feed", headers=[f"X-{number}: {'x' * 480}" for number in range(64)])
    assert server.requests[-1][1]["X-63"] == "x" * 480


@pytest.mark.parametrize("headers", [7, "X: 1", [7], ["none"], {"X": 7}, {"X": [7]}, {"X": {}}, True])
def test_headers_of_a_wrong_type(daemon, headers):
    """As the original names it, in `connect` and in `add`."""
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="feed", headers=headers)
    assert (refused.value.code, refused.value.err) == (-32602, "WEBSOCKET-ERROR")
    with pytest.raises(RpcError) as refused:
        daemon.call("add", name="x", url="ws://127.0.0.1:1/", headers=headers)
    assert refused.value.err == "WEBSOCKET-ERROR"


@pytest.mark.parametrize("settings", [
    {"url": "http://h/"}, {"url": "ws://"}, {"url": "ws://h/", "nope": 1}, {"url": "ws://h/", "linger": "x"},
    {"url": "ws://h/", "tls": {"min_version": "9"}}, {},
])
def test_bad_options_have_the_originals_name(daemon, settings):
    with pytest.raises(RpcError) as refused:
        daemon.call("add", name="x", **settings)
    assert refused.value.err == "WEBSOCKET-ERROR"


FLOODS = {
    "requests": b'{"jsonrpc":"2.0","id":1,"method":"status","params":["c0"]}\n' * 200,
    "notifications": b'{"jsonrpc":"2.0","method":"list"}\n' * 2000,
    "batches": b"[" + b",".join([b'{"jsonrpc":"2.0","id":1,"method":"stats","params":["c0"]}'] * 1000) + b"]\n",
    "long answers": b'{"jsonrpc":"2.0","id":1,"method":"list"}\n' * 3,
    "all statistics": b'{"jsonrpc":"2.0","id":1,"method":"stats"}\n' * 3,
    "many values": b'{"jsonrpc":"2.0","id":1,"method":"add","params":{"x":[' + b"[]," * 340_000 + b"[]]}}\n",
    "many headers": b'{"jsonrpc":"2.0","id":1,"method":"connect","params":["c0",[' + b'"a:",' * 130_000 + b'"a:"]]}\n',
    "empty lines": b"\n" * (1 << 20),
}
# Seconds of CPU time, which the clock counts in hundredths. The daemon's turns are shorter; but a busy machine
# does not let those run at once who wait for its answer.
TURN = 0.03


@pytest.mark.heavy
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_holds_up_nobody(start_daemon, flood):
    """Whatever one client asks for, another one has its answer soon."""
    daemon = start_daemon({
        "connections": [{"name": f"c{number}", "url": "ws://127.0.0.1:1/", "when": "manual"} for number in range(1000)],
    })
    rude, other = daemon.rpc(), daemon.rpc()
    stop = threading.Event()

    def send():
        with contextlib.suppress(OSError):
            while not stop.is_set():
                rude.socket.sendall(flood)

    def read():
        with contextlib.suppress(OSError):
            while rude.socket.recv(1 << 20):
                pass

    threads = [threading.Thread(target=target) for target in (send, read)]
    for thread in threads:
        thread.start()
    try:
        end = time.monotonic() + 1
        costs = []
        while time.monotonic() < end:
            before = daemon.cpu()
            other.call("version")
            costs.append(daemon.cpu() - before)
        assert statistics.median(costs) < TURN and max(costs) < 10 * TURN, costs
    finally:
        stop.set()
        rude.socket.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
