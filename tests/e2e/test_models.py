"""All executions of the shared ring's memory order, and of the turns of waiting connections: tests/model."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))

from model import ring, turns  # noqa: E402 (its home had to be made known first)


def test_no_reader_is_misled():
    ring.check(ring.Order())


@pytest.mark.parametrize("order", ring.WEAKENED.values(), ids=ring.WEAKENED)
def test_each_part_of_the_protocol_is_needed(order):
    with pytest.raises(ring.Broken):
        ring.check(order)


@pytest.mark.parametrize("topology", turns.TOPOLOGIES.values(), ids=turns.TOPOLOGIES)
def test_turns_come_to_an_end_and_leave_nobody_out(topology):
    turns.Model(topology).check()


@pytest.mark.parametrize("rules", turns.WEAKENED.values(), ids=turns.WEAKENED)
def test_each_rule_of_the_turns_is_needed(rules):
    with pytest.raises(turns.Broken):
        turns.check(rules)
