"""A DNS server for a handful of names."""

import contextlib
import socket
import struct
import threading

A, AAAA = 1, 28
NAME_ERROR = 3


class Dns:
    """
    `names`: host -> addresses, for the setting gateway.dns. Another name does not exist.
    `asked` has each question, as (name, type). `namespace` is where `host` is an address.
    """

    def __init__(self, names, namespace=None, host="127.0.0.1", port=0):
        self.names = names
        self.asked = []
        if namespace:
            self.socket = namespace.bind(host, port, socket.SOCK_DGRAM)
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((host, port))
        self.ending = threading.Event()
        self.address = "{}:{}".format(*self.socket.getsockname()[:2])
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if self.ending.is_set():
                return
            self.socket.sendto(self._answer(query), client)

    def _answer(self, query):
        """RFC 1035, section 4.1; a question's name may come in mixed case, and goes back so."""
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        (kind,) = struct.unpack_from(">H", query, at + 1)
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        addresses = self.names.get(name)
        records = [self._record(kind, address) for address in addresses or () if self._fits(kind, address)]
        flags = 0x8580 | (NAME_ERROR if addresses is None else 0)
        return query[:2] + struct.pack(">5H", flags, 1, len(records), 0, 0) + question + b"".join(records)

    @staticmethod
    def _fits(kind, address):
        return kind == (AAAA if ":" in address else A)

    @staticmethod
    def _record(kind, address):
        data = socket.inet_pton(socket.AF_INET6 if kind == AAAA else socket.AF_INET, address)
        return struct.pack(">3HLH", 0xC00C, kind, 1, 60, len(data)) + data

    def stop(self):
        self.ending.set()
        with contextlib.suppress(OSError):  # it has no peer, but this wakes the thread
            self.socket.shutdown(socket.SHUT_RD)
        self.thread.join()
        self.socket.close()
