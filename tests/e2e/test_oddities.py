"""What servers and proxies in the field do that is odd, but leaves no doubt what they mean."""

import pytest

from harness.control import RpcError
from harness.frame import CONTINUATION, TEXT, close_frame, frame
from harness.subscriber import Json, Lines
from harness.wait import wait_until

ACCEPT = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
OPEN = "HTTP/1.1 101 Switching Protocols\r\n" + ACCEPT

ODD_HEADS = {
    "100": "HTTP/1.1 100 Continue\r\n\r\n" + OPEN + "\r\n",
    "103 twice": "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + OPEN + "\r\n",
    "empty lists": OPEN + "Sec-WebSocket-Extensions:\r\nSec-WebSocket-Protocol: , ,\r\n\r\n",
    "bare line feeds": (OPEN + "\r\n").replace("\r\n", "\n"),
    "mixed line ends": OPEN + "Server: a\n\r\n",
    "folded": OPEN + "Server: a\r\n b\r\n\r\n",
    "no colon": OPEN + "powered by hamsters\r\n\r\n",
    "space before the colon": OPEN + "Server : a\r\n\r\n",
    "odd names": OPEN + "X(y): a\r\nX y: b\r\n: c\r\n\r\n",
    "controls in a value": OPEN + "Server: \x01\x1b[1m\xff\r\n\r\n",
    "many headers": OPEN + "X: y\r\n" * 1000 + "\r\n",
    "a long header": OPEN + "X: " + "y" * 20000 + "\r\n\r\n",
    "no reason": OPEN.replace(" Switching Protocols", "") + "\r\n",
    "lists and cases": OPEN.replace("Connection: U", "connection: keep-alive, u").replace("websocket", "WebSocket")
                       + "\r\n",
    "a body that does not come": OPEN + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
}

BROKEN_HEADS = {
    "folded accept": OPEN.replace("Accept: ", "Accept:\r\n ") + "\r\n",
    "accept twice": OPEN + "Sec-WebSocket-Accept: {accept}\r\n\r\n",
    "space before the colon of upgrade": OPEN.replace("Upgrade:", "Upgrade :", 1) + "\r\n",
    "a subprotocol, oddly": OPEN + "Sec-WebSocket-Protocol : secret\r\n\r\n",
    "endless interim": "HTTP/1.1 102 Processing\r\n\r\n" * 17 + OPEN + "\r\n",
}


def feed(url, **settings):
    return {
        "connections": [{"name": "feed", "url": url, "when": "manual", **settings}],
        "outlets": [{"name": "feed", "from": ["feed"]}],
    }


def check_opens(daemon):
    """The first frame comes right behind the head: not a byte of it may be taken for the head's."""
    with Lines(daemon.path("feed.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers", outlet="feed"))
        answer = daemon.call("connect", name="feed")
        assert subscriber.read_line() == b"at once"
    return answer


@pytest.mark.parametrize("head", ODD_HEADS.values(), ids=ODD_HEADS)
def test_an_odd_head(start_daemon, bad_server, head):
    daemon = start_daemon(feed(bad_server.head_url(head)))
    response = check_opens(daemon)["response"]
    assert response["status"] == 101
    for name, value in response["headers"].items():
        assert (name + str(value)).isprintable()


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 102\n\nHTTP/1.0 200 \nno colon\nA: b\n c\n\r\n",
], ids=["interim", "odd"])
def test_a_proxy_answers_oddly(start_daemon, bad_server, make_https_proxy, proxy_authority, reply):
    """The server does, too."""
    proxy = {"url": make_https_proxy(reply=reply).url(), "ca_file": str(proxy_authority.ca_file)}
    check_opens(start_daemon(feed(bad_server.head_url(ODD_HEADS["103 twice"]), proxy=proxy)))


@pytest.mark.parametrize("head", BROKEN_HEADS.values(), ids=BROKEN_HEADS)
def test_a_head_with_doubts(start_daemon, bad_server, head):
    daemon = start_daemon(feed(bad_server.head_url(head), upgrade_timeout="5s", protocols=["secret"]))
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="feed")
    assert refused.value.err == "WEBSOCKET-ERROR"
    assert "secret" not in refused.value.message and "secret" not in daemon.log()


@pytest.mark.parametrize("status", ["302 Found\r\nLocation: /hold", "401 No", "503 No"])
def test_interim_responses_before_a_refusal(start_daemon, bad_server, status):
    head = f"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"
    daemon = start_daemon(feed(bad_server.head_url(head)))
    if status.startswith("302"):
        daemon.call("connect", name="feed")
        return
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="feed")
    assert refused.value.data["response"]["status"] == int(status.split()[0])


def test_two_locations_lead_nowhere(start_daemon, bad_server):
    head = "HTTP/1.1 302 Found\r\nLocation: /hold\r\nLocation: /deaf\r\nContent-Length: 0\r\n\r\n"
    daemon = start_daemon(feed(bad_server.head_url(head)))
    with pytest.raises(RpcError) as refused:
        daemon.call("connect", name="feed")
    assert refused.value.data["response"]["status"] == 302


BROKEN_TEXT = (frame(TEXT, b"a\xffb") + frame(TEXT, b"c\xe2\x82", fin=False) + frame(CONTINUATION, b"d")
               + frame(TEXT, "\u20ac".encode()))


@pytest.mark.parametrize("utf8, lines", [
    ("replace", ["a\ufffdb".encode(), "c\ufffdd".encode(), "\u20ac".encode()]),
    ("pass", [b"a\xffb", b"c\xe2\x82d", "\u20ac".encode()]),
])
def test_text_that_is_not_utf8(start_daemon, bad_server, utf8, lines):
    settings = feed(bad_server.raw_url(BROKEN_TEXT + close_frame(1000, b"by\xff")), utf8=utf8,
                    reconnect={"enabled": False})
    settings["outlets"].append({"name": "json", "from": ["feed"], "format": "json"})
    daemon = start_daemon(settings)
    with Lines(daemon.path("feed.sock")) as plain, Json(daemon.path("json.sock")) as json:
        wait_until(lambda: daemon.call("subscribers", outlet="feed") and daemon.call("subscribers", outlet="json"))
        daemon.call("connect", name="feed")
        assert [plain.read_line() for _ in lines] == lines
        records = [json.read() for _ in range(5)]
    assert [record["data"] for record in records if record["type"] == "text"] == [
        "a\ufffdb", "c\ufffdd", "\u20ac"]
    assert (records[-1]["code"], records[-1]["reason"]) == (1000, "by\ufffd")
    assert daemon.status("feed")["stats"]["texts_repaired"] == (2 if utf8 == "replace" else 0)
