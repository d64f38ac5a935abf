"""The turns of connections that share outlets, step by step as src/outlet/outlet_room.c, the session and the
connection have them.

A `wait` outlet has room when its subscribers have read. One that skips has room when they have been offered
what there is, which only takes a few flushes.

Walks through all orders of events: what servers send, when subscribers read, when connections close, in
whatever order the loop runs what is active. Three things have to hold in every one of them:

- Progress is a message published or taken: without, what is active comes to an end.
- When nothing is active, nobody waits for an outlet that has plenty of room.
- From wherever it is, once subscribers read, only who feeds an outlet that is still not read waits.
"""

from typing import NamedTuple

SIZE = 3     # of a ring
PLENTY = 2   # free of it: a turn begins
STEPS = 100  # within which everything comes to rest
READS = ((), (1,), (3,), (1, 3))  # the messages, by their length, of one read


class Rules(NamedTuple):
    """What may be taken away, to see that it is needed."""

    keep_turn: bool = True      # whose turn it is reads without asking
    look_after_turn: bool = True
    look_after_sending: bool = True
    look_after_close: bool = True
    go_on_offering: bool = True # a flush that had no time for all is followed by another


class Topology(NamedTuple):
    """For each connection the outlets that it feeds, and the outlets that skip."""

    routes: tuple
    skipping: tuple = ()


class Connection(NamedTuple):
    at: int = -1        # the outlet it waits for; -1: it reads
    held: int = 0       # length of the message that was refused; 0: none
    backlog: tuple = () # behind it
    turn: bool = False


class Outlet(NamedTuple):
    unread: int = 0
    waiters: tuple = () # of (connection, wanted)


class State(NamedTuple):
    connections: tuple
    outlets: tuple
    active: tuple = () # in order: ("io", connection) or ("flush", outlet)


class Broken(Exception):
    """The text says what does not hold."""


class Step:
    """
    One event being handled: a copy of the state that changes, and whether there was progress. `sent`:
    what the subscriber takes when an outlet looks for room; `most`: messages for which there is time.
    """

    def __init__(self, model, state, sent=0, most=2):
        self.model = model
        self.sent = sent
        self.most = most
        self.connections = list(state.connections)
        self.outlets = list(state.outlets)
        self.active = list(state.active)
        self.progress = False

    def state(self):
        return State(tuple(self.connections), tuple(self.outlets), tuple(self.active))

    def change(self, c, **members):
        self.connections[c] = self.connections[c]._replace(**members)

    def activate(self, event):
        if event not in self.active:
            self.active.append(event)

    def take(self, o, length):
        """The subscriber's socket takes so much."""
        outlet = self.outlets[o]
        self.outlets[o] = outlet._replace(unread=outlet.unread - length)
        self.progress |= length > 0

    def send(self, o):
        """outlet_find_room, when there is not enough: outlet_send_ready."""
        self.take(o, min(self.sent, self.outlets[o].unread))
        self.sent = 0
        if self.outlets[o].waiters and self.model.rules.look_after_sending:
            self.activate(("flush", o))

    def free(self, o):
        return SIZE - self.outlets[o].unread

    def wait(self, c, o, wanted):
        """outlet_await_room, and the session pauses."""
        outlet = self.outlets[o]
        ahead = [waiter for waiter in outlet.waiters if waiter[1] or not wanted]
        behind = [waiter for waiter in outlet.waiters if not waiter[1] and wanted]
        self.outlets[o] = outlet._replace(waiters=(*ahead, (c, wanted), *behind))
        self.change(c, at=o, turn=False)
        if ("io", c) in self.active:
            self.active.remove(("io", c))

    def queues(self, c, but=-1):
        """routes_queue"""
        for o in self.model.routes[c]:
            if o != but and self.outlets[o].waiters:
                self.wait(c, o, 0)
                return True
        return False

    def offer(self, c, length):
        """routes_offer: into all outlets or into none."""
        for o in self.model.routes[c]:
            if self.free(o) < length:
                self.send(o)
            if self.free(o) < length:
                self.wait(c, o, length)
                return False
        for o in self.model.routes[c]:
            self.outlets[o] = self.outlets[o]._replace(unread=self.outlets[o].unread + length)
            self.activate(("flush", o))
        self.progress = True
        return True

    def parse(self, c, messages):
        for i, length in enumerate(messages[:self.most]):
            if not self.offer(c, length):
                self.change(c, held=length, backlog=messages[i + 1:])
                return
        self.change(c, backlog=messages[self.most:])
        if messages[self.most:]:
            self.activate(("io", c))

    def resume(self, o, c):
        """routes_on_room"""
        connection = self.connections[c]
        self.change(c, at=-1)
        if self.queues(c, but=o) or (connection.held and not self.offer(c, connection.held)):
            return False
        self.change(c, held=0, turn=self.model.rules.keep_turn)
        self.activate(("io", c))
        return True

    def give_room(self, o):
        """outlet_give_room"""
        while self.outlets[o].waiters:
            (c, wanted), *others = self.outlets[o].waiters
            if self.free(o) < max(PLENTY, wanted):
                return
            self.outlets[o] = self.outlets[o]._replace(waiters=tuple(others))
            if self.resume(o, c):
                if self.model.rules.look_after_turn:
                    self.activate(("flush", o))
                return

    def close(self, c):
        """The session ends: outlet_forget_waiter."""
        o = self.connections[c].at
        if o >= 0:
            waiters = tuple(waiter for waiter in self.outlets[o].waiters if waiter[0] != c)
            self.outlets[o] = self.outlets[o]._replace(waiters=waiters)
            if waiters and self.model.rules.look_after_close:
                self.activate(("flush", o))
        self.connections[c] = Connection()


