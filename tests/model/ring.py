"""The protocol of the shared ring, step by step as src/outlet/ring.c and frames.h have it.

A successor that adopts the ring counts as the same writer: everything that its predecessor has stored
happens before it gets the descriptors.

A ring of a few words, each of which holds the position, the number and the size of the record that
wrote it, so that a reader that takes a torn record for a whole one is caught.
"""

from typing import NamedTuple

from .memory import Memory, Reader

SIZE = 4  # words of the ring


class Word(NamedTuple):
    position: int  # of the record
    seq: int
    size: int


class Order(NamedTuple):
    """What may be taken away from the protocol, to see that it is needed."""

    announce_first: bool = True
    announce_fence: bool = True
    publish_release: bool = True
    wake_release: bool = True
    wake_after_publish: bool = True
    head_acquire: bool = True
    validate_fence: bool = True
    validate: bool = True
    wake_acquire: bool = True
    look_again: bool = True


class Broken(Exception):
    """The reader can be misled; the text says how."""


def word_at(position):
    return f"word{position % SIZE}"


class Writer:
    """Appends records of the sizes given, a list for each batch."""

    def __init__(self, batches, order):
        self.order = order
        self.memory = Memory({"head": 0, "tail": 0, "restart": 0, "wake": 0}
                             | {word_at(i): None for i in range(SIZE)})
        self.starts = {}
        self.head = self.tail = 0
        self.published = {0: 0}  # head by count of wake
        for batch in batches:
            for size in batch:
                self.append(size)
            self.flush()

    def append(self, size):
        if self.head + size - self.tail > SIZE and self.order.announce_first:
            self.drop(size)
        seq = len(self.starts) + 1
        for i in range(size):
            self.memory.store(word_at(self.head + i), Word(self.head, seq, size))
        if self.head + size - self.tail > SIZE:
            self.drop(size)
        self.starts[seq] = self.head
        self.head += size

    def drop(self, size):
        """ring_drop: publishes, then announces."""
        kept = [start for start in self.starts.values() if start >= self.head + size - SIZE]
        self.tail = min(kept, default=self.head)
        half = [start for start in kept if start >= self.head - SIZE // 2]
        self.publish()
        self.memory.store("restart", min(half, default=self.head))
        self.memory.store("tail", self.tail, release=True)
        if self.order.announce_fence:
            self.memory.release_fence()

    def publish(self):
        self.memory.store("head", self.head, release=self.order.publish_release)

    def wake(self):
        count = self.memory.last("wake") + 1
        self.published[count] = self.head
        self.memory.store("wake", count, release=self.order.wake_release)

    def flush(self):
        """outlet_on_flush: all that has been appended in a turn of the event loop."""
        if self.order.wake_after_publish:
            self.publish()
            self.wake()
        else:
            self.wake()
            self.publish()


class Place(NamedTuple):
    """Where a reader is in the stream."""

    position: int = 0
    expected: int = 1


class Walk:
    """Every way that a reader can go through what the writer has stored."""

    def __init__(self, writer, order):
        self.writer = writer
        self.memory = writer.memory
        self.order = order
        self.seen = set()
        self.accepted = self.lapped = self.slept = 0
        self.ended = False

    def run(self):
        todo = [(Reader.new(self.memory), Place())]
        while todo:
            state = todo.pop()
            if state not in self.seen:
                self.seen.add(state)
                todo.extend(self.step(*state))
        if not self.ended:
            raise Broken("no reader ever comes to the end")

    def step(self, reader, place):
        for head, after in reader.load(self.memory, "head", self.order.head_acquire):
            if place.position < head:
                yield from self.read(after, place)
            else:
                yield from self.sleep(after, place)

    def read(self, reader, place):
        for words, after in self.load_record(reader, place.position):
            if self.order.validate_fence:
                after = after.acquire_fence()
            for tail, checked in after.load(self.memory, "tail"):
                if place.position < tail and self.order.validate:
                    self.lapped += 1
                    for restart, again in checked.load(self.memory, "restart"):
                        yield again, Place(restart, place.expected)
                else:
                    yield checked, self.accept(words, place)

    def load_record(self, reader, position):
        """The words of a record as the reader finds them: the first one says how many."""
        for first, after in reader.load(self.memory, word_at(position)):
            size = first.size if first else 1
            found = [((first,), after)]
            for i in range(1, size):
                found = [(words + (word,), later) for words, before in found
                         for word, later in before.load(self.memory, word_at(position + i))]
            yield from found

    def accept(self, words, place):
        first = words[0]
        self.accepted += 1
        if any(word != first for word in words):
            raise Broken(f"a torn record is taken for a whole one: {words}")
        if first is None or first.position != place.position:
            raise Broken(f"what is not a record is taken for one: {words} at {place.position}")
        if first.seq < place.expected:
            raise Broken(f"record {first.seq} comes again")
        return Place(place.position + first.size, first.seq + 1)

    def sleep(self, reader, place):
        """Loads wake, looks once more, and has futex(2) compare the two."""
        for wake, after in reader.load(self.memory, "wake", self.order.wake_acquire):
            if not self.order.look_again:
                yield from self.wait(after, place, wake)
                continue
            for head, again in after.load(self.memory, "head", self.order.head_acquire):
                if place.position < head:
                    yield again, place
                else:
                    yield from self.wait(again, place, wake)

    def wait(self, reader, place, wake):
        """Either it has been counted up since, and the reader goes on, or it sleeps until then."""
        self.slept += 1
        if wake < self.memory.last("wake"):
            i = self.memory.index["wake"]
            woken = max(reader.view[i], wake + 1)
            yield reader._replace(view=reader.view[:i] + (woken,) + reader.view[i + 1:]), place
        elif place.position < self.writer.head:
            raise Broken(f"sleeps for good at {place.position}, the head is {self.writer.head}")
        else:
            self.ended = True


BATCHES = {
    "a record a batch": [[1], [2], [1], [3], [2], [4], [1]],
    "small ones": [[1, 1], [1], [1, 1, 1], [1], [1, 1]],
    "overwritten within a batch": [[2, 1], [3, 2, 2], [1, 4, 1]],
}


def check(order):
    """Walks through all executions. Returns how many states there were; raises Broken."""
    states = 0
    for batches in BATCHES.values():
        walk = Walk(Writer(batches, order), order)
        walk.run()
        assert walk.accepted and walk.lapped and walk.slept
        states += len(walk.seen)
    return states


# Each leaves one thing out, and has to be found out.
WEAKENED = {
    "the tail is stored after the record": Order(announce_first=False),
    "no release fence behind the tail": Order(announce_fence=False),
    "the head is stored relaxed": Order(publish_release=False),
    "the head is loaded relaxed": Order(head_acquire=False),
    "no acquire fence before the tail is loaded": Order(validate_fence=False),
    "the tail is not looked at": Order(validate=False),
    "wake is stored relaxed": Order(wake_release=False),
    "wake is loaded relaxed": Order(wake_acquire=False),
    "wake is counted before the head is stored": Order(wake_after_publish=False),
    "no second look before sleeping": Order(look_again=False),
}
