"""A DNS server for a handful of names."""

import socket
import struct
import threading

A, AAAA = 1, 28
NAME_ERROR = 3


class Dns:
    """
    `names`: host -> addresses, for the setting gateway.dns. Another name does not exist.
    `asked` has each question, as (name, type).
    """

    def __init__(self, names):
        self.names = names
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self.socket.getsockname()[1])
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if not query:
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
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
