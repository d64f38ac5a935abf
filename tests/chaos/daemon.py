"""The daemon of a round: its log goes through a pipe, and may not be read for a while."""

import fcntl
import os
import subprocess
import threading

from harness import process
from harness.daemon import Daemon, SANITIZERS


class ChaosDaemon(Daemon):
    def __init__(self):
        super().__init__()
        self.muted = threading.Event()

    def spawn(self, *arguments):
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": self.notify.path,
            **SANITIZERS,
        }
        self.process = process.start(
            [*self.wrapper, self.program, "-c", str(self.file), *arguments], stderr=subprocess.PIPE, env=environment
        )
        fcntl.fcntl(self.process.stderr, fcntl.F_SETPIPE_SZ, 4096)  # soon full, when nobody reads
        self.reader = threading.Thread(target=self._read, args=[self.process.stderr], daemon=True)
        self.reader.start()

    def _read(self, stderr):
        with open(self.stderr_file, "ab", buffering=0) as file:
            while True:
                while self.muted.is_set():
                    threading.Event().wait(0.02)
                data = os.read(stderr.fileno(), 1 << 16)
                if not data:
                    return
                file.write(data)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def peak(self):
        """The most memory it ever had, in bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return 0
