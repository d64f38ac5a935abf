"""wsgatectl and a daemon that means it no good, or is none."""

import json
import re
import resource
import time

import pytest

from harness.fake import answers, run_ctl

EVIL = "\x1b[31m\x9b2J\u202eevil\u2066\x7f"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
SILENT = "the daemon has not responded for 0.6 s (--timeout)"
LIMIT = 3 << 29  # bytes of memory for wsgatectl


@pytest.fixture
def run(tmp_path):
    """Runs wsgatectl against such a daemon."""
    path = str(tmp_path / "s")

    def run(behave, *arguments, timeout="600ms"):
        done = run_ctl(path, behave, f"--timeout={timeout}", *arguments)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    return run


def repeats(data, pause):
    """After the first request."""

    def behave(peer):
        peer.recv(65536)
        while True:
            peer.sendall(data)
            time.sleep(pause)

    return behave


@pytest.mark.parametrize("data", [
    b" ", b"\n ", b'{"jsonrpc":"2.0","method":"event","params":{"type":"x"}}\n',
    b'{"jsonrpc":"2.0","id":99,"result":true}\n',
], ids=["spaces", "lines", "events", "other-answers"])
@pytest.mark.parametrize("command", [["list"], ["warnings", "--follow"]])
def test_what_was_not_asked_for_is_no_sign_of_life(run, data, command):
    done = run(repeats(data, 0.02), *command)
    assert done.returncode == 3
    assert SILENT in done.stderr or "is not JSON" in done.stderr and data == b"\n "


@pytest.mark.parametrize("data, much", [
    (b"x" * 65536, "is longer than 64 MiB"),
    (b'{"jsonrpc":"2.0","method":"event"}\n' * 2000, "has more than 2000000 values"),
    (b"[" + b"[]," * 2000000 + b"0]\n", "has more than 2000000 values"),
], ids=["line", "events", "values"])
def test_an_endless_answer(run, data, much):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = run(repeats(data, 0), "warnings", "--follow", timeout="0")
    assert done.returncode == 3
    assert done.stderr == f"wsgatectl: the daemon's answer {much}\n"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10 <= max(LIMIT, before << 10)


def test_a_long_answer_in_pieces_is_waited_for(run):
    """More than the time limit in all, though the daemon answers nothing else meanwhile."""

    def behave(peer):
        request = json.loads(peer.makefile("rb").readline())
        answer = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": ["x" * 100000] * 12}).encode() + b"\n"
        for start in range(0, len(answer), 100000):
            peer.sendall(answer[start:start + 100000])
            time.sleep(0.15)

    done = run(behave, "--json", "list", timeout="1s")
    assert done.returncode == 0 and len(done.stdout) > 1200000


PROBLEM = {"code": -32000, "message": EVIL, "data": {"err": EVIL, "problems": [EVIL]}}


@pytest.mark.parametrize("command, members, status", [
    (["version"], {"error": PROBLEM}, 1),
    (["version"], {"error": {**PROBLEM, "data": {"err": EVIL}}}, 1),
    (["connect", "x"], {"error": {**PROBLEM, "data": {"response": {"status": 1, "headers": {EVIL: EVIL}}}}}, 1),
    (["reload"], {"result": {"warnings": [EVIL], "restart": [EVIL], EVIL: EVIL}}, 0),
    (["list"], {"result": [{"name": EVIL, "state": EVIL, "gave_up": EVIL, "url": EVIL}]}, 0),
    (["warnings"], {"result": [{"operation": EVIL, "arg": {EVIL: EVIL}}]}, 0),
])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_nothing_raw_reaches_the_terminal(run, options, command, members, status):
    done = run(answers(**members), *options, *command)
    assert done.returncode == status, done.stderr
    assert "evil" in done.stdout + done.stderr
    assert not RAW.search(done.stdout + done.stderr), (done.stdout, done.stderr)


def test_json_stays_the_same(run):
    result = [EVIL, {EVIL: "π \u2028 \U0001f600 \\u202e \"", "n": [1, 2.5, None, True]}]
    done = run(answers(result=result), "--json", "list")
    assert json.loads(done.stdout) == result
    assert "π" in done.stdout and "\U0001f600" in done.stdout
    error = {"code": 1, "message": EVIL}
    assert json.loads(run(answers(error=error), "--json", "list").stderr) == error


@pytest.mark.parametrize("command", [["is-open", "x"], ["--json", "is-open", "x"]])
@pytest.mark.parametrize("members", [
    {"result": "yes"}, {"result": None}, {"result": 1}, {"result": {}}, {}, {"error": 7}, {"error": None},
])
def test_a_script_does_not_take_nonsense_for_closed(run, command, members):
    done = run(answers(**members), *command)
    assert done.returncode == 3
    assert done.stderr == "wsgatectl: unexpected answer from the daemon\n"
    assert not done.stdout
