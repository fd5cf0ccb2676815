"""The files of a bundle stay as recorded bundles have them: the same keys in the same order, and the same values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import listed_again, parse_objective, plan, record

from harness import bundle
from harness.model.judge import JudgeSettings
from harness.model.record import Series
from harness.model.verdict import Analysis, Estimate, Finding, Proof, Verdict

STORED = Path(__file__).parent / "golden_bundle"
FILES = ("analysis.json", "config.json", "facts.json", "plan.json", "timeline.ndjson")


def analysis():
    """Return an analysis that has a value of every kind, including one that JSON has no number for."""
    finding = Finding(
        objective=parse_objective("latency_p99{phase=fault} < +10% or +5ms and < 1s", weight=2, critical=True),
        phase="fault", baseline=Estimate(value=0.025, n=1300), canary=None, difference=0.125, low=float("-inf"),
        high=float("inf"), relative=True, confidence=0.99, margin=0.1, verdict=Verdict.INCONCLUSIVE,
        reason="zu wenig: µ, “quoted”", score=12.5, weight=2.0, points_lost=87.5, missing="12 s", method="mSPRT",
    )  # fmt: skip
    proof = Proof(name="split", held=True, expected="50 %", observed="49.9 %")
    return Analysis(
        verdict=Verdict.INCONCLUSIVE, reason="not enough", score=12.5, findings=(finding,), judge="sequential",
        alpha=0.01, decided_at_s=26.0, final=True, proofs=(proof,), warnings=("one warning",),
    )  # fmt: skip


def written(folder: Path) -> dict[str, bytes]:
    """The files of a bundle that has a value of every kind."""
    series = Series(name="memory", arm="canary", unit="bytes", source="q", at_s=(1.0, 2.0), values=(float("nan"), 0.5))
    judge = JudgeSettings(name="limits", noise={"latency_p99": 1.5}, noise_from="calibration of ci")
    made = record(plan=replace(plan(), judge=judge), series=(series,), aborted="drift")
    bundle.write_bundle(made, folder)
    bundle.write_analysis(analysis(), folder)
    return {name: (folder / name).read_bytes() for name in FILES}


def kept(old: object, new: object) -> bool:
    """Return whether everything in ``old`` is in ``new``, in the same order; ``new`` may have additional keys."""
    if isinstance(old, dict) and isinstance(new, dict):
        order = [key for key in new if key in old]
        return list(old) == order and all(kept(value, new[key]) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(kept, old, new))
    return type(old) is type(new) and old == new


@pytest.mark.parametrize("name", FILES)
def test_a_file_keeps_what_recorded_bundles_have(tmp_path, name):
    """A key may be added to a file, but none changes its name, place, type or value."""
    old, new = (content.decode().splitlines() for content in ((STORED / name).read_bytes(), written(tmp_path)[name]))
    if name.endswith(".json"):
        old, new = ["".join(old)], ["".join(new)]
    assert len(old) == len(new)
    for before, after in zip(old, new, strict=True):
        assert kept(json.loads(before), json.loads(after))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_laid_out_as_recorded_bundles_are(tmp_path, name):
    """Indents, separators and the encoding are the same, so that the same values give the same bytes."""
    lines = (STORED / name).read_bytes().splitlines(keepends=True)
    assert [] == [line for line in lines if line.rstrip(b",\n") not in written(tmp_path)[name]]


def test_the_stored_analysis_is_read(tmp_path):
    """A recorded analysis gives the value that was written, whatever has been added since."""
    written(tmp_path)
    (tmp_path / "analysis.json").write_bytes((STORED / "analysis.json").read_bytes())
    listed_again(tmp_path, "analysis.json")
    assert analysis() == bundle.read_analysis(tmp_path)
