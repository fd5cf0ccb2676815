"""The facts that a report states about the run: the test, its duration, the commit, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness.model.arm_words import arm_words
from harness.model.json import JsonValue
from harness.model.record import Record
from harness.model.samples import ARMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of a run. A text is empty if the record does not contain it.

    bundle: the bundle's folder. again: the command that runs the test again. judge_again: the command that judges the
    bundle again. about: what the scenario is for. effects: what its faults do, in words. arms: the versions of
    baseline and canary, with images and commits where they are known.
    """

    test: str
    scenario: str
    run: str
    commit: str
    started: str
    ended: str
    duration_s: float
    bundle: str
    again: str
    judge_again: str
    requests: int
    canary_requests: int
    about: str = ""
    effects: tuple[str, ...] = ()
    arms: tuple[tuple[str, str], ...] = ()


def facts(record: Record, folder: Path | str = "") -> Facts:
    """Return the facts of a run from the manifest, or from the plan where the manifest has none.

    folder: where the bundle is now; the default is the manifest's folder. The manifest's keys are ``run``, ``test``,
    ``bundle``, ``commit``, ``dirty``, ``started`` (text or seconds since the epoch), ``about`` (what the scenario is
    for), ``effects`` (of the faults, by their texts), ``arms`` (see ``arm_builds``), and ``again``
    (the command that runs the test again) or ``argv``.
    """
    manifest = record.manifest
    bundle = from_here(folder) if folder else str(manifest.get("bundle") or "")
    return Facts(
        test=str(manifest.get("test") or record.plan.scenario),
        scenario=record.plan.scenario,
        commit=_commit(manifest),
        run=str(manifest.get("run") or ""),
        started=_started(manifest.get("started")),
        ended=record.ended,
        duration_s=duration_s(record),
        bundle=bundle,
        again=_again(manifest),
        judge_again=f"harness judge {shlex.quote(bundle)}" if bundle else "",
        requests=sum(map(record.requests_of, ARMS)) if record.plan.live_traffic else len(record.samples),
        canary_requests=record.requests_of("canary"),
        about=str(manifest.get("about") or ""),
        effects=_effects(record),
        arms=tuple((arm, version) for arm in ARMS if (version := _version(record, arm))),
    )


def from_here(folder: Path | str) -> str:
    """Return a folder as commands name it: relative to the current one if it is inside, so that it stays short."""
    path, here = Path(folder).absolute(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _effects(record: Record) -> tuple[str, ...]:
    """Return what each fault of the run does: in words if they were recorded, else what reports call the fault."""
    known = record.manifest.get("effects")
    words = known if isinstance(known, dict) else {}
    phases = [phase.faults for phase in record.plan.phases] + [phase.faults for phase in record.phases]
    texts = dict.fromkeys(text for faults in phases for text in faults)
    return tuple(str(words.get(text) or text) for text in texts)


def _version(record: Record, arm: str) -> str:
    return arm_words(arm, service=record.plan.service, config=record.config, manifest=record.manifest)


def duration_s(record: Record) -> float:
    """Return the seconds from the first due request to the end of the last phase, or to the last request."""
    if record.phases:
        return max(phase.end_s for phase in record.phases)
    due = record.samples.due_s[np.isfinite(record.samples.due_s)]
    return float(due.max()) if due.size else 0.0


def _commit(manifest: Mapping[str, JsonValue]) -> str:
    commit = str(manifest.get("commit") or "")[:12]
    return f"{commit} + uncommitted changes" if commit and manifest.get("dirty") else commit


def _started(moment: object) -> str:
    """Format a time in UTC, to the second; return a text that is not a time unchanged."""
    if isinstance(moment, (int, float)) and not isinstance(moment, bool):
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
    try:
        parsed = datetime.fromisoformat(str(moment))
    except ValueError:
        return str(moment or "")
    return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if parsed.tzinfo else str(moment)


def _again(manifest: Mapping[str, JsonValue]) -> str:
    again = manifest.get("again") or manifest.get("argv") or ""
    return shlex.join(map(str, again)) if isinstance(again, (list, tuple)) else str(again)
