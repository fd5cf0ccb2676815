"""A bundle is read as it was written, and an incomplete one is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faulting import declared
from recorded import listed_again, plan, record

from harness import bundle
from harness.errors import RecordError
from harness.faults import delay
from harness.model.declared import Scope
from harness.model.judge import JudgeSettings
from harness.model.record import Series
from harness.model.samples import COLUMNS
from harness.model.verdict import Analysis, Verdict
from harness.runner.proofs import proofs


@pytest.fixture
def folder(tmp_path):
    """A bundle of the recorded run."""
    bundle.write_bundle(record(), tmp_path / "run" / "test")
    return tmp_path / "run" / "test"


def test_a_record_is_read_as_it_was_written(folder):
    """Every field is read again, including the samples."""
    written, read = record(), bundle.read_bundle(folder)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(written.samples, name), getattr(read.samples, name))
    for name in (
        "plan",
        "phases",
        "load",
        "events",
        "fault_counts",
        "rollbacks",
        "resources",
        "proxy_requests",
        "aborted",
    ):
        assert getattr(written, name) == getattr(read, name)
    assert written.manifest == read.manifest | {"packages": {"numpy": "2"}}


def test_the_plan_keeps_the_file_format_of_version_1(folder):
    """The judge's settings are stored next to the plan's other fields, in the order that older versions wrote."""
    document = json.loads((folder / "plan.json").read_text())
    settings = ["judge", "alpha", "pass_score", "marginal_score", "noise", "noise_from", "baseline_error_ceiling"]
    assert settings == list(document)[-7:]
    assert ["sequential", 0.01, 95.0, 75.0, {}, "", 0.1] == [document[name] for name in settings]


def test_the_judge_settings_are_read_as_they_were_written(tmp_path):
    """Settings that differ from the defaults are read again."""
    judge = JudgeSettings(
        name="limits", alpha=0.05, pass_score=90, marginal_score=60, noise={"x": 1.5}, noise_from="ci"
    )
    written = record(plan=replace(plan(), judge=judge))
    bundle.write_bundle(written, tmp_path)
    assert judge == bundle.read_bundle(tmp_path).plan.judge


def test_gaps_in_series_stay_gaps(tmp_path):
    """NaN is stored in a form that every JSON reader accepts, and is read as NaN again."""
    series = Series(name="x", arm="canary", unit="s", source="q", at_s=(1.0, 2.0), values=(float("nan"), 0.5))
    bundle.write_bundle(record(series=(series,)), tmp_path)
    json.loads((tmp_path / "facts.json").read_text(), parse_constant=pytest.fail)
    values = bundle.read_bundle(tmp_path).series[0].values
    assert np.isnan(values[0])
    assert 0.5 == values[1]


def test_an_analysis_is_read_as_it_was_written(folder):
    """Writing the analysis again gives the same bytes."""
    analysis = Analysis(
        verdict=Verdict.MARGINAL, reason="r", score=70.0, findings=(), judge="j", alpha=0.01, decided_at_s=1.0, final=True
    )  # fmt: skip
    bundle.write_analysis(analysis, folder)
    assert analysis == bundle.read_analysis(folder)
    assert bundle.analysis_json(analysis) == (folder / "analysis.json").read_bytes()


def test_a_folder_without_manifest_is_refused(folder):
    """The manifest is written last, so a folder without it is incomplete."""
    (folder / "manifest.json").unlink()
    with pytest.raises(RecordError, match="unfinished run, which has no manifest"):
        bundle.read_bundle(folder)


@pytest.mark.parametrize("name", ["samples.parquet", "facts.json", "resources/after.yaml"])
def test_a_changed_or_cut_file_is_refused_by_name(folder, name):
    """A file that differs from its description in the manifest is refused, and the error names it."""
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(RecordError, match=Path(name).name):
        bundle.read_bundle(folder)


def test_a_value_that_does_not_fit_is_named(folder):
    """The error names the file, the place in it, what was expected and what was found."""
    (folder / "analysis.json").write_text('{"verdict": "splendid"}')
    listed_again(folder, "analysis.json")
    with pytest.raises(RecordError, match=r"analysis\.json: verdict: .*'pass', 'fail'.* found 'splendid'"):
        bundle.read_analysis(folder)


def test_a_newer_format_is_refused_not_guessed(folder):
    """The message names both versions."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format_version": 99}))
    with pytest.raises(RecordError, match="expected format version 1 or 2 or 3, found 99"):
        bundle.read_bundle(folder)


def test_a_bundle_of_the_first_format_is_read_and_decided_as_before(folder):
    """Faults without declarations are counted by their texts; proofs and verdict are the same bytes as before."""
    facts = json.loads((folder / "facts.json").read_text())
    for count in facts["fault_counts"]:
        del count["declared"]
    (folder / "facts.json").write_text(json.dumps(facts))
    listed_again(folder, "facts.json")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format_version": 1}))
    old = bundle.read_bundle(folder)
    assert [None, None] == [count.declared for count in old.fault_counts]
    named = [
        replace(count, declared=declared(delay("ratings", "2s", percent=30), "delay-0")) for count in old.fault_counts
    ]
    new = replace(old, fault_counts=tuple(named))
    assert proofs(old) == proofs(new)


def test_what_a_fault_declares_is_in_the_bundle(tmp_path):
    """The run can therefore be judged again where the fault is not installed."""
    said = declared(
        delay("ratings", "2s", percent=30),
        "delay-0",
        Scope(labels={"app": "reviews"}, headers={"baggage": {"regex": "x"}}),
    )
    counts = tuple(replace(count, declared=said) for count in record().fault_counts)
    bundle.write_bundle(record(fault_counts=counts), tmp_path)
    assert counts == bundle.read_bundle(tmp_path).fault_counts
