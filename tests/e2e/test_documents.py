"""The documents are true: what they list is there, and what they show works."""

import grp
import os
import re
import subprocess

import pytest

from harness.daemon import ROOT
from harness.ports import free_port
from harness.subscriber import Lines
from harness.wait import wait_until

MANUALS = sorted((ROOT / "doc").glob("*.scd"))
MARKDOWN = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "doc").glob("*.md"))]
SETTINGS = (ROOT / "doc/wsgated.conf.5.scd").read_text()
PROTOCOL = (ROOT / "doc/wsgated-protocol.7.scd").read_text()


def blocks(text):
    """The examples of a manual, as a reader sees them."""
    return [block.replace(r"\\", "\\") for block in re.findall(r"^```\n(.*?)^```$", text, re.M | re.S)]


# --- answers of the control protocol


def entry(method):
    return re.search(rf"^\*{method}\*.*?\n(.*?)(?=^\*|^#)", PROTOCOL, re.M | re.S)[1]


def counters(heading):
    table = PROTOCOL.partition(heading)[2].partition("\n\n|[")[2].partition("\n\n")[0]
    return set(re.findall(r"^\|  _([a-z_]+)_$", table, re.M))


def documented(method):
    text = re.sub(r"^\t```.*?^\t```", "", entry(method), flags=re.M | re.S)
    return set(re.findall(r"(?<![\\\w\"])_([a-z][a-z_]*)_(?![\w\"])", text)) | set(re.findall(r'"([a-z_]+)":', text))


