"""What the client offers for permessage-deflate, and which answers it takes: RFC 7692, section 7.1."""

import itertools

from .case import REFUSED, TEXT, Case, frame, good
from .deflate import Agreement

DEFAULT = Agreement()
NAME = "permessage-deflate"

# Answers to an offer of everything that differs from the RFC's defaults in nothing.
TAKEN = {
    "none": None,
    "bare": NAME,
    "upper-case": NAME.upper(),
    "spaces": f"  {NAME} ;  server_no_context_takeover ;client_max_window_bits = 10 ",
    "quoted": f'{NAME}; server_max_window_bits="10"',
    "client-afresh": f"{NAME}; client_no_context_takeover",
    "server-afresh": f"{NAME}; server_no_context_takeover",
    "both-afresh": f"{NAME}; client_no_context_takeover; server_no_context_takeover",
    **{f"client-{bits}": f"{NAME}; client_max_window_bits={bits}" for bits in range(8, 16)},
    **{f"server-{bits}": f"{NAME}; server_max_window_bits={bits}" for bits in range(8, 16)},
    "client-unlimited": f"{NAME}; client_max_window_bits",
    "empty-elements": f", {NAME} ,, ",
    "all": f"{NAME}; client_max_window_bits=9; server_max_window_bits=9; client_no_context_takeover; "
           "server_no_context_takeover",
}

# Answers that say nothing, whatever the offer.
EMPTY = {"empty": "", "blank": " \t ", "commas": " , ,"}

WRONG = {
    "unknown": "permessage-snappy",
    "webkit": "x-webkit-deflate-frame",
    "prefix": "permessage-deflat",
    "unknown-parameter": f"{NAME}; window=15",
    "twice": f"{NAME}, {NAME}",
    "and-unknown": f"{NAME}, permessage-snappy",
    "trailing-semicolon": f"{NAME};",
    "trailing-comma": f"{NAME}, foo; bar",
    "no-semicolon": f"{NAME} server_no_context_takeover",
    "takeover-with-value": f"{NAME}; server_no_context_takeover=1",
    "client-takeover-with-value": f"{NAME}; client_no_context_takeover=true",
    "takeover-twice": f"{NAME}; server_no_context_takeover; server_no_context_takeover",
    "bits-twice": f"{NAME}; server_max_window_bits=10; server_max_window_bits=10",
    **{f"{side}-bits-{name}": f"{NAME}; {side}_max_window_bits{value}"
       for side in ("client", "server")
       for name, value in {"missing": "", "empty": "=", "7": "=7", "16": "=16", "0": "=0", "08": "=08",
                           "negative": "=-9", "plus": "=+9", "hex": "=0x9", "text": "=nine", "100": "=100",
                           "fraction": "=9.0", "quoted-7": '="7"', "open-quote": '="9'}.items()
       if (side, name) != ("client", "missing")},
}


def offer_cases():
    for client, server, client_afresh, server_afresh in itertools.product(
            (8, 12, 15), (8, 12, 15), (False, True), (False, True)):
        agreement = Agreement(client, server, client_afresh, server_afresh)
        yield good(f"offer-{agreement.label}", (frame(TEXT, b"plain"),), [(TEXT, b"plain")],
                   settings=agreement.settings, offer=agreement.offer, extension=agreement.answer)
        if server < 15:
            yield refused(f"without-server-bits-to-{agreement.label}", agreement,
                          f"{NAME}{agreement.flags}")
            yield refused(f"more-server-bits-to-{agreement.label}", agreement,
                          f"{NAME}{agreement.flags}; server_max_window_bits={server + 1}")
        if server_afresh:
            yield refused(f"without-server-afresh-to-{agreement.label}", agreement,
                          f"{NAME}; server_max_window_bits={server}")
        if client < 15:
            more = agreement.answer.replace(f"client_max_window_bits={client}",
                                            f"client_max_window_bits={client + 1}")
            yield good(f"more-client-bits-to-{agreement.label}", (frame(TEXT, b"plain"),),
                       [(TEXT, b"plain")], settings=agreement.settings, offer=agreement.offer,
                       extension=more)


def refused(name, agreement, answer):
    return Case(name, (), close=REFUSED, settings=agreement.settings, extension=answer)


def cases():
    yield from offer_cases()
    for name, answer in TAKEN.items():
        yield good(f"taken-{name}", (frame(TEXT, b"plain"),), [(TEXT, b"plain")], settings=DEFAULT.settings,
                   offer=DEFAULT.offer, extension=answer)
        if answer is not None:
            yield Case(f"not-offered-{name}", (), close=REFUSED, extension=answer)
    for name, answer in EMPTY.items():
        for offered, agreement in {"offered": DEFAULT, "not-offered": None}.items():
            settings = {"settings": agreement.settings} if agreement else {}
            yield good(f"{offered}-{name}", (frame(TEXT, b"plain"),), [(TEXT, b"plain")],
                       extension=answer, **settings)
    for name, answer in WRONG.items():
        yield refused(f"refused-{name}", DEFAULT, answer)