class Model:
    def __init__(self, topology, rules=Rules()):
        self.routes, self.skipping = topology
        self.rules = rules
        routes = self.routes
        outlets = 1 + max(o for route in routes for o in route)
        self.start = State((Connection(),) * len(routes), (Outlet(),) * outlets)

    def dispatch(self, state):
        """What the first active event can lead to; the first way: nothing is taken, nothing is read."""
        kind, number = state.active[0]
        rest = state._replace(active=state.active[1:])
        for sent in range(SIZE + 1):
            yield from (self.flush if kind == "flush" else self.receive)(rest, number, sent)

    def flush(self, state, o, sent):
        unread = state.outlets[o].unread
        if sent > unread or (o in self.skipping and unread and not sent):
            return
        step = Step(self, state, sent)
        step.take(o, sent)
        if o in self.skipping and sent < unread and self.rules.go_on_offering:
            step.activate(("flush", o))
        step.give_room(o)
        yield step

    def receive(self, state, c, sent):
        """session_receive"""
        connection = state.connections[c]
        for messages in (connection.backlog,) if connection.backlog else READS:
            for most in range(1, max(2, len(messages) + 1)):
                step = Step(self, state, sent, most)
                step.change(c, turn=False)
                if connection.backlog or connection.turn or not step.queues(c):
                    step.parse(c, messages)
                yield step

    def poll(self, state):
        """What the world can do next."""
        for c, connection in enumerate(state.connections):
            if connection.at < 0:
                step = Step(self, state)
                step.activate(("io", c))
                yield step
            step = Step(self, state)
            step.close(c)
            yield step
        for o, outlet in enumerate(state.outlets):
            for length in range(1, outlet.unread + 1 if o not in self.skipping else 1):
                step = Step(self, state)
                step.take(o, length)
                if outlet.waiters:
                    step.activate(("flush", o))
                yield step

    def check(self):
        """Walks through all states. Returns how many there were; raises Broken."""
        seen, todo, idle = {self.start}, [self.start], {}
        while todo:
            state = todo.pop()
            steps = list(self.dispatch(state)) if state.active else []
            idle[state] = [step.state() for step in steps if not step.progress]
            if not state.active:
                self.check_rest(state)
            for step in steps + list(self.poll(state)):
                after = step.state()
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        check_ends(idle)
        return len(seen)

    def check_rest(self, state):
        for o, outlet in enumerate(state.outlets):
            if outlet.waiters and SIZE - outlet.unread >= max(PLENTY, outlet.waiters[0][1]):
                raise Broken(f"nothing is active, and outlet {o} has room for who waits: {state}")
        for stopped in range(1 << len(state.outlets)):
            after = self.settle(state, stopped)
            for c, connection in enumerate(after.connections):
                lasting = [o for o in self.routes[c] if stopped >> o & 1 and o not in self.skipping]
                if connection.at >= 0 and not lasting:
                    raise Broken(f"connection {c} waits for ever, stopped {stopped:b}: {state}")

    def settle(self, state, stopped):
        """All outlets but those in `stopped` are read as fast as can be; no server sends any more."""
        for _ in range(STEPS):
            before = state
            for o, outlet in enumerate(state.outlets):
                if not stopped >> o & 1 and o not in self.skipping and outlet.unread:
                    step = Step(self, state)
                    step.take(o, outlet.unread)
                    step.activate(("flush", o))
                    state = step.state()
            for _ in range(STEPS):
                if state.active:
                    state = next(self.dispatch(state)).state()
            if state == before:
                return state
        raise Broken(f"does not come to rest: {state}")


def check_ends(idle):
    """Without progress there is no way from a state back to it."""
    done, path = set(), {}
    for start in idle:
        if start in done:
            continue
        path[start] = iter(idle[start])
        while path:
            state = next(reversed(path))
            after = next(path[state], None)
            if after is None:
                done.add(state)
                del path[state]
            elif after in path:
                raise Broken(f"goes round without progress: {after}")
            elif after not in done:
                path[after] = iter(idle.get(after, ()))


TOPOLOGIES = {
    "two share one outlet": Topology(((0,), (0,))),
    "two share one that skips": Topology(((0,), (0,)), (0,)),
    "two share two": Topology(((0, 1), (0, 1))),
    "two share two, in other orders": Topology(((0, 1), (1, 0))),
    "two share two, of which one skips": Topology(((0, 1), (0, 1)), (0,)),
    "two share two, of which one skips, in other orders": Topology(((0, 1), (1, 0)), (0,)),
}

# These take minutes.
LARGE = {
    "one feeds both, the others one each": Topology(((0,), (0, 1), (1,))),
    "two share three": Topology(((0, 1, 2), (0, 1, 2))),
}

# Each leaves one thing out, and has to be found out.
WEAKENED = {
    "whose turn it is asks again": Rules(keep_turn=False),
    "the outlet does not look again after a turn": Rules(look_after_turn=False),
    "the outlet does not look again when it has sent for somebody else": Rules(look_after_sending=False),
    "the outlet does not look when one that waited has closed": Rules(look_after_close=False),
    "a flush that had no time for all is the last": Rules(go_on_offering=False),
}


def check(rules=Rules(), topologies=TOPOLOGIES):
    return sum(Model(topology, rules).check() for topology in topologies.values())
