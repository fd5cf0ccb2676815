"""The summary of a scenario for lists of runs: a small value, read from a bundle without its samples.

The index of a run, the history of many runs and the comparison of two runs read summaries. Everything in a summary was
recorded or decided before; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from harness import bundle
from harness.errors import HarnessError
from harness.judge.indicators import cell_style_of
from harness.model import formatting
from harness.model.arm_words import arm_words
from harness.model.json import JsonValue
from harness.model.record import FaultCount, Record
from harness.model.run_kind import kind_of
from harness.model.samples import ARMS
from harness.model.verdict import Analysis, Finding, Verdict
from harness.run_folder import RecordedRun, Trouble

NO_VERDICT = "none"
"""Stands for the verdict of a scenario that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One objective in one phase. Texts are as tables show them; numbers are as in ``Finding``."""

    name: str
    phase: str
    verdict: str
    shown: str
    tolerance: str
    unit: str
    difference: float | None
    low: float | None
    high: float | None
    confidence: float
    relative: bool
    margin: float | None
    baseline: float | None
    canary: float | None
    worse: str
    points_lost: float = 0.0
    muted: bool = False

    @property
    def key(self) -> str:
        """What identifies the objective in several runs of a scenario."""
        return f"{self.name} in {self.phase}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """A fault of a scenario: its kind and the service whose requests it changes, and its text without that service."""

    text: str
    kind: str
    host: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One scenario of a run. verdict: one of the four, or ``none``; then ``trouble`` says why.

    run, folder: the names of the folders. started_s: epoch seconds. worst: position of the worst objective, -1 without
    one. versions: what was compared and with which software. kind: what the run proves about its scenario
    (``model.run_kind``).
    """

    run: str
    folder: str
    scenario: str
    started_s: float
    verdict: str
    test: str = ""
    about: str = ""
    service: str = ""
    target: str = ""
    duration_s: float = 0.0
    requests: int = 0
    score: float = 0.0
    reason: str = ""
    faults: tuple[InjectedFault, ...] = ()
    commit: str = ""
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    objectives: tuple[Judged, ...] = ()
    trouble: str = ""
    kind: str = ""

    @property
    def worst(self) -> Judged | None:
        """The worst objective; None without one."""
        return self.objectives[0] if self.objectives else None


def summaries(run: RecordedRun) -> tuple[Summary, ...]:
    """Return a summary of every scenario of a run, those without a verdict included, in the order of the folders."""
    recorded = [_readable(run, folder) for folder in run.bundles]
    left = [_left_over(run, folder) for folder in run.unrecorded]
    named = {one.folder for one in (*recorded, *left)}
    failed = [_failed(run, trouble) for trouble in run.troubles if trouble.folder not in named]
    return (*recorded, *left, *failed)


def summary_of(folder: Path, *, run: str) -> Summary:
    """Return the summary of one bundle. Raises RecordError if it is incomplete, changed or of an unknown format."""
    return summarise(bundle.read_outline(folder), bundle.read_analysis(folder), run=run, folder=folder.name)


def summarise(record: Record, analysis: Analysis, *, run: str, folder: str) -> Summary:
    """Return the summary of a record and its analysis; the samples of the record may be missing."""
    manifest, plan = record.manifest, record.plan
    return Summary(
        run=run,
        folder=folder,
        scenario=plan.scenario,
        started_s=started_s(manifest),
        verdict=str(analysis.verdict),
        test=str(manifest.get("test") or plan.scenario),
        about=str(manifest.get("about") or ""),
        service=plan.service,
        target=plan.target,
        duration_s=record.phases[-1].end_s if record.phases else 0.0,
        requests=record.load.recorded if record.load else sum(map(record.requests_of, ARMS)),
        score=analysis.score,
        reason=analysis.reason,
        faults=_faults(record),
        commit=_commit(manifest),
        seed=plan.seed,
        versions=versions(record),
        kind=kind_of(record),
        objectives=tuple(_judged(finding, record) for finding in formatting.worst_first(analysis.findings)),
    )


