"""The server's end of one case."""

import asyncio
import base64
import hashlib
import socket
import struct

from harness.frame import BINARY, CLOSE, PONG, TEXT, close_frame

from .case import NO_STATUS
from .deflate import Inflater

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PACE = 0.0003  # seconds between small writes, so that most arrive by themselves
PACED_MAX = 200  # small writes; more than that go out as fast as they can
READ_SIZE = 1 << 18


class Breach(Exception):
    """What the client did wrong."""


def unmask(payload, key):
    length = len(payload)
    repeated = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(length, "little")


class Peer:
    """
    Sends what the case says and checks every frame of the client. `returns` are the messages that
    have to come back.
    """

    def __init__(self, case, reader, writer, send, returns):
        self.case = case
        self.reader = reader
        self.writer = writer
        self.pieces = send
        self.returns = returns
        self.returned = 0
        self.moved = 0  # pieces sent and bytes received: while it grows, the case goes on
        self.pongs = []
        self.close = None  # (code, reason) of the client's close frame
        self.inflater = Inflater(case.deflate) if case.deflate else None
        self.keys = set()
        self.frames = 0
        self.compressed = self.uncompressed = 0  # payload bytes of compressed messages
        self.complete = asyncio.Event()  # all that had to come has
        self.pending = bytearray()

    async def handshake(self):
        """Reads the request and answers it; the client's offer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {}
        for line in filter(None, lines):
            name, value = line.split(": ", 1)
            headers[name.lower()] = value
        digest = hashlib.sha1(headers["sec-websocket-key"].encode() + GUID).digest()
        extension = self.case.extension
        self.writer.write((
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n"
            + (f"Sec-WebSocket-Extensions: {extension}\r\n" if extension is not None else "") + "\r\n"
        ).encode())
        offer = headers.get("sec-websocket-extensions")
        if self.case.offer is not None and offer != self.case.offer:
            raise Breach(f"offered {offer!r} instead of {self.case.offer!r}")

    async def send(self):
        """A client that has failed stops listening, so a broken pipe is for others to judge."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for number, piece in enumerate(self.pieces):
                self.writer.write(piece)
                await self.writer.drain()
                self.moved += 1
                if number < PACED_MAX and len(piece) < 65536:
                    await asyncio.sleep(PACE)
        except ConnectionError:
            pass

    def _take_message(self, opcode, compressed, payload):
        if compressed:
            self.compressed += len(payload)
            payload = self.inflater.message(payload)
            self.uncompressed += len(payload)
        if self.returned >= len(self.returns):
            raise Breach(f"a message that nobody sent: {payload[:40]!r}")
        if (opcode, payload) != self.returns[self.returned]:
            kind, wanted = self.returns[self.returned]
            raise Breach(f"message {self.returned}: type {opcode}, {len(payload)} bytes {payload[:40]!r} "
                         f"instead of type {kind}, {len(wanted)} bytes {wanted[:40]!r}")
        if self.inflater and compressed != self.case.deflate.compresses(len(payload)):
            raise Breach(f"a message of {len(payload)} bytes, compressed: {compressed}")
        self.returned += 1

    def _take_frame(self, first, key, payload):
        opcode = first & 0x0F
        compressed = bool(first & 0x40)
        if self.close is not None:
            raise Breach("a frame behind the close frame")
        if not first & 0x80 or first & 0x30:
            raise Breach(f"a frame that begins with {first:#x}")
        if compressed and (self.inflater is None or opcode not in (TEXT, BINARY)):
            raise Breach("a compressed frame where there may be none")
        self.frames += 1
        self.keys.add(key)
        if opcode in (TEXT, BINARY):
            self._take_message(opcode, compressed, payload)
        elif opcode == PONG:
            if len(self.pongs) >= len(self.case.pongs) or payload != self.case.pongs[len(self.pongs)]:
                raise Breach(f"pong {len(self.pongs)}: {payload[:40]!r}")
            self.pongs.append(payload)
        elif opcode == CLOSE:
            if len(payload) == 1 or len(payload) > 125:
                raise Breach(f"a close frame of {len(payload)} bytes")
            payload[2:].decode()
            self.close = (struct.unpack(">H", payload[:2])[0] if payload else NO_STATUS, payload[2:])
        else:
            raise Breach(f"a frame with opcode {opcode}")
        if self.returned == len(self.returns) and len(self.pongs) == len(self.case.pongs):
            self.complete.set()

    def _parse(self):
        data = self.pending
        at = 0
        while len(data) - at >= 6:
            length = data[at + 1]
            if not length & 0x80:
                raise Breach("a frame without a mask")
            length &= 0x7F
            start = at + 2
            if length == 126:
                length = int.from_bytes(data[start : start + 2], "big")
                start += 2
                if length < 126:
                    raise Breach(f"{length} in 16 bits")
            elif length == 127:
                if len(data) - at < 14:
                    break
                length = int.from_bytes(data[start : start + 8], "big")
                start += 8
                if length < 65536:
                    raise Breach(f"{length} in 64 bits")
            if len(data) < start + 4 + length:
                break
            key = bytes(data[start : start + 4])
            start += 4
            self._take_frame(data[at], key, unmask(data[start : start + length], key))
            at = start + length
        del data[:at]

    async def listen(self, to_end=False):
        """Reads the client's frames up to its close frame, or to the end of the stream."""
        while to_end or self.close is None:
            data = await self.reader.read(READ_SIZE)
            if not data:
                break
            self.moved += len(data)
            self.pending += data
            self._parse()

    async def converse(self):
        """From the end of the handshake to the end of the stream."""
        case = self.case
        if not self.returns and not case.pongs:
            self.complete.set()
        listening = asyncio.ensure_future(self.listen())
        sending = asyncio.ensure_future(self.send())
        try:
            if case.close is None:
                complete = asyncio.ensure_future(self.finish(sending))
                await asyncio.wait({complete, listening}, return_when=asyncio.FIRST_COMPLETED)
                complete.cancel()
                if listening.done():
                    listening.result()
                    raise Breach(f"the client closed with {self.close} before it was told to")
                self.writer.write(close_frame(1000))
            await listening
            await sending
            await self.end()
        finally:
            listening.cancel()
            sending.cancel()
            self.writer.close()

    async def finish(self, sending):
        """Until all is sent, and all that has to come back has come."""
        await sending
        await self.complete.wait()

    async def end(self):
        if self.close is None:
            raise Breach("the client ended the stream without a close frame")
        if self.case.disconnect or self.case.fails:
            try:
                self.writer.write(close_frame(*self.close) if self.close[0] != NO_STATUS else close_frame())
            except ConnectionError:
                pass
        if not self.case.keeps_open and self.writer.can_write_eof():
            self.writer.write_eof()
        try:
            await self.listen(to_end=True)
        except ConnectionError:
            pass
        if self.pending:
            raise Breach(f"{bytes(self.pending[:40])!r} behind the close frame")

    def check(self):
        """What only the end tells."""
        case = self.case
        wanted = 1000 if case.close is None else case.close
        if self.close[0] != wanted:
            raise Breach(f"closed with {self.close} instead of {wanted}")
        if case.reason is not None and self.close[1] != case.reason:
            raise Breach(f"closed with the reason {self.close[1]!r} instead of {case.reason!r}")
        if self.returned != len(self.returns) or len(self.pongs) != len(case.pongs):
            raise Breach(f"{self.returned} of {len(self.returns)} messages, "
                         f"{len(self.pongs)} of {len(case.pongs)} pongs")
        if self.frames >= 8 and len(self.keys) < self.frames * 0.9:
            raise Breach(f"{len(self.keys)} masks for {self.frames} frames")
