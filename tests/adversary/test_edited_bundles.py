"""Attempts to get a verdict from a bundle whose files were edited, swapped, added or removed after the run."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import listed_again, record, rehash

from harness import bundle, gate
from harness.cli import main
from harness.cli import show as show_command
from harness.clients.parquet import write_samples

RECORDED = ("plan.json", "config.json", "facts.json", "timeline.ndjson", "samples.parquet", "resources/after.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run: recorded, judged, with its report."""
    gate.judge_record(record(), tmp_path / "run" / "test", "sequential")
    return tmp_path / "run" / "test"


def edited(path: Path, **changes: object) -> None:
    """Write other values for some keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def files_of(folder: Path) -> dict[str, dict[str, object]]:
    """Return the files that the manifest lists."""
    listed: dict[str, dict[str, object]] = json.loads((folder / "manifest.json").read_text())["files"]
    return listed


@pytest.mark.parametrize("command", ["judge", "show"])
@pytest.mark.parametrize("relist", [False, True], ids=["manifest edited", "and its hash too"])
def test_a_manifest_that_lists_no_files_is_no_evidence(folder, command, relist, capsys):
    """Without entries nothing would be checked, so the required files are those of the format."""
    edited(folder / "manifest.json", files={})
    if relist:
        listed_again(folder, "manifest.json")
    assert 12 == main([command, str(folder)])
    assert "manifest.json" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["judge", "show"])
@pytest.mark.parametrize("name", RECORDED)
def test_a_manifest_that_lacks_one_file_is_no_evidence(folder, command, name, capsys):
    """Neither a required file nor a resource may be there unlisted, even if the manifest's own hash was adapted."""
    edited(folder / "manifest.json", files={file: entry for file, entry in files_of(folder).items() if file != name})
    listed_again(folder, "manifest.json")
    assert 12 == main([command, str(folder)])
    assert name in capsys.readouterr().err


@pytest.mark.parametrize("command", ["judge", "show"])
@pytest.mark.parametrize("name", RECORDED)
def test_an_edited_file_is_no_evidence_when_its_entry_was_adapted_too(folder, command, name):
    """The manifest's own hash is listed in hashes.json."""
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    listed_again(folder, name)
    assert 12 == main([command, str(folder)])


@pytest.mark.parametrize("name", ["manifest.json", "hashes.json", "plan.json", "samples.parquet", "analysis.json"])
@pytest.mark.parametrize("kind", ["a pipe", "a device"])
@pytest.mark.timeout(60)
def test_a_file_that_never_ends_stops_no_command(folder, name, kind, capsys):
    """A pipe that nobody writes to, or a link to /dev/zero, in place of a file: no hang, and no evidence."""
    (folder / name).unlink()
    if kind == "a pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to("/dev/zero")
    os.mkfifo(folder.parent / "run.json")
    assert 12 == main(["show", str(folder)])
    runs = str(folder.parent.parent)
    assert {main(["runs", "--out", runs]), main(["history", runs])} <= {0, 12}
    capsys.readouterr()


def test_an_added_resource_is_no_evidence(folder):
    """A stage that was not recorded cannot be read as one that was."""
    (folder / "resources" / "zzz.yaml").write_text("{}\n")
    assert 12 == main(["judge", str(folder)])


@pytest.mark.parametrize("name", ["hashes.json", "analysis.json", "report.html"])
def test_show_needs_every_derived_file(folder, name, capsys):
    """A removed file is named."""
    (folder / name).unlink()
    assert 12 == main(["show", str(folder)])
    assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "old", "new"), [("analysis.json", '"score"', '"score" '), ("report.html", "<title>", "<title>PASS ")]
)
def test_an_edited_analysis_or_report_is_not_shown(folder, name, old, new, capsys):
    """The message says that the verdict can be computed again from the record."""
    path = folder / name
    path.write_text(path.read_text().replace(old, new, 1))
    assert 12 == main(["show", str(folder)])
    said = capsys.readouterr().err
    assert name in said
    assert f"harness judge {folder}" in said


def test_the_analysis_of_another_run_is_not_shown(folder, tmp_path):
    """A pass cannot be copied into the folder of a fail."""
    other = gate.judge_record(record(aborted="drift"), tmp_path / "run" / "other", "sequential").folder
    (folder / "analysis.json").write_bytes((other / "analysis.json").read_bytes())
    assert 12 == main(["show", str(folder)])


def test_a_rewritten_bundle_keeps_nothing_of_the_old_one(folder):
    """Resources and verdicts of an earlier record in the same folder are gone."""
    bundle.write_bundle(record(resources={}), folder)
    assert not (folder / "analysis.json").exists()
    assert {} == bundle.read_bundle(folder).resources


def old_format(folder: Path, version: int) -> None:
    """Make the bundle one that an older version of the harness wrote."""
    edited(folder / "manifest.json", format_version=version)
    (folder / "hashes.json").unlink()


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_bundle_is_shown_with_what_it_cannot_promise(folder, version, capsys):
    """Its analysis and report were not hashed, so an edit of them cannot be seen."""
    code = bundle.read_analysis(folder).verdict.exit_code
    old_format(folder, version)
    assert code == main(["show", str(folder)])
    assert f"format {version} does not list analysis.json and report.html" in capsys.readouterr().out


def test_an_older_bundle_needs_its_entries_as_well(folder):
    """Formats 1 and 2 listed every recorded file, so a manifest without them was edited."""
    old_format(folder, 2)
    edited(folder / "manifest.json", files={})
    assert 12 == main(["judge", str(folder)])


def test_a_bundle_of_an_older_judge_is_old_and_not_edited(folder, capsys, monkeypatch):
    """Show prints its verdict, and says that today's judge may decide otherwise."""
    code = bundle.read_analysis(folder).verdict.exit_code
    monkeypatch.setattr(show_command, "JUDGED_BY", "canary-harness 9.9, judge revision 99")
    assert code == main(["show", str(folder)])
    said = " ".join(capsys.readouterr().out.split())
    assert "judged by canary-harness" in said
    assert f"harness judge {folder}" in said


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e308, -1e300], ids=str)
@pytest.mark.parametrize("column", ["due_s", "latency_s", "late_s"])
def test_samples_without_a_time_are_no_evidence(folder, column, value, capsys):
    """The canary's latencies are no numbers: comparisons would leave them out or overflow."""
    made = record().samples
    values = getattr(made, column).copy()
    values[made.arm == 1] = value
    write_samples(folder / "samples.parquet", replace(made, **{column: values}))
    rehash(folder)
    assert 12 == main(["judge", str(folder)])
    assert "expected seconds up to" in capsys.readouterr().err
