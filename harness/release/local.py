"""Release on the stage of this machine: builds are versions of harness.yaml or Git revisions, and run as processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.config import Config
from harness.errors import BuildError, MeshStale, ServiceError, UsageError, WorkloadDeath
from harness.mesh.stage.client import Stage, StageMesh
from harness.mesh.stage.fleet import Program, program_from_json
from harness.model.config import Workload
from harness.model.json import JsonObject, objects_at, parse_json, texts_at, value_at
from harness.model.release import ARM_VERSIONS, BuildKind, arm_labels
from harness.release.ports import Pair, Seen
from harness.release.revisions import checked_out, commit_of
from harness.release.routed import require_routed_by
from harness.release.seeing import seen_in
from harness.routing import APIS
from harness.routing.edits import applied_all
from harness.routing.governed import GovernedRouting
from harness.routing.istio.api import IstioRouting
from harness.routing.port import Share

_TRIES = 20


class StageWorld:
    """Implements ``World`` and ``Watch`` on a stage."""

    def __init__(self, stage: Stage, config: Config, *, folder: Path, tell: Callable[[str], None]) -> None:
        """folder: of the release, for checkouts of revisions. tell: receives lines for people."""
        self._stage, self._config, self._folder, self._tell = stage, config, folder, tell
        self._routing = IstioRouting()

    def examine(self, pair: Pair) -> Pair:
        """Return the pair with the running program, and with the commit of a revision."""
        if pair.build.kind is BuildKind.IMAGE:
            raise UsageError(
                f"{pair.service}: expected a version of harness.yaml or a Git revision on this machine, found the "
                f"image {pair.build.name}; images are released with --target cluster"
            )
        state = self._stage.ask("state", service=pair.service)
        stable = json.dumps({"program": state["program"], "labels": state["labels"]}, sort_keys=True)
        found = replace(pair, stable=stable, first=state["program"] is None)
        require_routed_by(
            self._routing,
            GovernedRouting(APIS),
            self._clean(found),
            service=pair.service,
            namespace=self._config.namespace,
        )
        self._routing.share(self._clean(found), self._share(found, 0.0))
        return replace(found, identity=identity_of(self._program(found), found))

    def deploy(self, pair: Pair) -> Pair:
        """Start both arms; the new build first, so that a bad one costs nothing."""
        program = self._built(pair)
        running, labels = self._stable(pair)
        try:
            self._start(pair, "canary", program, labels)
        except (ServiceError, UsageError) as error:
            raise BuildError(f"{pair.service}: {pair.build.name} does not start: {error}") from error
        self._start(pair, "baseline", program if running is None else running, labels)
        return replace(pair, identity=identity_of(program, pair))

    def _start(self, pair: Pair, arm: str, program: Program, labels: dict[str, str]) -> None:
        self._stage.ask(
            "deploy", service=pair.service, arm=arm, program=program.to_json(), labels={**arm_labels(labels, arm)}
        )

    def route(self, pair: Pair, share: float | None, header: Mapping[str, str] | None = None) -> None:
        """Serve the routes of the release instead of those it made before."""
        for left in reversed(range(_TRIES)):
            before = objects_at(self._stage.ask("resources", kind=""), "resources")
            clean = tuple(one for found in before if (one := self._routing.without(found, pair.release)) is not None)
            edits = () if share is None else self._routing.share(clean, self._share(pair, share, header))
            after = applied_all(edits, clean, namespace=self._config.namespace)
            try:
                self._stage.ask("replace", before=[*before], after=[*after])
            except MeshStale:
                if not left:
                    raise
            else:
                return

    def settle(self, pair: Pair, *, new: bool) -> None:
        """Make one of both programs the running build; if there was none before, ``new=False`` ends it again."""
        program = self._tested(pair) if new else self._stable(pair)[0]
        self._stage.ask("settle", service=pair.service, program=None if program is None else program.to_json())

    def _tested(self, pair: Pair) -> Program:
        program = self._program(pair)
        if identity_of(program, pair) != pair.identity:
            raise BuildError(
                f"{pair.service}: expected {pair.build.name} to be {pair.identity} as it was tested, found "
                f"{identity_of(program, pair)}: harness.yaml was changed during the release"
            )
        return program

    def remove(self, pair: Pair) -> None:
        """End both arms."""
        self._stage.ask("remove", service=pair.service)

    def look(self, pair: Pair) -> Seen:
        """Return what the proxies counted, after checking that the new build runs."""
        try:
            self._stage.ask("check")
        except WorkloadDeath as death:
            if death.labels.get("version") == ARM_VERSIONS["canary"]:
                raise BuildError(str(death)) from death
            raise
        return seen_in(StageMesh(self._stage).request_counts(), pair.service)

    def stable_labels(self, pair: Pair) -> dict[str, str]:
        """Return the labels of the running build."""
        return self._stable(pair)[1]

    def _stable(self, pair: Pair) -> tuple[Program | None, dict[str, str]]:
        document = parse_json(pair.stable)
        program = value_at(document, "program")
        return None if program is None else program_from_json(program), texts_at(document, "labels")

    def _share(self, pair: Pair, share: float, header: Mapping[str, str] | None = None) -> Share:
        labels = self.stable_labels(pair)
        return Share(
            host=pair.service,
            namespace=self._config.namespace,
            stable=labels,
            canary=arm_labels(labels, "canary"),
            share=share,
            owner=pair.release,
            headers=header or {},
        )

    def _clean(self, pair: Pair) -> tuple[JsonObject, ...]:
        found = objects_at(self._stage.ask("resources", kind=""), "resources")
        return tuple(one for item in found if (one := self._routing.without(item, pair.release)) is not None)

    def _program(self, pair: Pair) -> Program:
        """Return what the new build runs. A revision is resolved once; after that its commit is used."""
        if pair.build.kind is BuildKind.VERSION:
            return program_of(self._config, self._config.workload(pair.service, pair.build.name))
        known = pair.identity.partition("@")[0]
        commit = known or commit_of(self._config.root, pair.build.name)
        model = self._config.workload(pair.service, self._model(pair.service))
        folder = str(self._folder / "checkouts" / commit)
        program = program_of(self._config, model, folder=folder)
        return replace(program, build=commit)

    def _model(self, service: str) -> str:
        """Return the version whose command runs a revision."""
        if service == self._config.service:
            return self._config.canary
        return next(iter(self._config.services[service].versions))

    def _built(self, pair: Pair) -> Program:
        program = self._program(pair)
        if pair.build.kind is BuildKind.REVISION:
            settings = self._config.release
            command = () if settings is None else settings.build_command
            checked_out(self._config.root, program.build, Path(program.folder), build=command, tell=self._tell)
        return program


def identity_of(program: Program, pair: Pair) -> str:
    """Return what exactly a program is: of a revision, its commit and the hash of what runs it."""
    return f"{program.build}@{program.identity}" if pair.build.kind is BuildKind.REVISION else program.identity


def program_of(config: Config, workload: Workload, *, folder: str | None = None) -> Program:
    """Return the program of a version. folder: that it runs in, if not that of harness.yaml.

    Raises ConfigError for a version without a command.
    """
    if workload.command is None:
        key = f"services.{workload.service}.versions.{workload.version}.command"
        raise config.error(key, "expected a command, with which it can be released on this machine, found none")
    root = str(config.root)

    def placed(text: str) -> str:  # {root} was filled in already, but a revision has files of its own
        return text.replace(root, folder) if folder else text

    return Program(
        command=tuple(map(placed, workload.command)),
        env={name: placed(value) for name, value in workload.env.items()},
        folder=folder or str(workload.folder or config.root),
        build=workload.version,
    )
