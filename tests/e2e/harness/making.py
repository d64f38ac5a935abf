"""Fixtures that make things."""

import contextlib


def making(kind):
    """For a fixture: makes what has to be stopped at the end of the test, after its daemons."""
    with contextlib.ExitStack() as stack:

        def make(*arguments, **options):
            made = kind(*arguments, **options)
            stack.callback(made.stop)
            return made

        yield make
