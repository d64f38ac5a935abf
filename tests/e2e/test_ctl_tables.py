"""Tables of wsgatectl: what stands in a column stands below its title, whatever the text and the terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import tty
import unicodedata

import pytest

from harness.fake import answers, run_ctl

WIDE = ["plain", "日本語の名前", "e\u0301te\u0301", "🚀🚀", "ＡＢ", "한국어", "zero\u200bwidth", "x"]


def width(text):
    """The columns that it takes on a terminal."""
    return sum(
        0 if unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def places(line, cells):
    """Where on a terminal each of the cells in it begins and ends."""
    end = 0
    for cell in cells:
        start = line.index(cell, end)
        end = start + len(cell)
        yield width(line[:start]), width(line[:end])


def check_columns(lines, rows):
    """That all cells of a column begin, or all end, in one place."""
    assert len(lines) == len(rows)
    columns = zip(*[list(places(*line)) for line in zip(lines, rows)])
    for number, column in enumerate(columns):
        starts, ends = map(set, zip(*column))
        assert len(starts) == 1 or len(ends) == 1, (number, "\n".join(lines))


LIST = [{"name": text, "state": "open", "url": f"wss://{text}/", "gave_up": text} for text in WIDE]
TABLES = {
    "list": (LIST, [["NAME", "STATE", "RECEIVED", "URL", "NOTE"]] + [
        [text, "open", "0 B", f"wss://{text}/", f"gave up: {text}"] for text in WIDE
    ]),
    "stats": ({text: {"messages_recv": 7 ** len(text)} for text in WIDE}, [["NAME", "MSGS RECV", "BYTES RECV"]] + [
        [text, str(7 ** len(text)), "0 B"] for text in WIDE
    ]),
    "outlets": (
        [{"name": text, "format": text, "on_lag": "skip", "lost": 77, "path": text, "from": [text]} for text in WIDE],
        [["NAME", "FORMAT", "ON LAG", "RING", "LOST", "PATH", "FROM"]] + [
            [text, text, "skip", "0 B", "77", text, text] for text in WIDE
        ],
    ),
    "warnings": (
        [{"seq": 3, "connection": text, "operation": text, "arg": text} for text in WIDE],
        [["SEQ", "CONNECTION", "WARNING", "ARG"]] + [["3", text, f"{text} took", text] for text in WIDE],
    ),
    "status x": (
        {text: {"reason": text} for text in WIDE}, [[f"{text}.reason", text] for text in WIDE],
    ),
}


@pytest.fixture
def show(tmp_path):
    """The lines that a command prints of a result into a pipe."""

    def show(result, command, **environment):
        environment = {**os.environ, **environment}
        done = run_ctl(str(tmp_path / "s"), answers(result=result), *command.split(), env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().splitlines()

    return show


@pytest.fixture
def show_on_terminal(tmp_path):
    """Likewise on a terminal of that many columns."""

    def show(result, command, columns, *options, **environment):
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm", **environment}
        with open(ours, "rb", buffering=0) as terminal:
            with open(theirs, "wb") as output:
                done = run_ctl(str(tmp_path / "s"), answers(result=result), *options, *command.split(),
                               env=environment, capture_output=False, stdout=output, stderr=subprocess.PIPE)
            assert done.returncode == 0, done.stderr
            text = b""
            try:
                while more := terminal.read(65536):
                    text += more
            except OSError:  # EIO: nobody has the other end any more
                pass
        return text.decode().splitlines()

    return show


@pytest.mark.parametrize("command", TABLES)
def test_columns_line_up(show, command):
    result, rows = TABLES[command]
    check_columns(show(result, command), rows)


@pytest.mark.parametrize("locale", [
    {"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""}, {"LC_ALL": "xx_XX.ISO-8859-1"},
    {"LC_ALL": "", "LC_CTYPE": "POSIX", "LANG": "C.UTF-8"},
], ids=lambda locale: " ".join(f"{name}={value}" for name, value in locale.items()))
def test_columns_line_up_in_every_locale(show, locale):
    result, rows = TABLES["list"]
    check_columns(show(result, "list", **locale), rows)


@pytest.mark.parametrize("columns", [1, 20, 60, 400])
@pytest.mark.parametrize("command", TABLES)
def test_a_terminal_gets_what_a_pipe_gets(show, show_on_terminal, command, columns):
    """Nothing is cut, however narrow it is; nor filled up, however wide."""
    result, rows = TABLES[command]
    lines = show_on_terminal(result, command, columns, "--no-color")
    assert lines == show(result, command)
    check_columns(lines, rows)


def test_colours_move_nothing(show, show_on_terminal):
    lines = show_on_terminal(LIST, "list", 80)
    assert "\x1b[32mopen" in lines[1]
    plain = [re.sub("\x1b\\[[0-9]*m", "", line) for line in lines]
    assert plain == show(LIST, "list") == show_on_terminal(LIST, "list", 80, NO_COLOR="1")


def test_a_table_byte_for_byte(show):
    assert show([
        {"name": "日本", "state": "open", "bytes_recv": 1536, "url": "ws://a/"},
        {"name": "ticker", "state": "waiting", "bytes_sent": 5, "url": "ws://é/", "gave_up": "too often"},
    ], "list") == [
        "NAME    STATE    FOR  RECEIVED  SENT  URL      NOTE",
        "日本    open           1.5 KiB   0 B  ws://a/",
        "ticker  waiting            0 B   5 B  ws://é/  gave up: too often",
    ]


@pytest.mark.parametrize("command, titles", [
    ("list", "NAME  STATE  FOR  RECEIVED  SENT  URL  NOTE"),
    ("warnings", "TIME  SEQ  CONNECTION  WARNING  ARG"),
])
def test_without_rows_there_are_titles(show, command, titles):
    assert show([], command) == [titles]


def test_texts_are_cleaned_once_and_else_as_they_are(show):
    """Also what the C library does not know, and what looks like an escape."""
    name = "a\x1b[31m\x9b\u202e\nb"
    odd = "\\x1b \u0378\U0001fae8\U000e0fff"
    assert show([{"name": name, "state": odd, "url": "u"}], "list")[1].split("  ")[:2] == [
        "a\\x1b[31m\\x9b\\u202e\\x0ab", odd,
    ]


def test_very_many_rows(show):
    result = [{"name": f"c{number}", "url": "ws://a/"} for number in range(100000)]
    lines = show(result, "list")
    assert len(lines) == 100001
    check_columns(lines[:1] + lines[-1:], [["NAME", "URL"], ["c99999", "ws://a/"]])
