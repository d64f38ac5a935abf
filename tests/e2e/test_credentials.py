"""Credentials from files, checked by nginx and python3-websockets, and shown nowhere."""

import base64
import os

import pytest

from harness.control import RpcError
from harness.shown import Watch
from harness.wait import wait_until


@pytest.fixture
def secret_file(tmp_path):
    """Makes files that only their owner can read."""

    def secret_file(name, text):
        file = tmp_path / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    return secret_file


@pytest.fixture
def private(make_nginx, server, tmp_path):
    """The URL of an nginx in front of `server` that wants ann's password."""
    users = tmp_path / "users"
    users.write_text("ann:{PLAIN}pass-word 1€\n")
    front = make_nginx({"private": f'auth_basic "feeds"; auth_basic_user_file {users};'})
    return front.url("private", server.port, "/v1", "127.0.0.1")


def feed(url, **settings):
    return {"connections": [{"name": "feed", "url": url, **settings}]}


def test_a_user_name_and_a_password_from_a_file(start_daemon, server, private, secret_file):
    password = secret_file("password", "\ufeffpass-word 1€\r\n\n \n")
    daemon = start_daemon(feed(private, username="ann", password_file=str(password)))
    expected = "Basic " + base64.b64encode("ann:pass-word 1€".encode()).decode()
    assert server.accept().headers["Authorization"] == expected
    watch = Watch(daemon)
    daemon.call("connect", name="feed")
    watch.wait("open")
    watch.check_hidden("pass-word 1", "ann:pass-word 1€")


def test_a_user_name_alone_has_an_empty_password(start_daemon, server):
    start_daemon(feed(server.url(), username="ann"))
    expected = "Basic " + base64.b64encode(b"ann:").decode()
    assert server.accept().headers["Authorization"] == expected


def test_rotating_the_password_is_enough(start_daemon, server, private, secret_file):
    password = secret_file("password", "an-old-one\r\n")
    daemon = start_daemon(feed(private, username="ann", password_file=str(password)))
    watch = Watch(daemon)
    assert "401 Unauthorized" in watch.wait("error")["desc"]
    password.write_text("pass-word 1€\r\n")
    watch.wait("open")
    server.accept()
    watch.check_hidden("an-old-one", "pass-word 1", "ann:an-old-one", "ann:pass-word 1€")


def test_rotating_by_rename(start_daemon, server, secret_file):
    """As credential managers do it: the file that is there is always whole."""
    token = secret_file("token", "to-ken-1\n")
    daemon = start_daemon(feed(server.url(), bearer_file=str(token)))
    assert server.accept().headers["Authorization"] == "Bearer to-ken-1"
    secret_file("token.new", "to-ken-2\n").rename(token)
    daemon.call("connect", name="feed")
    assert server.accept().headers["Authorization"] == "Bearer to-ken-2"


def test_headers_from_files(start_daemon, server, secret_file):
    key, session = secret_file("key", "k-e-y-1\n"), secret_file("session", " id=coo-kie-2; a=b \n")
    daemon = start_daemon(feed(
        server.url(), headers={"X-Plain": "va-lue-3"},
        header_files={"X-Api-Key": str(key), "Cookie": str(session)},
    ))
    headers = server.accept().headers
    assert headers["X-Api-Key"] == "k-e-y-1"
    assert headers["Cookie"] == "id=coo-kie-2; a=b"
    assert headers["X-Plain"] == "va-lue-3"
    key.write_text("k-e-y-4\n")
    watch = Watch(daemon)
    daemon.call("connect", name="feed")
    assert server.accept().headers["X-Api-Key"] == "k-e-y-4"
    watch.wait("open")
    watch.check_hidden("k-e-y-1", "coo-kie-2", "va-lue-3", "k-e-y-4")


@pytest.mark.parametrize("content", ["k-e-y-1\nUpgrade: x\n", "  k-e-y-1  \n"])
def test_a_file_cannot_bring_in_another_header(start_daemon, server, secret_file, content):
    key = secret_file("key", "k-e-y-0\n")
    daemon = start_daemon(feed(server.url(), when="manual", header_files={"X-Api-Key": str(key)}))
    watch = Watch(daemon)
    key.write_text(content)
    try:
        daemon.call("connect", name="feed")
    except RpcError as error:
        assert "X-Api-Key" in error.message
        watch.check_hidden("k-e-y-1", more=[error, error.data])
    else:
        assert server.accept().headers["X-Api-Key"] == "k-e-y-1"
        assert content.strip() != content or "\n" in content


@pytest.mark.parametrize("content, words", [
    ("\nk-e-y-1\n", "has an empty first line"),
    ("k-e-\ny-1\n", "has more than one line"),
    ("k-e-y-1\r\rk-e-y-2\n", "has more than one line"),
    (" \t\n", "has an empty first line"),
])
def test_a_secret_is_one_line(start_daemon, server, secret_file, content, words):
    """The error names setting and file, but nothing of what is in there."""
    token = secret_file("token", "good\n")
    daemon = start_daemon(feed(server.url(), when="manual", bearer_file=str(token)))
    watch = Watch(daemon)
    token.write_text(content)
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    assert f"bearer_file: {token} {words}" in error.value.message
    watch.check_hidden("k-e-", "y-1", more=[error.value, error.value.data])


