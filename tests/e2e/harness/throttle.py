"""A slow line: a relay on loopback that passes so many bytes a second, each way."""

import contextlib
import socket
import threading

PIECES = 20  # a second


class Throttle:
    """
    Relays to `port` of loopback. `down`: bytes a second from the server, `up`: to it; None: as fast as they
    come. What it holds back stays with the sender: its own buffers are small. `hold` stops both ways while
    it is set.
    """

    BUFFER = 4096

    def __init__(self, port, down=None, up=None):
        self.target = port
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.BUFFER)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.rates = down, up
        self.hold = threading.Event()
        self.stopping = threading.Event()
        self.sockets = []
        self.threads = []
        self._start(self._accept)

    def _start(self, run, *arguments):
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.socket()
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.BUFFER)
                for end in client, server:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.BUFFER)
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server.connect(("127.0.0.1", self.target))
                self.sockets += [client, server]
                down, up = self.rates
                self._start(self._relay, server, client, down)
                self._start(self._relay, client, server, up)

    def _relay(self, source, sink, rate):
        with contextlib.suppress(OSError):
            while data := source.recv(rate // PIECES if rate else 65536):
                while self.hold.is_set() and not self.stopping.wait(0.01):
                    pass
                sink.sendall(data)
                if rate:
                    self.stopping.wait(len(data) / rate)
        for end in source, sink:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self.stopping.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        for end in self.sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for end in [self.listener, *self.sockets]:
            end.close()
