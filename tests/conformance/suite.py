"""Runs cases against one daemon, many at a time."""

import asyncio
import importlib
import itertools
import json
import socket
import time
from dataclasses import dataclass

from harness.daemon import Daemon
from harness.frames import BINARY as RECORD_BINARY
from harness.frames import CLOSE as RECORD_CLOSE
from harness.frames import HEADER, HELLO_TYPE, LIVE, NAME, OPEN, hello
from harness.frames import ERROR as RECORD_ERROR
from harness.frames import TEXT as RECORD_TEXT

from .case import REFUSED
from .peer import Breach, Peer

CLASSES = ("framing", "control", "reserved", "fragments", "utf8", "closing", "limits", "negotiation",
           "inflate", "bombs", "parameters", "sizes")
HEAVY = ("parameters", "sizes")  # run on an optimised build, the others on any

AT_ONCE = 24
PATIENCE = 40  # seconds in which a case has to move: how long it takes depends on the machine
LIMIT = 1 << 22  # bytes that a stream of asyncio holds


def load(name):
    """The cases of a class, by their names."""
    cases = {}
    for case in importlib.import_module(f"{__package__}.cases_{name}").cases():
        assert case.name not in cases, f"two cases are called {case.name}"
        cases[case.name] = case
    return cases


@dataclass
class Result:
    case: object
    seconds: float
    fault: str = None  # None: passed


class Observation:
    """What a subscriber has read of one case."""

    def __init__(self, delivers, echo):
        self.delivers = delivers
        self.echo = echo
        self.count = 0
        self.fault = None
        self.closed = asyncio.get_running_loop().create_future()  # the close record's details
        self.delivered = asyncio.Event()
        if not delivers:
            self.delivered.set()

    def take(self, type_, payload):
        if self.count >= len(self.delivers):
            self.fault = self.fault or f"delivered beyond what was sent: {payload[:40]!r}"
        elif self.delivers[self.count] != (type_, payload):
            kind, wanted = self.delivers[self.count]
            self.fault = self.fault or (
                f"delivered as message {self.count}: type {type_}, {len(payload)} bytes {payload[:40]!r} "
                f"instead of type {kind}, {len(wanted)} bytes {wanted[:40]!r}")
        self.count += 1
        if self.count == len(self.delivers):
            self.delivered.set()


class Observer:
    """The subscriber of all the connections: it hands the records out and sends messages back."""

    def __init__(self):
        self.names = {}
        self.watched = {}  # by name
        self.known = {}  # by index

    async def start(self, path):
        self.reader, self.writer = await asyncio.open_unix_connection(path, limit=LIMIT)
        self.writer.write(hello(start=LIVE))
        self.ready = asyncio.get_running_loop().create_future()
        self.task = asyncio.ensure_future(self.read())
        await self.ready

    def watch(self, name, observation):
        self.watched[name] = observation
        self.known.clear()

    def of(self, index):
        if index not in self.known:
            self.known[index] = self.watched.get(self.names.get(index))
        return self.known[index]

    def other(self, type_, index, payload):
        """A record that is not a message."""
        if type_ == HELLO_TYPE:
            self.names = dict(enumerate(json.loads(payload)["connections"]))
            self.ready.set_result(None)
        elif type_ == NAME:
            self.names[index] = payload.decode()
            self.known.clear()
        elif type_ == RECORD_CLOSE:
            if self.of(index) and not self.of(index).closed.done():
                self.of(index).closed.set_result(json.loads(payload))
        elif type_ != OPEN:
            text = payload.decode() if type_ == RECORD_ERROR else ""
            raise Breach(f"the outlet sent a record of type {type_} {text}")

    def parse(self, data):
        """Takes the whole records; the bytes taken, and the records to be sent back."""
        at, back = 0, []
        while len(data) - at >= HEADER.size:
            size, length, _, _, index, type_ = HEADER.unpack_from(data, at)
            if len(data) - at < size:
                break
            payload = bytes(data[at + HEADER.size : at + HEADER.size + length])
            if type_ in (RECORD_TEXT, RECORD_BINARY):
                observation = self.of(index)
                if observation:
                    observation.take(type_, payload)
                    if observation.echo:
                        back.append(data[at : at + size])
            else:
                self.other(type_, index, payload)
            at += size
        return at, back

    async def read(self):
        pending = bytearray()
        while True:
            data = await self.reader.read(1 << 20)
            if not data:
                return
            pending += data
            at, back = self.parse(pending)
            del pending[:at]
            if back:
                self.writer.write(b"".join(back))
                await self.writer.drain()

    async def stop(self):
        self.writer.close()
        await asyncio.gather(self.task, return_exceptions=True)


class Control:
    """Calls over the control socket, many at a time."""

    def __init__(self):
        self.ids = itertools.count(1)
        self.calls = {}

    async def start(self, path):
        self.reader, self.writer = await asyncio.open_unix_connection(path, limit=LIMIT)
        self.task = asyncio.ensure_future(self.read())

    async def read(self):
        while True:
            line = await self.reader.readline()
            if not line:
                return
            answer = json.loads(line)
            self.calls.pop(answer["id"]).set_result(answer)

    async def call(self, method, **params):
        """The whole answer."""
        number = next(self.ids)
        self.calls[number] = asyncio.get_running_loop().create_future()
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.writer.write(json.dumps(request).encode() + b"\n")
        return await self.calls[number]

    async def stop(self):
        self.writer.close()
        await asyncio.gather(self.task, return_exceptions=True)


