"""How a gateway is measured: one run, the rounds of a case, and the figures of them."""

import dataclasses
import os
import statistics
import time

import bench

MESSAGES_MAX = 24_000_000
PILOT_BYTES = 2**26  # the first guess at how much takes long enough to be measured
PILOT_DELIVERIES = 200_000


@dataclasses.dataclass(frozen=True)
class Case:
    size: int  # bytes of a message
    subscribers: int
    upstreams: int = 1
    tls: bool = False
    deflate: bool = False

    def __str__(self):
        return (f"{self.size} bytes, {self.subscribers} subscribers"
                f"{f', {self.upstreams} upstreams' if self.upstreams > 1 else ''}"
                f"{', TLS' if self.tls else ''}{', compressed' if self.deflate else ''}")


class Run:
    """One gateway, its servers and its subscribers: from the first message to the last delivery.

    `rate`: messages a second, and their latency is measured; None: as fast as they are taken.
    """

    def __init__(self, options, case, kind, messages, rate=None):
        self.build = options.build
        self.ring = options.ring
        self.cert = options.cert
        self.case = case
        self.kind = kind
        self.messages = messages
        self.rate = rate
        cpus = sorted(os.sched_getaffinity(0))
        self.gateway_cpus = cpus[:1] if options.pin else cpus
        self.other_cpus = cpus[1:] if options.pin else cpus

    def program(self, name):
        return os.path.join(self.build, name)

    def process(self, *command):
        return bench.Process(*command, cpus=self.other_cpus)

    def sender(self):
        return self.process(self.program("bench_sender"), "--clients", self.case.upstreams,
                            "--messages", self.messages // self.case.upstreams,
                            "--size", self.case.size, *["--deflate"] * self.case.deflate,
                            *(["--cert", self.cert] if self.case.tls else []),
                            *(["--rate", self.rate] if self.rate else []))

    def measure(self):
        """The figures of one run."""
        with bench.scratch() as directory, self.sender() as sender, \
                self.kind.start(self, directory, sender.line()) as gateway:
            if self.kind.opens_first:
                sender.expect("open")
                gateway.wait_for_connections()
            with self.process(*self.kind.readers(self, os.path.join(directory, "bench.sock"))) \
                    as readers:
                readers.expect("connected")
                if self.kind.opens_first:
                    gateway.wait_for_subscribers(self.case.subscribers)
                else:
                    sender.expect("open")
                return self.flow(gateway, sender, readers)

    def flow(self, gateway, sender, readers):
        cpu, wall = gateway.cpu_ns(), time.monotonic()
        sender.tell("go")
        said = self.results(readers)
        cpu = gateway.cpu_ns() - cpu
        deliveries = self.messages * self.case.subscribers
        return {"messages": self.messages, "cpu_ns": cpu / deliveries, "cpu_s": cpu / 1e9,
                "wall_s": time.monotonic() - wall, "peak_bytes": gateway.status_bytes("VmHWM"),
                **said}

    def results(self, readers):
        """What the subscribers say at the end, up to "done"."""
        said = {}
        while "flow_s" not in said:
            word, *numbers = readers.line().split()
            if word == "done":
                said["flow_s"] = int(numbers[0]) / 1e9
            elif word == "lost":
                said["lost"] = int(numbers[0]) / (self.messages * self.case.subscribers)
            elif word == "latency":
                said.update(zip(("p50_ns", "p99_ns", "p999_ns", "max_ns"), map(int, numbers)))
        return said


def suitable_messages(options, case, kind):
    """As many as take about so long as is wanted: gateways differ by a factor of a hundred.

    From ever longer runs, as a short one has smaller batches, and dearer messages.
    """
    if options.messages:
        return options.messages // case.upstreams * case.upstreams
    deliveries = min(PILOT_DELIVERIES, PILOT_BYTES // case.size)
    messages = max(1, deliveries // case.subscribers // case.upstreams) * case.upstreams
    while True:
        flow_s = Run(options, case, kind, messages).measure()["flow_s"]
        wanted = min(MESSAGES_MAX, int(messages * options.seconds / max(flow_s, 1e-3)))
        if flow_s >= options.seconds / 3 or wanted <= messages:
            return max(1, wanted // case.upstreams) * case.upstreams
        messages = min(wanted // case.upstreams * case.upstreams, 8 * messages)


def measure_rounds(options, case, kinds, number_of_messages, rate=None):
    """`repeat` rounds, each with one run of every gateway, each in another order.

    `number_of_messages`: a function of the kind. Returns a dict of lists of figures by name, and of
    the reasons why others could not run.
    """
    runs, skipped, messages = {}, {}, {}
    for kind in kinds:
        try:
            options.progress(f"{case}: {kind.name}, how many messages")
            messages[kind.name] = number_of_messages(kind)
            runs[kind.name] = []
        except bench.BenchError as error:
            skipped[kind.name] = str(error)
    for turn in range(options.repeat):
        ready = [kind for kind in kinds if kind.name in runs]
        first = turn % max(1, len(ready))
        for kind in ready[first:] + ready[:first]:
            options.progress(f"{case}: {kind.name}, {turn + 1} of {options.repeat}")
            try:
                run = Run(options, case, kind, messages[kind.name], rate)
                runs[kind.name].append(run.measure())
            except bench.BenchError as error:
                del runs[kind.name]
                skipped[kind.name] = str(error)
    return runs, skipped


def with_ratios(case, kinds, runs, key):
    """The medians, and the ratios to the floor within each round."""
    floor = next((kind for kind in kinds if kind.is_floor and kind.name in runs), None)
    results = {}
    for kind in kinds:
        if kind.name not in runs:
            continue
        mine = runs[kind.name]
        result = {"record_bytes": kind.record_bytes(case), "runs": mine,
                  **{name: statistics.median(run[name] for run in mine) for name in mine[0]}}
        if floor:
            result["ratios"] = [run[key] / other[key] for run, other in zip(mine, runs[floor.name])]
            result["ratio"] = statistics.median(result["ratios"])
            result["byte_ratio"] = \
                result["ratio"] * floor.record_bytes(case) / result["record_bytes"]
        results[kind.name] = result
    return results


def fanout(options, case):
    """As fast as the messages are taken; the ratio is that of the CPU."""
    kinds = [kind for kind in options.kinds if kind.supports(case)]
    runs, skipped = measure_rounds(options, case, kinds,
                                 lambda kind: suitable_messages(options, case, kind))
    return {**dataclasses.asdict(case), "gateways": with_ratios(case, kinds, runs, "cpu_ns"),
            "skipped": skipped}


def latency(options, case):
    """At a steady rate; the ratio is that of the 99th percentiles."""
    messages = int(options.latency_rate * options.latency_seconds)
    runs, skipped = measure_rounds(options, case, options.kinds, lambda kind: messages,
                                 options.latency_rate)
    return {**dataclasses.asdict(case), "rate": options.latency_rate,
            "gateways": with_ratios(case, options.kinds, runs, "p99_ns"), "skipped": skipped}
