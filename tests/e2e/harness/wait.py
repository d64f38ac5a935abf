"""Waiting for conditions, with a deadline, never for a fixed time."""

import time

PATIENCE = 15.0  # seconds; generous, as a sanitized daemon may share two cores with other tests


class Timeout(AssertionError):
    """What a test waited for did not happen."""


class Deadline:
    def __init__(self, seconds=PATIENCE):
        self.end = time.monotonic() + seconds

    def left(self, what="the condition"):
        """Seconds left; raises when there are none."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise Timeout(f"gave up waiting for {what}")
        return left


def wait_until(condition, timeout=PATIENCE, what=None, interval=0.01):
    """Polls until the condition gives something true, and returns that."""
    deadline = Deadline(timeout)
    while True:
        value = condition()
        if value:
            return value
        deadline.left(what() if callable(what) else what or "a condition")
        time.sleep(interval)