class Suite:
    def __init__(self, cases, heavy, on_result):
        self.cases = cases
        self.on_result = on_result
        self.running = {}  # by name: future of (reader, writer)
        self.peers = {}  # by name
        self.observer = Observer()
        self.control = Control()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        port = self.listener.getsockname()[1]
        self.daemon = Daemon({
            "gateway": {"log": {"level": "err"}},
            "defaults": {"ping": {"interval": "0"}, "when": "manual", "reconnect": {"enabled": False},
                         "send_queue": "4M"},
            "connections": [
                {"name": name, "url": f"ws://127.0.0.1:{port}/case/{name}", **case.settings}
                for name, case in cases.items()
            ],
            "outlets": [{"name": "all", "path": "all.sock", "from": ["*"], "format": "frames", "ring": "32M",
                         "on_lag": "wait", "writable": True}],
        }, heavy=heavy)

    async def accept(self, reader, writer):
        line = await reader.readuntil(b"\r\n")
        name = line.split()[1].decode().rsplit("/", 1)[1]
        self.running[name].set_result((reader, writer))

    async def _conduct(self, name, case):
        delivers = case.delivers() if callable(case.delivers) else case.delivers
        send = case.send() if callable(case.send) else case.send
        observation = Observation(delivers, case.echo)
        self.observer.watch(name, observation)
        self.running[name] = asyncio.get_running_loop().create_future()
        connecting = asyncio.ensure_future(self.control.call("connect", name=name))
        reader, writer = await self.running[name]
        peer = Peer(case, reader, writer, send, delivers if case.echo else [])
        self.peers[name] = peer
        try:
            await peer.handshake()
            answer = await connecting
            if case.close == REFUSED:
                if "error" not in answer:
                    raise Breach("the handshake should have failed")
                return
            if "error" in answer:
                raise Breach(f"did not open: {answer['error']['message']}")
            conversation = asyncio.ensure_future(peer.converse())
            if case.disconnect:
                await observation.delivered.wait()
                code, reason = case.disconnect
                await self.control.call("disconnect", name=name, code=code, reason=reason)
            await conversation
            peer.check()
            self._check_close(case, await observation.closed)
            await self._check_stats(name, peer)
        finally:
            writer.close()
        if observation.fault:
            raise Breach(observation.fault)
        if observation.count != len(delivers):
            raise Breach(f"{observation.count} of {len(delivers)} messages were delivered")

    @staticmethod
    def _check_close(case, record):
        code = 1000 if case.close is None else case.close
        remote = not case.fails and not case.disconnect
        if record["code"] != code or record["remote"] != remote or ("err" in record) != case.fails:
            raise Breach(f"the close record is {record}")

    async def _check_stats(self, name, peer):
        """What the peer has counted, too."""
        if not peer.case.deflate and not peer.case.bombs:
            return
        stats = (await self.control.call("stats", name=name))["result"]
        wanted = {"bombs": peer.case.bombs}
        if peer.case.deflate:
            wanted["compressed_sent"] = peer.compressed
            wanted["uncompressed_sent"] = peer.uncompressed
        got = {key: stats[key] for key in wanted}
        if got != wanted:
            raise Breach(f"the statistics say {got} instead of {wanted}")

    async def _explain(self, name):
        """Where a case hangs."""
        status = (await self.control.call("status", name=name))["result"]
        outlet, = (await self.control.call("outlets"))["result"]
        observation = self.observer.watched[name]
        return (f"{observation.count} of {len(observation.delivers)} delivered; " +
                ", ".join(f"{key}: {status[key]}" for key in ("state", "paused", "send_queued", "stats")) +
                f"; outlet: {outlet}")

    def _moved(self, name):
        peer = self.peers.get(name)
        return peer and (peer.moved, self.observer.watched[name].count)

    async def _watch(self, name, case):
        """Conducts the case for as long as it moves."""
        conduct = asyncio.ensure_future(self._conduct(name, case))
        before = None
        while not (await asyncio.wait({conduct}, timeout=PATIENCE))[0]:
            if self._moved(name) == before:
                where = await self._explain(name)
                conduct.cancel()
                raise Breach(f"nothing moved within {PATIENCE} s: {where}")
            before = self._moved(name)
        conduct.result()

    async def _run_case(self, name, case, slots):
        async with slots:
            begun = time.monotonic()
            fault = None
            try:
                await self._watch(name, case)
            except Breach as breach:
                fault = str(breach)
            except Exception as error:  # whatever the client made of the peer is its fault, too
                fault = f"{type(error).__name__}: {error}"
            self.observer.watched.pop(name, None)
            self.observer.known.clear()
            self.on_result(Result(case, time.monotonic() - begun, fault))

    async def _run(self):
        server = await asyncio.start_server(self.accept, sock=self.listener, limit=LIMIT)
        await self.observer.start(self.daemon.path("all.sock"))
        await self.control.start(self.daemon.path("control.sock"))
        slots = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._run_case(name, case, slots) for name, case in self.cases.items()))
        await self.control.stop()
        await self.observer.stop()
        server.close()
        await server.wait_closed()

    def run(self):
        try:
            self.daemon.start()
            asyncio.run(self._run())
            self.daemon.stop()
        finally:
            self.daemon.discard()
            self.listener.close()


def run(name, heavy=None, on_result=lambda result: None, only=None):
    """Runs a class; the results."""
    results = []

    def take(result):
        results.append(result)
        on_result(result)

    cases = {key: case for key, case in load(name).items() if only is None or only in key}
    if cases:
        Suite(cases, name in HEAVY if heavy is None else heavy, take).run()
    return results
