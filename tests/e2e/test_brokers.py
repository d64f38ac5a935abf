"""Message brokers: mosquitto (MQTT over WebSocket) and nats-server."""

import base64
import json
import struct

import pytest

from harness.brokers import Mosquitto, Nats
from harness.making import making
from harness.subscriber import Json, Lines
from harness.wait import wait_until


@pytest.fixture
def mosquitto(tmp_path):
    broker = Mosquitto(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def make_nats(tmp_path):
    yield from making(lambda **options: Nats(tmp_path, **options))


@pytest.fixture
def nats(make_nats):
    return make_nats()


def mqtt_text(text):
    return struct.pack(">H", len(text)) + text.encode()


def mqtt_packet(kind, body):
    """MQTT 3.1.1, section 2.2; for bodies of less than 128 bytes."""
    return bytes([kind, len(body)]) + body


def mqtt_connect(client):
    return mqtt_packet(0x10, mqtt_text("MQTT") + bytes([4, 2, 0, 60]) + mqtt_text(client))


CONNACK = bytes([0x20, 2, 0, 0])


@pytest.fixture
def mqtt(start_daemon, mosquitto):
    """A daemon with a connection to mosquitto, and what sends and reads packets over it."""
    daemon = start_daemon({
        "connections": [{"name": "broker", "url": mosquitto.url(), "protocols": ["mqtt"], "when": "manual"}],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["broker"], "format": "json", "start": "oldest"}],
    })
    assert daemon.call("connect", name="broker")["info"]["protocol"] == "mqtt"

    def send(packet):
        daemon.ctl("send", "broker", "--binary", "-", stdin=packet, status=0)

    with Json(daemon.path("out.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        yield daemon, send, lambda: base64.b64decode(subscriber.read_type("binary")["base64"])


def test_mqtt(mqtt):
    """Connect, subscribe, and hear what is published."""
    daemon, send, receive = mqtt
    send(mqtt_connect("wsgated-test"))
    assert receive() == CONNACK
    send(mqtt_packet(0x82, struct.pack(">H", 7) + mqtt_text("plant/#") + b"\0"))
    assert receive() == bytes([0x90, 3, 0, 7, 0])
    published = mqtt_packet(0x30, mqtt_text("plant/1") + b"21.5")
    send(published)
    assert receive() == published
    send(b"\xc0\0")
    assert receive() == b"\xd0\0", "PINGRESP"
    assert daemon.status("broker")["state"] == "open"


def test_mqtt_that_is_none_ends_the_connection_and_it_comes_back(mqtt):
    daemon, send, _ = mqtt
    send(b"\xff\xff\xff\xff\xff")
    wait_until(lambda: daemon.status("broker")["stats"]["opens"] >= 2)


def test_mosquitto_is_left_in_order(mqtt):
    daemon, send, receive = mqtt
    send(mqtt_connect("wsgated-test"))
    assert receive() == CONNACK
    daemon.ctl("disconnect", "broker", status=0)
    assert daemon.wait_state("broker", "idle")["last_error"] is None


def test_a_subprotocol_is_not_needed_where_the_broker_does_not_ask(start_daemon, nats):
    daemon = start_daemon({"connections": [{"name": "feed", "url": nats.url(), "when": "manual"}]})
    assert daemon.call("connect", name="feed")["info"]["protocol"] is None


def test_nats(start_daemon, nats):
    """INFO comes first, then what was asked for with on_open."""
    daemon = start_daemon({
        "connections": [{
            "name": "broker", "url": nats.url(), "when": "manual",
            "on_open": ['CONNECT {"verbose":false}\r\nSUB orders.> 1\r\nPING\r\n'],
        }],
        "outlets": [{"name": "out", "path": "out.sock", "from": ["broker"], "start": "oldest"}],
    })
    daemon.call("connect", name="broker")
    with Lines(daemon.path("out.sock")) as subscriber:
        kind, _, rest = subscriber.read_line().partition(b" ")
        assert kind == b"INFO"
        assert json.loads(rest)["server_name"]
        lines = iter(lambda: subscriber.read_line().rstrip(b"\r"), None)
        assert next(line for line in lines if line) == b"PONG"
        daemon.ctl("send", "broker", "-", stdin=b"PUB orders.new 5\r\nhallo\r\n", status=0)
        assert next(line for line in lines if line) == b"MSG orders.new 1 5"
        assert next(line for line in lines if line) == b"hallo"


def test_nats_with_compression(start_daemon, make_nats):
    broker = make_nats(websocket="compression: true")
    daemon = start_daemon({
        "connections": [{
            "name": "broker", "url": broker.url(), "when": "manual", "compression": {"enabled": True},
            "on_open": ['CONNECT {"verbose":false}\r\nSUB orders.> 1\r\n'],
        }],
    })
    assert daemon.call("connect", name="broker")["info"]["compression"]
    with Lines(daemon.path("broker.sock")) as subscriber:
        wait_until(lambda: daemon.call("subscribers"))
        payload = b"hallo " * 100
        daemon.ctl("send", "broker", "-", stdin=b"PUB orders.new 600\r\n" + payload + b"\r\n", status=0)
        lines = iter(subscriber.read_line, None)
        assert next(line for line in lines if line.startswith(b"hallo")).rstrip(b"\r") == payload


def test_a_broker_that_restarts_is_found_again(start_daemon, nats):
    daemon = start_daemon({"connections": [{"name": "broker", "url": nats.url()}]})
    daemon.wait_state("broker", "open")
    nats.stop()
    wait_until(lambda: daemon.status("broker")["stats"]["failures"] >= 1)
    assert daemon.status("broker")["last_error"]["err"] == "SOCKET-CONNECT-ERROR"
    nats.start()
    daemon.wait_state("broker", "open")
