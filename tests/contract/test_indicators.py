"""Every indicator keeps the contract of the port; a new one is one file and one line, and needs every member."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import indicator_checks
import numpy as np
import pytest
import report_records as records

from harness import bundle, wiring
from harness.errors import ObjectiveError
from harness.judge import indicators
from harness.judge.indicators.port import Indicator
from harness.judge.objectives import parse_objective
from harness.judge.power import needed, visible_effects
from harness.model.record import Record
from harness.model.verdict import Verdict
from harness.report import junit, markdown, page, terminal
from harness.runner.deciding import decide

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-an-indicator.md").read_text()
EXAMPLE = PAGE.split("```python\n")[1].split("```")[0]


def loaded(source: str) -> ModuleType:
    """Load a module with this source."""
    module = ModuleType("example")
    exec(compile(source, "example", "exec", dont_inherit=True), module.__dict__)
    return module


SLOW_REQUESTS: Indicator = loaded(EXAMPLE).SLOW_REQUESTS
ALL = {indicator.spec.kind: indicator for indicator in (*indicators.BUILT_IN, SLOW_REQUESTS)}


@pytest.mark.parametrize("check", indicator_checks.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ALL)
def test_an_indicator_keeps_the_contract(kind: str, check: Callable[[Indicator], None]) -> None:
    """Built-in indicators and the one of the documentation pass every check."""
    check(ALL[kind])


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in indicators and the documentation's one, added with the one line that a new indicator needs."""
    monkeypatch.setattr(indicators, "BUILT_IN", (*indicators.BUILT_IN, SLOW_REQUESTS))


def recorded(*objectives: str, slow: float) -> Record:
    """A run in which 2 % of the baseline's requests, and ``slow`` of the canary's, take longer than a second."""
    record = records.record(Verdict.PASS)
    rng = np.random.default_rng(5)
    samples = record.samples
    chance = rng.random(len(samples))
    late = chance < np.where(samples.arm == 1, slow, 0.02)
    samples = replace(samples, latency_s=np.where(late, 1.5, np.minimum(samples.latency_s, 0.5)))
    plan = replace(record.plan, objectives=tuple(map(parse_objective, objectives)))
    return replace(record, samples=samples, plan=plan)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(("slow", "verdict"), [(0.02, Verdict.PASS), (0.12, Verdict.FAIL)])
def test_a_new_indicator_is_judged_planned_recorded_and_reported(tmp_path: Path, slow: float, verdict: Verdict) -> None:
    """With one line in the list its objectives are parsed, judged, planned, recorded and shown in every report."""
    record = recorded("slow_requests < +150%", "slow_requests < 5%", slow=slow)
    analysis = decide(record, wiring.judge("sequential"))
    assert [verdict] * len(analysis.findings) == [finding.verdict for finding in analysis.findings]
    assert "exact binomial" in analysis.findings[0].method
    assert re.match(r"slow_requests in the steady phase is .* [\d.]+ % against [\d.]+ %: ", analysis.findings[0].reason)
    seen = visible_effects(record.plan)[0]
    assert "slow_requests < +150% in the steady phase: " in str(seen)
    assert "fails from +" in str(seen)
    assert needed(record.plan, record.plan.objectives[0], 1.0) is not None
    for text in (page.render(record, analysis), markdown.render(record, analysis), terminal.render(record, analysis)):
        assert "slow_requests" in text.replace("\\", "")
    assert any("slow_requests" in name for name, _ in junit.properties(record, analysis))
    bundle.write_bundle(record, tmp_path / "run")
    again = decide(bundle.read_bundle(tmp_path / "run"), wiring.judge("sequential"))
    assert bundle.analysis_json(analysis) == bundle.analysis_json(again)
    assert decide(record, wiring.judge("limits")).findings[-1].verdict is verdict
    assert decide(record, wiring.judge("kayenta")).findings[0].canary is not None


def test_a_record_with_an_unknown_indicator_says_so() -> None:
    """A record with an indicator that this version does not know is refused; the error lists the known ones."""
    record = records.record(Verdict.PASS)
    strange = replace(parse_objective("error_rate < +1pp"), kind="tea_time")
    with pytest.raises(
        ObjectiveError, match=r"error_rate, latency, .*found 'tea_time': use the version that recorded it"
    ):
        decide(replace(record, plan=replace(record.plan, objectives=(strange,))), wiring.judge("sequential"))


def members() -> list[str]:
    """Return the members of the documentation's indicator."""
    return [name for name, _ in _members(ast.parse(EXAMPLE))]


def _members(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    (made,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in made.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node


def without(member: str) -> str:
    """Return the documentation's indicator without one member."""
    tree: Any = ast.parse(EXAMPLE)
    (made,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    made.body = [
        node
        for node in made.body
        if node not in dict(_members(tree)).values() or node is not dict(_members(tree))[member]
    ]
    return ast.unparse(tree)


def test_no_member_can_be_left_out(tmp_path: Path) -> None:
    """With any one member deleted, mypy refuses the indicator."""
    files = []
    for member in members():
        file = tmp_path / f"without_{member}.py"
        file.write_text(without(member))
        files.append(file)
    whole = tmp_path / "whole.py"
    whole.write_text(EXAMPLE)
    said = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache", *files, whole],
        capture_output=True, text=True, check=False, cwd=ROOT,
    ).stdout  # fmt: skip
    assert {f"without_{member}" for member in members()} == set(re.findall(r"(without_\w+)\.py:\d+: error", said)), said
    assert len(members()) == 9


@pytest.mark.parametrize("member", members())
def test_the_contract_needs_every_member(member: str) -> None:
    """With any one member deleted, the contract suite fails too."""
    broken: Indicator = loaded(without(member)).SLOW_REQUESTS
    with pytest.raises((AttributeError, AssertionError)):
        _check_all(broken)


def _check_all(indicator: Indicator) -> None:
    for check in indicator_checks.CHECKS:
        check(indicator)