def keys(value):
    """Of the object, and of objects in it."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(keys, value.values()))


@pytest.fixture
def daemon(start_daemon, server):
    """"feed" has been open and is closed, "down" has failed, "open" is open and has a subscriber."""
    daemon = start_daemon({"connections": [
        {"name": "feed", "url": server.url()},
        {"name": "down", "url": f"ws://127.0.0.1:{free_port()}/"},
        {"name": "open", "url": server.url(), "warn": {"warning_ms": 60000}},
    ]})
    for name in ("feed", "open"):
        daemon.wait_state(name, "open")
    daemon.call("disconnect", name="feed")
    wait_until(lambda: daemon.status("down")["last_error"])
    with Lines(daemon.path("open.sock")):
        wait_until(lambda: daemon.call("subscribers", outlet="open"))
        yield daemon


# The names in an entry that are not members of the answer.
OTHERS = {
    "list": {"on_open", "connecting"},
    "status": {"on_open", "connecting"},
    "outlets": set(),
    "subscribers": {"bytes", "ring"},
    "stats": {"name", "warning_ms", "warning_bs", "min_ms"},
    "version": set(),
}
TABLES = {"outlets": "Of an outlet, in *outlets*", "stats": "Of a connection, in *stats*"}


@pytest.mark.parametrize("method", OTHERS)
def test_an_answer_has_the_members_that_the_manual_names(daemon, method):
    if method == "status":
        answer = [{**daemon.status(name), "call": None, "stats": None} for name in ("feed", "down", "open")]
        expected = documented("status") | documented("list")
    elif method == "stats":
        answer, expected = daemon.call("stats", name="open"), documented("stats") | counters(TABLES["stats"])
    else:
        answer, expected = daemon.call(method), documented(method)
        if method in TABLES:
            expected |= counters(TABLES[method])
    assert keys(answer) - {"arg"} == expected - OTHERS[method] - {"arg"}


def test_a_call_has_the_members_that_the_manual_shows(daemon):
    shown = set(re.findall(r'"([a-z_]+)":', entry("connect")))
    tls = {"version", "cipher", "alpn", "resumed", "certificate", "certificate_expiry"}
    answer = daemon.call("connect", name="feed")
    answer["response"]["headers"] = {}
    assert keys(answer) == shown - tls - {"value"}


def test_the_errors_of_the_manual_are_those_of_the_daemon():
    names = re.findall(r'^#define ERROR_\w+ +"([A-Z-]+)"', (ROOT / "src/base/error.h").read_text(), re.M)
    table = PROTOCOL.partition("_data.err_ for programs:")[2].partition("# METHODS")[0]
    assert set(re.findall(r"^\|[\[ ] +([A-Z-]+)$", table, re.M)) == set(names)


def test_what_the_example_of_the_protocol_shows(daemon):
    request, answer = blocks(PROTOCOL)[0].splitlines()[1:]
    rpc = daemon.rpc()
    rpc.send_raw(request.replace("ticker", "open").encode() + b"\n")
    assert rpc.socket.recv(1000).decode() == answer + "\n"


# --- programs and configurations


@pytest.mark.parametrize("format", ["frames", "packets"])
def test_the_subscriber_in_python_works(start_daemon, server, format):
    daemon = start_daemon({
        "connections": [{"name": "feed", "url": server.url()}],
        "outlets": [{"name": "trades", "from": ["feed"], "format": format}],
    })
    section = PROTOCOL.partition(f"\n## {format}\n")[2]
    program = blocks(section.partition("A subscriber in Python:")[2])[0]
    program = program.replace("/run/wsgated/trades.sock", daemon.path("trades.sock"))
    peer = server.accept()
    reader = subprocess.Popen(["/usr/bin/python3", "-u", "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: daemon.call("subscribers", outlet="trades"))
        if format == "frames":
            assert "7 b'{" in reader.stdout.readline()  # the hello
        peer.send("a message")
        assert reader.stdout.readline() == {"frames": "2 1 b'a message'\n", "packets": "b'a message'\n"}[format]
        daemon.stop()
        assert reader.wait(20) == 0
    finally:
        reader.kill()
        reader.wait()
        reader.stdout.close()


CONFIGURATIONS = {
    **{f"wsgated.conf(5) {number}": block for number, block in enumerate(blocks(SETTINGS))
       if "connections =" in block},
    "README": re.search(r"^    connections = .*?\n\n(?=The)", (ROOT / "README.md").read_text(), re.M | re.S)[0],
}


@pytest.mark.parametrize("example", CONFIGURATIONS)
def test_the_configurations_shown_are_valid(make_daemon, tmp_path, authority, client_certificate, example):
    certificate, key = client_certificate
    (tmp_path / "ticker").write_text("token\n")
    (tmp_path / "client.key").write_bytes(key.read_bytes())
    text = CONFIGURATIONS[example].replace('group = "traders"', f'group = "{grp.getgrgid(os.getgid()).gr_name}"')
    text = text.replace("/etc/wsgated/hub-ca.pem", str(authority.ca_file))
    text = text.replace("/etc/wsgated/client.crt", str(certificate))
    daemon = make_daemon()
    daemon.configure(f'gateway = {{ runtime_dir = "{daemon.folder}"; }};\n{text}')
    daemon.run("-t", status=0, env={**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_the_readme_has_every_command(make_daemon):
    daemon = make_daemon()
    table = (ROOT / "README.md").read_text().partition("| command | does |")[2].partition("\n\n")[0]
    shown = set()
    for row in table.splitlines()[2:]:
        shown |= set(re.findall(r"`([a-z-]+)", row.split(" | ")[0]))
    listed = re.findall(r"^  ([a-z-]+) +\S", daemon.ctl("--help").stdout.partition(":\n  list ")[2], re.M)
    assert shown == {"list", *listed}


# --- references


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_links_and_names_of_files_lead_somewhere(path):
    text = path.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / link).exists(), link
    for name in re.findall(r"`((?:src|tests|doc|etc|scripts|systemd)/[\w./-]*\w)`", text):
        assert "NAME" in name or (ROOT / name).exists(), name
    for name in re.findall(r"`((?:base|ws|outlet|gateway|net|control|ctl|client|daemon)/[a-z_]+(?:\.[ch])?)`", text):
        assert list((ROOT / "src").glob(f"{name}*")), name


@pytest.mark.parametrize("path", [ROOT / "HACKING.md", ROOT / "doc/architecture.md"], ids=lambda path: path.name)
def test_functions_that_the_documents_name_exist(path):
    source = "\n".join(file.read_text() for file in (ROOT / "src").rglob("*.[ch]"))
    rooms = {name.partition("_")[0] for name in re.findall(r"\b[a-z]+_[a-z_]+(?=\()", source)}
    for name in re.findall(r"`([a-z]+_[a-z_]+)\(\)`", path.read_text()):
        assert name.partition("_")[0] not in rooms or re.search(rf"\b{name}\b", source), name


NO_SETTINGS = {"conf.d", "data.err", "data.problems", "net.core.wmem_max"}


@pytest.mark.parametrize("path", MANUALS, ids=lambda path: path.name)
def test_manuals_refer_to_sections_and_settings_that_exist(path):
    text = path.read_text()
    headings = {manual.name.rsplit(".", 2)[0]: set(re.findall(r"^#+ (.+)$", manual.read_text(), re.M))
                for manual in MANUALS}
    references = re.findall(r"\*([A-Z]{3,})\* in\s+\*([a-z.-]+)\*\(", text)
    references += [(section, page) for page, section in re.findall(r"\*([a-z.-]+)\*\(\d\),\s+\*([A-Z]{3,})\*", text)]
    for section, page in references:
        assert section in headings[page], (section, page)
    for name in re.findall(r"(?<![\w\\*/.])_((?:[a-z][a-z0-9_]*\.)+[a-z][a-z0-9_]*)_(?!\w)", text):
        setting = name.removeprefix("gateway.")
        known = re.search(rf"^\*{re.escape(setting)}[*.]", SETTINGS, re.M)
        assert known or name in NO_SETTINGS or name.endswith((".sock", ".service", ".conf")), name
