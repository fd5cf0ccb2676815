"""Parametrised faults of one test that share a steady phase: ``@pytest.mark.harness_matrix``.

The first test of the matrix sends one load: warm-up, steady, then a fault phase and a recovery for each fault of the
tests that are selected, in an order that the seed decides. Each test then has its own part of it judged, in a bundle
and a report of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, TypeGuard

import pytest

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.faults import Fault
    from harness.model.record import Record
    from harness.runner.scenario import Scenario

MARK = "harness_matrix"
ABOUT = f"{MARK}: the parametrised faults of this test share one steady phase (see docs/scenarios.md)"
_MATRICES: pytest.StashKey[dict[str, Matrix]] = pytest.StashKey()


class Matrix:
    """The faults of one parametrised test, and the records that its tests have not taken yet."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """faults: of the tests that are selected."""
        self._faults = tuple(faults)
        self._asked: Scenario | None = None
        self._records: dict[Fault, Record] = {}

    def take(self, scenario: Scenario, run: Callable[[Scenario], Sequence[Record]]) -> Record | None:
        """Return the record of the scenario's fault; None if it must run alone.

        run: carries out a scenario with a stage for each fault. A test that runs again runs alone. Raises UsageError
        for a scenario that is not the one of the other tests.
        """
        if len(scenario.faults) != 1 or scenario.stages or scenario.faults[0] not in self._faults:
            raise UsageError(
                f"{scenario.name}: expected canary.run(faults=[fault]) with the fault of the parameter, found "
                f"{', '.join(map(str, scenario.faults)) or 'none'}: only that one can share a steady phase"
            )
        if self._asked is None:
            self._asked = scenario
            order = Random(scenario.seed).sample(self._faults, len(self._faults))  # noqa: S311 - not for security
            stages = tuple((fault,) for fault in order)
            shared = replace(scenario, faults=tuple(order), stages=stages, recover_each=True)
            self._records = dict(zip(order, run(shared), strict=True))
        if replace(self._asked, name=scenario.name, faults=scenario.faults) != scenario:
            raise UsageError(
                f"{scenario.name}: expected the load, lengths and objectives of {self._asked.name}, found others: "
                f"tests with the mark {MARK} share one load"
            )
        return self._records.pop(scenario.faults[0], None)


def matrix_of(item: pytest.Item) -> Matrix | None:
    """Return the matrix that a test belongs to, or None.

    Workers of xdist do not know which tests the others run, so their tests run alone.
    """
    if item.get_closest_marker(MARK) is None or "PYTEST_XDIST_WORKER" in os.environ:
        return None
    known = item.config.stash.setdefault(_MATRICES, {})
    name = _test(item)
    if name not in known:
        others = (_fault(one) for one in item.session.items if _test(one) == name)
        faults = tuple(dict.fromkeys(fault for fault in others if fault is not None))
        known[name] = Matrix(faults)
    return known[name] if _fault(item) is not None else None


def _test(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _fault(item: pytest.Item) -> Fault | None:
    """Return the only parameter of a test that is a fault."""
    called = getattr(item, "callspec", None)
    params: Mapping[str, object] = {} if called is None else called.params
    found = [value for value in params.values() if _is_fault(value)]
    return found[0] if len(found) == 1 else None


def _is_fault(value: object) -> TypeGuard[Fault]:
    return hasattr(value, "declared") and hasattr(value, "steps")
