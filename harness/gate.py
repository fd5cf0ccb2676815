"""The main job: run a scenario, record it, decide from the record, write the report."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harness import bundle, wiring
from harness.clients.prometheus import Prometheus
from harness.config import Config
from harness.errors import MetricsError
from harness.mesh.port import Mesh
from harness.mesh.targets import mesh_kind
from harness.metrics import server_side_series
from harness.model.record import Event, Record
from harness.model.scenario import Scenario
from harness.model.verdict import Analysis
from harness.report import page
from harness.runner.deciding import decide
from harness.runner.declared_run import run_scenario
from harness.runner.manifest import manifest, started_by
from harness.runner.planning import plan_run
from harness.runner.settings import Notify


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished run: what happened, what it means, and where it stands."""

    record: Record
    analysis: Analysis
    folder: Path

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / bundle.REPORT


def new_owner() -> str:
    """A mark that no other run has; fit for a part of a Kubernetes name."""
    return secrets.token_hex(4)


def new_run_name() -> str:
    """A name for one session of runs that no other session has: ``<UTC time>-<random>``."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@contextmanager
def open_mesh(config: Config, *, target: str, folder: Path) -> Iterator[Mesh]:
    """The mesh called ``target``, with its logs in ``folder``; everything it started is ended on leaving."""
    with ExitStack() as world:
        with bundle.recording(folder):
            mesh = world.enter_context(wiring.mesh(config, target=target, folder=folder))
        yield mesh


def judge_scenario(
    scenario: Scenario, config: Config, mesh: Mesh, *, folder: Path, again: str, notify: Notify
) -> Outcome:
    """Run, record, decide and report; ``folder`` becomes the bundle.

    Raises HarnessError when there is no verdict; a verdict, whichever it is, is no error.
    """
    check_scenario(scenario, config, target=mesh.target)
    owner = new_owner()
    facts = manifest(owner=owner, again=again, argv=started_by(), cwd=config.file.parent, started_at=time.time())
    settings = wiring.settings(config, scenario, manifest=facts)
    parts = wiring.parts(config, mesh)
    with bundle.recording(folder):
        record = run_scenario(scenario, settings, parts, owner=owner, folder=folder, notify=notify)
    return judge_record(with_server_side(record, config), folder, parts.judge.name)


def with_server_side(record: Record, config: Config) -> Record:
    """The record with the series of the Prometheus that the configuration names, if it names one.

    A Prometheus that does not answer is an event of the record; the proof of the series then fails.
    """
    if config.prometheus is None or record.load is None:
        return record
    versions = {"baseline": config.baseline, "canary": config.canary}
    zero_s, end_s = record.load.started_at, record.load.started_at + record.phases[-1].end_s
    try:
        with Prometheus(config.prometheus) as server:
            series = server_side_series(
                server,
                service=config.service,
                versions=versions,
                zero_s=zero_s,
                end_s=end_s,
                gauges=config.gauges,
                namespace=config.namespace,
            )
    except MetricsError as error:
        event = Event(at_s=record.phases[-1].end_s, kind="note", text=str(error))
        return replace(record, events=(*record.events, event))
    return replace(record, series=series)


def check_scenario(scenario: Scenario, config: Config, *, target: str) -> None:
    """Raise UsageError for a scenario that cannot be run; needs nothing to be started."""
    mesh_kind(target).check(scenario, config)
    plan_run(scenario, wiring.settings(config, scenario, manifest={}), target=target)


def judge_record(record: Record, folder: Path, judge_name: str) -> Outcome:
    """Record, decide and report; ``folder`` becomes the bundle."""
    bundle.write_bundle(record, folder)
    for recording in folder.glob("load*/**/*.samples"):
        recording.unlink()  # every sample stands in samples.parquet now
    return report_on(folder, judge_name)


def report_on(folder: Path, judge_name: str) -> Outcome:
    """Decide about a bundle by what is recorded in it, and write its analysis and report anew."""
    record = bundle.read_bundle(folder)
    analysis = decide(record, wiring.judge(judge_name))
    bundle.write_analysis(analysis, folder)
    bundle.write_report(page.render(record, analysis, folder=folder), folder)
    return Outcome(record=record, analysis=analysis, folder=folder)
