"""
100,000 messages of 0 bytes to 1 MiB, text and binary, fragmented and not, through three connections into
two outlets with five subscribers: every byte, the order of each connection, nothing twice.
"""

import json
import subprocess
import sys
import urllib.parse

import pytest

from harness import plan, process, verify
from harness.misbehave import MisbehavingServer
from harness.plan import Plan
from harness.wait import wait_until

MESSAGES = 100_000
NAMES = ("python", "node", "ours")


@pytest.fixture
def plans(tmp_path):
    counts = [MESSAGES // 3, MESSAGES // 3, MESSAGES - 2 * (MESSAGES // 3)]
    return {
        name: Plan.make(tmp_path / f"{name}.plan", count, seed)
        for seed, (name, count) in enumerate(zip(NAMES, counts))
    }


@pytest.fixture
def start():
    """Processes that are ended with the test."""
    started = []

    def start(*command, **options):
        child = process.start([sys.executable, *map(str, command)], stdout=subprocess.PIPE, text=True, **options)
        started.append(child)
        return child

    yield start
    for child in started:
        process.end(child)


@pytest.fixture
def plan_urls(plans, start, node_server):
    """A server for each plan: python3-websockets, node-ws and ours."""
    python = start(plan.__file__, plans["python"].path, stdin=subprocess.PIPE)
    query = {"file": plans["node"].path, "text": plans["node"].pool_paths["t"],
             "binary": plans["node"].pool_paths["b"]}
    ours = MisbehavingServer()
    yield {
        "python": f"ws://127.0.0.1:{int(python.stdout.readline())}/",
        "node": node_server.url("/plan?" + urllib.parse.urlencode(query)),
        "ours": ours.url("/plan", file=str(plans["ours"].path)),
    }
    ours.stop()


@pytest.mark.heavy
@pytest.mark.timeout(150)
def test_every_byte_in_order_and_once(start_daemon, start, plans, plan_urls):
    daemon = start_daemon({
        "gateway": {"log": {"level": "info"}},
        "connections": [{"name": name, "url": url, "when": "manual"} for name, url in plan_urls.items()],
        "outlets": [
            {"name": "frames", "path": "frames.sock", "from": ["python", "node", "ours"], "format": "frames",
             "on_lag": "wait", "ring": "4M"},
            {"name": "json", "path": "json.sock", "from": ["*"], "format": "json", "on_lag": "wait", "ring": "4M"},
        ],
    })
    arguments = [f"{name}={plan.path}" for name, plan in plans.items()]
    subscribers = [
        start(verify.__file__, kind, daemon.path(f"{kind}.sock"), *arguments)
        for kind in ("frames", "frames", "frames", "json", "json")
    ]
    for subscriber in subscribers:
        assert subscriber.stdout.readline() == "ready\n"
    wait_until(lambda: len(daemon.call("subscribers")) == 5)
    for name in NAMES:
        daemon.call("connect", name=name)
    results = [json.loads(subscriber.stdout.readline()) for subscriber in subscribers]
    size = sum(message[2] for plan in plans.values() for message in plan.messages)
    assert 200 << 20 < size < 400 << 20
    assert results == [{"messages": MESSAGES, "bytes": size}] * 5
    stats = daemon.call("stats")
    assert sum(stats[name]["messages_recv"] for name in NAMES) == MESSAGES
    assert stats["ours"]["pings_recv"] > 1000
    assert all(line["lost"] == 0 for line in daemon.call("outlets"))
    assert daemon.memory() < 64 << 20
