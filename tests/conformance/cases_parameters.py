"""
Every combination of the parameters, a thousand messages each both ways: 8 to 15 window bits on
either side, with and without context takeover. Most messages are short; some are longer than the
windows, so that a window too large on either side cannot go unnoticed.
"""

import itertools
import random

from .case import good
from .deflate import Agreement, Deflater
from .messages import Messages, stream

BITS = range(8, 16)
COUNT = 1000

# Level 1 is quick; the others have combinations of their own.
LEVELS = (2, 3, 4, 5, 6, 7, 8, 9)
THRESHOLDS = (0, 1, 16, 100, 1000, 100000)


def sizes(agreement, seed):
    if agreement.server_bits == 8:
        return [16 + number % 241 for number in range(COUNT)]  # see deflate.Deflater
    source = random.Random(seed)
    long = [200, 700, 1500, 3000, 6000, 12000, 24000, 40000]
    short = [source.randrange(16, 200) for _ in range(COUNT - len(long))]
    return short[:500] + long + short[500:]


def case(label, agreement, seed):
    def messages():
        return Messages(sizes(agreement, seed), seed)

    deflater_agreement = agreement
    if agreement.server_bits == 8:
        deflater_agreement = Agreement(server_bits=8, server_no_context_takeover=True, level=agreement.level)

    def send():
        return stream(messages(), Deflater(deflater_agreement))

    return good(label, send, messages, settings=agreement.settings, offer=agreement.offer,
                extension=agreement.answer, deflate=agreement)


def cases():
    grid = itertools.product(BITS, BITS, (False, True), (False, True))
    for seed, (client, server, client_afresh, server_afresh) in enumerate(grid):
        agreement = Agreement(client, server, client_afresh, server_afresh, level=1)
        yield case(agreement.label, agreement, seed)
    for level in LEVELS:
        yield case(f"level-{level}", Agreement(level=level), 1000 + level)
    for threshold in THRESHOLDS:
        yield case(f"threshold-{threshold}", Agreement(level=1, threshold=threshold), 2000 + threshold)