def started_s(manifest: Mapping[str, JsonValue]) -> float:
    """Return when a run started, in epoch seconds; 0 if the manifest does not say."""
    started = manifest.get("started")
    if isinstance(started, (int, float)):
        return float(started)
    try:
        moment = datetime.fromisoformat(str(started))
    except ValueError:
        return 0.0
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def versions(record: Record) -> dict[str, str]:
    """Return what was compared, and the software that took part, as names and versions."""
    config, manifest = record.config, record.manifest
    packages = manifest.get("packages")
    told = {
        arm: arm_words(arm, service=record.plan.service, config=config, manifest=manifest)
        for arm in ("baseline", "canary")
    }
    found = {arm: words for arm, words in told.items() if words}
    if isinstance(packages, dict):
        found |= {name: str(version) for name, version in packages.items() if version is not None}
    found |= {name: str(manifest[name]) for name in ("python", "platform") if manifest.get(name)}
    return found


def _readable(run: RecordedRun, folder: Path) -> Summary:
    try:
        return summary_of(folder, run=run.folder.name)
    except HarnessError as error:
        return _without_verdict(run, folder.name, folder.name, str(error))


def _left_over(run: RecordedRun, folder: Path) -> Summary:
    trouble = next((one for one in run.troubles if one.folder == folder.name), None)
    if trouble is not None:
        return _without_verdict(run, folder.name, trouble.place, trouble.message)
    said = "the scenario was interrupted or killed" if run.finished else "the scenario has not ended, or was killed"
    said = "the scenario is under way" if run.under_way else said
    return _without_verdict(run, folder.name, folder.name, said)


def _failed(run: RecordedRun, trouble: Trouble) -> Summary:
    return _without_verdict(run, trouble.folder, trouble.place or "the session", trouble.message)


def _without_verdict(run: RecordedRun, folder: str, name: str, trouble: str) -> Summary:
    return Summary(
        run=run.folder.name, folder=folder, scenario=name, test=name, started_s=run.started_s,
        verdict=NO_VERDICT, trouble=trouble,
    )  # fmt: skip


def _faults(record: Record) -> tuple[InjectedFault, ...]:
    counted: dict[str, FaultCount] = {}
    for count in record.fault_counts:
        counted.setdefault(count.fault, count)
    texts = dict.fromkeys(text for phase in record.plan.phases for text in phase.faults)
    return tuple(_fault(text, counted.get(text)) for text in texts)


def _fault(text: str, count: FaultCount | None) -> InjectedFault:
    declared = None if count is None else count.declared
    if declared is None:
        return InjectedFault(text=text, kind="", host="" if count is None else count.host, label=text)
    label = text.replace(f"({declared.host}, ", "(", 1).replace(f"({declared.host})", "", 1)
    return InjectedFault(text=text, kind=declared.kind, host=declared.host, label=label)


def _judged(finding: Finding, record: Record) -> Judged:
    style = cell_style_of(finding.objective, record.series)
    return Judged(
        name=formatting.indicator(finding.objective),
        phase=formatting.phase(finding),
        verdict=finding.label,
        shown=formatting.interval(finding, style),
        tolerance=formatting.tolerance(finding, style),
        unit=str(style.unit),
        difference=finding.difference,
        low=finding.low,
        high=finding.high,
        confidence=finding.confidence,
        relative=finding.relative,
        margin=finding.margin,
        baseline=None if finding.baseline is None else finding.baseline.value,
        canary=None if finding.canary is None else finding.canary.value,
        worse=str(finding.objective.direction),
        points_lost=finding.points_lost,
        muted=finding.objective.muted,
    )


def _commit(manifest: Mapping[str, JsonValue]) -> str:
    commit = str(manifest.get("commit") or "")[:12]
    return f"{commit} + uncommitted changes" if commit and manifest.get("dirty") else commit


def worst_verdict(verdicts: tuple[str, ...]) -> str:
    """Return the verdict that decides about a run, where no verdict ranks after a fail; ``none`` without any."""
    order = (Verdict.FAIL.value, NO_VERDICT, Verdict.INCONCLUSIVE.value, Verdict.MARGINAL.value, Verdict.PASS.value)
    return next((verdict for verdict in order if verdict in verdicts), NO_VERDICT)
