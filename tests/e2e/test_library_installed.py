"""libwsgate as programs find it: header, libraries, pkg-config, and the examples."""

import os
import re
import subprocess

import pytest

from harness import process
from harness.daemon import ROOT
from harness.install import run
from harness.library import MODULE

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wmissing-field-initializers", "-pedantic", "-Werror"]


@pytest.fixture
def library(installed):
    _, prefix = installed
    return prefix / "lib/libwsgate.so.0"


@pytest.fixture
def flags(installed):
    """What pkg-config tells, for the folder in which it is installed."""
    root, prefix = installed

    def flags(*options):
        environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(root),
                       "PKG_CONFIG_LIBDIR": f"{prefix}/lib/pkgconfig:" + run(
                           "pkg-config", "--variable=pc_path", "pkg-config").strip()}
        return run("pkg-config", *options, "libwsgate", env=environment).split()

    return flags


@pytest.fixture
def compiled(installed, flags, tmp_path):
    """Compiles a source text, and returns the program."""

    def compiled(text, *options, compiler=("gcc", "-std=c99"), suffix=".c"):
        source, program = tmp_path / f"program{suffix}", tmp_path / "program"
        source.write_text(text)
        run(*compiler, *WARNINGS, *options, "-o", program, source, *flags("--cflags", "--libs"))
        return program

    return compiled


@pytest.fixture
def start(library):
    """Starts a program that finds the library."""
    running = []

    def start(*command):
        environment = {**os.environ, "LD_LIBRARY_PATH": str(library.parent), "WSGATE_LIBRARY": str(library)}
        running.append(process.start(list(map(str, command)), env=environment, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1))
        return running[-1]

    yield start
    for each in running:
        process.end(each)


@pytest.fixture
def open_feed(start_daemon, server):
    def open_feed():
        outlet = {"name": "out", "path": "out.sock", "from": ["feed"], "format": "frames", "start": "oldest",
                  "writable": True}
        daemon = start_daemon({"connections": [{"name": "feed", "url": server.url()}], "outlets": [outlet]})
        return daemon, server.accept()

    return open_feed


def declared():
    header = (ROOT / "include/wsgate.h").read_text()
    return set(re.findall(r"^[a-z].*?\b(wsgate_\w+)\(", header, re.M))


def test_exports_what_the_header_declares_and_nothing_else(library):
    symbols = run("nm", "-D", "--defined-only", library).split("\n")
    names = {line.split()[2] for line in symbols if line} - {"WSGATE_0"}
    assert names == {f"{name}@@WSGATE_0" for name in declared()}
    assert "wsgate_next" in declared()


def test_the_manual_names_every_function():
    manual = (ROOT / "doc/wsgate.3.scd").read_text()
    assert declared() <= set(re.findall(r"\*(wsgate_\w+)\*", manual))


def test_the_static_library_keeps_to_its_names(library):
    symbols = run("nm", "-g", "--defined-only", library.with_name("libwsgate.a")).split("\n")
    names = {line.split()[2] for line in symbols if len(line.split()) == 3}
    assert declared() <= names
    assert all(name.startswith("wsgate_") for name in names), names


def test_has_a_version(library):
    assert "Library soname: [libwsgate.so.0]" in run("readelf", "-d", library)


@pytest.mark.parametrize("compiler, suffix", [
    (("gcc", "-std=c99"), ".c"), (("gcc", "-std=c11"), ".c"), (("g++", "-std=c++11"), ".cc"), (("g++", "-std=c++20"), ".cc"),
], ids=["C99", "C11", "C++11", "C++20"])
def test_the_header_is_good_for(compiled, compiler, suffix):
    compiled("""
        #include <wsgate.h>

        int main(void)
        {
            struct wsgate_options options = WSGATE_OPTIONS_INIT;
            struct wsgate *gate;
            enum wsgate_result result = wsgate_open(&gate, &options);

            wsgate_close(gate);
            return result == WSGATE_ERROR_ARGUMENT && WSGATE_NO_CONNECTION == 0xffffffffu ? 0 : 1;
        }
        """, compiler=compiler, suffix=suffix)


def example_of_the_manual():
    """The block of the EXAMPLE section, as scdoc shows it."""
    manual = (ROOT / "doc/wsgate.3.scd").read_text()
    return re.search(r"^# EXAMPLE$.*?^```\n(.*?)^```$", manual, re.M | re.S).group(1).replace("\\\\", "\\")


def test_the_example_of_the_manual(open_feed, compiled, start):
    daemon, peer = open_feed()
    program = start("stdbuf", "-oL", compiled(example_of_the_manual()), daemon.path("out.sock"))
    peer.send_all(["one", "zwölf"])
    assert [program.stdout.readline() for _ in range(2)] == ["feed: one\n", "feed: zwölf\n"]
    daemon.stop()
    assert program.wait(10) == 0
    refused = start(compiled(example_of_the_manual()), "/nonexistent/out.sock")
    assert "/nonexistent/out.sock" in refused.stderr.readline()
    assert refused.wait(10) == 1


def test_the_static_library_is_enough(open_feed, installed, library, start, tmp_path, flags):
    daemon, peer = open_feed()
    source = tmp_path / "static.c"
    source.write_text(example_of_the_manual())
    run("gcc", "-o", tmp_path / "static", source, *flags("--cflags"), library.with_name("libwsgate.a"),
        *[flag for flag in flags("--static", "--libs") if flag != "-lwsgate"])
    assert "libwsgate" not in run("ldd", tmp_path / "static")
    program = start("stdbuf", "-oL", tmp_path / "static", daemon.path("out.sock"))
    peer.send("one")
    assert program.stdout.readline() == "feed: one\n"


def test_the_event_loop_of_the_examples(open_feed, compiled, start, server):
    daemon, peer = open_feed()
    program = start(compiled((ROOT / "doc/examples/wsgate_loop.c").read_text(), "-D_GNU_SOURCE"),
                    daemon.path("out.sock"))
    peer.send("one")
    assert program.stdout.readline() == "2 one\n"
    program.stdin.write("up\n")
    assert peer.receive() == "up"

    daemon.kill()
    daemon.start()
    peer = server.accept()
    peer.send_all(["again", "and again"])
    assert program.stdout.readline().endswith(" again\n")
    assert program.stdout.readline().endswith(" and again\n")
    program.stdin.close()
    assert program.wait(10) == 0


def test_the_module_for_python_is_a_program(open_feed, start):
    daemon, peer = open_feed()
    program = start("/usr/bin/python3", "-B", MODULE, daemon.path("out.sock"))
    peer.send_all(["one", b"two"])
    assert [program.stdout.readline() for _ in range(2)] == ["feed one\n", "feed two\n"]
    daemon.stop()
    assert program.wait(10) == 0
    assert "wsgate.py: cannot connect" in start("/usr/bin/python3", "-B", MODULE, "/nonexistent").stderr.readline()
