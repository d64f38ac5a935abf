"""Child processes that do not outlive the test, whatever happens to it."""

import ctypes
import signal
import subprocess

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command, prepare=None, **options):
    """`prepare` is called in the child, before the program."""

    def in_child():
        _die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
        if prepare:
            prepare()

    return subprocess.Popen(
        command, stdin=options.pop("stdin", subprocess.DEVNULL), preexec_fn=in_child, **options
    )


def end(process, how=signal.SIGTERM, timeout=10):
    """Ends the process and reaps it; kills it if it does not go by itself. Its exit status."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
    return process.returncode
