"""`config`: the settings in force, and where each of them comes from."""

import json
import re
import unicodedata

import pytest

from harness.control import Rpc, RpcError

SECRET = "not-for-your-eyes"

CONFIGURATION = """\
gateway = { runtime_dir = "%(folder)s";
  observe = { path = "observe.sock"; };
  drain_timeout = "1m"; };
defaults = { reconnect = { min = "20ms"; max = "200ms"; };
  headers = { X-Api-Key = "%(secret)s"; }; };
connections = (
  { name = "feed"; url = "ws://ann:%(secret)s@127.0.0.1:%(port)d/x?%(secret)s";
    reconnect = { max = "150ms"; };
    protocols = [ "v1", "bearer.%(secret)s" ];
    when = "manual"; },
  { name = "other"; url = "ws://127.0.0.1:%(port)d/"; when = "manual"; } );
outlets = ( { name = "all"; from = [ "*" ];
  ring = "64K"; } );
"""


def configuration(daemon, **changes):
    return CONFIGURATION % {"folder": daemon.folder, "secret": SECRET, "port": 1, **changes}


@pytest.fixture
def daemon(start_daemon):
    daemon = start_daemon({"gateway": {"observe": {"path": "observe.sock"}}})
    daemon.configure(configuration(daemon))
    daemon.ctl("reload", status=0)
    return daemon


def settings(daemon, name=None, of="connection"):
    """Those of the answer, by their names."""
    answer = daemon.call("config", **({"name": name} if name else {}))
    return {setting["name"]: setting for setting in answer[of]}


def place(daemon, setting):
    return setting["from"], setting["line"] if setting.get("file") == str(daemon.file) else None


def test_each_value_comes_with_its_place(daemon):
    feed = settings(daemon, "feed")
    assert feed["when"] == {"name": "when", "value": "manual", "from": "file", "file": str(daemon.file), "line": 10}
    assert (feed["reconnect.max"]["value"], *place(daemon, feed["reconnect.max"])) == ("150ms", "file", 8)
    assert (feed["reconnect.min"]["value"], *place(daemon, feed["reconnect.min"])) == ("20ms", "defaults", 4)
    assert feed["connect_timeout"] == {"name": "connect_timeout", "value": "10s", "from": "default"}
    assert feed["tcp.nodelay"]["value"] is True
    assert feed["reconnect.give_up"]["value"] == []
    assert feed["host"]["value"] is None
    gateway = settings(daemon, of="gateway")
    assert (gateway["gateway.drain_timeout"]["value"], *place(daemon, gateway["gateway.drain_timeout"])) == ("1m", "file", 3)
    outlet = settings(daemon, "all", of="outlet")
    assert (outlet["ring"]["value"], *place(daemon, outlet["ring"])) == ("64K", "file", 13)
    assert outlet["format"]["from"] == "default"


def test_a_reload_moves_places_and_nothing_else(daemon):
    before = settings(daemon, "feed")
    daemon.configure("\n\n" + configuration(daemon))
    assert json.loads(daemon.ctl("--json", "reload", status=0).stdout)["unchanged"] == 2
    after = settings(daemon, "feed")
    assert {name: setting["value"] for name, setting in after.items()} == \
        {name: setting["value"] for name, setting in before.items()}
    assert after["when"]["line"] == before["when"]["line"] + 2
    assert after["reconnect.min"]["line"] == before["reconnect.min"]["line"] + 2
    assert settings(daemon, "all", of="outlet")["ring"]["line"] == 15


def test_what_needs_a_restart_is_shown_as_it_runs(daemon):
    daemon.configure(configuration(daemon).replace('"observe.sock"', '"elsewhere.sock"'))
    daemon.ctl("reload", status=0)
    path = settings(daemon, of="gateway")["gateway.observe.path"]
    assert path["value"] == daemon.path("observe.sock")
    assert place(daemon, path) == ("running", 2)
    assert f'gateway.observe.path = "{daemon.path("observe.sock")}";  # until a restart, then {daemon.file}:2\n' \
        in re.sub(" {3,}#", "  #", daemon.ctl("config", status=0).stdout)


def test_secrets_are_shown_to_nobody(daemon):
    observer = Rpc(daemon.path("observe.sock"))
    for answer in (daemon.call("config", name="feed"), observer.call("config", name="feed")):
        assert SECRET not in json.dumps(answer)
        feed = {setting["name"]: setting["value"] for setting in answer["connection"]}
        assert feed["headers"] == {"X-Api-Key": "***"}
        assert feed["protocols"] == ["***", "***"]
    assert settings(daemon, "feed")["url"]["value"] == "ws://***@127.0.0.1:1/x?…"
    assert feed["url"] == "ws://127.0.0.1:1/x?…"  # to the observer not even that there is a login
    assert SECRET not in daemon.ctl("config", "feed", status=0).stdout
    observer.close()


def test_an_added_connection_says_so(daemon):
    daemon.ctl("add", "mine", "ws://127.0.0.1:1/", "when=manual", "ping.interval=5s", status=0)
    mine = settings(daemon, "mine")
    assert [mine[name]["from"] for name in ("url", "ping.interval", "ping.timeout", "reconnect.max")] == \
        ["control", "control", "default", "defaults"]
    shown = daemon.ctl("config", "mine", status=0).stdout
    assert re.search(r'^ping\.interval = "5s"; +# added$', shown, re.MULTILINE)


def test_people_read_it_like_a_file(daemon):
    shown = daemon.ctl("config", "feed", status=0).stdout
    assert re.search(rf'^reconnect\.max = "150ms"; +# {daemon.file}:8$', shown, re.MULTILINE)
    assert re.search(rf'^reconnect\.min = "20ms"; +# defaults, {daemon.file}:4$', shown, re.MULTILINE)
    assert re.search(r'^headers = { X-Api-Key = "\*\*\*"; }; +# defaults, ', shown, re.MULTILINE)
    assert re.search(r"^max_age\.jitter = 0\.1; +# default$", shown, re.MULTILINE)
    assert shown.startswith("name = ")
    assert daemon.ctl_json("config", "feed") == daemon.call("config", name="feed")


def columns(text):
    return sum(0 if unicodedata.combining(character) else
               2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def test_places_line_up_whatever_is_in_a_setting(start_daemon):
    daemon = start_daemon({"connections": [{"name": "feed", "url": "ws://127.0.0.1:1/", "when": "manual",
                                            "warn": {"arg": "\u65e5\u672c e\u0301"}}]})
    lines = daemon.ctl("config", "feed", status=0).stdout.splitlines()
    compared = [line for line in lines if line.startswith(("warn.arg", "warn.queue"))]
    assert len(compared) == 2 and "\u65e5\u672c e\u0301" in compared[0]
    assert len({columns(line.partition("  # ")[0]) for line in compared}) == 1


def test_a_connection_and_an_outlet_of_its_name(start_daemon):
    daemon = start_daemon({"connections": [{"name": "feed", "url": "ws://127.0.0.1:1/", "when": "manual"}]})
    assert list(daemon.call("config", name="feed")) == ["connection", "outlet"]
    shown = daemon.ctl("config", "feed", status=0).stdout
    assert shown.startswith("# connection\n") and "\n\n# outlet\n" in shown


def test_a_name_that_there_is_not(daemon):
    with pytest.raises(RpcError) as refused:
        daemon.call("config", name="fed")
    assert refused.value.err == "NOT-FOUND"
    assert "no connection or outlet named 'fed'" in daemon.ctl("config", "fed", status=1).stderr
