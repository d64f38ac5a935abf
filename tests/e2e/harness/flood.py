"""A TLS server that floods its clients, in a process of its own: see tls_flood.c."""

import pathlib
import subprocess

from . import process

SOURCE = pathlib.Path(__file__).with_name("tls_flood.c")


def compile_flood(folder):
    """Python's ssl sends neither key updates nor tickets by command."""
    program = folder / "tls_flood"
    subprocess.run(
        ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o", program, SOURCE, "-lssl", "-lcrypto", "-pthread"], check=True
    )
    return program


class TlsFlood:
    def __init__(self, program, certificate, key):
        self.process = process.start([program, certificate, key], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.hello_port = int(self.process.stdout.readline())

    def url(self, path):
        return f"wss://127.0.0.1:{self.port}{path}"

    def proxy_url(self):
        return f"https://127.0.0.1:{self.port}"

    def hello_url(self):
        return f"wss://127.0.0.1:{self.hello_port}/"

    def stop(self):
        process.end(self.process)
