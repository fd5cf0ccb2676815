"""Turn an analysis into properties of a JUnit test case, for pytest's ``item.user_properties``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness.model import formatting
from harness.model.record import Record
from harness.model.verdict import Analysis, Finding
from harness.report.facts import facts


def properties(record: Record, analysis: Analysis, *, folder: Path | str = "") -> list[tuple[str, str]]:
    """Return names and values, the verdict first.

    Numbers are unrounded SI values and ratios, so that programs can compute with them. The properties of a finding are
    ``harness.sli.<indicator>.<phase>.{verdict,baseline,canary,difference,low,high}``; unknown ones are absent. The
    verdict of a pass in a phase that is too short to judge is ``watched``. An
    indicator that is only compared with an absolute limit is called ``<indicator>_limit``. A second objective of the
    same indicator in the same phase gets ``.2`` after the phase.
    """
    run = facts(record, folder)
    rows = [
        ("harness.verdict", str(analysis.verdict)),
        ("harness.score", repr(float(analysis.score))),
        ("harness.reason", analysis.reason),
        ("harness.scenario", record.plan.scenario),
        ("harness.seed", str(record.plan.seed)),
        ("harness.bundle", run.bundle),
        ("harness.again", run.again),
    ]
    seen: Counter[str] = Counter()
    for finding in analysis.findings:
        prefix = _prefix(finding)
        seen[prefix] += 1
        rows += _finding(finding, prefix if seen[prefix] == 1 else f"{prefix}.{seen[prefix]}")
    rows += [(f"harness.proof.{_name(proof.name)}", "held" if proof.held else "failed") for proof in analysis.proofs]
    return [(name, formatting.printable(text)) for name, text in rows if text]


def _prefix(finding: Finding) -> str:
    objective = finding.objective
    alone = "_limit" if objective.limit is not None and finding.margin is None else ""
    return f"harness.sli.{_name(formatting.indicator(objective))}{alone}.{_name(formatting.phase(finding))}"


def _finding(finding: Finding, prefix: str) -> Iterator[tuple[str, str]]:
    yield f"{prefix}.verdict", finding.label
    numbers = {
        "baseline": finding.baseline.value if finding.baseline else None,
        "canary": finding.canary.value if finding.canary else None,
        "difference": finding.difference,
        "low": finding.low,
        "high": finding.high,
    }
    yield from ((f"{prefix}.{name}", repr(float(value))) for name, value in numbers.items() if value is not None)


def _name(text: str) -> str:
    return "_".join(formatting.printable(text).split())
