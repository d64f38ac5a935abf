"""Fixtures: the daemon, and servers for it to connect to."""

import contextlib

import pytest

from harness.certificates import Authority
from harness.daemon import Daemon
from harness.dns import Dns
from harness.feed import frames_feed
from harness.install import install
from harness.making import making
from harness.misbehave import MisbehavingServer
from harness.namespace import Unavailable
from harness.network import Network
from harness.nginx import Nginx
from harness.node import NodeServer
from harness.proxies import HttpsProxy, Microsocks, NamingProxy, Tinyproxy, TlsFront
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
    """Servers with python3-websockets."""
    yield from making(WsServer)


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def open_frames(start_daemon, server):
    """Starts a daemon with frames_feed(); returns it and the peer of its connection."""

    def open_frames(**settings):
        daemon = start_daemon(frames_feed(server, **settings))
        peer = server.accept()
        daemon.wait_state("feed", "open")
        return daemon, peer

    return open_frames


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
    certificate; "old", which speaks nothing newer than TLS 1.2; "plain", without TLS.
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
            "plain": "",
        },
    )
    yield front
    front.stop()


@pytest.fixture(scope="session")
def client_certificate(authority):
    return authority.issue("client-1")


@pytest.fixture(scope="session")
def encrypted_key(authority):
    """(certificate file, encrypted key file, its passphrase) for a client."""
    passphrase = "pass-phrase-of-the-key"
    certificate, key = authority.issue("client-2")
    return certificate, authority.encrypt(key, passphrase), passphrase


@pytest.fixture
def make_nginx(tmp_path):
    """An nginx of the test's own."""
    folder = tmp_path / "nginx"
    folder.mkdir()
    yield from making(lambda *arguments: Nginx(folder, *arguments))


@pytest.fixture
def make_tinyproxy(tmp_path):
    """An HTTP proxy."""
    yield from making(lambda **options: Tinyproxy(tmp_path / "tinyproxy", **options))


@pytest.fixture(scope="session")
def proxy_authority(tmp_path_factory):
    """Of the certificates of proxies: another one than that of servers."""
    return Authority(tmp_path_factory.mktemp("proxy-ca"), "wsgated test CA of proxies")


@pytest.fixture(scope="session")
def proxy_certificate(proxy_authority):
    return proxy_authority.issue("proxy", "DNS:localhost", "DNS:proxy.test", "IP:127.0.0.1")


@pytest.fixture
def make_tls_front(tmp_path, proxy_certificate):
    """TLS in front of a proxy, which makes it an HTTPS proxy."""
    yield from making(lambda behind: TlsFront(tmp_path / "front", behind, proxy_certificate))


@pytest.fixture
def make_https_proxy(proxy_certificate):
    """An HTTPS proxy that misbehaves as it is told."""
    yield from making(
        lambda certificate=proxy_certificate, **options: HttpsProxy(certificate, **options)
    )


@pytest.fixture
def make_naming_proxy():
    """An HTTP proxy to which all hosts are this one."""
    yield from making(NamingProxy)


@pytest.fixture
def make_microsocks(tmp_path):
    """A SOCKS5 proxy."""
    yield from making(lambda **options: Microsocks(tmp_path / "microsocks", **options))


@pytest.fixture
def make_dns():
    """A DNS server, which knows the names it is given."""
    yield from making(Dns)


@pytest.fixture
def make_network():
    """
    A network in namespaces. It is no more when its processes are: servers and daemons in it may end
    later.
    """
    with contextlib.ExitStack() as stack:

        def make(**options):
            try:
                network = Network(**options)
            except Unavailable as unavailable:
                pytest.skip(str(unavailable))
            stack.callback(network.close)
            return network

        yield make


@pytest.fixture
def network(make_network):
    return make_network()


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The optimised build, installed into a folder; and its prefix in there."""
    return install(tmp_path_factory.mktemp("root"))