def test_a_password_may_end_in_a_space(start_daemon, server, secret_file):
    """But that is seldom meant."""
    password = secret_file("password", "pass-word-1 \n")
    daemon = start_daemon(feed(server.url(), username="ann", password_file=str(password)))
    expected = "Basic " + base64.b64encode(b"ann:pass-word-1 ").decode()
    assert server.accept().headers["Authorization"] == expected
    daemon.wait_log(f"password_file: white space at the beginning or end of {password} is taken as part")


@pytest.fixture
def settings_with(server, nginx, authority, encrypted_key):
    """A connection whose `setting` is from that file."""
    certificate, key, _ = encrypted_key

    def settings_with(setting, file, **more):
        if setting == "header_files.X-Api-Key":
            return feed(server.url(), header_files={"X-Api-Key": str(file)}, **more)
        if setting == "password_file":
            return feed(server.url(), username="ann", password_file=str(file), **more)
        if setting == "proxy.password_file":
            return feed(server.url(), proxy={
                "url": "http://127.0.0.1:9", "username": "ann", "password_file": str(file),
            }, **more)
        if setting == "tls.key_passphrase_file":
            return feed(nginx.url("client", server.port), tls={
                "ca_file": str(authority.ca_file), "cert_file": str(certificate), "key_file": str(key),
                "key_passphrase_file": str(file),
            }, **more)
        return feed(server.url(), **{setting: str(file)}, **more)

    return settings_with


SETTINGS = [
    "password_file", "bearer_file", "header_files.X-Api-Key", "proxy.password_file",
    "tls.key_passphrase_file",
]


SPOILED = {
    "missing": (None, "No such file"),
    "empty": (b"", "empty"),
    "blank": (b"\nsecond line\n", "empty"),
    "folder": (os.mkdir, "is a directory"),
    "pipe": (os.mkfifo, "is a FIFO"),
    "long": (b"x" * (16 * 1024 + 1), "more than 16384 bytes"),
    "nul": (b"sec\0ret\n", "NUL"),
    "utf-16": ("secret\n".encode("utf-16"), "UTF-16"),
}


def spoil(file, how):
    """Puts something there that cannot be used; returns what is to be said of it."""
    content, words = SPOILED[how]
    if file.exists():
        file.unlink()
    if callable(content):
        content(file)
    elif content is not None:
        file.write_bytes(content)
    return words


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("how", SPOILED)
def test_a_file_that_cannot_be_used_is_a_clear_error(
    start_daemon, server, settings_with, secret_file, encrypted_key, setting, how
):
    file = secret_file("secret", encrypted_key[2] + "\n")
    daemon = start_daemon(settings_with(setting, file, when="manual"))
    words = spoil(file, how)
    with pytest.raises(RpcError) as error:
        daemon.call("connect", name="feed")
    assert setting in error.value.message and str(file) in error.value.message and words in error.value.message
    assert not server.requests


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("how", ["missing", "empty", "pipe", "long"])
def test_nothing_starts_or_is_reloaded_with_a_file_that_cannot_be_used(
    make_daemon, settings_with, secret_file, encrypted_key, setting, how
):
    """Nor does the test say that it would."""
    file = secret_file("secret", encrypted_key[2] + "\n")
    daemon = make_daemon(settings_with(setting, file, when="manual")).start()
    words = spoil(file, how)
    said = [daemon.ctl("reload", status=1).stderr, daemon.run("-t", status=1).stderr]
    assert [line["name"] for line in daemon.call("list")] == ["feed"]
    daemon.stop()
    said.append(daemon.run(status=1).stderr)
    for text in said:
        assert f"{daemon.file}:" in text and setting.split(".")[0] in text
        assert str(file) in text and words in text
        assert encrypted_key[2] not in text


def test_a_secret_is_what_stands_behind_a_byte_order_mark(start_daemon, server, secret_file):
    start_daemon(feed(server.url(), bearer_file=str(secret_file("token", "\ufefftoken-1\r\n"))))
    assert server.accept().headers["Authorization"] == "Bearer token-1"


