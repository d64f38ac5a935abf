"""Fixtures: the daemon, and servers for it to connect to."""

import contextlib

import pytest

from harness.certificates import Authority
from harness.daemon import Daemon
from harness.misbehave import MisbehavingServer
from harness.nginx import Nginx
from harness.node import NodeServer
from harness.server import WsServer


def pytest_collection_modifyitems(items):
    """The heavy ones first, so that the quick ones fill the gaps at the end."""
    items.sort(key=lambda item: item.get_closest_marker("heavy") is None)


@pytest.fixture
def make_daemon(request):
    """Makes daemons that are not running yet; each has to end well."""
    heavy = request.node.get_closest_marker("heavy") is not None
    with contextlib.ExitStack() as stack:

        def make(settings=None, **options):
            daemon = Daemon(settings, heavy=heavy, **options)
            stack.callback(daemon.discard)
            return daemon

        yield make


@pytest.fixture
def start_daemon(make_daemon):
    """Starts daemons."""
    return lambda settings=None, **options: make_daemon(settings, **options).start()


@pytest.fixture
def make_server():
    """Servers with python3-websockets; they outlive the daemons of the test."""
    with contextlib.ExitStack() as stack:

        def make(**options):
            server = WsServer(**options)
            stack.callback(server.stop)
            return server

        yield make


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def bad_server():
    server = MisbehavingServer()
    yield server
    server.stop()


@pytest.fixture
def node_server():
    server = NodeServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def nginx(authority, tmp_path_factory):
    """
    Fronts: "good"; "other", whose certificate is for another host; "client", which demands a client
    certificate; "old", which speaks nothing newer than TLS 1.2.
    """
    good = authority.issue("localhost", "DNS:localhost", "IP:127.0.0.1")
    other = authority.issue("other.example", "DNS:other.example")
    front = Nginx(
        tmp_path_factory.mktemp("nginx"),
        {
            "good": (*good, "ssl_protocols TLSv1.2 TLSv1.3;"),
            "other": (*other, ""),
            "client": (*good, f"ssl_client_certificate {authority.ca_file}; ssl_verify_client on;"),
            "old": (*good, "ssl_protocols TLSv1.2;"),
        },
    )
    yield front
    front.stop()


@pytest.fixture(scope="session")
def client_certificate(authority):
    return authority.issue("client-1")
