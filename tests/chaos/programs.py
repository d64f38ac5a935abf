"""The programs of a round beside the daemon: servers, readers, the probe."""

import json
import pathlib
import subprocess
import sys

from harness import process

HERE = pathlib.Path(__file__).resolve().parent


class Program:
    """A helper program: a line of JSON at a time."""

    def __init__(self, name, *arguments, wrapper=()):
        self.process = process.start(
            [*wrapper, sys.executable, "-B", str(HERE / name), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )

    def say(self, text):
        try:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass

    def read(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def stop(self):
        self.process.kill()
        try:
            process.end(self.process)
        except BrokenPipeError:  # what it was told last, it has not read
            pass

    def kill(self):
        self.process.kill()

    def send_signal(self, number):
        self.process.send_signal(number)