@pytest.mark.parametrize("setting", ["password_file", "bearer_file", "header_files.X-Api-Key", "tls.key_passphrase_file"])
def test_it_is_tried_again_until_the_file_is_there(
    start_daemon, server, settings_with, encrypted_key, secret_file, setting
):
    file = secret_file("secret", encrypted_key[2] + "\n")
    daemon = start_daemon(settings_with(setting, file))
    peer = server.accept()
    file.unlink()
    peer.abort()
    wait_until(lambda: daemon.status("feed")["stats"]["failures"] >= 1)
    secret_file("secret.new", encrypted_key[2] + "\n").rename(file)
    server.accept()
    daemon.wait_state("feed", "open")


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("mode, warned", [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_that_everybody_can_read_is_warned_of(
    start_daemon, settings_with, secret_file, encrypted_key, setting, mode, warned
):
    file = secret_file("secret", encrypted_key[2])
    file.chmod(mode)
    daemon = start_daemon(settings_with(setting, file))
    wait_until(lambda: (s := daemon.status("feed")["stats"])["opens"] + s["failures"])
    daemon.stop()
    warnings = [line for line in daemon.log().splitlines() if str(file) in line]
    assert bool(warnings) == warned
    if warned:
        assert "warning" in warnings[0] and setting in warnings[0] and "feed" in warnings[0]
        assert encrypted_key[2] not in daemon.log()


def test_credentials_of_the_service_manager(start_daemon, server, secret_file, tmp_path):
    secret_file("feed-token", "to-ken-1\n")
    daemon = start_daemon(
        feed(server.url(), bearer_file="${CREDENTIALS_DIRECTORY}/feed-token"),
        environment={"CREDENTIALS_DIRECTORY": str(tmp_path)},
    )
    assert server.accept().headers["Authorization"] == "Bearer to-ken-1"
    assert "to-ken-1" not in daemon.log()


def test_without_a_service_manager_there_are_no_credentials(make_daemon, server):
    daemon = make_daemon(feed(server.url(), bearer_file="${CREDENTIALS_DIRECTORY}/feed-token"))
    daemon.spawn()
    assert daemon.process.wait(10) == 1
    daemon.process = None
    assert "bearer_file: needs the environment variable CREDENTIALS_DIRECTORY" in daemon.log()


def test_a_passphrase_from_a_file(start_daemon, server, settings_with, secret_file, encrypted_key):
    file = secret_file("passphrase", encrypted_key[2] + "\n")
    daemon = start_daemon(settings_with("tls.key_passphrase_file", file))
    peer = server.accept()
    daemon.wait_state("feed", "open")
    watch = Watch(daemon)
    file.write_text("a-wrong-one\n")
    peer.abort()
    error = watch.wait("error")
    assert str(encrypted_key[1]) in error["desc"] and "passphrase" in error["desc"]
    file.write_text(encrypted_key[2] + "\n")
    watch.wait("open")
    assert "CN=client-2" in server.accept().headers["X-Client"]
    watch.check_hidden("a-wrong-one", encrypted_key[2])


def test_nothing_of_any_kind_is_shown(start_daemon, server, secret_file):
    """All at once, while opening, losing, failing and reloading."""
    key = secret_file("key", "k-e-y-1\n")
    token = secret_file("token", "to-ken-2\n")
    daemon = start_daemon(feed(
        server.url("/v1"), header_files={"X-Api-Key": str(key)}, bearer_file=str(token),
        headers={"Cookie": "coo-kie-3"}, on_open=["log-in-4"],
        heartbeat={"every": "20ms", "message": "heart-beat-5"}, ping={"interval": "20ms", "payload": "pay-load-6"},
    ))
    watch = Watch(daemon)
    peer = server.accept()
    daemon.wait_state("feed", "open")
    peer.abort()
    watch.wait("close")
    watch.wait("open")
    server.accept()
    daemon.ctl("connect", "feed", "-H", "X-Once: on-ce-7", status=0)
    daemon.ctl("send", "feed", "mess-age-8", status=0)
    server.refuse = (403, [], b"no")
    watch.wait("open")
    server.accept().abort()
    watch.wait("error")
    daemon.ctl("reload", status=0)
    watch.check_hidden(
        "k-e-y-1", "to-ken-2", "coo-kie-3", "log-in-4", "heart-beat-5", "pay-load-6", "on-ce-7", "mess-age-8",
    )


def occurrences(pid, words):
    """How often each is in the memory that a process can write to."""
    found = dict.fromkeys(words, 0)
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            start, end = (int(part, 16) for part in place.split("-"))
            if "rw" not in rights or end - start > 1 << 28:
                continue
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except OSError:
                continue
            for word in words:
                found[word] += content.count(word.encode())
    return found


@pytest.mark.skipif(os.getuid() != 0, reason="the daemon's memory is its own")
def test_secrets_of_files_do_not_stay_in_memory(start_daemon, server, secret_file):
    header, bearer = "h-e-a-d-e-r-" + "9" * 12, "t-o-k-e-n-" + "8" * 12
    daemon = start_daemon(feed(
        server.url(), header_files={"X-Api-Key": str(secret_file("header", header))},
        bearer_file=str(secret_file("bearer", bearer)),
    ))
    headers = server.accept().headers
    assert headers["X-Api-Key"] == header and headers["Authorization"] == f"Bearer {bearer}"
    # Asking for the state would write over what is left on the stack.
    wait_until(lambda: occurrences(daemon.process.pid, [header, bearer]) == {header: 0, bearer: 0})


@pytest.mark.skipif(os.getuid() != 0, reason="the daemon's memory is its own")
def test_secrets_of_a_call_do_not_stay_in_memory(start_daemon, server):
    secret = "c-a-l-l-" + "7" * 12
    daemon = start_daemon(feed(server.url(), when="manual"))
    daemon.call("connect", name="feed", headers={"X-Api-Key": secret})
    assert server.accept().headers["X-Api-Key"] == secret
    daemon.call("disconnect", name="feed")
    wait_until(lambda: occurrences(daemon.process.pid, [secret]) == {secret: 0})
