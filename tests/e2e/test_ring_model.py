"""The memory order of the shared ring, in all executions that C11 allows: tests/model."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))

from model import ring  # noqa: E402 (its home had to be made known first)


def test_no_reader_is_misled():
    ring.check(ring.Order())


@pytest.mark.parametrize("order", ring.WEAKENED.values(), ids=ring.WEAKENED)
def test_each_part_of_the_protocol_is_needed(order):
    with pytest.raises(ring.Broken):
        ring.check(order)
