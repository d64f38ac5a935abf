"""A WebSocket server with python3-websockets, driven by the test."""

import asyncio
import http
import logging
import queue
import threading

# In the newest versions only under its old name; in Debian 12 there is no other.
from websockets.exceptions import ConnectionClosed
from websockets.legacy.server import serve, unix_serve

from .wait import PATIENCE, Timeout, wait_until


class Peer:
    """The server's end of one connection."""

    def __init__(self, server, socket):
        self.server = server
        self.socket = socket
        self.path = socket.path
        self.headers = socket.request_headers
        self.subprotocol = socket.subprotocol
        self.address = socket.remote_address  # of the client
        self.messages = queue.Queue()
        self.closed = threading.Event()
        self.close_code = None  # as the client sent it
        self.close_reason = None

    def send(self, message):
        """Text, bytes, or a list of either: the fragments of one message."""
        self.server.run(self.socket.send(message))

    def send_all(self, messages):
        self.send_later(messages).result(PATIENCE)

    def send_later(self, messages):
        """Sends in the background, as fast as the client takes it: a future."""

        async def send():
            for message in messages:
                await self.socket.send(message)

        return asyncio.run_coroutine_threadsafe(send(), self.server.loop)

    def receive(self, timeout=PATIENCE):
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            raise Timeout("the server waited for a message") from None

    def ping(self):
        async def ping():
            await (await self.socket.ping())

        self.server.run(ping())

    def close(self, code=1000, reason=""):
        self.server.run(self.socket.close(code, reason))

    def abort(self):
        """Ends the TCP connection without a closing handshake."""
        self.server.loop.call_soon_threadsafe(self.socket.transport.abort)

    def wait_closed(self, timeout=PATIENCE):
        if not self.closed.wait(timeout):
            raise Timeout("the server waited for the connection to be closed")
        return self.close_code, self.close_reason


class WsServer:
    """
    Listens on loopback; each connection becomes a Peer that the test takes with accept(). `refuse`
    may be set to (status, headers, body) to answer every handshake with that instead, or to a dict
    of such answers for paths. `unix`: the path of a UNIX socket to listen on instead; `namespace`:
    where `host` is an address.
    """

    def __init__(self, port=0, host="127.0.0.1", unix=None, namespace=None, **options):
        self.host = host
        self.unix = unix
        self.namespace = namespace
        self.peers = []
        self.accepted = queue.Queue()
        self.requests = []  # of every handshake, refused ones too: (path, headers)
        self.refuse = None
        self.options = {"ping_interval": None, "max_size": None, "compression": None, **options}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        self.port = None
        self.listen(port)

    def _serve(self):
        logging.getLogger("websockets").setLevel(logging.CRITICAL)
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, coroutine, timeout=PATIENCE):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def listen(self, port=None):
        """Starts to listen, at the port it had before if there was one."""

        async def listen():
            options = {"process_request": self._request, **self.options}
            if self.unix:
                return await unix_serve(self._handle, str(self.unix), **options)
            port_or_any = port or self.port or 0
            if self.namespace:
                return await serve(self._handle, sock=self.namespace.bind(self.host, port_or_any), **options)
            return await serve(self._handle, self.host, port_or_any, **options)

        self.server = self.run(listen())
        if not self.unix:
            self.port = self.server.sockets[0].getsockname()[1]

    def refuse_connections(self):
        """Closes the listening socket and every connection."""

        async def close():
            self.server.close()
            await self.server.wait_closed()

        self.run(close())

    async def _request(self, path, headers):
        self.requests.append((path, headers))
        answer = self.refuse.get(path) if isinstance(self.refuse, dict) else self.refuse
        if answer:
            status, extra, body = answer
            return http.HTTPStatus(status), extra, body
        return None

    async def _handle(self, socket, path=None):
        peer = Peer(self, socket)
        self.peers.append(peer)
        self.accepted.put(peer)
        try:
            async for message in socket:
                peer.messages.put(message)
        except ConnectionClosed:
            pass
        received = getattr(socket, "close_rcvd", None)
        if received:
            peer.close_code, peer.close_reason = received.code, received.reason
        peer.closed.set()

    def accept(self, timeout=PATIENCE):
        try:
            return self.accepted.get(timeout=timeout)
        except queue.Empty:
            raise Timeout("the server waited for a connection") from None

    def url(self, path="/", credentials="", host=None):
        """`host`: as written in a URL; by default, the address."""
        host = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"ws://{credentials}{host}:{self.port}{path}"

    def wait_requests(self, count, timeout=PATIENCE):
        wait_until(lambda: len(self.requests) >= count, timeout, f"{count} handshakes")

    def stop(self):
        async def stop():
            self.server.close()
            for peer in self.peers:
                if peer.socket.transport:
                    peer.socket.transport.abort()
            await self.server.wait_closed()

        self.run(stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
