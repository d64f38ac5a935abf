"""
Sizes from 16 bytes to 1 MiB with the combinations of parameters that matter, whole and in fragments
of several sizes. A thousand messages up to 4 KiB; of the longer ones 2 MiB together, unless the
suite was asked for in full: then a thousand of each.
"""

import functools

from .case import chopped, good
from .deflate import Agreement, Deflater
from .messages import Messages, full, stream

SIZES = (16, 64, 128, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576)
COUNT = 1000
BYTES = 2 << 20  # of the long messages of one case

COMBINATIONS = [
    Agreement(client, server, client_afresh, server_afresh, level=1)
    for client, server in ((15, 15), (9, 9), (9, 15), (15, 9))
    for client_afresh in (False, True)
    for server_afresh in (False, True)
    if (client, server) in ((15, 15), (9, 9)) or client_afresh == server_afresh
]
FRAGMENTS = (256, 1024, 4096, 32768)


def count(size):
    return COUNT if full() or size <= 4096 else max(BYTES // size, 2)


def case(agreement, size, fragment=None):
    messages = functools.partial(Messages, [size] * count(size), size)
    label = f"{size}-{agreement.label}"
    pieces = {}
    if fragment:
        label += f"-fragments-of-{fragment}"
        pieces["pieces"] = lambda payload: chopped(payload, fragment)

    def send():
        return stream(messages(), Deflater(agreement), **pieces)

    return good(label, send, messages, settings=agreement.settings, offer=agreement.offer,
                extension=agreement.answer, deflate=agreement)


def cases():
    for size in SIZES:
        for agreement in COMBINATIONS:
            yield case(agreement, size)
        for fragment in FRAGMENTS:
            if fragment < size:
                yield case(COMBINATIONS[0], size, fragment)
