"""What has to hold at the end of a round: nothing lost unsaid, nothing twice, nothing torn."""

import collections
import re

from events import OVER
from topology import OPENING, STALL, matches

MOST = 20  # violations that are told
PATIENCE = 8  # seconds for what takes milliseconds on an idle machine
JSON = '{{"seq":{},"time":"2026-01-01T00:00:00.000000Z","connection":"{}","type":"text","data":""}}\n'
MOST_DIGITS = 8 + len('"binary","base64"') - len('"text","data"')  # a record of json is longer by at most so much


class Verdict:
    """
    `sessions`: the servers' reports; `sittings`: name of reader -> its reports; `steady`: those readers
    whose first sitting began before the first message; `removed`: name of outlet -> when it was taken away by a reload; `ends`: also by the daemon's end.
    """

    def __init__(self, topology, sessions, sittings, steady, ends, removed, log, events):
        self.topology = topology
        self.ends = ends
        self.removed = removed
        self.log = log
        self.events = events
        self.sessions = sessions
        self.larger = {}  # by outlet and session: messages that the ring may not hold
        self.long = {session["number"]: {number: rest for number, *rest in session["long"]} for session in sessions}
        self.sittings = sittings
        self.steady = steady
        self.missing = collections.Counter()  # "reader of outlet": messages that it did not get
        self.violations = []

    def violation(self, text):
        self.violations.append(text)

    def check(self):
        for session in self.sessions:
            for error in session["errors"]:
                self.violation(f"{session['name']} session {session['number']:x}: {error}")
        for name, sittings in self.sittings.items():
            for sitting in sittings:
                who = f"{name} of {sitting['outlet']}"
                for error in sitting["errors"]:
                    self.violation(f"{who}: {error}")
                self.check_end(who, sitting)
                self.check_holes(who, sitting)
        for name in self.steady:
            if self.sittings.get(name):
                self.check_steady(name, self.sittings[name][0])
        self.check_silence()
        self.check_openings()
        return self.violations[:MOST]

    def check_silence(self):
        """
        Bytes are life: no server is taken for dead that answers, however slow its line and whatever stopped the daemon.
        But one that reads slowly, and has nothing more to say, answers a ping when it has read all that its kernel
        acknowledged long before, and meanwhile no byte moves.
        """
        stalls = collections.defaultdict(float)
        for session in self.sessions:
            if self.reads_silently(session):
                stalls[session["name"]] = STALL
            stalls[session["name"]] = max(stalls[session["name"]], session["stall"])
        for close in self.events.closes:
            if close.silent and close.connection in stalls and stalls[close.connection] < STALL:
                self.violation(f"{close.connection}: closed though its server answers: {close.why}")

    def reads_silently(self, session):
        spec = self.topology.servers.get(session["name"], {})
        return "line" in spec and spec.get("end") == "silence"

    def check_openings(self):
        """A session that lived long enough has had all messages of on_open; the server has checked their order."""
        for session in self.sessions:
            spec = self.topology.servers.get(session["name"], {})
            due = spec.get("opening", 0)
            needed = PATIENCE + (due * OPENING["size"] / spec["line"] if "line" in spec else 0)
            if session["opening"] < due and (session["ended"] or 0) - session["opened"] > needed:
                self.violation(f"{session['name']} session {session['number']:x}: {session['opening']} messages of "
                               f"on_open, {due} were due")

    def check_end(self, who, sitting):
        """Nobody is cut off in the middle of a record, until there is no more time to deliver it."""
        if not sitting["torn"] or sitting["how"] == "left":
            return
        drain = self.topology.drain
        if not any(drain * 0.9 < sitting["ended"] - end < drain * 2 + 2 for end in self.ends.get(sitting["outlet"], ())):
            self.violation(f"{who}: ended {sitting['torn']} bytes into a record ({sitting['how']})")

    # What is larger than the ring.

    def too_large(self, outlet, name, session, number):
        """True, False; None: it may be, as the record has a part of which only the daemon knows the length."""
        if number not in self.long[session]:
            return False
        length, json_length = self.long[session][number]
        least = {"lines": length + 1, "packets": length + 1, "frames": (length + 39) // 8 * 8,
                 "json": len(JSON.format("1", name)) + json_length}[outlet["format"]]
        more = {"frames": (len(name) + 39) // 8 * 8, "json": MOST_DIGITS}.get(outlet["format"], 0)
        return True if least > outlet["ring"] else None if least + more > outlet["ring"] else False

    def count_too_large(self, outlet, session):
        """Of all that it has sent. There can be hundreds of sittings, of the same few outlets."""
        key = outlet["name"], session["number"]
        if key not in self.larger:
            self.larger[key] = sum(self.too_large(outlet, session["name"], session["number"], number) is not False
                                   for number in self.long[session["number"]])
        return self.larger[key]

    def check_holes(self, who, sitting):
        """Whatever is missing in between of an outlet that never skips is larger than its ring, and told where it can be."""
        if not sitting["lossless"]:
            return
        outlet, missing = self.outlet_named(sitting["outlet"]), 0
        for session, holes in sitting["holes"].items():
            name = sitting["connections"][session]
            for first, last in holes:
                missing += last + 1 - first
                lost = [number for number in range(first, last + 1)
                        if self.too_large(outlet, name, int(session), number) is False]
                if lost:
                    self.violation(f"{who}: {name} session {int(session):x}: {len(lost)} messages from {lost[0]} on are missing")
        if not sitting["numbered"]:
            return
        most = sum(self.count_too_large(outlet, session) for session in self.sessions
                   if matches(outlet["from"], session["name"]))
        if not missing <= sitting["told"] <= most:
            self.violation(f"{who}: gaps of {sitting['told']} messages, {missing} at least and {most} at most are "
                           "larger than the ring")

    def check_steady(self, name, sitting):
        outlet = self.outlet(name)
        if outlet["on_lag"] != "wait":
            return
        who = f"{name} of {outlet['name']}"
        sessions = [session for session in self.sessions if matches(outlet["from"], session["name"])]
        for session in sessions:
            self.check_whole(who, outlet, sitting, session)
        due = sum(blanks for _, _, blanks, _ in sitting["sessions"].values())
        made = sum(session["blanks"] for session in sessions)
        if not due <= sitting["blanks"] <= made:
            self.violation(f"{who}: {sitting['blanks']} empty messages; {due} were due, {made} were sent")

    def check_counts(self, counted, published):
        """At a calm end, of readers that stayed: delivered and told as lost is what was published."""
        for name, counts in counted.items():
            outlet, sitting = self.outlet(name), self.sittings[name][0]
            if not counts or len(self.ends.get(outlet["name"], ())) > 1 or len(self.sittings[name]) > 1:
                continue
            messages = published[outlet["name"]]
            if sitting["numbered"]:
                if sitting["next_seq"] <= messages:
                    self.violation(f"{name} of {outlet['name']}: the last record was {sitting['next_seq'] - 1} of {messages}")
            elif sitting["delivered"] + counts["lost"] != messages:
                self.violation(f"{name} of {outlet['name']}: {sitting['delivered']} delivered, {counts['lost']} "
                               f"counted as lost, {messages} published")

    def outlet(self, reader):
        """The outlet of a reader."""
        return self.outlet_named(self.sittings[reader][0]["outlet"])

    def outlet_named(self, name):
        return next(outlet for outlet in self.topology.outlets if outlet["name"] == name)

    def fitting(self, outlet, session, first, end):
        """How many of its messages from `first` on an outlet has to deliver."""
        too_large = sum(self.too_large(outlet, session["name"], session["number"], number) is not False
                        for number in self.long[session["number"]] if first <= number < end)
        return end - first - too_large

    def check_whole(self, who, outlet, sitting, session):
        """That the reader of an outlet that waits got a session as a whole."""
        first, last, *_ = sitting["sessions"].get(str(session["number"]), (0, -1))
        what = f"{session['name']} session {session['number']:x}"
        if self.fitting(outlet, session, 0, first):
            self.violation(f"{who}: {what} begins with message {first}")
        if session["how"] == "open" or (session["ended"] or 0) > (sitting["ended"] or 0):
            return
        if any(removed < session["ended"] for removed in self.removed.get(sitting["outlet"], ())):
            return  # an outlet that is taken away takes nothing more
        lost = self.fitting(outlet, session, last + 1, session["made"])
        if lost and session["how"] == "closed":
            self.missing[who] += lost
            self.check_told(who, f"{what} was closed in order, the last {lost} of {session['made']} are missing",
                            sitting["outlet"])
        elif lost and session["how"] == "cut" and (last >= 0 or session["close_received"]):
            self.check_cut(f"{who}: {what} was cut off, the last {lost} of {session['made']} are missing", session)

    def check_told(self, who, what, outlet):
        """What the daemon had received and could not deliver in time it counts, and tells."""
        logged = sum(int(count) for count in re.findall(f"outlet {outlet}: messages lost: (\\d+)", self.log))
        told = max(logged, self.events.undelivered[outlet])
        if told < self.missing[who]:
            self.violation(f"{who}: {what}; {told} were told as lost, {self.missing[who]} are")

    def check_cut(self, what, session):
        """
        The daemon has cut the session off, and says why, in an event, or in the log when it stops (until then that is
        limited): its time was over, in which a server on a busy machine may not even have read the close frame. One that got neither a close frame nor a reader was never open: the daemon
        ended its call.
        """
        if session["close_received"] is None and session["close_sent"] is None:
            return
        closes = self.events.closes_of(session["name"])
        if self.events.missed or any(close.cut for close in closes):
            return
        if not re.search(f"connection {session['name']}: closed[^:]*: .*({OVER})", self.log):
            near = [close for close in closes if abs(close.at - session["ended"]) < 1]
            self.violation(f"{what}: nothing was said of it; its server saw close_sent {session['close_sent']}, "
                           f"close_received {session['close_received']}, ended {session['ended']}; closes about then: {near}")
