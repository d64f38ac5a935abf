"""
A subscriber in a process of its own that checks what it reads against plans: every byte, the order of
each connection, nothing twice, nothing missing.

    verify.py FORMAT SOCKET NAME=PLAN…

Writes "ready" when it is connected, then, once it has everything, a JSON object: the messages and bytes
of each connection, and "error" if something was wrong.
"""

import base64
import json
import sys

if __package__ in (None, ""):
    import pathlib

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import frames
from harness.plan import Plan
from harness.subscriber import Lines


class Stream(Lines):
    """Reads large amounts without moving what is pending for each record."""

    def __init__(self, path):
        super().__init__(path)
        self.file = self.socket.makefile("rb", buffering=1 << 20)
        self.socket.settimeout(60)


def read_frames(path):
    """(connection, type, payload) of each message."""
    stream = Stream(path)
    stream.send(frames.hello())
    names = {}
    while True:
        header = stream.file.read(frames.HEADER.size)
        size, length, _, _, connection, kind = frames.HEADER.unpack(header)
        body = stream.file.read(size - frames.HEADER.size)
        if kind == frames.HELLO_TYPE:
            names = dict(enumerate(json.loads(body[:length])["connections"]))
            print("ready", flush=True)
        elif kind == frames.NAME:
            names[connection] = body[:length].decode()
        elif kind == frames.GAP:
            raise ValueError("a gap")
        elif kind in (frames.TEXT, frames.BINARY):
            yield names[connection], "t" if kind == frames.TEXT else "b", memoryview(body)[:length]


def read_json(path):
    stream = Stream(path)
    print("ready", flush=True)
    for line in stream.file:
        record = json.loads(line)
        if record["type"] == "text":
            yield record["connection"], "t", record["data"].encode()
        elif record["type"] == "binary":
            yield record["connection"], "b", base64.b64decode(record["base64"])
        elif record["type"] == "gap":
            raise ValueError("a gap")


def verify(reader, plans):
    expected = {name: plan.expected() for name, plan in plans.items()}
    left = {name: len(plan.messages) for name, plan in plans.items()}
    count, size = 0, 0
    for name, kind, payload in reader:
        want_kind, want = next(expected[name])
        if kind != want_kind or payload != want:
            number = len(plans[name].messages) - left[name]
            raise ValueError(f"message {number} of {name} differs: {len(payload)} bytes for {len(want)}")
        left[name] -= 1
        count += 1
        size += len(want)
        if not any(left.values()):
            return {"messages": count, "bytes": size}
    raise ValueError(f"the stream ended, with so many messages to come: {left}")


def main(format_, path, *plans):
    plans = {name: Plan.load(file) for name, file in (plan.split("=", 1) for plan in plans)}
    reader = {"frames": read_frames, "json": read_json}[format_](path)
    try:
        print(json.dumps(verify(reader, plans)), flush=True)
    except (ValueError, StopIteration, OSError) as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
