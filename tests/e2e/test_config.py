"""The configuration file: what is taken, and what is said about the rest."""

import subprocess

import pytest

from harness.wait import wait_until


@pytest.fixture
def check(make_daemon):
    """Runs `wsgated -t` on a text: (exit status, what it says, the file's path)."""
    daemon = make_daemon()

    def check(text, **files):
        daemon.file.write_text(text)
        for name, content in files.items():
            folder = daemon.folder / "conf.d"
            folder.mkdir(exist_ok=True)
            (folder / name.replace("_", ".")).write_text(content)
        done = subprocess.run(
            [daemon.program, "-c", str(daemon.file), "-t"], capture_output=True, text=True, timeout=20,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout + done.stderr, str(daemon.file)

    return check


GOOD = """
gateway = {
  runtime_dir = "/run/wsgated";
  control = { path = "control.sock"; mode = "0660"; };
  log = { level = "info"; format = "auto"; };
  dns = [ "127.0.0.1:53", "[::1]:53", "192.0.2.1" ];
  drain_timeout = "3s";
};
defaults = { reconnect = { min = "500ms"; max = "60s"; }; };
connections = (
  { name = "ticker";
    url  = "wss://feed.example.com/v1";
    when = "manual";
    headers = { X-Api-Key = "k"; };
    protocols = [ "v1.json" ];
    on_open = [ "{\\"op\\":\\"subscribe\\",\\"channel\\":\\"trades\\"}" ];
    origin = "https://example.com"; user_agent = "me/1"; bearer_file = "/run/token";
    connect_timeout = "1s"; tls_timeout = "2m"; upgrade_timeout = "250ms"; close_timeout = "1s";
    ping = { interval = "20s"; timeout = "5s"; };
    idle_timeout = "1h"; max_message = "2M"; send_queue = "64K";
    reconnect = { enabled = true; min = "1s"; max = "1m"; factor = 1.5; stable = "1m"; };
    tls = { verify = true; ca_file = "/etc/ca.pem"; ca_path = "/etc/ssl/certs"; crl_file = "/crl.pem"; cert_file = "/c.pem"; key_file = "/k.pem";
            server_name = "example.com"; min_version = "1.3"; ciphers = "HIGH"; };
    warn = { warning_ms = 5000; warning_bs = 5000; min_ms = 1000; arg = "socket-1"; queue = 10; }; } );
outlets = (
  { name = "trades"; path = "trades.sock"; from = [ "ticker", "binance-*" ];
    format = "lines"; ring = "1M"; on_lag = "skip"; start = "live";
    mode = "0660"; writable = false; max_subscribers = 1024; } );
"""


def test_every_setting_of_the_manual(check, authority, client_certificate, tmp_path):
    (tmp_path / "token").write_text("a-token\n")
    text = GOOD.replace("/run/token", str(tmp_path / "token")).replace("/etc/ca.pem", str(authority.ca_file))
    authority.revoke(tmp_path / "crl.pem")
    text = text.replace('"/crl.pem"', f'"{tmp_path}/crl.pem"')
    for name, file in zip(("/c.pem", "/k.pem"), client_certificate):
        text = text.replace(name, str(file))
    status, text, _ = check(text)
    assert (status, text) == (0, text), text
    assert "error" not in text.lower()
    assert "no connection matches 'binance-*'" in text


def test_an_empty_configuration_is_good(check):
    assert check("")[0] == 0


def test_every_problem_in_one_go_with_file_and_line(check):
    status, text, file = check(
        'gateway = { log = { level = "loud"; }; };\n'
        'connections = (\n'
        '  { name = "a"; url = "http://x/"; },\n'
        '  { name = "a"; url = "ws://x/"; },\n'
        '  { name = "../b"; url = "ws://x/"; },\n'
        '  { url = "ws://x/"; },\n'
        '  { name = "c"; url = "ws://x/"; max_message = 5; },\n'
        '  { name = "d"; url = "ws://x/";\n'
        '    ping = { intervall = "5s"; }; },\n'
        '  { name = "e"; url = "ws://x/#frag"; headers = { Upgrade = "y"; }; },\n'
        '  { name = "f"; url = "ws://x/"; reconnect = { min = "10s"; max = "1s"; }; } );\n'
        'outlets = ( { name = "o"; from = [ "nobody" ]; format = "xml"; },\n'
        '  { name = "p"; from = [ "c" ]; on_lag = "wait"; ring = "4K"; path = "control.sock"; } );\n'
        'colour = "red";\n'
    )
    assert status == 1
    expected = {
        1: ["level", "loud"], 3: ["ws, wss or"], 4: ["already", "'a'"], 5: ["name"], 6: ["name"], 7: ["max_message"],
        9: ["intervall", "interval"], 10: ["fragment", "Upgrade"], 11: ["min", "max"], 12: ["nobody", "format"],
        13: ["control socket"], 14: ["colour"],
    }
    for line, words in expected.items():
        of_line = [entry for entry in text.splitlines() if f"{file}:{line}:" in entry]
        assert of_line, f"nothing about line {line}:\n{text}"
        for word in words:
            assert any(word in entry for entry in of_line), f"{word!r} of line {line}:\n{text}"


def test_a_syntax_error_has_its_line(check):
    status, text, file = check('gateway = {\n  runtime_dir = ;\n};\n')
    assert status == 1
    assert f"{file}:2" in text


def test_a_missing_file(make_daemon, tmp_path):
    daemon = make_daemon()
    missing = str(tmp_path / "none.conf")
    for arguments in (["-t"], []):
        done = subprocess.run([daemon.program, "-c", missing, *arguments], capture_output=True, text=True, timeout=20)
        assert done.returncode == 1
        assert missing in done.stderr and "No such file" in done.stderr


@pytest.mark.parametrize("text, word", [
    ('gateway = { log = "x"; };', "group"),
    ('connections = "x";', "list"),
    ('connections = ( { name = "a"; url = 5; } );', "string"),
    ('connections = ( { name = "a"; url = "ws://u:hush@x:99999/"; } );', "url"),
    ('connections = ( { name = "a"; url = "ws://x/"; when = "sometimes"; } );', "manual"),
    ('connections = ( { name = "a"; url = "ws://x/"; protocols = [ "a b" ]; } );', "subprotocol"),
    ('connections = ( { name = "a"; url = "ws://x/"; warn = { queue = 0; warning_ms = 1; }; } );', "queue"),
    ('connections = ( { name = "a"; url = "ws://x/"; tls = { key_file = "/k"; }; } );', "cert_file"),
    ('outlets = ( { name = "o"; from = [ "*" ]; mode = "rw"; } );', "mode"),
    ('outlets = ( { name = "o"; from = [ "*" ]; ring = "1K"; } );', "ring"),
    ('outlets = ( { name = "o"; } );', "from"),
    ('gateway = { dns = [ "ns.example.com" ]; };', "dns"),
])
def test_what_cannot_be(check, text, word):
    status, said, file = check(text)
    assert status == 1
    assert f"{file}:1:" in said and word in said
    assert "hush" not in said


def test_conf_d_adds_connections_and_outlets(check):
    good = 'connections = ( { name = "b"; url = "ws://x/"; } ); outlets = ( { name = "o"; from = [ "a", "b" ]; } );'
    status, text, _ = check('connections = ( { name = "a"; url = "ws://x/"; } );', more_conf=good, other_txt="garbage {")
    assert status == 0, text
    status, text, file = check('connections = ( { name = "b"; url = "ws://x/"; } );', more_conf=good)
    assert status == 1
    assert "conf.d/more.conf:1:" in text


def test_conf_d_files_take_effect(make_daemon, server):
    daemon = make_daemon({"defaults": {"user_agent": "from-defaults"}})
    (daemon.folder / "conf.d").mkdir()
    (daemon.folder / "conf.d" / "feed.conf").write_text(f'connections = ( {{ name = "feed"; url = "{server.url()}"; }} );')
    daemon.start()
    assert server.accept().headers["User-Agent"] == "from-defaults"


def test_defaults_apply_and_can_be_overridden(start_daemon, make_server):
    servers = [make_server(), make_server()]
    start_daemon({
        "defaults": {"user_agent": "default/1", "headers": {"X-All": "1"}},
        "connections": [{"name": "a", "url": servers[0].url()},
                        {"name": "b", "url": servers[1].url(), "user_agent": "own/1"}],
    })
    assert servers[0].accept().headers["User-Agent"] == "default/1"
    assert servers[0].peers[0].headers["X-All"] == "1"
    assert servers[1].accept().headers["User-Agent"] == "own/1"


def test_a_bad_configuration_does_not_start(make_daemon):
    daemon = make_daemon('connections = ( { name = "a"; } );')
    daemon.spawn()
    assert daemon.process.wait(15) == 1
    assert f"{daemon.file}:1:" in daemon.log() and "url" in daemon.log()
    daemon.process = None


@pytest.mark.parametrize("arguments, status", [(["--frobnicate"], 2), (["-c"], 2), (["surplus"], 2)])
def test_wrong_usage(make_daemon, arguments, status):
    done = subprocess.run([make_daemon().program, *arguments], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == status
    assert done.stderr


def test_help_and_version(make_daemon):
    program = make_daemon().program
    done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "-c" in done.stdout and "-t" in done.stdout
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout.startswith("wsgated ")


def test_a_bearer_file_in_the_credentials_directory(start_daemon, server, tmp_path):
    (tmp_path / "token").write_text("from-credentials\n")
    daemon = start_daemon(
        {"connections": [{"name": "feed", "url": server.url(), "bearer_file": "${CREDENTIALS_DIRECTORY}/token"}]},
        environment={"CREDENTIALS_DIRECTORY": str(tmp_path)},
    )
    assert server.accept().headers["Authorization"] == "Bearer from-credentials"
    wait_until(lambda: "from-credentials" not in daemon.log())
