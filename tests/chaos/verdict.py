"""What has to hold at the end of a round: nothing lost unsaid, nothing twice, nothing torn."""

import collections
import fnmatch
import re

MOST = 20  # violations that are told


class Verdict:
    """
    `sessions`: the servers' reports; `sittings`: name of reader -> its reports; `steady`: those readers
    whose first sitting began before the first message; `removed`: name of outlet -> when it was taken away by a reload; `ends`: also by the daemon's end.
    """

    def __init__(self, topology, sessions, sittings, steady, ends, removed, log):
        self.topology = topology
        self.ends = ends
        self.removed = removed
        self.log = log
        self.sessions = sessions
        self.sittings = sittings
        self.steady = steady
        self.missing = collections.Counter()  # "reader of outlet": messages that it did not get
        self.violations = []

    def violation(self, text):
        self.violations.append(text)

    def check(self):
        for name, sittings in self.sittings.items():
            for sitting in sittings:
                for error in sitting["errors"]:
                    self.violation(f"{name} of {sitting['outlet']}: {error}")
                self.check_end(f"{name} of {sitting['outlet']}", sitting)
        for name in self.steady:
            if self.sittings.get(name):
                self.check_steady(name, self.sittings[name][0])
        return self.violations[:MOST]

    def check_end(self, who, sitting):
        """Nobody is cut off in the middle of a record, until there is no more time to deliver it."""
        if not sitting["torn"] or sitting["how"] == "left":
            return
        drain = self.topology.drain
        if not any(drain * 0.9 < sitting["ended"] - end < drain * 2 + 2 for end in self.ends.get(sitting["outlet"], ())):
            self.violation(f"{who}: ended {sitting['torn']} bytes into a record ({sitting['how']})")

    def check_steady(self, name, sitting):
        outlet = self.outlet(name)
        if outlet["on_lag"] != "wait":
            return
        for session in self.sessions:
            if any(fnmatch.fnmatch(session["name"], glob) for glob in outlet["from"]):
                self.check_whole(f"{name} of {outlet['name']}", sitting, session)

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
        name = self.sittings[reader][0]["outlet"]
        return next(outlet for outlet in self.topology.outlets if outlet["name"] == name)

    def check_whole(self, who, sitting, session):
        """That the reader of an outlet that waits got a session as a whole."""
        first, last, *_ = sitting["sessions"].get(str(session["number"]), (0, -1))
        what = f"{session['name']} session {session['number']:x}"
        if first != 0:
            self.violation(f"{who}: {what} begins with message {first}")
        if session["how"] == "open" or (session["ended"] or 0) > (sitting["ended"] or 0):
            return
        if any(removed < session["ended"] for removed in self.removed.get(sitting["outlet"], ())):
            return  # an outlet that is taken away takes nothing more
        lost = session["made"] - 1 - last
        if lost and session["how"] == "closed":
            self.missing[who] += lost
            self.check_told(who, f"{what} was closed in order, the last {lost} of {session['made']} are missing",
                            sitting["outlet"])
        elif lost and session["how"] == "cut" and (last >= 0 or session["close_received"]):
            self.check_cut(f"{who}: {what} was cut off, the last {lost} of {session['made']} are missing", session)

    def check_told(self, who, what, outlet):
        """What the daemon had received and could not deliver in time it counts, and tells."""
        told = sum(int(count) for count in re.findall(f"outlet {outlet}: messages lost: (\\d+)", self.log))
        if told < self.missing[who]:
            self.violation(f"{who}: {what}; {told} were told as lost, {self.missing[who]} are")

    def check_cut(self, what, session):
        """
        The daemon has cut the session off, and says why: its time was over, in which a server on a busy machine may
        not even have read the close frame. One that got neither a close frame nor a reader was never open: the daemon
        ended its call.
        """
        if session["close_received"] is None and session["close_sent"] is None:
            return
        if not re.search(f"connection {session['name']}: closed: .*(did not end in time|held up for too long)", self.log):
            self.violation(f"{what}: the log says nothing of it")
