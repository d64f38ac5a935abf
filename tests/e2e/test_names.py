"""How the names of hosts become addresses."""

import pathlib
import ssl
import subprocess

import pytest

from harness import dns as name_server
from harness.dns import A, AAAA
from harness.wait import wait_until

# A library that is loaded first comes before that of the sanitizer.
SANITIZED = {"ASAN_OPTIONS": "detect_leaks=1:exitcode=99:verify_asan_link_order=0"}


def feeds(server, *hosts, **settings):
    return [{"name": host.replace(".", "-"), "url": server.url(host=host), **settings} for host in hosts]


def failure(daemon, name):
    wait_until(lambda: daemon.status(name)["stats"]["failures"])
    return daemon.status(name)["last_error"]["desc"]


# --- as every other program of the host ----------------------------------------------------------


@pytest.mark.heavy  # nss_wrapper and the sanitizers do not get along
def test_the_hosts_file_and_whatever_nss_knows(start_daemon, server, tmp_path):
    """hub.local is a name of multicast DNS: to the name service switch, one more module."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 hub.local alias.hub.local\n")
    daemon = start_daemon(
        {"connections": feeds(server, "hub.local", "ALIAS.hub.local")},
        environment={"LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_HOSTS": str(hosts)},
    )
    for name in ("hub-local", "ALIAS-hub-local"):
        daemon.wait_state(name, "open")


@pytest.fixture
def system(make_network, start_daemon, make_server, make_dns):
    """A host with a resolv.conf; the network, its name server, a server, and a function that starts the daemon."""
    network = make_network()
    network.host.write_etc("resolv.conf", f"nameserver {network.SERVER}\noptions timeout:1 attempts:1\n")
    dns = make_dns({"feed.test": [network.SERVER]}, namespace=network.server, host=network.SERVER, port=53)
    server = make_server(namespace=network.server, host=network.SERVER)

    def start(*hosts, **settings):
        return start_daemon({"connections": feeds(server, *hosts, **settings)}, wrapper=network.host.command)

    return network, dns, server, start


def test_resolv_conf(system):
    _, dns, _, start = system
    start("feed.test").wait_state("feed-test", "open")
    assert {("feed.test", A), ("feed.test", AAAA)} == set(dns.asked)


def test_a_truncated_answer_is_asked_for_by_tcp(system):
    _, dns, _, start = system
    dns.mood = "truncating"
    start("feed.test").wait_state("feed-test", "open")
    assert ("feed.test", A) in dns.asked_tcp


@pytest.mark.parametrize("mood", ["matching", "shouting"])
def test_upper_and_lower_case(system, mood):
    _, dns, _, start = system
    dns.mood = mood
    start("Feed.TEST").wait_state("Feed-TEST", "open")


def test_a_changed_resolv_conf_is_read(system, make_dns):
    network, _, _, start = system
    network.host.write_etc("resolv.conf", "nameserver 10.78.0.99\noptions timeout:1 attempts:1\n")
    daemon = start("feed.test")
    assert "no usable answer from the name servers" in failure(daemon, "feed-test")
    network.host.write_etc("resolv.conf", f"nameserver {network.SERVER}\n")
    daemon.wait_state("feed-test", "open")


@pytest.mark.parametrize("name, text", [
    ("gone.test", "cannot resolve 'gone.test': no such host"),
    ("empty.test", "cannot resolve 'empty.test': the host has no address"),
])
def test_what_is_wrong_with_a_name(system, name, text):
    _, dns, _, start = system
    dns.names["empty.test"] = []
    assert failure(start(name), name.replace(".", "-")) == text


# --- dying names ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def dying_names(tmp_path_factory):
    library = tmp_path_factory.mktemp("dying") / "dying_names.so"
    source = pathlib.Path(name_server.__file__).with_name("dying_names.c")
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.fixture
def start_among_dying(dying_names, start_daemon, tmp_path):
    """Starts the daemon on a host on which only these names live; and what was asked for."""
    asked = tmp_path / "asked"

    def start(known, settings):
        daemon = start_daemon(settings, environment={
            "LD_PRELOAD": str(dying_names), "DYING_NAMES_KNOWN": " ".join(known), "DYING_NAMES_ASKED": str(asked),
            **SANITIZED,
        })
        return daemon, lambda: asked.read_text().split() if asked.exists() else []

    return start


def test_healthy_names_beside_a_hundred_dying_ones(start_among_dying, server):
    """From the first start on; and nobody waits for the threads when the daemon stops."""
    dying = [f"dying{number}.test" for number in range(100)]
    healthy = ["one.test", "two.test", "three.test"]
    quick = {"gateway": {"connecting": {"at_once": 0, "per_second": 0}}}
    daemon, asked = start_among_dying(healthy, {
        **quick, "connections": feeds(server, *dying, *healthy, connect_timeout="300ms"),
    })
    for name in healthy:
        daemon.wait_state(name.replace(".", "-"), "open")
    wait_until(lambda: daemon.status("dying0-test")["stats"]["failures"] > 2)
    assert asked().count("dying0.test") == 2, "one lookup for each family, however often it is asked for"
    assert "timed out after 300ms resolving dying0.test" in daemon.status("dying0-test")["last_error"]["desc"]
    daemon.stop()


def test_two_hundred_connections_look_a_name_up_once(start_among_dying, server):
    connections = [{"name": f"c{number}", "url": server.url(host="one.test")} for number in range(200)]
    daemon, asked = start_among_dying(["one.test"], {
        "gateway": {"connecting": {"at_once": 0, "per_second": 0}}, "connections": connections,
    })
    for connection in connections:
        daemon.wait_state(connection["name"], "open")
    assert len(asked()) == 2, daemon.log()


# --- name servers of our own ---------------------------------------------------------------------


@pytest.fixture
def start_with(start_daemon, server):
    def start(*servers, hosts=("feed.test",), **settings):
        return start_daemon({
            "gateway": {"dns": [each.address for each in servers]}, "connections": feeds(server, *hosts, **settings),
        })

    return start


def test_dns_truncated(start_with, make_dns):
    dns = make_dns({"feed.test": ["127.0.0.1"]})
    dns.mood = "truncating"
    start_with(dns).wait_state("feed-test", "open")
    assert ("feed.test", A) in dns.asked_tcp


@pytest.mark.parametrize("mood", ["silent", "failing", "refusing"])
def test_dns_a_server_that_does_not_help_is_left_for_the_next(start_with, make_dns, mood):
    names = {f"feed{number}.test": ["127.0.0.1"] for number in range(3)}
    first, second = make_dns(names), make_dns(names)
    first.mood = mood
    daemon = start_with(first, second, hosts=names, when="manual")
    daemon.call("connect", name="feed0-test")
    if mood == "silent":
        daemon.wait_log(f"name server {first.address} does not answer in time; asking others first")
        before = len(first.asked)
        for name in ("feed1-test", "feed2-test"):
            daemon.call("connect", name=name)
        assert {name for name, _ in first.asked[before:]} <= {"feed0.test"}, "it has learnt"


@pytest.mark.parametrize("mood", ["matching", "shouting"])
@pytest.mark.parametrize("host", ["feed.test", "Feed.TEST"])
def test_dns_upper_and_lower_case(start_with, make_dns, mood, host):
    """Names are asked for in lower case; whatever the case of the answer."""
    dns = make_dns({"feed.test": ["127.0.0.1"]})
    dns.mood = mood
    start_with(dns, hosts=[host]).wait_state(host.replace(".", "-"), "open")


def test_dns_only_silence(start_with, make_dns):
    first, second = make_dns({}), make_dns({})
    first.mood = second.mood = "silent"
    text = failure(start_with(first, second, connect_timeout="20s"), "feed-test")
    assert text.startswith("cannot resolve 'feed.test': the name servers did not answer within ")


@pytest.mark.parametrize("mood, text", [("failing", "SERVFAIL"), ("refusing", "REFUSED")])
def test_dns_says_why(start_with, make_dns, mood, text):
    dns = make_dns({})
    dns.mood = mood
    assert text in failure(start_with(dns), "feed-test")


# --- hosts in URLs -------------------------------------------------------------------------------


def test_a_dot_at_the_end(start_daemon, make_server, make_dns, authority):
    """It is in the Host header, but neither in SNI nor in the certificate."""
    asked = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("feed.test", "DNS:feed.test"))
    context.sni_callback = lambda _, name, __: asked.append(name)
    server = make_server(ssl=context)
    dns = make_dns({"feed.test": ["127.0.0.1"]})
    daemon = start_daemon({
        "gateway": {"dns": [dns.address]},
        "connections": [{
            "name": "feed", "url": f"wss://feed.test.:{server.port}/", "tls": {"ca_file": str(authority.ca_file)},
        }],
    })
    daemon.wait_state("feed", "open")
    assert server.accept().headers["Host"] == f"feed.test.:{server.port}"
    assert asked == ["feed.test"]


@pytest.mark.parametrize("host", ["localhost.", "app.localhost", "LOCALHOST"])
def test_localhost(start_daemon, server, make_dns, host):
    """RFC 6761: whatever the name servers say."""
    dns = make_dns({})
    daemon = start_daemon({
        "gateway": {"dns": [dns.address]}, "connections": [{"name": "feed", "url": server.url(host=host)}],
    })
    daemon.wait_state("feed", "open")
    assert server.accept().headers["Host"] == f"{host}:{server.port}"
    assert not dns.asked


@pytest.mark.parametrize("zone", ["%25eth0", "%eth0"])
def test_a_link_local_address_with_its_zone(network, start_daemon, make_server, zone):
    server = make_server(namespace=network.router, host="fe80::1%inside")
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url(host=f"[fe80::1{zone}]")}],
    }, wrapper=network.host.command)
    status = daemon.wait_state("feed", "open")
    assert server.accept().headers["Host"] == f"[fe80::1]:{server.port}"
    assert status["call"]["info"]["peer"] == f"[fe80::1%eth0]:{server.port}"


def test_a_zone_that_is_not_there(start_daemon):
    daemon = start_daemon({"connections": [{"name": "feed", "url": "ws://[fe80::1%25none0]:80/"}]})
    assert failure(daemon, "feed") == "cannot resolve 'fe80::1%none0': no such interface: 'none0'"
