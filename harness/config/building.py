"""Build ``Config`` from checked keys: compare values with each other and with the disk, and resolve paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.config.cluster import cluster_settings
from harness.config.gauges import gauges_of, require_sources
from harness.config.globbing import MOST_ENTRIES, TooManyEntries, matching
from harness.config.indicators import check_indicators, indicators_of, tolerated
from harness.config.keys import Keys, SplitKeys
from harness.config.mistakes import dotted, mistake, require_known, wrong
from harness.config.prometheus import prometheus_access
from harness.config.publish import publish_settings
from harness.config.release import release_settings
from harness.config.serve import serve_settings
from harness.config.services import services_of
from harness.config.stand_ins import stand_ins_of
from harness.judge.objectives import default_objectives
from harness.model.config import Config, GuardSettings, LoadSettings, PhaseSettings
from harness.model.split import SplitBy
from harness.yaml_files import Document, Place


def build(keys: Keys, document: Document) -> Config:
    """Return the settings. Raises ConfigError for values that contradict each other and for missing files."""
    _check_names(keys, document)
    config = _config(keys, document)
    check_indicators(config, keys.indicators)
    config = replace(config, objectives=(*config.objectives, *tolerated(config, keys.indicators)))
    _check_arms(config)
    require_sources(config)
    return config


def _config(keys: Keys, document: Document) -> Config:
    root, judge = document.file.parent, keys.judge
    return Config(
        file=document.file,
        service=keys.service,
        target=keys.target,
        namespace=keys.namespace,
        baseline=keys.arms.baseline,
        canary=keys.arms.canary,
        canary_share=_canary_share(keys.split),
        split_by=keys.split.by,
        entry=keys.entry or keys.service,
        gateway=keys.gateway,
        services=services_of(keys.services, document),
        istio=_istio_files(keys, document),
        followed=keys.istio.followed(),
        load=_load(keys, document),
        phases=PhaseSettings(**dict(keys.phases)),
        objectives=tuple(one.parsed() for one in keys.objectives) if keys.objectives else default_objectives(),
        judge=judge.name, alpha=judge.alpha, pass_score=judge.pass_score, marginal_score=judge.marginal_score,
        baseline_error_ceiling=judge.baseline_error_ceiling,
        prometheus=None if keys.prometheus is None else keys.prometheus.address,
        prometheus_access=prometheus_access(keys.prometheus, root),
        gauges=gauges_of(keys.gauges),
        indicators=indicators_of(keys.indicators),
        publish=publish_settings(keys.publish, root),
        guards=GuardSettings(**dict(keys.guards)),
        calibration=_calibration(keys, document),
        update_calibration=judge.update_calibration,
        out=root / keys.out,
        cluster=cluster_settings(keys.cluster, root),
        recorded_env=tuple(keys.recorded_env),
        release=release_settings(keys.release, document),
        serve=serve_settings(keys.serve),
        stand_ins=stand_ins_of(keys.stand_ins, keys.services, document),
        recorded_bytes={name: one.record_bytes for name, one in keys.stand_ins.items() if one.record_bytes},
        lines={dotted(place): line for place, line in document.lines.items()},
    )  # fmt: skip


def _check_names(keys: Keys, document: Document) -> None:
    for name in keys.release.first if keys.release else ():
        require_known(document, ("release", "first", name), name, keys.services)
    require_known(document, ("service",), keys.service, keys.services)
    versions = keys.services[keys.service].versions
    require_known(document, ("arms", "baseline"), keys.arms.baseline, versions)
    require_known(document, ("arms", "canary"), keys.arms.canary, versions)
    if keys.entry is not None:
        require_known(document, ("entry",), keys.entry, keys.services)
    if keys.judge.marginal_score > keys.judge.pass_score:
        expected = f"at most the passing score {keys.judge.pass_score:g}"
        raise wrong(document, ("judge", "marginal"), expected, keys.judge.marginal_score)


def _check_arms(config: Config) -> None:
    """Raise ConfigError when both arms are the same build, or the same address."""
    if config.baseline == config.canary:
        raise config.error("arms.canary", f"expected another version than the baseline, found {config.canary} for both")
    addresses = [config.workload(config.service, arm).address for arm in (config.baseline, config.canary)]
    if addresses[0] is not None and addresses[0] == addresses[1]:
        raise config.error(
            f"services.{config.service}.versions.{config.canary}.address",
            f"expected another address than the baseline's, found {addresses[1]} for both: "
            "the canary would be compared with itself",
        )


def _canary_share(split: SplitKeys) -> float:
    if split.share is not None:
        return split.share
    return 1.0 if split.by is SplitBy.MIRROR else 0.5


def _load(keys: Keys, document: Document) -> LoadSettings:
    root, load = document.file.parent, keys.load
    for i, name in enumerate(load.folders or ()):
        if not (root / name).is_dir():
            raise wrong(document, ("load", "folders", i), f"a folder relative to {root}", name)
    folders = tuple(root / name for name in load.folders or ("loadprofiles",))
    return LoadSettings(profile=load.profile, rate_rps=load.rate_rps, arrivals=load.arrivals, folders=folders)


def _istio_files(keys: Keys, document: Document) -> tuple[Path, ...]:
    """Return the files that the patterns match, in order. Raises ConfigError for a pattern without a match."""
    root = document.file.parent
    place: Place = ("istio",) if ("istio", 0) in document.lines else ("istio", "files")
    found: list[Path] = []
    for i, pattern in enumerate(keys.istio.files):
        matches: tuple[Path, ...] = ()
        try:
            matches = matching((root / pattern).absolute())
        except TooManyEntries as error:
            most = f"a pattern for at most {MOST_ENTRIES:,} files and folders; name the folder of the resources"
            raise wrong(document, (*place, i), most, pattern) from error
        except (OSError, ValueError):  # not a valid path or pattern
            pass
        if not matches or not all(match.is_file() for match in matches):
            raise wrong(document, (*place, i), f"files relative to {root}", pattern)
        found += matches
    return tuple(found)


def _calibration(keys: Keys, document: Document) -> Path | None:
    name, root = keys.judge.calibration, document.file.parent
    if name is None and keys.judge.update_calibration:
        raise mistake(document, ("judge", "update-calibration"), "expected a file to update, as judge.calibration")
    if name is not None and not (root / name).is_file() and not keys.judge.update_calibration:
        raise mistake(document, ("judge", "calibration"), f"expected an existing file, found {name!r}")
    return None if name is None else root / name
