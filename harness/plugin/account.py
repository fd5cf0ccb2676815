"""The session's account: every verdict and every failure of its tests, and the exit code that follows from them.

The account does not rely on the tests. A verdict counts when the judge gives it, so a scenario that never asks for it,
swallows the error or stops pytest changes nothing. Under xdist, reports and the output of the workers bring the
entries to the controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import pytest

from harness.model.exit_codes import INTERRUPTED

FAIL, TROUBLE, USAGE, INCONCLUSIVE, MARGINAL = "fail", "trouble", "usage", "inconclusive", "marginal"
CODES: Mapping[str, int] = {FAIL: 1, TROUBLE: 12, USAGE: 2, INCONCLUSIVE: 11, MARGINAL: 10}
"""Exit codes by kind of failure. If a session has several kinds, the first one in this order decides."""
_PASS = "pass"  # noqa: S105 - a verdict, no password
_PYTEST_USAGE_ERROR, _PYTEST_NO_TESTS = 4, 5


def worst(kinds: Iterable[str]) -> str:
    """Return the kind that decides, or an empty string if there is none."""
    found = set(kinds)
    return next((kind for kind in CODES if kind in found), "")


@dataclass(slots=True, kw_only=True)
class _Test:
    """Holds the last attempt of one test.

    verdicts: in the order given. kinds: the kinds of its failures. finished: whether it was torn down. begun: whether
    it began in this process, which then knows its verdicts without reports. repeated: whether a plugin said that it
    will run the test again, so that this attempt does not count.
    """

    verdicts: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    finished: bool = False
    begun: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the account decides.

    unasked_fails: whether a verdict counts although its test did not fail. required: the least number of verdicts; None
    means one if a scenario was collected. only_collected: pytest was asked to collect tests and to run none.
    """

    unasked_fails: bool = True
    required: int | None = None
    only_collected: bool = False


class Exported(TypedDict):
    """The entries of a worker of xdist. verdicts: by node id."""

    scenarios: list[str]
    deselected: int
    verdicts: dict[str, list[str]]
    reverted: list[str]


