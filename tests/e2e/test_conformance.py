"""RFC 6455 and RFC 7692, a class of cases a test: tests/conformance."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))

from conformance import suite  # noqa: E402 (its home had to be made known first)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.heavy] if name in suite.HEAVY else []) for name in suite.CLASSES],
)
def test_conformance(name):
    results = suite.run(name)
    assert results
    faults = [f"{result.case.name}: {result.fault}" for result in results if result.fault]
    assert not faults, f"{len(faults)} of {len(results)} failed:\n" + "\n".join(faults)
