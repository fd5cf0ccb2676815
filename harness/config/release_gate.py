"""The arms of a release, which its gates compare instead of the versions that harness.yaml names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UsageError
from harness.model.config import Config, Workload
from harness.model.json import JsonObject, parse_json, text_at, texts_at, value_at
from harness.model.release import ARM_VERSIONS
from harness.model.split import SplitBy

VARIABLE = "HARNESS_RELEASE_GATE"
"""The environment variable that names the file which a release wrote for its gate."""
_SPLIT = 0.5
_ALONE = "alone"
"""The judge of a first release (``harness.judge.alone``)."""


def gate_document(
    *,
    service: str,
    stable: Mapping[str, str],
    target: str,
    stage: Path | None,
    approve: str = "",
    alone: bool = False,
) -> JsonObject:
    """Return the content of the file. stable: pod labels of the running build. stage: the socket of the stage.

    approve: the command with which a person approves a marginal build; empty if the release does not wait for one.
    alone: both arms run the new build, because there is no running one.
    """
    socket = None if stage is None else str(stage)
    return {
        "service": service,
        "stable": dict(stable),
        "target": target,
        "stage": socket,
        "approve": approve,
        "alone": alone,
    }


def target_of(file: Path) -> str:
    """Return where the gate runs. Raises UsageError if the file is not one of a release."""
    try:
        return text_at(parse_json(file.read_bytes()), "target")
    except (OSError, ValueError) as error:
        raise _not_ours(file, error) from error


def _not_ours(file: Path, error: Exception) -> UsageError:
    return UsageError(f"{VARIABLE}={file}: expected the arms of a release, found something else: {error}")


def with_release_arms(config: Config, file: Path) -> Config:
    """Return the configuration with the arms of a release: half of the test traffic each, and only test traffic.

    Raises UsageError if the file is not one of a release.
    """
    try:
        document = parse_json(file.read_bytes())
        service, stable = text_at(document, "service"), texts_at(document, "stable")
        stage, approve = text_at(document, "stage", default=""), text_at(document, "approve", default="")
        alone = value_at(document, "alone") is True
    except (OSError, ValueError) as error:
        raise _not_ours(file, error) from error
    if service not in config.services:
        raise UsageError(f"{VARIABLE}={file}: expected a service of {config.file}, found {service!r}")
    arms = {
        version: Workload(service=service, version=version, labels={**stable, "version": version})
        for version in ARM_VERSIONS.values()
    }
    changed = dataclasses.replace(config.services[service], versions={**config.services[service].versions, **arms})
    return dataclasses.replace(
        config,
        service=service,
        services={**config.services, service: changed},
        baseline=ARM_VERSIONS["baseline"],
        canary=ARM_VERSIONS["canary"],
        judge=_ALONE if alone else config.judge,
        canary_share=_SPLIT,
        split_by=SplitBy.WEIGHT,
        cluster=dataclasses.replace(config.cluster, fresh_arms=False, only_test_traffic=True),
        stage=Path(stage) if stage else None,
        approve=approve,
    )