class Account:
    """The entries of one session. Tests are identified by their worker (empty without xdist) and their node id."""

    def __init__(self, rules: Rules) -> None:
        """Begin without entries."""
        self.rules = rules
        self.interrupted = False
        self.deselected = 0
        self.reverted: list[str] = []
        """What was reverted, in the order in which it happened."""
        self.troubles: list[tuple[str, str, str]] = []
        """Failures that left no verdict: test or file, kind, message."""
        self._scenarios: set[str] = set()
        self._tests: dict[tuple[str, str], _Test] = {}
        self._run_before: list[_Test] = []
        """Tests that ended and were run once more under the same node id, as with ``--keep-duplicates``."""
        self._kinds: list[str] = []
        self._concerned = rules.required is not None

    @property
    def concerned(self) -> bool:
        """Whether the exit code of this session is ours to decide; other test suites keep pytest's codes."""
        return self._concerned or bool(self._scenarios)

    def expect(self, node_ids: Iterable[str]) -> None:
        """Note the scenarios that were collected and not deselected."""
        self._scenarios.update(node_ids)

    def begin(self, node_id: str) -> None:
        """Note that a scenario starts an attempt; what an earlier attempt left is forgotten, unless it had ended."""
        self._scenarios.add(node_id)
        self._start(("", node_id)).begun = True

    def judged(self, node_id: str, verdict: str) -> None:
        """Note a verdict at the moment when the judge gives it."""
        self._tests.setdefault(("", node_id), _Test()).verdicts.append(verdict)

    @property
    def judged_count(self) -> int:
        """How many verdicts were given."""
        return sum(len(test.verdicts) for test in self._tests.values())

    def verdicts(self, node_id: str) -> list[str]:
        """Return the verdicts of the last attempt of a test in this process."""
        return list(self._tests.get(("", node_id), _Test()).verdicts)

    def session_failed(self, kind: str, place: str, message: str) -> None:
        """Note a failure outside any test: of collection, of pytest, or of a worker."""
        self._kinds.append(kind)
        self.troubles.append((place, kind, message))

    def report(self, report: pytest.TestReport) -> None:
        """Note the report of one part of a test, which may come from a worker."""
        worker = getattr(getattr(getattr(report, "node", None), "gateway", None), "id", "")
        key = worker, report.nodeid
        if str(report.outcome) == "rerun":  # pytest-rerunfailures: only the last attempt counts
            self._tests[key] = _Test(repeated=True)
            return
        known = self._tests.get(key)
        if report.when == "setup" and (known is None or known.finished or not known.begun):
            self._start(key)
        test = self._tests.setdefault(key, _Test())
        if not test.begun:
            test.verdicts = list(getattr(report, "harness_verdicts", test.verdicts))
        test.finished = test.finished or report.when not in {"setup", "call"}  # "???" when a worker crashed
        self._concerned = self._concerned or getattr(report, "harness_raised", False)
        if report.failed:
            self._failed(test, report)

    def _start(self, key: tuple[str, str]) -> _Test:
        before = self._tests.get(key)
        if before is not None and before.finished and not before.repeated:
            self._run_before.append(before)
        self._tests[key] = _Test()
        return self._tests[key]

    def _failed(self, test: _Test, report: pytest.TestReport) -> None:
        kind = getattr(report, "harness_kind", "")
        if not kind and not test.kinds:
            kind = TROUBLE  # the worker crashed, or another plugin failed the test: this says nothing about the canary
        test.kinds += [kind] if kind else []
        if kind in {TROUBLE, USAGE}:
            self.troubles.append((report.nodeid, kind, _message(report)))

    def exported(self) -> Exported:
        """Return the entries as plain values, for the controller of xdist."""
        return {
            "scenarios": sorted(self._scenarios),
            "deselected": self.deselected,
            "verdicts": {node_id: test.verdicts for (_, node_id), test in self._tests.items() if test.verdicts},
            "reverted": self.reverted,
        }

    def merge(self, worker: str, exported: Exported) -> None:
        """Add the entries of a worker that has ended; some of its verdicts may not have reached a report."""
        self.expect(exported["scenarios"])
        self.deselected = max(self.deselected, exported["deselected"])
        self.reverted += exported["reverted"]
        for node_id, verdicts in exported["verdicts"].items():
            self._tests.setdefault((worker, node_id), _Test()).verdicts = list(verdicts)

    def code(self, status: int) -> int:
        """Return the exit code of the session; ``status`` is pytest's own."""
        if not self.concerned:
            return status
        if self.interrupted:
            return INTERRUPTED
        kind = worst(self._counted())
        if kind:
            return CODES[kind]
        if status == _PYTEST_USAGE_ERROR:
            return CODES[USAGE]
        if self.missing() or status not in {0, _PYTEST_NO_TESTS}:
            return CODES[TROUBLE]
        return status

    def _counted(self) -> list[str]:
        kinds = [*self._kinds, *(kind for test in self._all() for kind in test.kinds)]
        return kinds + (self._unpassed() if self.rules.unasked_fails else [])

    def _all(self) -> list[_Test]:
        return [*self._run_before, *self._tests.values()]

    def _unpassed(self) -> list[str]:
        return [verdict for test in self._all() for verdict in test.verdicts if verdict != _PASS]

    def missing(self) -> str:
        """Return what is missing for exit code 0, or an empty string."""
        if self.rules.only_collected and self.rules.required is None:
            return ""
        judged = self.judged_count
        least = self.rules.required if self.rules.required is not None else int(bool(self._scenarios))
        if judged < least:
            return f"expected at least {_count(least, 'verdict')}, found {judged}: {self._circumstances()}"
        finished = {node_id for (_, node_id), test in self._tests.items() if test.finished}
        open_ids = sorted(self._scenarios - finished)
        if open_ids and not self.rules.only_collected:
            return f"the session ended before {_count(len(open_ids), 'scenario')} had finished: {_listed(open_ids)}"
        return ""

    def _circumstances(self) -> str:
        if self.rules.only_collected:
            return "pytest was asked to collect tests and to run none"
        if not self._scenarios:
            left_out = f", {self.deselected} were deselected" if self.deselected else ""
            return f"no test that uses the fixtures of the harness was selected{left_out}"
        return (
            f"{_count(len(self._scenarios), 'scenario')} selected, but skipped, stopped, or without a call of "
            "canary.run or canary.compare"
        )

    def words(self, status: int) -> Sequence[str]:
        """Return lines that explain the exit code where the tests' own reports do not."""
        if not self.concerned:
            return ()
        lines = [] if not self.interrupted else [_interrupted(self.reverted)]
        missing = self.missing()
        if missing and not worst(self._counted()) and not self.interrupted:
            lines.append(f"harness: no verdict on the canary: {missing}; exit code {self.code(status)}")
        elif status and not self.interrupted and not worst(self._counted()) and status != self.code(status):
            lines.append(f"harness: pytest ended with its own code {status}; exit code {self.code(status)}")
        return lines


def _message(report: pytest.TestReport) -> str:
    """Return the exception's own text, or the whole text where it is one of the harness or of a crash."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr).strip()


def _interrupted(reverted: Sequence[str]) -> str:
    if not reverted:
        return f"harness: interrupted; no change had to be reverted; exit code {INTERRUPTED}"
    changes = "\n".join(f"  {text}" for text in reverted)
    return f"harness: interrupted; exit code {INTERRUPTED}; these changes were reverted:\n{changes}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(names: Sequence[str], most: int = 3) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
