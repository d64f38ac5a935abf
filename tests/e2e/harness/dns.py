"""A DNS server for a handful of names, over UDP and TCP, which can behave as badly as real ones."""

import contextlib
import select
import socket
import struct
import threading
import time

A, AAAA = 1, 28
SERVER_FAILURE, NAME_ERROR, REFUSED = 2, 3, 5
TRUNCATED = 0x0200

# What a name server can be like: see Dns.mood.
MOODS = ["well", "silent", "failing", "refusing", "truncating", "slow", "matching", "shouting"]
SLOW = 0.3  # seconds


class Dns:
    """
    `names`: host -> addresses, for the setting gateway.dns. Another name does not exist.
    `asked` has each question, as (name, type), in the order of their coming; `asked_tcp` those
    over TCP alone. `namespace` is where `host` is an address.

    `mood`, which may be set at any time: "well"; "silent": no answers; "failing" and "refusing":
    SERVFAIL and REFUSED; "truncating": over UDP no records, but the flag that says that there are
    more, and all over TCP; "slow": each answer takes SLOW seconds; "matching": knows a name only in
    the case that `names` has; "shouting": repeats the question in upper case.
    """

    def __init__(self, names, namespace=None, host="127.0.0.1", port=0):
        self.names = names
        self.asked = []
        self.asked_tcp = []
        self.mood = "well"
        bind = namespace.bind if namespace else _bind
        self.socket, self.listener = _bind_both(bind, host, port)
        self.listener.listen()
        self.address = "{}:{}".format(*self.socket.getsockname()[:2])
        self.ending, self.end = socket.socketpair()
        self.threads = [threading.Thread(target=serve, daemon=True) for serve in (self._serve, self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    def _wait(self, sock):
        """Until there is something to read; False at the end."""
        readable, _, _ = select.select([sock, self.ending], [], [])
        return self.ending not in readable

    def _serve(self):
        while self._wait(self.socket):
            query, client = self.socket.recvfrom(4096)
            for answer in self._answers(query, self.asked, self.mood == "truncating"):
                with contextlib.suppress(OSError):  # a client that is gone
                    self.socket.sendto(answer, client)

    def _serve_tcp(self):
        while self._wait(self.listener):
            client, _ = self.listener.accept()
            with client, contextlib.suppress(OSError, struct.error):
                client.settimeout(5)
                (length,) = struct.unpack(">H", client.recv(2, socket.MSG_WAITALL))
                query = client.recv(length, socket.MSG_WAITALL)
                self.asked_tcp.append(self._asked(query))
                for answer in self._answers(query, self.asked, truncated=False):
                    client.sendall(struct.pack(">H", len(answer)) + answer)

    def _answers(self, query, asked, truncated):
        """The answer, or none, in the time that it takes."""
        asked.append(self._asked(query))
        mood = self.mood
        if mood == "slow":
            time.sleep(SLOW)
        if mood != "silent":
            yield self._answer(query, {"failing": SERVER_FAILURE, "refusing": REFUSED}.get(mood, 0), truncated)

    @staticmethod
    def _question(query):
        """The name, the type, and all of it: RFC 1035, section 4.1.2."""
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        (kind,) = struct.unpack_from(">H", query, at + 1)
        return ".".join(labels), kind, query[12 : at + 5]

    def _asked(self, query):
        name, kind, _ = self._question(query)
        return name.lower(), kind

    def _answer(self, query, error, truncated):
        """A question's name may come in mixed case, and goes back so."""
        name, kind, question = self._question(query)
        addresses = self.names.get(name if self.mood == "matching" else name.lower())
        if self.mood == "shouting":
            question = question[:-4].upper() + question[-4:]
        if addresses is None and not error:
            error = NAME_ERROR
        known = () if error or truncated else addresses
        records = [self._record(kind, address) for address in known if self._fits(kind, address)]
        flags = 0x8580 | error | (TRUNCATED if truncated and not error else 0)
        return query[:2] + struct.pack(">5H", flags, 1, len(records), 0, 0) + question + b"".join(records)

    @staticmethod
    def _fits(kind, address):
        return kind == (AAAA if ":" in address else A)

    @staticmethod
    def _record(kind, address):
        data = socket.inet_pton(socket.AF_INET6 if kind == AAAA else socket.AF_INET, address)
        return struct.pack(">3HLH", 0xC00C, kind, 1, 60, len(data)) + data

    def stop(self):
        self.end.close()
        for thread in self.threads:
            thread.join()
        for each in (self.socket, self.listener, self.ending):
            each.close()


def _bind(host, port, kind):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, kind)
    bound.bind((host, port))
    return bound


def _bind_both(bind, host, port):
    """Sockets of UDP and TCP at the same port: any that is free for both, if it is 0."""
    while True:
        udp = bind(host, port, socket.SOCK_DGRAM)
        try:
            return udp, bind(host, udp.getsockname()[1], socket.SOCK_STREAM)
        except OSError:
            udp.close()
            if port:
                raise
