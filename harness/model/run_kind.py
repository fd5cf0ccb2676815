"""The kinds of recorded runs: runs of equal builds and positive controls test the scenario itself, not a build."""

from __future__ import annotations

from harness.model.record import FaultCount, Record

EQUAL, CONTROL = "equal builds", "positive control"
SAME_SETTINGS = "equal_builds"
"""In the manifest of a run whose arms have the same command and environment, secrets included."""


def kind_of(record: Record) -> str:
    """Return ``EQUAL``, ``CONTROL``, or an empty text for a run whose arms may be two builds.

    Builds are known to be equal only if the processes of both arms run the same files in the same way. Pods with the
    same images may still differ in their configuration, which is not recorded.
    """
    if any(is_control(count) for count in record.fault_counts):
        return CONTROL
    arms = record.manifest.get("arms")
    told = [arms.get(arm) for arm in ("baseline", "canary")] if isinstance(arms, dict) else []
    files = [own.get("files") for own in told if isinstance(own, dict)]
    same_files = len(files) == 2 and bool(files[0]) and files[0] == files[1]
    return EQUAL if same_files and record.manifest.get(SAME_SETTINGS) is True else ""


def is_control(count: FaultCount) -> bool:
    """Return whether the fault hits the canary only, to prove that a worse canary is noticed."""
    return count.declared is not None and count.declared.arms == "canary"
