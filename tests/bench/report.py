"""The results of a benchmark as text: Markdown tables, and what was reached of the targets.

    python3 -B tests/bench/report.py RESULT.json
"""

import json
import sys

import bench
import gateways

TARGET_SIZE = 128


def table(header, rows):
    """A Markdown table with columns that are aligned as text too; the first is on the left."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(cells):
        first, *others = (cell.ljust(width) if column == 0 else cell.rjust(width)
                          for column, (cell, width) in enumerate(zip(cells, widths)))
        return f"| {' | '.join([first, *others])} |"

    rule = "|".join("-" * (width + 2) if column == 0 else "-" * (width + 1) + ":"
                    for column, width in enumerate(widths))
    return "\n".join([line(header), f"|{rule}|", *map(line, rows)])


def figure(number):
    """Three digits that count."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def ratio_cells(result):
    if "ratio" not in result:
        return ["-", "-"]
    return [figure(result["ratio"]),
            f"{figure(min(result['ratios']))}–{figure(max(result['ratios']))}"]


def subscribers(count):
    return f"{count:,} subscriber{'s' if count > 1 else ''}"


def conditions(case):
    """What the cases of one table have in common."""
    return tuple(case[key] for key in ("size", "upstreams", "tls", "deflate"))


def heading(case):
    upstreams = "one upstream" if case["upstreams"] == 1 else f"{case['upstreams']} upstreams"
    return (f"{case['size']:,}-byte messages, {upstreams}, {'TLS' if case['tls'] else 'no TLS'}"
            f"{', compressed' if case['deflate'] else ''}")


def fanout_rows(case):
    for name, result in case["gateways"].items():
        lost = f"{result['lost']:.0%}" if "lost" in result else ""
        yield [name, str(case["subscribers"]), figure(result["cpu_ns"]), *ratio_cells(result),
               figure(result["byte_ratio"]) if "byte_ratio" in result else "-",
               f"{result['messages'] / result['flow_s']:,.0f}", f"{result['wall_s']:.2f}",
               figure(result["peak_bytes"] / 2**20), lost]


def fanout_tables(cases):
    header = ["gateway", "subscribers", "ns CPU", "ratio", "range", "by byte", "messages/s",
              "wall s", "peak MiB", "lost"]
    for common in dict.fromkeys(map(conditions, cases)):
        same = [case for case in cases if conditions(case) == common]
        rows = [row for case in same for row in fanout_rows(case)]
        yield f"{heading(same[0])}:\n\n{table(header, rows)}" if rows else heading(same[0])


def microseconds(nanoseconds):
    return figure(nanoseconds / 1000)


def latency_table(case):
    rows = [[name, *(microseconds(result[key]) for key in ("p50_ns", "p99_ns", "p999_ns")),
             *ratio_cells(result), figure(result["cpu_ns"])]
            for name, result in case["gateways"].items()]
    return (f"Latency in µs, {case['rate']:,} messages of {case['size']:,} bytes a second, "
            f"{case['subscribers']} subscribers:\n\n"
            + table(["gateway", "p50", "p99", "p99.9", "ratio of p99", "range", "ns CPU"], rows))


def skipped_lines(results):
    for name, reason in results["missing"].items():
        yield f"- {name} could not run: {reason}"
    for case in results["cases"] + results["latency"]:
        what = heading(case) + ", " + \
            ("latency" if "rate" in case else subscribers(case["subscribers"]))
        for name, reason in case["skipped"].items():
            yield f"- {name} ({what}) could not run: {reason}"


def find(results, subscribers, tls=False):
    """The gateways of the case that a target is about; none if it was not measured."""
    for case in results["cases"]:
        if case["subscribers"] == subscribers and case["size"] == TARGET_SIZE and \
                case["tls"] == tls and case["upstreams"] == 1 and not case["deflate"]:
            return case["gateways"]
    return {}


def relay_targets(results):
    for count, limit in ((1, 1.3), (10, 1.2), (100, 1.1)):
        lines = find(results, count).get("lines", {})
        yield f"lines to relay, {subscribers(count)}", limit, lines.get("ratio")
    for count in (1, 10, 100):
        frames = find(results, count).get("frames", {})
        yield f"frames to relay, by byte, {subscribers(count)}", 1.5, frames.get("byte_ratio")
    lines = find(results, 1, tls=True).get("lines", {})
    yield "lines to relay (SSL_read and write), TLS, 1 subscriber", 1.3, lines.get("ratio")


def peer_targets(results):
    """The four as their users write them, and what large writes would make of the slowest."""
    for count in (1, 10, 100):
        found = find(results, count)
        four = [name for name in gateways.PEER_NAMES if name in found and "batch" not in name]
        best = min(four, key=lambda name: found[name]["cpu_ns"], default=None)
        for peer, words in ((best, f"the best of {len(four)} peers, {best},"),
                            ("libwebsockets-batch", "libwebsockets-batch,")):
            if peer in found and "lines" in found:
                yield (f"lines to {words} {subscribers(count)}", 0.2,
                       found["lines"]["cpu_ns"] / found[peer]["cpu_ns"])


def ring_targets(results):
    one, hundred = find(results, 1), find(results, 100)
    for name in ("ring", "ring-spin"):
        if name in one and name in hundred:
            yield (f"{name}, CPU a message, 100 subscribers to 1", 1.1,
                   100 * hundred[name]["cpu_ns"] / one[name]["cpu_ns"])
        yield f"{name} to relay, 100 subscribers", 0.05, hundred.get(name, {}).get("ratio")


def latency_targets(results):
    for case in results["latency"]:
        if case["size"] != TARGET_SIZE:
            continue
        for name in ("lines", "frames", "packets", "ring", "ring-spin"):
            limit = 1 if name == "ring-spin" else 1.5
            yield (f"{name} to relay, p99 of latency", limit,
                   case["gateways"].get(name, {}).get("ratio"))


def targets(results):
    """Those of the project that the results say something about."""
    every = (*relay_targets(results), *peer_targets(results), *ring_targets(results),
             *latency_targets(results))
    return [{"case": case, "limit": limit, "measured": measured, "met": measured <= limit}
            for case, limit, measured in every if measured is not None]


def targets_table(found):
    rows = [[target["case"], figure(target["limit"]), f"{target['measured']:.3g}",
             "yes" if target["met"] else "**no**"] for target in found]
    return "Targets:\n\n" + table(["case", "at most", "measured", "met"], rows)


def machine_text(results):
    machine = results["machine"]
    return (f"{bench.machine_line(machine)}, {machine['load_end'][0]:.2f} at the end, "
            f"{machine['steal_s']:.1f} s of CPU stolen in {machine['seconds']:.0f} s; "
            f"ring {results['ring']}, medians of {results['repeat']}"
            f"{', pinned' if results['pin'] else ''}.")


def text(results):
    parts = [machine_text(results), *fanout_tables(results["cases"]),
             *map(latency_table, results["latency"])]
    skipped = list(skipped_lines(results))
    if skipped:
        parts.append("\n".join(skipped))
    if results["targets"]:
        parts.append(targets_table(results["targets"]))
    return "\n\n".join(parts)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as result:
        print(text(json.load(result)))
