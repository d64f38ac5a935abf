"""What `make install` installs, in a folder."""

import fcntl
import re
import subprocess

from .daemon import build_folder


def run(*command, **options):
    """Runs a command that has to succeed; returns all that it has said."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def install(root):
    """Installs the optimised build; returns the folder and its prefix in there."""
    build = build_folder(heavy=True)
    with open(build / "Makefile") as makefile:
        fcntl.flock(makefile, fcntl.LOCK_EX)  # tests run side by side, and make may find something to do
        run("make", "-C", build, "install", f"DESTDIR={root}")
        prefix = re.search(r"^prefix = (.*)$", makefile.read(), re.M).group(1)
    return root, root / prefix.lstrip("/")
