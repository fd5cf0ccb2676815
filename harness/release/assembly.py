"""Open what a release works with, from the configuration: its target, its gates and its page."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.bundle import recording, write_atomically
from harness.config import Config
from harness.errors import UsageError
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.safety import limits
from harness.mesh.stage.client import Stage
from harness.model.release import Build, OnDoubt, ReleasePlan, ReleaseRecord, ReleaseSettings
from harness.release.cluster import ClusterWorld
from harness.release.driver import Parts
from harness.release.gates import ScenarioGate
from harness.release.local import StageWorld
from harness.release.stage_host import running_stage, stage_folder, started_stage
from harness.release.store import PAGE, Store
from harness.report import release_page

TARGETS = ("stage", "cluster")


def planned(config: Config, builds: tuple[Build, ...], *, target: str) -> ReleasePlan:
    """Return the plan of a release. Raises UsageError or ConfigError for one that cannot be done."""
    settings = settings_of(config)
    if target not in TARGETS:
        raise UsageError(f"expected a release on one of {', '.join(TARGETS)}, found {target!r}")
    names = [build.service for build in builds]
    for name in names:
        if name not in config.services:
            raise UsageError(
                f"expected a service of {config.file.name}, found {name!r}; known: {', '.join(config.services)}"
            )
    if len(set(names)) != len(names):
        raise UsageError(f"expected one build of each service, found {', '.join(names)}")
    if target == "stage" and settings.promote_command:
        raise config.error(
            "release.promote",
            "expected none on this machine, where nothing but the harness can change the running process, "
            "found a command",
        )
    if target == "stage" and config.gateway:
        raise config.error(
            "gateway",
            "expected none for a release on this machine, which divides users between the sidecars, "
            f"found {config.gateway}: leave it out, or release with --target cluster and cluster.gateway",
        )
    return ReleasePlan(builds=builds, target=target, namespace=config.namespace, settings=settings)


def settings_of(config: Config) -> ReleaseSettings:
    """Return the release section. Raises ConfigError without one."""
    if config.release is None:
        raise config.error(
            "release", "expected the steps of a release and what they must pass, found none; see docs/release.md"
        )
    return config.release


def approve_command(config: Config, release: str, settings: ReleaseSettings) -> str:
    """Return the command with which a person approves a marginal build; empty if the release waits for nobody."""
    if settings.on_marginal is not OnDoubt.HOLD:
        return ""
    where = f"--config {shlex.quote(str(config.file))} --release {shlex.quote(release)}"
    return f"harness release approve {where} --by NAME --reason TEXT"


@contextmanager
def opened(config: Config, store: Store, *, tell: Callable[[str], None], start: bool = True) -> Iterator[Parts]:
    """Open the target of a release. start: whether to start the stage if none runs.

    Raises UsageError or MeshError if it cannot be reached.
    """
    plan = store.load().plan
    shown, approve = Page(store.folder), approve_command(config, store.folder.name, plan.settings)
    if plan.target == "stage":
        address = started_stage(config)[0] if start else running_stage(stage_folder(config))
        if address is None:
            raise UsageError("expected the stage of this release to run, found none; start it with: harness release up")
        world = StageWorld(Stage(address), config, folder=store.folder, tell=tell)
        gate = ScenarioGate(config, target="stage", stage=address, stable=world.stable_labels, approve=approve)
        yield Parts(world=world, watch=world, gate=gate, tell=tell, shown=shown)
        return
    with closing(connected(config.cluster, store.folder)) as kube:
        limits.require_meant(kube.context, config.namespace, config.cluster)
        world_there = ClusterWorld(kube, config, tell=tell)
        gate = ScenarioGate(config, target="cluster", stage=None, stable=world_there.stable_labels, approve=approve)
        yield Parts(world=world_there, watch=world_there, gate=gate, tell=tell, shown=shown)


class Page:
    """Keeps the release page up to date: called with each record, it writes the page when something has happened."""

    def __init__(self, folder: Path) -> None:
        """folder: of the release."""
        self._folder, self._last = folder, ("", 0, 0)

    def __call__(self, record: ReleaseRecord) -> None:
        """Write the page, unless only the sign of life has changed."""
        now = (record.state.phase.value, len(record.happenings), len(record.results))
        if now == self._last:
            return
        self._last = now
        with recording(self._folder):
            write_atomically(self._folder / PAGE, release_page.render(record).encode())
