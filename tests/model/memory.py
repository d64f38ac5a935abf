"""The memory of C11 atomics, for one thread that only stores and one that only loads.

A store stays in its location's history for good, and a load may take any store there that is not
older than what the reader already knows of. What it knows is a view: for each location the oldest
store that it can still be given. Acquire and release, on accesses and as fences, do nothing but hand
views over. With one storing thread that depends on nobody, every execution that the standard allows
is one choice a load, so that a walk through all choices is exhaustive.
"""

from typing import NamedTuple


class Store(NamedTuple):
    value: object
    view: tuple  # what a reader that acquires it knows from then on


class Memory:
    """The stores of the one writer, in the order of its program."""

    def __init__(self, initial):
        self.names = list(initial)
        self.index = {name: i for i, name in enumerate(self.names)}
        nothing = (0,) * len(self.names)
        self.history = {name: [Store(value, nothing)] for name, value in initial.items()}
        self.view = nothing      # of the writer: its own latest stores
        self.released = nothing  # as of its last release fence

    def store(self, name, value, release=False):
        self.view = advanced(self.view, self.index[name], len(self.history[name]))
        known = self.view if release else self.released
        self.history[name].append(Store(value, known))

    def release_fence(self):
        self.released = self.view

    def last(self, name):
        return self.history[name][-1].value


class Reader(NamedTuple):
    """What the loading thread knows, and what its next acquire fence would add to that."""

    view: tuple
    pending: tuple

    @classmethod
    def new(cls, memory):
        nothing = (0,) * len(memory.names)
        return cls(nothing, nothing)

    def load(self, memory, name, acquire=False):
        """All that the load can give: pairs of a value and the reader afterwards."""
        i = memory.index[name]
        history = memory.history[name]
        for number in range(self.view[i], len(history)):
            store = history[number]
            view = advanced(self.view, i, number)
            if acquire:
                view = joined(view, store.view)
            yield store.value, Reader(view, joined(self.pending, store.view))

    def acquire_fence(self):
        return Reader(joined(self.view, self.pending), self.pending)


def advanced(view, i, number):
    return view[:i] + (max(view[i], number),) + view[i + 1:]


def joined(a, b):
    return tuple(map(max, a, b))
